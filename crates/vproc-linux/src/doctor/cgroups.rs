//! The cgroup hierarchies and what their files tell beyond limits.

use super::{Check, Machine, read};
use crate::HostPid;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use vproc_snapshot::{CgroupLayout, CgroupVersion};

/// `PROC_CGROUP_INIT_INO` of include/linux/proc_ns.h: the number of the
/// namespace that the kernel starts with.
const INITIAL_NAMESPACE: &str = "cgroup:[4026531835]";

/// How many groups below the root are looked at for a file that the root
/// itself does not have.
const PROBES: usize = 64;

pub(super) fn examine(machine: &Machine) -> Vec<Check> {
    vec![
        layout(machine),
        namespace(),
        new_groups(machine),
        swap(machine),
        zswap(machine),
        host_pressure(),
        group_pressure(machine),
        nice_time(machine),
    ]
}

fn layout(machine: &Machine) -> Check {
    let name = "cgroup layout";
    let layout = match machine.hierarchies.layout() {
        CgroupLayout::None => {
            return Check::missing(name, "no hierarchy is mounted")
                .costs("no limit and no use of any container can be read")
                .remedy("mount -t cgroup2 none /sys/fs/cgroup");
        }
        CgroupLayout::V1 => "v1",
        CgroupLayout::V2 => "v2",
        CgroupLayout::Hybrid => "hybrid",
    };
    let mounts = machine.hierarchies.all().iter().flat_map(|hierarchy| {
        let kind = match hierarchy.version() {
            CgroupVersion::V1 => hierarchy.controllers().join(","),
            CgroupVersion::V2 => "v2".to_owned(),
        };
        hierarchy.mount_points().map(move |point| format!("{kind} at {}", point.display()))
    });
    Check::ok(name, format!("{layout}: {}", mounts.collect::<Vec<_>>().join("; ")))
}

fn namespace() -> Check {
    let name = "cgroup namespace";
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/cgroup"));
    let own = match of("self") {
        Ok(own) => own,
        Err(error) => {
            return Check::missing(name, format!("/proc/self/ns/cgroup: {error}"))
                .costs("containers see the paths of their groups on the host");
        }
    };
    if own.as_os_str() == INITIAL_NAMESPACE {
        return Check::ok(name, "the host's own");
    }
    let whose = match of(&HostPid::INIT.to_string()) {
        Ok(init) if init == own => "a container's, as process 1 has it",
        Ok(_) => "another than process 1 has",
        Err(_) => "a container's",
    };
    Check::limited(name, whose)
        .costs("limits above the namespace's root do not count, because they cannot be seen")
        .remedy(
            "run in the host's cgroup namespace (docker run --cgroupns=host, hostPID with nsenter)",
        )
}

fn new_groups(machine: &Machine) -> Check {
    let name = "new groups";
    let tops = machine.hierarchies.all().iter().filter_map(|one| one.mount_points().next());
    let refused: Vec<(&Path, Errno)> = tops
        .filter_map(|top| access(top, Access::WRITE_OK).err().map(|errno| (top, errno)))
        .collect();
    let Some((top, errno)) = refused.first() else {
        return Check::ok(name, "may be made below the root");
    };
    let others = match refused.len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    Check::limited(name, format!("{}: {errno}{others}", top.display()))
        .costs("`run` cannot put a command into a group of its own")
        .remedy("run as root, with cgroupfs mounted for writing")
}

/// A file of any group but the root: the top of a mount where that is one,
/// or one of the groups right below.
fn probe(machine: &Machine, version: CgroupVersion, name: &str) -> Option<PathBuf> {
    let tops = machine.hierarchies.all().iter().filter(|one| one.version() == version);
    tops.filter_map(|hierarchy| hierarchy.mount_points().next()).find_map(|top| {
        let below = fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
        std::iter::once(top.to_owned())
            .chain(below.filter(|path| path.is_dir()).take(PROBES))
            .map(|group| group.join(name))
            .find(|file| file.exists())
    })
}

fn swap(machine: &Machine) -> Check {
    let name = "swap accounting";
    let swaps = read(Path::new("/proc/swaps")).unwrap_or_default();
    let host = match swaps.lines().count().saturating_sub(1) {
        0 => "the host has no swap".to_owned(),
        areas => format!("the host has {areas} area{} of swap", if areas == 1 { "" } else { "s" }),
    };
    let v1 = probe(machine, CgroupVersion::V1, "memory.memsw.limit_in_bytes");
    let v2 = probe(machine, CgroupVersion::V2, "memory.swap.max");
    match v1.map(|_| "memory.memsw.*").or(v2.map(|_| "memory.swap.*")) {
        Some(files) => Check::ok(name, format!("{files}; {host}")),
        None if swaps.lines().count() <= 1 => Check::ok(name, format!("not found; {host}")),
        None if is_unseen_in_v2(machine) && !boot_options().contains("swapaccount=0") => {
            Check::ok(name, format!("{UNSEEN}, on by default; {host}"))
        }
        None => Check::missing(name, format!("no group has swap files; {host}"))
            .costs("meminfo and swaps show no swap, and `run --swap` is refused")
            .remedy("boot with swapaccount=1 (needs CONFIG_SWAP)"),
    }
}

const UNSEEN: &str = "there is no group to look at";

/// Whether v2 has the memory controller, but no group that it shows in: the
/// root has none of its limits.
fn is_unseen_in_v2(machine: &Machine) -> bool {
    let tops = machine.hierarchies.all().iter().filter(|one| one.version() == CgroupVersion::V2);
    let has_memory = tops.filter_map(|one| one.mount_points().next()).any(|top| {
        let controllers = read(&top.join("cgroup.controllers")).unwrap_or_default();
        controllers.split(' ').any(|name| name == "memory")
    });
    has_memory && probe(machine, CgroupVersion::V2, "memory.max").is_none()
}

fn boot_options() -> String {
    read(Path::new("/proc/cmdline")).unwrap_or_default()
}

fn zswap(machine: &Machine) -> Check {
    let name = "zswap";
    match read(Path::new("/sys/module/zswap/parameters/enabled")).as_deref() {
        Err(_) => Check::ok(name, "not in this kernel"),
        Ok("N" | "n" | "0") => Check::ok(name, "off"),
        Ok(_) if probe(machine, CgroupVersion::V2, "memory.zswap.current").is_some() => {
            Check::ok(name, "on, and counted for each group")
        }
        Ok(_) if is_unseen_in_v2(machine) && machine.has_kernel(5, 19) => {
            Check::ok(name, format!("on; {UNSEEN}, counted by default"))
        }
        Ok(_) => Check::limited(name, "on, but not counted for each group")
            .costs("Zswap and Zswapped in meminfo are 0")
            .remedy("cgroup v2 with the memory controller, and Linux 5.19 or newer"),
    }
}

fn host_pressure() -> Check {
    let name = "pressure of the host";
    match fs::read_to_string("/proc/pressure/cpu") {
        Ok(_) => Check::ok(name, "/proc/pressure"),
        Err(error) => {
            // With psi=0 the files are absent on new kernels, and on older
            // ones opening them is EOPNOTSUPP.
            let reason = match error.kind() {
                ErrorKind::NotFound | ErrorKind::Unsupported => "off, or not in this kernel",
                _ => "not readable",
            };
            Check::missing(name, format!("{reason}: {error}"))
                .costs("there is no /proc/pressure to show in a container")
                .remedy("boot with psi=1 (needs CONFIG_PSI)")
        }
    }
}

fn group_pressure(machine: &Machine) -> Check {
    let name = "pressure of groups";
    if let Some(file) = probe(machine, CgroupVersion::V2, "cpu.pressure") {
        return Check::ok(name, format!("as in {}", file.display()));
    }
    let has_v2 = machine.hierarchies.all().iter().any(|one| one.version() == CgroupVersion::V2);
    let (finding, remedy) = if has_v2 {
        ("v2 groups have no cpu.pressure", "boot with psi=1 (needs CONFIG_PSI)")
    } else {
        ("cgroup v1 has none", "mount -t cgroup2 none /sys/fs/cgroup/unified, and use its groups")
    };
    Check::missing(name, finding)
        .costs("/proc/pressure in a container shows no stall")
        .remedy(remedy)
}

fn nice_time(machine: &Machine) -> Check {
    let name = "nice time of groups";
    let file = probe(machine, CgroupVersion::V2, "cpu.stat");
    let counted = file
        .and_then(|file| read(&file).ok())
        .is_some_and(|text| text.lines().any(|line| line.starts_with("nice_usec ")));
    if counted {
        return Check::ok(name, "nice_usec in cpu.stat");
    }
    Check::limited(name, "no nice_usec in any v2 cpu.stat")
        .costs("stat shows the CPU time of niced processes as user time")
        .remedy("a v2 hierarchy, and Linux 6.12 or newer")
}
