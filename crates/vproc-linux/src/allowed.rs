//! Which files a policy may name.

use vproc_snapshot::{CgroupVersion, Process, Source};

/// A source that no policy may name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{wanted}` may not be read for a policy: {reason}")]
pub struct RefusedSource {
    /// What was asked for.
    pub wanted: Source,
    /// Why not.
    pub reason: &'static str,
}

/// Refuses sources that lie outside of what a policy may see: whatever would
/// tell a container about something else than load, capacity and the kernel,
/// and whatever does something when it is read.
pub fn check_sources(sources: &[Source]) -> Result<(), RefusedSource> {
    sources.iter().try_for_each(|wanted| {
        let checked = match wanted {
            Source::Host(path) => host_file(path),
            Source::Cgroup { version, controller, name, .. } => {
                cgroup_file(*version, controller, name)
            }
            Source::Process { of, name } => process_file(*of, name),
            Source::Namespaced(path) => namespaced_file(path),
            Source::Tasks | Source::Processes => Ok(()),
        };
        checked.map_err(|reason| RefusedSource { wanted: wanted.clone(), reason })
    })
}

type Checked = Result<(), &'static str>;

const BELONGS_TO_READER: &str = "its text depends on who reads it";
const SECRET: &str = "it shows memory, keys or addresses of the kernel";
const ROOT_ONLY: &str = "only root may read it";
const ACTS: &str = "it is there to be written to";

/// Entries directly below `/proc`. Files whose mode keeps others out are
/// refused when they are opened, too; here are those of which we know, and
/// those that tell root more than others.
const PROC_REFUSED: [(&[&str], &str); 4] = [
    (&["self", "thread-self", "mounts", "net", "sysvipc", "key-users"], BELONGS_TO_READER),
    (
        &[
            "kcore",
            "keys",
            "kmsg",
            "kpagecgroup",
            "kpagecount",
            "kpageflags",
            "vmcore",
            "vmallocinfo",
            "timer_list",
            "timer_stats",
            "sched_debug",
        ],
        SECRET,
    ),
    (
        &[
            "allocinfo",
            "dynamic_debug",
            "latency_stats",
            "lock_stat",
            "lockdep",
            "lockdep_chains",
            "lockdep_stats",
            "pagetypeinfo",
            "profile",
        ],
        ROOT_ONLY,
    ),
    (&["sysrq-trigger", "mtrr"], ACTS),
];

/// Files in which the kernel prints addresses to whoever opened them with
/// privileges, and zeros to others: they are opened without.
pub(crate) const WITHOUT_PRIVILEGES: [&str; 4] = ["iomem", "ioports", "kallsyms", "modules"];

/// Files that only root may read, and that a policy may nevertheless show: of
/// the kernel's objects, `slabinfo` only says how many there are.
pub(crate) const ROOT_ONLY_ALLOWED: [&str; 1] = ["slabinfo"];

fn host_file(path: &str) -> Checked {
    let rest = path.strip_prefix('/').ok_or("the path is not absolute")?;
    if path.len() > 1024 || path.chars().any(|char| char.is_control()) {
        return Err("the path is too long or has control characters");
    }
    if rest.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err("the path is not normalised");
    }
    if let Some(below) = rest.strip_prefix("proc/") {
        return proc_file(below);
    }
    let is_topology = ["sys/devices/system/cpu/", "sys/devices/system/node/"]
        .iter()
        .any(|directory| rest.starts_with(directory));
    if is_topology {
        Ok(())
    } else {
        Err("only files below /proc and /sys/devices/system/{cpu,node} may be read")
    }
}

fn proc_file(path: &str) -> Checked {
    let first = path.split('/').next().unwrap_or(path);
    if first.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("files of a process are asked for as `process:`");
    }
    if path == "sys/net" || path.starts_with("sys/net/") {
        return Err(BELONGS_TO_READER);
    }
    match PROC_REFUSED.iter().find(|(names, _)| names.contains(&first)) {
        Some((_, reason)) => Err(reason),
        None => Ok(()),
    }
}

/// Cgroup files that are written to, or that hold ids or paths of the host.
const CGROUP_REFUSED: [(&[&str], &str); 2] = [
    (
        &[
            "cgroup.kill",
            "cgroup.event_control",
            "memory.reclaim",
            "memory.force_empty",
            "memory.pressure_level",
            "blkio.reset_stats",
            "devices.allow",
            "devices.deny",
        ],
        ACTS,
    ),
    (
        &["cgroup.procs", "cgroup.threads", "tasks", "release_agent"],
        "it has process ids or paths of the host; tasks are asked for as `tasks`",
    ),
];

fn cgroup_file(version: CgroupVersion, controller: &str, name: &str) -> Checked {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_hierarchy_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let is_controller = match (version, controller) {
        (CgroupVersion::V1, "") => false,
        (CgroupVersion::V1, _) => {
            controller.strip_prefix("name=").map_or_else(|| is_word(controller), is_hierarchy_name)
        }
        (CgroupVersion::V2, _) => is_word(controller),
    };
    if !is_controller {
        return Err("the controller is no word such as `memory`");
    }
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    if name.is_empty() || name.len() > 255 || name.starts_with('.') || !is_name(name) {
        return Err("the name of a cgroup file has letters, digits, `_` and `.` only");
    }
    match CGROUP_REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        Some((_, reason)) => Err(reason),
        None => Ok(()),
    }
}

/// Files of any process that tell what its container is.
const OF_ANY_PROCESS: [&str; 11] = [
    "stat",
    "status",
    "timens_offsets",
    "cgroup",
    "cpuset",
    "mountinfo",
    "uid_map",
    "gid_map",
    "root",
    "ns/mnt",
    "ns/user",
];

/// Files of the process that a path names, which is one of the container's:
/// what it may see of itself. Not memory itself, nor what is written to.
const OF_NAMED_PROCESS: [&str; 46] = [
    "statm",
    "sched",
    "schedstat",
    "cmdline",
    "comm",
    "environ",
    "auxv",
    "limits",
    "io",
    "maps",
    "smaps_rollup",
    "mounts",
    "oom_score",
    "oom_score_adj",
    "oom_adj",
    "wchan",
    "syscall",
    "personality",
    "loginuid",
    "sessionid",
    "setgroups",
    "children",
    "exe",
    "cwd",
    "ns/cgroup",
    "ns/ipc",
    "ns/net",
    "ns/pid",
    "ns/pid_for_children",
    "ns/time",
    "ns/time_for_children",
    "ns/uts",
    "net/arp",
    "net/dev",
    "net/if_inet6",
    "net/ipv6_route",
    "net/netstat",
    "net/route",
    "net/snmp",
    "net/snmp6",
    "net/sockstat",
    "net/sockstat6",
    "fd/",
    "fd/*",
    "fdinfo/",
    "fdinfo/*",
];

fn process_file(of: Process, name: &str) -> Checked {
    let is_named = matches!(of, Process::Path | Process::Numbered(_) | Process::Thread(..));
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let pattern = match name.split_once('/') {
        Some(("fd", number)) if !number.is_empty() && is_number(number) => "fd/*",
        Some(("fdinfo", number)) if !number.is_empty() && is_number(number) => "fdinfo/*",
        _ => name,
    };
    let is_allowed = OF_ANY_PROCESS.contains(&name)
        || is_named && (OF_NAMED_PROCESS.contains(&pattern) || name == "task/");
    if is_allowed { Ok(()) } else { Err("this file of a process is not one that may be read") }
}

/// Files of which each namespace has its own, or that show what is in one.
/// Secrets among them, such as `tcp_fastopen_key`, are refused by their mode.
const NAMESPACED: [&str; 23] = [
    "sys/kernel/hostname",
    "sys/kernel/domainname",
    "sys/kernel/ostype",
    "sys/kernel/osrelease",
    "sys/kernel/version",
    "sys/kernel/auto_msgmni",
    "sys/kernel/msg_next_id",
    "sys/kernel/msgmax",
    "sys/kernel/msgmnb",
    "sys/kernel/msgmni",
    "sys/kernel/sem",
    "sys/kernel/sem_next_id",
    "sys/kernel/shm_next_id",
    "sys/kernel/shm_rmid_forced",
    "sys/kernel/shmall",
    "sys/kernel/shmmax",
    "sys/kernel/shmmni",
    "sys/kernel/pid_max",
    "sys/kernel/ns_last_pid",
    "sys/vm/memfd_noexec",
    "sysvipc/msg",
    "sysvipc/sem",
    "sysvipc/shm",
];

/// Directories of which each namespace has its own.
const NAMESPACED_BELOW: [&str; 3] = ["sys/fs/mqueue/", "sys/net/", "sys/user/"];

fn namespaced_file(path: &str) -> Checked {
    let below = path.strip_prefix("/proc/").ok_or("the path is not below /proc")?;
    if path.len() > 1024 || path.chars().any(|char| char.is_control()) {
        return Err("the path is too long or has control characters");
    }
    if below.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err("the path is not normalised");
    }
    let is_one = NAMESPACED.contains(&below);
    if is_one || NAMESPACED_BELOW.iter().any(|directory| below.starts_with(directory)) {
        Ok(())
    } else {
        Err("it does not depend on the container's namespaces")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(source: &str) -> Checked {
        check_sources(&[source.parse().unwrap()]).map_err(|refused| refused.reason)
    }

    #[test]
    fn what_policies_need_is_allowed() {
        for source in [
            "host:/proc/meminfo",
            "host:/proc/pressure/cpu",
            "host:/proc/sys/kernel/random/boot_id",
            "host:/proc/slabinfo",
            "host:/proc/modules",
            "host:/proc/driver/nvidia/version",
            "host:/proc/netfilter",
            "host:/sys/devices/system/cpu/online",
            "host:/sys/devices/system/node/node0/meminfo",
            "cgroup2:memory/memory.max@lineage",
            "cgroup2:/cpu.stat@nearest",
            "cgroup2:hugetlb/hugetlb.2MB.max@leaf",
            "cgroup1:cpuacct/cpuacct.usage_percpu_user@leaf",
            "cgroup1:name=systemd/notify_on_release@leaf",
            "process:init/stat",
            "process:subject/timens_offsets",
            "namespaced:/proc/sys/kernel/hostname",
            "namespaced:/proc/sys/net/core/somaxconn",
            "namespaced:/proc/sysvipc/shm",
            "process:subject/ns/mnt",
            "process:path/environ",
            "process:path/fd/*",
            "process:17/fd/3",
            "process:17/task/18/ns/pid",
            "process:17/task/",
            "tasks",
            "processes",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn host_files_outside_are_refused() {
        for path in [
            "",
            "/",
            "proc/meminfo",
            "/proc",
            "/proc/",
            "/proc//meminfo",
            "/proc/./meminfo",
            "/proc/../etc/shadow",
            "/proc/sys/../../etc/shadow",
            "/proc/meminfo/",
            "/etc/shadow",
            "/process/x",
            "/sys/devices/system/cpu",
            "/sys/devices/system/memory/block_size_bytes",
            "/sys/devices/system/cpu/../../../kernel/notes",
            "/proc/1/environ",
            "/proc/42",
            "/proc/self/environ",
            "/proc/thread-self/environ",
            "/proc/mounts",
            "/proc/net/tcp",
            "/proc/sys/net/ipv4/tcp_fastopen_key",
            "/proc/kcore",
            "/proc/keys",
            "/proc/key-users",
            "/proc/kpageflags",
            "/proc/kmsg",
            "/proc/sysrq-trigger",
            "/proc/timer_list",
            "/proc/vmcore",
            "/proc/dynamic_debug/control",
            "/proc/mem\ninfo",
            "/proc/mem\0info",
        ] {
            assert!(check_sources(&[Source::Host(path.to_owned())]).is_err(), "{path:?}");
        }
    }

    #[test]
    fn cgroup_files_are_single_names() {
        for source in [
            "cgroup2:memory/../memory.max@leaf",
            "cgroup2:memory/..@leaf",
            "cgroup2:memory/.hidden@leaf",
            "cgroup2:memory/@leaf",
            "cgroup2:memory/memory max@leaf",
            "cgroup2:Memory/memory.max@leaf",
            "cgroup2:name=systemd/tasks@leaf",
            "cgroup1:/memory.stat@leaf",
            "cgroup1:name=/memory.stat@leaf",
            "cgroup1:name=a:b/memory.stat@leaf",
            "cgroup1:cpu,cpuacct/cpu.stat@leaf",
            "cgroup2:/cgroup.kill@leaf",
            "cgroup2:memory/memory.reclaim@leaf",
            "cgroup2:/cgroup.procs@leaf",
            "cgroup1:memory/cgroup.event_control@leaf",
            "cgroup1:memory/release_agent@lineage",
            "process:init/environ",
            "process:subject/../1/stat",
            "namespaced:/proc/meminfo",
            "namespaced:/proc/sys/vm/swappiness",
            "namespaced:/proc/sys/net/../kernel/core_pattern",
            "namespaced:/proc/sys/net/",
            "namespaced:/proc/self/environ",
            "namespaced:/etc/shadow",
            "process:subject/exe",
            "process:reader/environ",
            "process:path/mem",
            "process:path/map_files/",
            "process:path/attr/current",
            "process:path/fd/../mem",
            "process:path/fdinfo/x",
            "process:17/root/etc/shadow",
            "process:17/cwd/x",
            "process:17/task/18/mem",
        ] {
            assert!(check(source).is_err(), "{source}");
        }
    }

    #[test]
    fn the_refusal_says_what_and_why() {
        let refused =
            check_sources(&["tasks".parse().unwrap(), "host:/proc/kcore".parse().unwrap()]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "`host:/proc/kcore` may not be read for a policy: \
             it shows memory, keys or addresses of the kernel"
        );
    }
}
