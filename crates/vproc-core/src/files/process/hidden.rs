//! Files of a process that are not shown: what they are, and why.
//!
//! A reader who may look into a process that closely has a procfs of its own.
//! Threads have the same files, and the same treatment.

use super::guarded::render_stack;
use crate::contract::{Class, Entry, Kind};

macro_rules! rows {
    ($($kind:ident $mode:literal $name:literal $reason:literal;)*) => {
        pub(super) static ENTRIES: &[Entry] = &[$(Entry {
            path: concat!("/proc/*/", $name),
            kind: Kind::$kind,
            mode: $mode,
            class: Class::Denied,
            summary: "cannot be opened",
            reason: $reason,
            needs: &[],
            history: None,
            render: render_stack,
        }),*];
    };
}

rows! {
    File 0o600 "mem" "the process's memory itself (mem_open of fs/proc/base.c)";
    File 0o400 "pagemap" "numbers of physical pages (fs/proc/task_mmu.c)";
    File 0o444 "smaps" "maps says where, smaps_rollup how much (show_smap of fs/proc/task_mmu.c)";
    File 0o444 "numa_maps" "which of the host's memory nodes pages are on (show_numa_map)";
    Directory 0o500 "map_files" "opens what is mapped, past any path (proc_map_files_readdir)";
    File 0o400 "mountstats" "counts the I/O of mounts, whoever used them (show_vfsstat)";
    File 0o200 "clear_refs" "there to be written to (clear_refs_write)";
    File 0o644 "projid_map" "ids of project quotas, which hold for a file system of the host";
    File 0o644 "timens_offsets"
        "offsets for the next child; the clocks here are shifted by them (timens_offsets_show)";
    File 0o444 "timers" "names threads by the host's numbers (show_timer of fs/proc/base.c)";
    File 0o666 "timerslack_ns" "only its owner's monitor asks (timerslack_ns_show)";
    Directory 0o555 "attr" "labels name profiles of the host's security module";
    File 0o644 "autogroup" "groups of sessions are counted for the whole host (proc_sched_autogroup_show_task)";
    File 0o644 "latency" "stacks of the kernel (lstats_show_proc)";
    File 0o444 "arch_status" "since when the process used AVX-512, of this machine's CPUs";
    File 0o444 "ksm_stat" "what pages it shares with others (proc_pid_ksm_stat)";
    File 0o400 "ksm_merging_pages" "what pages it shares with others (proc_pid_ksm_merging_pages)";
    File 0o644 "coredump_filter" "read by debuggers, which cannot reach the process from here";
    File 0o400 "patch_state" "whether the kernel is being patched live (proc_pid_patch_state)";
    File 0o400 "seccomp_cache" "which system calls are allowed without a look (proc_pid_seccomp_cache)";
    File 0o444 "cpu_resctrl_groups" "groups of cache and bandwidth of the host (proc_resctrl_show)";
    File 0o644 "make-it-fail" "tests of the kernel (proc_fault_inject_read)";
    File 0o644 "fail-nth" "tests of the kernel (proc_fail_nth_read)";
    File 0o400 "stack_depth" "tests of the kernel (proc_stack_depth)";
}
