//! The files, and the rule of each.

use super::boot_id::boot_id;
use super::overlay::{self, overlay};
use super::{ITSELF, fixed, itself, sizes};
use crate::cgroup::{cpu, hugetlb, memory};
use crate::contract::{Class, Entry, History, Kind, Need};
use crate::files::meminfo::HOST_NEED;
use crate::{Error, process};

const UTS: &str = "of the container's uts namespace (kernel/utsname_sysctl.c)";
const IPC: &str = "of the container's ipc namespace (ipc/ipc_sysctl.c, ipc/mq_sysctl.c)";
const NET: &str = "of the container's network namespace (Documentation/networking/ip-sysctl.rst)";
const USER: &str = "counted for each user namespace (kernel/ucount.c)";
const TREATS_ALL: &str = "how the kernel treats every process, the container's too";
const LIMITS_ALL: &str = "a limit that holds for the container's processes";
const COUNTS_ALL: &str = "counts what everybody uses";
const MACHINE: &str = "rules what happens to the machine, not to a container";
const HOST_PATHS: &str = "names programs or files of the host";
const BY_MEMORY: &str = "the kernel sizes it by the memory of the machine";

const BOOT: &str = "names the boot of the machine, by which its containers could find one another";
const PIDNS: &str = "of the container's pid namespace (kernel/pid_namespace.c)";
const RANDOM: &str =
    "must be another at each read, and a text may be handed out again; getrandom(2) is there";

const OWN: &str = "the container's own";
const FIXED: &str = "a constant, mostly the kernel's default";
const AS_HOST: &str = "as the host has it";

const fn entry(
    path: &'static str,
    mode: u16,
    class: Class,
    texts: [&'static str; 2],
    needs: &'static [&'static [Need]],
    history: Option<History>,
    render: crate::contract::Render,
) -> Entry {
    let [summary, reason] = texts;
    Entry { path, kind: Kind::File, mode, class, summary, reason, needs, history, render }
}

macro_rules! row {
    (namespaced $mode:literal $path:literal $reason:ident) => {
        entry(
            concat!("/proc/", $path),
            $mode,
            Class::Passed,
            [OWN, $reason],
            &[&[Need::namespaced(ITSELF, concat!("/proc/", $path))]],
            None,
            itself,
        )
    };
    (passed $mode:literal $path:literal $reason:ident) => {
        entry(
            concat!("/proc/sys/", $path),
            $mode,
            Class::Passed,
            [AS_HOST, $reason],
            &[&[Need::host(ITSELF, concat!("/proc/sys/", $path))]],
            None,
            itself,
        )
    };
    (fixed $mode:tt $path:literal $reason:ident $text:literal) => {
        entry(
            concat!("/proc/sys/", $path),
            $mode,
            Class::Constant,
            [FIXED, $reason],
            &[&[Need::host(ITSELF, concat!("/proc/sys/", $path))]],
            overlay!($mode $text),
            |view, out| fixed(view, out, $text),
        )
    };
    (denied $mode:literal $path:literal) => {
        entry(
            concat!("/proc/sys/", $path),
            $mode,
            Class::Denied,
            ["cannot be opened", RANDOM],
            &[],
            None,
            |_, _| Err(Error::Denied),
        )
    };
    (computed $mode:literal $path:literal $($rest:tt)*) => {
        row!(@ None, $mode $path $($rest)*)
    };
    (settable $mode:literal $path:literal $($rest:tt)*) => {
        row!(@ overlay::NUMBER, $mode $path $($rest)*)
    };
    (@ $history:expr, $mode:literal $path:literal $reason:ident $summary:literal $render:path, $($needs:expr),*) => {
        entry(
            concat!("/proc/sys/", $path),
            $mode,
            Class::Virtual,
            [$summary, $reason],
            &[&[Need::host(ITSELF, concat!("/proc/sys/", $path))], $($needs),*],
            $history,
            $render,
        )
    };
}

macro_rules! table {
    ($(($($row:tt)*))*) => {
        /// Every file, by directory.
        pub(in super::super) static TABLE: &[Entry] = &[$(row!($($row)*)),*];
    };
}

table! {
    (namespaced 0o644 "sys/kernel/hostname" UTS)
    (namespaced 0o644 "sys/kernel/domainname" UTS)
    (namespaced 0o444 "sys/kernel/ostype" UTS)
    (namespaced 0o444 "sys/kernel/osrelease" UTS)
    (namespaced 0o444 "sys/kernel/version" UTS)
    (namespaced 0o644 "sys/kernel/msgmax" IPC)
    (namespaced 0o644 "sys/kernel/msgmnb" IPC)
    (namespaced 0o644 "sys/kernel/msgmni" IPC)
    (namespaced 0o644 "sys/kernel/sem" IPC)
    (namespaced 0o644 "sys/kernel/shmall" IPC)
    (namespaced 0o644 "sys/kernel/shmmax" IPC)
    (namespaced 0o644 "sys/kernel/shmmni" IPC)
    (namespaced 0o644 "sys/kernel/shm_rmid_forced" IPC)
    (namespaced 0o644 "sys/kernel/auto_msgmni" IPC)
    (namespaced 0o444 "sys/kernel/msg_next_id" IPC)
    (namespaced 0o444 "sys/kernel/sem_next_id" IPC)
    (namespaced 0o444 "sys/kernel/shm_next_id" IPC)
    (namespaced 0o644 "sys/fs/mqueue/msg_default" IPC)
    (namespaced 0o644 "sys/fs/mqueue/msg_max" IPC)
    (namespaced 0o644 "sys/fs/mqueue/msgsize_default" IPC)
    (namespaced 0o644 "sys/fs/mqueue/msgsize_max" IPC)
    (namespaced 0o644 "sys/fs/mqueue/queues_max" IPC)
    (namespaced 0o444 "sysvipc/msg" IPC)
    (namespaced 0o444 "sysvipc/sem" IPC)
    (namespaced 0o444 "sysvipc/shm" IPC)
    (namespaced 0o644 "sys/user/max_cgroup_namespaces" USER)
    (namespaced 0o644 "sys/user/max_fanotify_groups" USER)
    (namespaced 0o644 "sys/user/max_fanotify_marks" USER)
    (namespaced 0o644 "sys/user/max_inotify_instances" USER)
    (namespaced 0o644 "sys/user/max_inotify_watches" USER)
    (namespaced 0o644 "sys/user/max_ipc_namespaces" USER)
    (namespaced 0o644 "sys/user/max_mnt_namespaces" USER)
    (namespaced 0o644 "sys/user/max_net_namespaces" USER)
    (namespaced 0o644 "sys/user/max_pid_namespaces" USER)
    (namespaced 0o644 "sys/user/max_time_namespaces" USER)
    (namespaced 0o644 "sys/user/max_user_namespaces" USER)
    (namespaced 0o644 "sys/user/max_uts_namespaces" USER)
    (namespaced 0o644 "sys/net/core/somaxconn" NET)
    (namespaced 0o644 "sys/net/core/optmem_max" NET)
    (namespaced 0o644 "sys/net/core/rmem_default" NET)
    (namespaced 0o644 "sys/net/core/rmem_max" NET)
    (namespaced 0o644 "sys/net/core/wmem_default" NET)
    (namespaced 0o644 "sys/net/core/wmem_max" NET)
    (namespaced 0o644 "sys/net/ipv4/ip_default_ttl" NET)
    (namespaced 0o644 "sys/net/ipv4/ip_forward" NET)
    (namespaced 0o644 "sys/net/ipv4/ip_local_port_range" NET)
    (namespaced 0o644 "sys/net/ipv4/ip_local_reserved_ports" NET)
    (namespaced 0o644 "sys/net/ipv4/ip_nonlocal_bind" NET)
    (namespaced 0o644 "sys/net/ipv4/ip_unprivileged_port_start" NET)
    (namespaced 0o644 "sys/net/ipv4/ping_group_range" NET)
    (namespaced 0o644 "sys/net/ipv4/icmp_echo_ignore_all" NET)
    (namespaced 0o644 "sys/net/ipv4/icmp_echo_ignore_broadcasts" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_congestion_control" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_ecn" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_fastopen" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_fin_timeout" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_keepalive_intvl" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_keepalive_probes" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_keepalive_time" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_max_syn_backlog" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_max_tw_buckets" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_mtu_probing" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_retries1" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_retries2" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_rmem" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_sack" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_slow_start_after_idle" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_syn_retries" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_synack_retries" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_syncookies" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_timestamps" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_tw_reuse" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_window_scaling" NET)
    (namespaced 0o644 "sys/net/ipv4/tcp_wmem" NET)
    (namespaced 0o644 "sys/net/ipv4/udp_rmem_min" NET)
    (namespaced 0o644 "sys/net/ipv4/udp_wmem_min" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/accept_redirects" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/accept_source_route" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/arp_announce" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/arp_ignore" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/forwarding" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/route_localnet" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/rp_filter" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/all/send_redirects" NET)
    (namespaced 0o644 "sys/net/ipv4/conf/default/rp_filter" NET)
    (namespaced 0o644 "sys/net/ipv6/bindv6only" NET)
    (namespaced 0o644 "sys/net/ipv6/conf/all/disable_ipv6" NET)
    (namespaced 0o644 "sys/net/ipv6/conf/all/forwarding" NET)
    (namespaced 0o644 "sys/net/ipv6/conf/default/disable_ipv6" NET)
    (namespaced 0o644 "sys/net/ipv6/conf/lo/disable_ipv6" NET)
    (namespaced 0o644 "sys/net/unix/max_dgram_qlen" NET)
    (passed 0o444 "kernel/arch" TREATS_ALL)
    (passed 0o444 "kernel/cap_last_cap" TREATS_ALL)
    (passed 0o444 "kernel/ngroups_max" TREATS_ALL)
    (passed 0o444 "kernel/core_modes" TREATS_ALL)
    (passed 0o444 "kernel/seccomp/actions_avail" TREATS_ALL)
    (passed 0o644 "kernel/overflowuid" TREATS_ALL)
    (passed 0o644 "kernel/overflowgid" TREATS_ALL)
    (passed 0o644 "kernel/randomize_va_space" TREATS_ALL)
    (passed 0o644 "kernel/seccomp/actions_logged" TREATS_ALL)
    (passed 0o644 "kernel/dmesg_restrict" TREATS_ALL)
    (passed 0o644 "kernel/kptr_restrict" TREATS_ALL)
    (passed 0o644 "kernel/perf_event_paranoid" TREATS_ALL)
    (passed 0o644 "kernel/unprivileged_bpf_disabled" TREATS_ALL)
    (passed 0o644 "kernel/unprivileged_userns_clone" TREATS_ALL)
    (passed 0o644 "kernel/apparmor_restrict_unprivileged_userns" TREATS_ALL)
    (passed 0o644 "kernel/io_uring_disabled" TREATS_ALL)
    (passed 0o644 "kernel/yama/ptrace_scope" TREATS_ALL)
    (passed 0o644 "kernel/core_uses_pid" TREATS_ALL)
    (passed 0o644 "kernel/sched_autogroup_enabled" TREATS_ALL)
    (passed 0o644 "kernel/sched_child_runs_first" TREATS_ALL)
    (passed 0o644 "kernel/sched_rr_timeslice_ms" TREATS_ALL)
    (passed 0o644 "kernel/sched_rt_period_us" TREATS_ALL)
    (passed 0o644 "kernel/sched_rt_runtime_us" TREATS_ALL)
    (passed 0o644 "kernel/numa_balancing" TREATS_ALL)
    (passed 0o644 "kernel/split_lock_mitigate" TREATS_ALL)
    (passed 0o644 "kernel/sysctl_writes_strict" TREATS_ALL)
    (passed 0o644 "kernel/print-fatal-signals" TREATS_ALL)
    (passed 0o644 "kernel/keys/maxkeys" LIMITS_ALL)
    (passed 0o644 "kernel/keys/maxbytes" LIMITS_ALL)
    (passed 0o644 "kernel/keys/root_maxkeys" LIMITS_ALL)
    (passed 0o644 "kernel/keys/root_maxbytes" LIMITS_ALL)
    (passed 0o644 "kernel/keys/gc_delay" LIMITS_ALL)
    (passed 0o644 "kernel/pty/max" LIMITS_ALL)
    (passed 0o644 "kernel/pty/reserve" LIMITS_ALL)
    (passed 0o644 "kernel/perf_event_max_sample_rate" LIMITS_ALL)
    (passed 0o644 "kernel/perf_event_max_stack" LIMITS_ALL)
    (passed 0o644 "kernel/perf_event_mlock_kb" LIMITS_ALL)
    (passed 0o644 "kernel/perf_cpu_time_max_percent" LIMITS_ALL)
    (fixed 0o644 "kernel/acct" MACHINE "4\t2\t30")
    (fixed 0o644 "kernel/panic" MACHINE "0")
    (fixed 0o644 "kernel/panic_on_oops" MACHINE "0")
    (fixed 0o644 "kernel/panic_on_warn" MACHINE "0")
    (fixed 0o644 "kernel/panic_on_io_nmi" MACHINE "0")
    (fixed 0o644 "kernel/panic_on_unrecovered_nmi" MACHINE "0")
    (fixed 0o644 "kernel/panic_on_rcu_stall" MACHINE "0")
    (fixed 0o644 "kernel/panic_print" MACHINE "0")
    (fixed 0o644 "kernel/hardlockup_panic" MACHINE "0")
    (fixed 0o644 "kernel/softlockup_panic" MACHINE "0")
    (fixed 0o644 "kernel/hung_task_panic" MACHINE "0")
    (fixed 0o644 "kernel/hung_task_timeout_secs" MACHINE "120")
    (fixed 0o644 "kernel/hung_task_warnings" MACHINE "10")
    (fixed 0o644 "kernel/oops_limit" MACHINE "10000")
    (fixed 0o644 "kernel/warn_limit" MACHINE "0")
    (fixed 0o644 "kernel/printk" MACHINE "4\t4\t1\t7")
    (fixed 0o644 "kernel/printk_delay" MACHINE "0")
    (fixed 0o644 "kernel/printk_ratelimit" MACHINE "5")
    (fixed 0o644 "kernel/printk_ratelimit_burst" MACHINE "10")
    (fixed 0o644 "kernel/sysrq" MACHINE "0")
    (fixed 0o644 "kernel/ctrl-alt-del" MACHINE "0")
    (fixed 0o644 "kernel/nmi_watchdog" MACHINE "0")
    (fixed 0o644 "kernel/soft_watchdog" MACHINE "0")
    (fixed 0o644 "kernel/watchdog" MACHINE "0")
    (fixed 0o644 "kernel/watchdog_thresh" MACHINE "10")
    (fixed 0o644 "kernel/unknown_nmi_panic" MACHINE "0")
    (fixed 0o644 "kernel/ftrace_enabled" MACHINE "0")
    (fixed 0o644 "kernel/ftrace_dump_on_oops" MACHINE "0")
    (fixed 0o644 "kernel/kexec_load_disabled" MACHINE "1")
    (fixed 0o644 "kernel/modules_disabled" MACHINE "1")
    (fixed 0o644 "kernel/real-root-dev" MACHINE "0")
    (fixed 0o444 "kernel/bootloader_type" MACHINE "0")
    (fixed 0o444 "kernel/bootloader_version" MACHINE "0")
    (fixed 0o444 "kernel/hung_task_detect_count" COUNTS_ALL "0")
    (fixed 0o644 "kernel/tainted" COUNTS_ALL "0")
    (fixed 0o444 "kernel/pty/nr" COUNTS_ALL "0")
    (fixed 0o644 "kernel/core_pattern" HOST_PATHS "core")
    (fixed 0o644 "kernel/core_pipe_limit" HOST_PATHS "0")
    (fixed 0o644 "kernel/modprobe" HOST_PATHS "")
    (fixed 0o644 "kernel/hotplug" HOST_PATHS "")
    (fixed 0o644 "kernel/poweroff_cmd" HOST_PATHS "/sbin/poweroff")
    (fixed 0o444 "kernel/random/entropy_avail" COUNTS_ALL "256")
    (fixed 0o444 "kernel/random/poolsize" COUNTS_ALL "256")
    (fixed 0o644 "kernel/random/urandom_min_reseed_secs" COUNTS_ALL "60")
    (fixed 0o644 "kernel/random/write_wakeup_threshold" COUNTS_ALL "256")
    (computed 0o444 "kernel/random/boot_id" BOOT "a UUID of the container, from when its init was started" boot_id, &[process::START])
    (denied 0o444 "kernel/random/uuid")
    (settable 0o644 "kernel/threads-max" BY_MEMORY "pids.max, or what the kernel allows for as much memory" sizes::threads_max, &[HOST_NEED], memory::NEEDS, sizes::TASK_NEEDS)
    (settable 0o644 "kernel/pid_max" PIDNS "the container's own, as Linux 6.14 has it; before that the most that there can be" sizes::pid_max, sizes::PID_NEEDS)
    (computed 0o666 "kernel/ns_last_pid" PIDNS "the newest pid of the container" sizes::ns_last_pid, &[Need::tasks(sizes::TASKS)])
    (computed 0o644 "kernel/watchdog_cpumask" MACHINE "the CPUs that online lists" sizes::watchdog_cpumask, cpu::NEEDS)
    (passed 0o644 "vm/overcommit_memory" TREATS_ALL)
    (passed 0o644 "vm/overcommit_ratio" TREATS_ALL)
    (passed 0o644 "vm/overcommit_kbytes" TREATS_ALL)
    (passed 0o644 "vm/max_map_count" TREATS_ALL)
    (passed 0o644 "vm/mmap_min_addr" TREATS_ALL)
    (namespaced 0o644 "sys/vm/memfd_noexec" PIDNS)
    (passed 0o644 "vm/legacy_va_layout" TREATS_ALL)
    (passed 0o644 "vm/page-cluster" TREATS_ALL)
    (passed 0o644 "vm/unprivileged_userfaultfd" TREATS_ALL)
    (passed 0o644 "vm/oom_dump_tasks" TREATS_ALL)
    (passed 0o644 "vm/oom_kill_allocating_task" TREATS_ALL)
    (passed 0o644 "vm/compact_unevictable_allowed" TREATS_ALL)
    (passed 0o644 "vm/compaction_proactiveness" TREATS_ALL)
    (passed 0o644 "vm/extfrag_threshold" TREATS_ALL)
    (passed 0o644 "vm/numa_stat" TREATS_ALL)
    (passed 0o644 "vm/numa_zonelist_order" TREATS_ALL)
    (passed 0o644 "vm/zone_reclaim_mode" TREATS_ALL)
    (passed 0o644 "vm/min_slab_ratio" TREATS_ALL)
    (passed 0o644 "vm/min_unmapped_ratio" TREATS_ALL)
    (passed 0o644 "vm/laptop_mode" TREATS_ALL)
    (passed 0o644 "vm/stat_interval" TREATS_ALL)
    (passed 0o644 "vm/vfs_cache_pressure" TREATS_ALL)
    (passed 0o644 "vm/watermark_boost_factor" TREATS_ALL)
    (passed 0o644 "vm/watermark_scale_factor" TREATS_ALL)
    (passed 0o644 "vm/admin_reserve_kbytes" TREATS_ALL)
    (passed 0o644 "vm/dirty_background_bytes" TREATS_ALL)
    (passed 0o644 "vm/dirty_background_ratio" TREATS_ALL)
    (passed 0o644 "vm/dirty_bytes" TREATS_ALL)
    (passed 0o644 "vm/dirty_expire_centisecs" TREATS_ALL)
    (passed 0o644 "vm/dirty_ratio" TREATS_ALL)
    (passed 0o644 "vm/dirty_writeback_centisecs" TREATS_ALL)
    (passed 0o644 "vm/dirtytime_expire_seconds" TREATS_ALL)
    (passed 0o644 "vm/percpu_pagelist_high_fraction" TREATS_ALL)
    (passed 0o644 "vm/page_lock_unfairness" TREATS_ALL)
    (fixed 0o644 "vm/panic_on_oom" MACHINE "0")
    (fixed 0o644 "vm/nr_overcommit_hugepages" MACHINE "0")
    (fixed 0o644 "vm/hugetlb_shm_group" MACHINE "0")
    (settable 0o644 "vm/swappiness" TREATS_ALL "the group's on v1, else the host's" sizes::swappiness, sizes::SWAPPINESS_NEEDS)
    (settable 0o644 "vm/min_free_kbytes" BY_MEMORY "what the kernel keeps free of as much memory" sizes::min_free_kbytes, &[HOST_NEED], memory::NEEDS)
    (settable 0o644 "vm/user_reserve_kbytes" BY_MEMORY "what the kernel reserves of as much memory" sizes::user_reserve_kbytes, &[HOST_NEED], memory::NEEDS)
    (settable 0o644 "vm/nr_hugepages" COUNTS_ALL "HugePages_Total of meminfo" sizes::nr_hugepages, &[HOST_NEED], memory::NEEDS, memory::V1_KERNEL_NEEDS, memory::SWAP_NEEDS, hugetlb::NEEDS)
    (passed 0o644 "fs/nr_open" LIMITS_ALL)
    (passed 0o644 "fs/mount-max" LIMITS_ALL)
    (passed 0o644 "fs/pipe-max-size" LIMITS_ALL)
    (passed 0o644 "fs/pipe-user-pages-hard" LIMITS_ALL)
    (passed 0o644 "fs/pipe-user-pages-soft" LIMITS_ALL)
    (passed 0o644 "fs/aio-max-nr" LIMITS_ALL)
    (passed 0o644 "fs/epoll/max_user_watches" LIMITS_ALL)
    (passed 0o644 "fs/inotify/max_queued_events" LIMITS_ALL)
    (passed 0o644 "fs/inotify/max_user_instances" LIMITS_ALL)
    (passed 0o644 "fs/inotify/max_user_watches" LIMITS_ALL)
    (passed 0o644 "fs/fanotify/max_queued_events" LIMITS_ALL)
    (passed 0o644 "fs/fanotify/max_user_groups" LIMITS_ALL)
    (passed 0o644 "fs/fanotify/max_user_marks" LIMITS_ALL)
    (passed 0o644 "fs/protected_fifos" TREATS_ALL)
    (passed 0o644 "fs/protected_hardlinks" TREATS_ALL)
    (passed 0o644 "fs/protected_regular" TREATS_ALL)
    (passed 0o644 "fs/protected_symlinks" TREATS_ALL)
    (passed 0o644 "fs/suid_dumpable" TREATS_ALL)
    (passed 0o644 "fs/lease-break-time" TREATS_ALL)
    (passed 0o644 "fs/leases-enable" TREATS_ALL)
    (passed 0o644 "fs/dir-notify-enable" TREATS_ALL)
    (passed 0o644 "fs/overflowuid" TREATS_ALL)
    (passed 0o644 "fs/overflowgid" TREATS_ALL)
    (fixed 0o644 "fs/file-max" BY_MEMORY "9223372036854775807")
    (fixed 0o444 "fs/file-nr" COUNTS_ALL "0\t0\t9223372036854775807")
    (fixed 0o444 "fs/inode-nr" COUNTS_ALL "0\t0")
    (fixed 0o444 "fs/inode-state" COUNTS_ALL "0\t0\t0\t0\t0\t0\t0")
    (fixed 0o444 "fs/dentry-state" COUNTS_ALL "0\t0\t45\t0\t0\t0")
    (fixed 0o444 "fs/aio-nr" COUNTS_ALL "0")
}
