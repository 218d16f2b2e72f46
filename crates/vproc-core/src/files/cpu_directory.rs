//! `/sys/devices/system/cpu/cpuN`: the directories from which programs count
//! CPUs that do not read the lists, such as htop and older C libraries.
//!
//! A container has a directory for each CPU that it sees; what is in it stands
//! here and in [`super::cpu_topology`]. Not there: `cache`, `cpufreq`,
//! `cpuidle`, `power`, which programs take for not known.
//!
//! The kernel gives `cpuN/online` only to CPUs that can be taken offline, on
//! x86 all but CPU 0. Here each has one: programs that read it (htop, chcpu)
//! take a missing one for online, so that it does no harm where it could be
//! left out, and helps those that read it from every CPU, as other
//! architectures have it.
//!
//! Sources: `drivers/base/cpu.c`, `drivers/base/core.c` (`online_show`),
//! `kernel/cpu.c` (`active_show`).
//!
//! # lxcfs
//!
//! lxcfs passes the host's directories.

use super::cpuinfo;
use crate::cgroup::cpu::{self, CpuSet, CpuView};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, View};

/// Key of the host's list of CPUs that have a directory.
const PRESENT: &str = "present";

const HOST: &[Need] = &[Need::host(PRESENT, "/sys/devices/system/cpu/present")];

/// The directory, and which CPUs have one in it.
pub(super) static ENTRY: Entry = Entry {
    path: "/sys/devices/system/cpu",
    kind: Kind::Directory,
    mode: 0o555,
    class: Class::Virtual,
    summary: "a directory for each CPU that online lists",
    reason: "programs count these directories (glibc, psutil): as many as online says",
    needs: &[HOST, cpu::NEEDS],
    history: None,
    render: |view, out| {
        if !view.is_host() {
            out.decided_by("CPUs", CpuView::read(view)?.number());
        }
        for cpu in directories(view)?.iter() {
            out.push_str("cpu").push_digits(u64::from(cpu), 0).push_str("\n");
        }
        Ok(None)
    },
};

/// Whether a CPU is in use.
pub(super) static ONLINE: Entry = Entry {
    path: "/sys/devices/system/cpu/cpu*/online",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Constant,
    summary: "1: CPUs that the container may not use do not exist for it",
    reason: "what is not online for a container is not there",
    needs: &[HOST, cpu::NEEDS],
    history: None,
    render: |view, out| {
        if !directories(view)?.contains(view.path_number()) {
            return Err(Error::UnsupportedPath);
        }
        let is_online = CpuView::read_or_host(view)?.shown_set().contains(view.path_number());
        out.push_str(if is_online { "1\n" } else { "0\n" });
        Ok(None)
    },
};

/// Whether cores run several threads.
pub(super) static SMT_ACTIVE: Entry = Entry {
    path: "/sys/devices/system/cpu/smt/active",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "1 where two of the container's CPUs share a core",
    reason: "threads whose siblings belong to others share no core with the container's",
    needs: &[
        &[cpuinfo::TEXT, Need::host(ACTIVE, "/sys/devices/system/cpu/smt/active")],
        cpu::NEEDS,
    ],
    history: None,
    render: |view, out| {
        if view.is_host()
            && let Some(own) = view.optional(ACTIVE)?
        {
            out.push_str(own);
            return Ok(None);
        }
        let has_threads = cpuinfo::has_threads(view, &CpuView::read_or_host(view)?)?;
        out.push_str(if has_threads { "1\n" } else { "0\n" });
        Ok(None)
    },
};

/// Key of the host's own `smt/active`.
const ACTIVE: &str = "host";

/// The CPUs that have a directory: of the host also those that are plugged in
/// but not in use.
#[inline(never)] // called from several places
fn directories(view: &View<'_>) -> Result<CpuSet, Error> {
    match view.is_host() {
        true => CpuSet::parse(PRESENT, view.text(PRESENT)?),
        false => Ok(CpuView::read(view)?.shown_set()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    #[test]
    fn each_cpu_has_a_directory_in_which_it_is_online() {
        let inputs = vec![host("cpu-online", "0-7\n"), cgroup("cpuset.cpus", 0, 1, "3,5-6\n")];
        let mut snapshot = snapshot(inputs);
        let text = |path: &str, snapshot: &_| crate::render(path, snapshot).map(|done| done.text);
        assert_eq!(text(ENTRY.path, &snapshot).unwrap(), "cpu0\ncpu1\ncpu2\n");
        let online = |number, snapshot: &_| {
            text(&alloc::format!("/sys/devices/system/cpu/cpu{number}/online"), snapshot)
        };
        assert_eq!(online("2", &snapshot).unwrap(), "1\n");
        for number in ["3", "5", "02", "", "*", "4294967298", "2/x"] {
            assert_eq!(online(number, &snapshot), Err(Error::UnsupportedPath), "{number}");
        }
        snapshot.environment.settings = vec![("cpu-numbering", "host")];
        assert_eq!(text(ENTRY.path, &snapshot).unwrap(), "cpu3\ncpu5\ncpu6\n");
        assert_eq!(online("5", &snapshot).unwrap(), "1\n");
        assert_eq!(online("0", &snapshot), Err(Error::UnsupportedPath));
    }

    #[test]
    fn the_host_has_directories_of_cpus_that_are_off() {
        let mut snapshot = snapshot(vec![host("cpu-online", "0,2\n"), host(PRESENT, "0-2\n")]);
        snapshot.is_host = true;
        assert_eq!(crate::render(ENTRY.path, &snapshot).unwrap().text, "cpu0\ncpu1\ncpu2\n");
        for (path, text) in [
            ("/sys/devices/system/cpu/cpu1/online", "0\n"),
            ("/sys/devices/system/cpu/cpu2/online", "1\n"),
        ] {
            assert_eq!(crate::render(path, &snapshot).unwrap().text, text, "{path}");
        }
    }
}
