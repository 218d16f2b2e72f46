//! `/proc/PID`: the container's processes, in its own numbers.
//!
//! Where a container has mounted a procfs, the kernel does all of this by
//! itself, relative to the pid namespace of that mount and to the reader. These
//! entries are for those that have none: a guest in wasm, another machine, the
//! host's administrator. Each takes the text that the *host's* procfs has for
//! the process, and changes what a reader inside of the container would read
//! differently:
//!
//! | what | becomes |
//! |---|---|
//! | ids of processes, groups, sessions | the container's numbers; 0 for a process outside |
//! | user and group ids | through the container's `uid_map`; 65534 for others |
//! | start times | on the container's clock, as `/proc/uptime` is |
//! | numbers of CPUs and of memory nodes | as `/proc/cpuinfo` and `/proc/zoneinfo` number them |
//! | paths of cgroups | below the group of the container |
//! | paths of files | below the container's root; `(unreachable)` outside |
//! | what ptrace(2) guards | nothing, up to the rank that `process-rank` gives |
//!
//! Sources: `fs/proc/base.c` (`tgid_base_stuff`, `tid_base_stuff`),
//! `fs/proc/array.c`, `Documentation/filesystems/proc.rst`.
//!
//! # lxcfs
//!
//! lxcfs does not have these files.

mod fdinfo;
mod groups;
mod guarded;
mod hidden;
mod ids;
mod listing;
mod locks;
mod mounts;
mod net;
mod oom;
mod places;
mod raw;
mod sched;
mod stat;
mod status;
mod users;

use crate::contract::{Class, Entry, Environment, Kind, Need, Process};
use crate::knobs::{Knobs, Rank};
use crate::{Error, Text, View};
use alloc::vec::Vec;
use guarded::{links, passed};

/// Every entry below `/proc/PID`, and those that name processes.
pub static ENTRIES: &[&[Entry]] =
    &[listing::ENTRIES, locks::ENTRIES, OF_PROCESS, OF_THREAD, net::ENTRIES, hidden::ENTRIES];

type Rendered = Result<Option<Vec<u8>>, Error>;

/// Entries that a process has, and each of its threads too.
macro_rules! both {
    ($($name:literal $kind:ident $mode:literal $class:ident
        [$($needs:expr),*] $render:expr, $summary:expr, $reason:expr;)*) => {
        static OF_PROCESS: &[Entry] =
            &[$(both!(@ "/proc/*/" $name $kind $mode $class [$($needs),*] $render, $summary, $reason)),*];
        static OF_THREAD: &[Entry] =
            &[$(both!(@ "/proc/*/task/*/" $name $kind $mode $class [$($needs),*] $render, $summary, $reason)),*];
    };
    (@ $at:literal $name:literal $kind:ident $mode:literal $class:ident
        [$($needs:expr),*] $render:expr, $summary:expr, $reason:expr) => {
        Entry {
            path: concat!($at, $name),
            kind: Kind::$kind,
            mode: $mode,
            class: Class::$class,
            summary: $summary,
            reason: $reason,
            needs: &[$($needs),*],
            history: None,
            render: $render,
        }
    };
}
both! {
    "stat" File 0o444 Filtered [stat::NEEDS, ids::NEEDS, stat::CLOCK, crate::cgroup::cpu::NEEDS] stat::render,
        "state and counters on one line, in the container's ids, CPUs and time",
        "do_task_stat of fs/proc/array.c; addresses and the exit code need the rank `read`";
    "status" File 0o444 Filtered [status::NEEDS, ids::NEEDS, users::NEEDS, crate::cgroup::cpu::NEEDS, crate::cgroup::nodes::NEEDS] status::render,
        "state for people, in the container's process, user and group ids and CPUs",
        "proc_pid_status of fs/proc/array.c";
    "statm" File 0o444 Passed [passed!("statm")] passed!(@ "statm"),
        "memory in pages", "names nothing of the host (proc_pid_statm)";
    "cmdline" File 0o444 Passed [passed!("cmdline")] passed!(@ "cmdline"),
        "the arguments", "the process's own memory (proc_pid_cmdline_read)";
    "comm" File 0o444 Passed [passed!("comm")] passed!(@ "comm"),
        "the command's name", "the process's own (comm_show)";
    "schedstat" File 0o444 Passed [passed!("schedstat")] passed!(@ "schedstat"),
        "time on a CPU and waiting for one", "names nothing of the host (proc_pid_schedstat)";
    "limits" File 0o444 Passed [passed!("limits")] passed!(@ "limits"),
        "resource limits", "the process's own (proc_pid_limits)";
    "oom_score_adj" File 0o444 Passed [passed!("oom_score_adj")] passed!(@ "oom_score_adj"),
        "how the OOM killer likes it", "the process's own (oom_score_adj_read)";
    "oom_adj" File 0o444 Passed [passed!("oom_adj")] passed!(@ "oom_adj"),
        "the same, of old", "the process's own (oom_adj_read)";
    "oom_score" File 0o444 Filtered [oom::NEEDS, oom::LIMIT_NEEDS[0], oom::LIMIT_NEEDS[1]] oom::render,
        "how likely the OOM killer takes it, by the host's memory or the container's",
        "proc_oom_score; the knob oom-score says of which memory it is a part";
    "sched" File 0o444 Filtered [sched::NEEDS, ids::NEEDS] sched::render,
        "scheduling in numbers, under the container's id",
        "proc_sched_show_task of kernel/sched/debug.c";
    "cgroup" File 0o444 Filtered [groups::NEEDS] groups::render,
        "the groups, below those of the container",
        "proc_cgroup_show, as within a cgroup namespace (cgroup_namespaces(7))";
    "cpuset" File 0o444 Filtered [groups::CPUSET_NEEDS] groups::render_cpuset,
        "the cpuset's group, below that of the container", "proc_cpuset_show";
    "mountinfo" File 0o444 Filtered [mounts::NEEDS] mounts::render,
        "the mounts of the container's mount namespace, relative to the process's root",
        "show_mountinfo of fs/proc_namespace.c leaves out what the root hides";
    "mounts" File 0o444 Filtered [mounts::TABLE_NEEDS] mounts::render_table,
        "the same as a table", "show_vfsmnt of fs/proc_namespace.c";
    "uid_map" File 0o444 Filtered [users::MAP_NEEDS, &[users::UID]] users::render_uids,
        "the user ids of its user namespace, as the container's", "uid_m_show: relative to the reader's namespace";
    "gid_map" File 0o444 Filtered [users::MAP_NEEDS, &[users::GID]] users::render_gids,
        "the group ids of its user namespace, as the container's", "gid_m_show: relative to the reader's namespace";
    "setgroups" File 0o444 Passed [passed!("setgroups")] passed!(@ "setgroups"),
        "whether its user namespace may drop groups", "the namespace's own (proc_setgroups_show)";
    "loginuid" File 0o444 Filtered [users::LOGIN_NEEDS] users::render_login,
        "who logged in, as a user id of the container", "proc_loginuid_read";
    "sessionid" File 0o444 Constant [] users::render_session,
        "4294967295, none", "audit counts sessions for the whole host (proc_sessionid_read)";
    "environ" File 0o400 Passed [passed!("environ" Read)] passed!(@ "environ" Read),
        "the environment it was started with", "guarded by PTRACE_MODE_READ (environ_open)";
    "auxv" File 0o400 Passed [passed!("auxv" Read)] passed!(@ "auxv" Read),
        "what the kernel told its loader", "guarded by PTRACE_MODE_READ (auxv_open)";
    "io" File 0o400 Passed [passed!("io" Read)] passed!(@ "io" Read),
        "bytes read and written", "guarded by PTRACE_MODE_READ (do_io_accounting)";
    "smaps_rollup" File 0o444 Passed [passed!("smaps_rollup" Read)] passed!(@ "smaps_rollup" Read),
        "memory by kind", "guarded by PTRACE_MODE_READ; names no file (show_smaps_rollup)";
    "maps" File 0o444 Filtered [places::NEEDS, places::MAPS_NEEDS] places::render_maps,
        "memory, with paths below the container's root",
        "guarded by PTRACE_MODE_READ (show_map_vma)";
    "wchan" File 0o444 Filtered [guarded::WCHAN] guarded::render_wchan,
        "in which function of the kernel it waits", "0 without PTRACE_MODE_READ (proc_pid_wchan)";
    "syscall" File 0o400 Passed [passed!("syscall" Attach)] passed!(@ "syscall" Attach),
        "the system call that it is in", "guarded by PTRACE_MODE_ATTACH (proc_pid_syscall)";
    "personality" File 0o400 Passed [passed!("personality" Attach)] passed!(@ "personality" Attach),
        "its execution domain", "guarded by PTRACE_MODE_ATTACH (proc_pid_personality)";
    "stack" File 0o400 Denied [] guarded::render_stack,
        "nobody may read it", "only who has CAP_SYS_ADMIN on the host may (proc_pid_stack)";
    "exe" Symlink 0o777 Filtered [places::NEEDS, links!("exe")] links!(@ "exe"),
        "its program, below the container's root", "guarded by PTRACE_MODE_READ (proc_exe_link)";
    "cwd" Symlink 0o777 Filtered [places::NEEDS, links!("cwd")] links!(@ "cwd"),
        "its working directory, below the container's root", "guarded by PTRACE_MODE_READ (proc_cwd_link)";
    "root" Symlink 0o777 Filtered [places::NEEDS, links!("root")] links!(@ "root"),
        "its root, below the container's", "guarded by PTRACE_MODE_READ (proc_root_link)";
    "ns/cgroup" Symlink 0o777 Filtered [links!("ns/cgroup")] links!(@ NS "ns/cgroup"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/ipc" Symlink 0o777 Filtered [links!("ns/ipc")] links!(@ NS "ns/ipc"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/mnt" Symlink 0o777 Filtered [links!("ns/mnt")] links!(@ NS "ns/mnt"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/net" Symlink 0o777 Filtered [links!("ns/net")] links!(@ NS "ns/net"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/pid" Symlink 0o777 Filtered [links!("ns/pid")] links!(@ NS "ns/pid"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/pid_for_children" Symlink 0o777 Filtered [links!("ns/pid_for_children")] links!(@ NS "ns/pid_for_children"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/time" Symlink 0o777 Filtered [links!("ns/time")] links!(@ NS "ns/time"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/time_for_children" Symlink 0o777 Filtered [links!("ns/time_for_children")] links!(@ NS "ns/time_for_children"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/user" Symlink 0o777 Filtered [links!("ns/user")] links!(@ NS "ns/user"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "ns/uts" Symlink 0o777 Filtered [links!("ns/uts")] links!(@ NS "ns/uts"),
        guarded::NAMESPACE, guarded::NAMESPACE_REASON;
    "fd" Directory 0o500 Filtered [passed!("fd/" Read)] passed!(@ "fd/" Read),
        "its open files", "guarded by PTRACE_MODE_READ (proc_fd_permission)";
    "fd/*" Symlink 0o700 Filtered [places::NEEDS, links!("fd/*")] links!(@ "fd/*"),
        "an open file, below the container's root", "guarded by PTRACE_MODE_READ (proc_fd_link)";
    "fdinfo" Directory 0o555 Filtered [passed!("fdinfo/" Read)] passed!(@ "fdinfo/" Read),
        "its open files", "guarded by PTRACE_MODE_READ (proc_fdinfo_permission)";
    "fdinfo/*" File 0o444 Filtered [fdinfo::NEEDS, ids::NEEDS] fdinfo::render,
        "where it stands in an open file, in the container's ids",
        "guarded by PTRACE_MODE_READ; pidfds and locks name processes (seq_show of fs/proc/fd.c)";
}

/// Whether readers may see what `PTRACE_MODE_READ` guards.
fn may_read(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.process_rank >= Rank::Read
}

/// Whether readers may see what `PTRACE_MODE_ATTACH` guards.
fn may_attach(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.process_rank >= Rank::Attach
}

/// Fails where a reader's rank is too low.
fn check_rank(view: &View<'_>, least: Rank) -> Result<(), Error> {
    if view.knobs().process_rank >= least { Ok(()) } else { Err(Error::Denied) }
}

/// A file of the process that the path names; its key is its name.
const fn own(name: &'static str) -> Need {
    Need::process(name, Process::Path, name)
}

/// A file as the host has it.
#[inline(never)] // a renderer of many entries
fn pass(view: &View<'_>, out: &mut Text, name: &'static str, least: Rank) -> Rendered {
    check_rank(view, least)?;
    out.set_bytes(view.process_file(name)?.to_vec());
    Ok(None)
}
