//! `/proc/uptime`: how long the container's clock has run, and how long its
//! CPUs were idle.
//!
//! The first field is a member of a group: `ps` subtracts from it the start
//! times that the kernel shows in `/proc/PID/stat`, and takes what is negative
//! for an age of a century. So it agrees with the kernel's clock for the
//! container: that of its time namespace if it has one, and else the host's.
//! Who wants the container's age regardless sets the knob `uptime` to `age`.
//!
//! Sources: `fs/proc/uptime.c`, `time_namespaces(7)`.
//!
//! # lxcfs
//!
//! lxcfs shows the age of the container's init, from which `ps` computes start times
//! that are wrong; on cgroup v2 the idle time equals it. Where the command of init
//! has a blank in its name, versions before a fix show a negative age.

use crate::cgroup::cpu::{self, CpuView};
use crate::cgroup::cputime::{self, CpuTimes};
use crate::contract::{Class, Entry, Kind, Need};
use crate::process;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "uptime";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/uptime",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the container's clock, and the idle time of its CPUs",
    reason: "the first field must agree with the start times in /proc/PID/stat, the second with stat (fs/proc/uptime.c)",
    needs: &[&[Need::host(HOST, "/proc/uptime"), process::CLOCK], cpu::NEEDS, cputime::NEEDS],
    history: Some(cputime::HISTORY),
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    if view.is_host() {
        out.push_str(view.text(HOST)?);
        return Ok(None);
    }
    let times = CpuTimes::read(view, &CpuView::read(view)?)?;
    let idle = times.sum().idle.nanos(view.environment().user_hz);
    out.column("uptime").push_hundredths(process::clock(view)?.centiseconds()).push_str(" ");
    out.column("idle").push_hundredths(idle.centiseconds()).push_str("\n");
    Ok(Some(times.into_state()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::{Input, Snapshot};
    use crate::testing::{SECOND, cgroup, host, snapshot};
    use alloc::string::String;
    use alloc::vec;

    const STARTED_AT_900: &str = "1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 90000 0\n";

    fn inputs() -> Vec<Input<'static>> {
        vec![
            host("cpu-online", "0-1\n"),
            host("init-stat", STARTED_AT_900),
            cgroup(
                "cpu.stat",
                0,
                1,
                "usage_usec 30000000\nuser_usec 20000000\nsystem_usec 10000000\n",
            ),
        ]
    }

    fn text(snapshot: &Snapshot<'_>) -> String {
        crate::render(ENTRY.path, snapshot).unwrap().text
    }

    #[test]
    fn agrees_with_start_times_or_shows_the_age() {
        let mut snapshot = snapshot(inputs());
        assert_eq!(text(&snapshot), "1000.00 1970.00\n");
        snapshot.environment.settings = vec![("uptime", "age")];
        assert_eq!(text(&snapshot), "100.00 170.00\n");
    }

    #[test]
    fn a_time_namespace_shifts_the_clock_and_not_the_age() {
        let mut inputs = inputs();
        inputs.push(host("init-timens_offsets", "monotonic 0 0\nboottime -900 500000000\n"));
        assert_eq!(text(&snapshot(inputs)), "100.50 171.00\n");
    }

    #[test]
    fn never_below_zero() {
        let mut inputs = inputs();
        inputs.push(host("init-timens_offsets", "boottime -5000 0\n"));
        let mut snapshot = snapshot(inputs);
        snapshot.now = 10 * SECOND;
        assert_eq!(text(&snapshot), "0.00 0.00\n");
        snapshot.environment.settings = vec![("uptime", "age")];
        assert_eq!(text(&snapshot), "0.00 0.00\n");
    }

    #[test]
    fn without_an_init_it_says_so() {
        let error = crate::render(ENTRY.path, &snapshot(vec![host("cpu-online", "0\n")]));
        assert_eq!(error, Err(Error::MissingInput("init-stat")));
    }

    #[test]
    fn the_host_sees_its_own() {
        let mut snapshot = snapshot(vec![host(HOST, "12.34 56.78\n")]);
        snapshot.is_host = true;
        assert_eq!(text(&snapshot), "12.34 56.78\n");
    }
}
