//! The lists of CPUs below `/sys/devices/system/cpu`, from which the C library
//! counts processors: `online` for `_SC_NPROCESSORS_ONLN`, `possible` for
//! `_SC_NPROCESSORS_CONF`.
//!
//! A container's CPUs are all there is: what it sees is online, present and
//! possible, and nothing is offline.
//!
//! Source of the layout: `drivers/base/cpu.c`.
//!
//! # lxcfs
//!
//! lxcfs computes `online`; `possible`, `present` and `offline` are the host's, so
//! that programs which count configured CPUs count the host's.

use crate::cgroup::cpu::{self, CpuView};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

/// Key of the file itself, other than `online`, which the CPU view reads.
const ITSELF: &str = "host";

/// CPUs in use.
pub(super) static ONLINE: Entry = Entry {
    path: "/sys/devices/system/cpu/online",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the CPUs of the cpuset, clipped by the CPU quota",
    reason: "glibc counts CPUs by this file, so that pools of threads are sized by it (sysdeps/unix/sysv/linux/getsysstats.c)",
    needs: &[cpu::NEEDS],
    history: None,
    render: |view, out| shown(view, cpu::ONLINE, out),
};

/// CPUs that could ever be in use.
pub(super) static POSSIBLE: Entry = Entry {
    path: "/sys/devices/system/cpu/possible",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the same CPUs as online: no others can appear",
    reason: "_SC_NPROCESSORS_CONF; a cpuset does not grow by hotplug",
    needs: &[&[Need::host(ITSELF, "/sys/devices/system/cpu/possible")], cpu::NEEDS],
    history: None,
    render: |view, out| shown(view, ITSELF, out),
};

/// CPUs that are plugged in.
pub(super) static PRESENT: Entry = Entry {
    path: "/sys/devices/system/cpu/present",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the same CPUs as online",
    reason: "as possible",
    needs: &[&[Need::host(ITSELF, "/sys/devices/system/cpu/present")], cpu::NEEDS],
    history: None,
    render: |view, out| shown(view, ITSELF, out),
};

/// CPUs that are not in use.
pub(super) static OFFLINE: Entry = Entry {
    path: "/sys/devices/system/cpu/offline",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Constant,
    summary: "an empty list: CPUs that the container may not use do not exist for it",
    reason: "as possible",
    needs: &[&[Need::host(ITSELF, "/sys/devices/system/cpu/offline")]],
    history: None,
    render: |view, out| {
        out.push_str(if view.is_host() { view.text(ITSELF)? } else { "\n" });
        Ok(None)
    },
};

/// CPUs that the scheduler leaves alone, `isolcpus=`.
pub(super) static ISOLATED: Entry = Entry {
    path: "/sys/devices/system/cpu/isolated",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Constant,
    summary: "an empty list: the container's CPUs are there to be scheduled on",
    reason: "housekeeping of the host says nothing about what the container may run",
    needs: &[&[Need::host(ITSELF, "/sys/devices/system/cpu/isolated")]],
    history: None,
    render: none,
};

/// CPUs without a timer tick, `nohz_full=`.
pub(super) static NOHZ_FULL: Entry = Entry {
    path: "/sys/devices/system/cpu/nohz_full",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Constant,
    summary: "an empty list, as isolated",
    reason: "as isolated",
    needs: &[&[Need::host(ITSELF, "/sys/devices/system/cpu/nohz_full")]],
    history: None,
    render: none,
};

/// An empty list. The host itself sees its own, which a kernel that was built
/// without the feature does not have.
fn none(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let own = if view.is_host() { view.optional(ITSELF)? } else { None };
    out.push_str(own.unwrap_or("\n"));
    Ok(None)
}

fn shown(view: &View<'_>, host: &'static str, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    if view.is_host() {
        out.push_str(view.text(host)?);
    } else {
        let cpus = CpuView::read(view)?;
        out.label("CPUs").push_cpus(cpus.number(), |out| cpus.shown_set().print_list(out));
        out.push_str("\n");
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    #[test]
    fn all_lists_agree() {
        let inputs = vec![host("cpu-online", "0-7\n"), cgroup("cpu.max", 0, 1, "150000 100000\n")];
        let snapshot = snapshot(inputs);
        for entry in [&ONLINE, &POSSIBLE, &PRESENT] {
            assert_eq!(crate::render(entry.path, &snapshot).unwrap().text, "0-1\n");
        }
        assert_eq!(crate::render(OFFLINE.path, &snapshot).unwrap().text, "\n");
    }

    #[test]
    fn the_host_sees_its_own() {
        let inputs = vec![host("cpu-online", "0-3\n"), host(ITSELF, "0-127\n")];
        let mut snapshot = snapshot(inputs);
        snapshot.is_host = true;
        for entry in [&POSSIBLE, &PRESENT, &OFFLINE] {
            assert_eq!(crate::render(entry.path, &snapshot).unwrap().text, "0-127\n");
        }
        assert_eq!(crate::render(ONLINE.path, &snapshot).unwrap().text, "0-3\n");
    }
}
