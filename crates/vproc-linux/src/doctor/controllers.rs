//! Each controller, and the mount that has it.

use super::{Check, Machine, Status, read};
use std::path::Path;
use vproc_snapshot::CgroupVersion;

/// A controller that rendered files need.
struct Controller {
    /// Its name in v1; the files of v2 that correspond may have another.
    v1: &'static str,
    v2: &'static str,
    cost: &'static str,
}

const CONTROLLERS: [Controller; 7] = [
    Controller {
        v1: "memory",
        v2: "memory",
        cost: "meminfo, swaps and vmstat know neither the limit nor the use of a container's memory",
    },
    Controller {
        v1: "cpu",
        v2: "cpu",
        cost: "a quota of CPU time does not show in the number of CPUs, nor throttling in stat",
    },
    Controller {
        v1: "cpuacct",
        v2: CPU_STAT,
        cost: "stat, uptime and loadavg cannot count a container's CPU time",
    },
    Controller {
        v1: "cpuset",
        v2: "cpuset",
        cost: "a container's set of CPUs does not show in cpuinfo, stat and the lists of CPUs",
    },
    Controller {
        v1: "blkio",
        v2: "io",
        cost: "diskstats and vmstat cannot count a container's I/O",
    },
    Controller {
        v1: "pids",
        v2: "pids",
        cost: "the number of forks in stat is an estimate, and `run` cannot limit processes",
    },
    Controller {
        v1: "hugetlb",
        v2: "hugetlb",
        cost: "meminfo does not know a container's huge pages",
    },
];

/// Stands for the file that every v2 group has without any controller.
const CPU_STAT: &str = "cpu.stat";

pub(super) fn examine(machine: &Machine) -> Vec<Check> {
    CONTROLLERS.iter().map(|controller| examine_one(machine, controller)).collect()
}

fn examine_one(machine: &Machine, controller: &Controller) -> Check {
    let name = match controller.v2 {
        "io" => "controller io".to_owned(),
        _ => format!("controller {}", controller.v1),
    };
    let mut best = find_in_proc_cgroups(&name, controller);
    for hierarchy in machine.hierarchies.all() {
        let Some(top) = hierarchy.mount_points().next() else { continue };
        let found = match hierarchy.version() {
            CgroupVersion::V1 => hierarchy
                .controllers()
                .iter()
                .any(|name| name == controller.v1)
                .then(|| Check::ok(&name, format!("v1 at {}", top.display()))),
            CgroupVersion::V2 => find_in_v2(&name, controller, top),
        };
        best = found.filter(|found| found.status < best.status).unwrap_or(best);
    }
    if best.status == Status::Ok { best } else { best.costs(controller.cost) }
}

fn find_in_v2(name: &str, controller: &Controller, top: &Path) -> Option<Check> {
    if controller.v2 == CPU_STAT {
        let file = top.join(CPU_STAT);
        return file.exists().then(|| Check::ok(name, format!("v2: {}", file.display())));
    }
    let lists = |file: &str| {
        let words = read(&top.join(file)).unwrap_or_default();
        words.split(' ').any(|word| word == controller.v2)
    };
    if lists("cgroup.subtree_control") {
        Some(Check::ok(name, format!("v2 at {}", top.display())))
    } else if lists("cgroup.controllers") {
        let file = top.join("cgroup.subtree_control");
        let finding = format!("v2 at {}, but not passed on to the groups below", top.display());
        let remedy = format!("echo +{} >{}", controller.v2, file.display());
        Some(Check::limited(name, finding).remedy(remedy))
    } else {
        None
    }
}

/// Why a controller is nowhere mounted. `/proc/cgroups` has been v1's since
/// Linux 6.12 and may leave out what only v2 has.
fn find_in_proc_cgroups(name: &str, controller: &Controller) -> Check {
    let text = read(Path::new("/proc/cgroups")).unwrap_or_default();
    let enabled = text.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        (fields.next() == Some(controller.v1)).then(|| fields.nth(2) == Some("1"))
    });
    match enabled {
        Some(true) => Check::missing(name, "in the kernel, but nowhere mounted").remedy(format!(
            "mount -t cgroup -o {0} none /sys/fs/cgroup/{0}, or cgroup2",
            controller.v1
        )),
        Some(false) => Check::missing(name, "switched off at boot").remedy(format!(
            "boot with cgroup_enable={0}, or without cgroup_disable={0}",
            controller.v1
        )),
        None => Check::missing(name, "not in this kernel, or not delegated to this container"),
    }
}
