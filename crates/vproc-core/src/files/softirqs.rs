//! `/proc/softirqs`: which softirqs there are, on the container's CPUs.
//!
//! The rows are the host's. The kernel has a column for each CPU that could
//! exist, and for a container no others can than those that it sees: the CPUs
//! that `/sys/devices/system/cpu/possible` lists. Every count is 0, for the
//! reason that [`super::interrupts`] gives, as in the `softirq` line of
//! `/proc/stat`.
//!
//! Source of the layout: `show_softirqs` in `fs/proc/softirqs.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use super::interrupts::uncounted;
use crate::cgroup::cpu;
use crate::contract::{Class, Entry, Kind, Need};

const HOST: &str = "softirqs";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/softirqs",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the host's rows with the container's CPUs as columns; no counts",
    reason: "counts are everybody's network, disk and timers (fs/proc/softirqs.c)",
    needs: &[&[Need::host(HOST, "/proc/softirqs")], cpu::NEEDS],
    history: None,
    render: |view, out| uncounted(view, HOST, out),
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    #[test]
    fn possible_cpus_are_the_containers() {
        let text = "                    CPU0       CPU1       CPU2       CPU3       
          HI:          3          0          1          0
       TIMER:    2776180     247490    2483789   12345678
         RCU: 1234567890          0          0          0
";
        let inputs = vec![
            host(HOST, text),
            host("cpu-online", "0-2\n"),
            cgroup("cpuset.cpus", 0, 1, "1-2\n"),
        ];
        let expected = "                    CPU0       CPU1       
          HI:          0          0
       TIMER:          0          0
         RCU:          0          0
";
        assert_eq!(crate::render(ENTRY.path, &snapshot(inputs)).unwrap().text, expected);
    }
}
