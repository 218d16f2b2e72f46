//! The text that a host's kernel prints.

use super::{CPUS, Datum, Files};
use std::fmt::Write;
use vproc_core::Class;
use vproc_core::files::ENTRIES;

/// Which kernel lays out the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// 2.6.32.
    Old,
    /// 6.12.
    New,
}

/// A host. What its kernel counts is the same number everywhere, so that a
/// test can tell where it comes out again.
#[derive(Debug, Clone)]
pub struct Machine {
    pub kernel: Kernel,
    pub cpus: u32,
    /// KiB.
    pub memory: u64,
    /// KiB.
    pub swap: u64,
    pub disks: Vec<(u32, u32, String)>,
    /// What everything that is in use or counted amounts to.
    pub activity: u64,
}

const MEMINFO_OLD: &str = "MemTotal MemFree Buffers Cached SwapCached Active Inactive Active(anon) \
    Inactive(anon) Active(file) Inactive(file) Unevictable Mlocked SwapTotal SwapFree Dirty \
    Writeback AnonPages Mapped Shmem Slab SReclaimable SUnreclaim KernelStack PageTables \
    NFS_Unstable Bounce WritebackTmp CommitLimit Committed_AS VmallocTotal VmallocUsed \
    VmallocChunk HugePages_Total HugePages_Free HugePages_Rsvd HugePages_Surp Hugepagesize \
    DirectMap4k DirectMap2M";

const MEMINFO_NEW: &str = "MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive \
    Active(anon) Inactive(anon) Active(file) Inactive(file) Unevictable Mlocked SwapTotal SwapFree \
    Zswap Zswapped Dirty Writeback AnonPages Mapped Shmem KReclaimable Slab SReclaimable \
    SUnreclaim KernelStack PageTables SecPageTables NFS_Unstable Bounce WritebackTmp CommitLimit \
    Committed_AS VmallocTotal VmallocUsed VmallocChunk Percpu HardwareCorrupted AnonHugePages \
    ShmemHugePages ShmemPmdMapped FileHugePages FilePmdMapped CmaTotal CmaFree Unaccepted \
    HugePages_Total HugePages_Free HugePages_Rsvd HugePages_Surp Hugepagesize Hugetlb DirectMap4k \
    DirectMap2M DirectMap1G NewerThanThisPolicy";

const VMSTAT: &str = "nr_free_pages nr_zone_inactive_anon nr_zone_active_anon \
    nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable nr_zone_write_pending nr_mlock \
    nr_bounce nr_free_cma numa_hit numa_miss nr_inactive_anon nr_active_anon nr_inactive_file \
    nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon \
    workingset_nodes workingset_refault_anon workingset_refault_file nr_anon_pages nr_mapped \
    nr_file_pages nr_dirty nr_writeback nr_shmem nr_shmem_hugepages nr_file_hugepages \
    nr_anon_transparent_hugepages nr_dirtied nr_written nr_kernel_misc_reclaimable \
    nr_kernel_stack nr_page_table_pages nr_sec_page_table_pages nr_swapcached \
    nr_dirty_threshold pgpgin pgpgout pswpin pswpout pgalloc_normal pgfree pgactivate \
    pgdeactivate pgfault pgmajfault pgrefill pgsteal_kswapd pgscan_kswapd pgscan_direct \
    oom_kill thp_fault_alloc thp_collapse_alloc zswpin zswpout newer_than_this_policy nr_unstable";

impl Machine {
    pub fn new(kernel: Kernel) -> Self {
        Machine {
            kernel,
            cpus: 4,
            memory: 16 << 20,
            swap: 4 << 20,
            disks: vec![(8, 0, "sda".into()), (8, 1, "sda1".into()), (8, 16, "sdb".into())],
            activity: 4321,
        }
    }

    /// Every file that a policy could ask for.
    pub fn files(&self) -> Files {
        let mut files: Files = [
            ("/proc/meminfo", self.meminfo()),
            ("/proc/cpuinfo", self.cpuinfo()),
            ("/proc/stat", self.stat()),
            ("/proc/uptime", format!("200.00 {}.00\n", self.activity)),
            ("/proc/loadavg", format!("{0}.01 {0}.02 {0}.03 {0}/{0} {0}\n", self.activity)),
            ("/proc/swaps", self.swaps()),
            ("/proc/diskstats", self.diskstats()),
            ("/proc/vmstat", self.vmstat()),
            ("/proc/partitions", self.partitions()),
            ("/proc/interrupts", self.interrupts()),
            ("/proc/softirqs", self.softirqs()),
            ("/proc/schedstat", self.schedstat()),
            ("/proc/zoneinfo", self.zoneinfo()),
            ("/proc/buddyinfo", self.buddyinfo()),
            ("/proc/slabinfo", self.slabinfo()),
            ("/proc/cgroups", self.cgroups()),
            ("/proc/mdstat", self.mdstat()),
            ("/proc/cmdline", "root=/dev/sda1 ro quiet\n".into()),
            ("/proc/bootconfig", "kernel.quiet = \"\"\ninit.disk = \"sda\"\n".into()),
            ("/proc/kallsyms", "ffffffff81000000 T _stext\n".into()),
            ("/proc/modules", "overlay 212992 1 - Live 0xffffffffc09d0000\n".into()),
            ("/proc/iomem", "00100000-03ffffff : System RAM\n".into()),
            ("/proc/ioports", "0020-0021 : pic1\n".into()),
            ("/sys/devices/system/cpu/kernel_max", "8191\n".into()),
            ("/sys/devices/system/cpu/offline", "\n".into()),
            ("/sys/devices/system/cpu/isolated", "\n".into()),
            ("/sys/devices/system/cpu/nohz_full", "\n".into()),
        ]
        .map(|(path, text)| (path.to_owned(), Datum::from(text)))
        .into();
        for list in ["online", "possible", "present"] {
            let path = format!("/sys/devices/system/cpu/{list}");
            files.insert(path, cpu_list(self.cpus).into());
        }
        for cpu in 0..self.cpus {
            self.cpu_directory(cpu, &mut files);
        }
        self.settings(&mut files);
        // Whatever else says of what kind the CPUs are.
        for entry in ENTRIES {
            let needs = entry.needs.iter().copied().flatten();
            for path in needs.filter_map(|need| need.source.host_path(entry.path)) {
                let text = match path {
                    path if path.contains("/smt/") => "0\n",
                    path if path.starts_with(CPUS) => "Not affected\n",
                    _ if entry.class == Class::Passed => "what the kernel is\n",
                    _ => continue,
                };
                files.entry(path.to_owned()).or_insert_with(|| text.into());
            }
        }
        self.node_directory(&mut files);
        for resource in ["cpu", "memory", "io", "irq"] {
            let text = pressure(resource, self.activity);
            files.insert(format!("/proc/pressure/{resource}"), text.into());
        }
        files
    }

    fn cpu_directory(&self, cpu: u32, files: &mut Files) {
        // `%*pb` of fewer than 32 CPUs.
        let width = (self.cpus as usize).div_ceil(4);
        let mask = |bits: u32| format!("{bits:0width$x}\n");
        let (own, all) = (1 << cpu, (1 << self.cpus) - 1);
        let mut add = |name: &str, text: String| {
            files.insert(format!("{CPUS}/cpu{cpu}/{name}"), text.into());
        };
        add("online", "1\n".into());
        add("topology/physical_package_id", "0\n".into());
        add("topology/die_id", "0\n".into());
        add("topology/core_id", format!("{cpu}\n"));
        for name in ["thread_siblings", "core_cpus"] {
            add(&format!("topology/{name}"), mask(own));
            add(&format!("topology/{name}_list"), format!("{cpu}\n"));
        }
        for name in ["core_siblings", "package_cpus", "die_cpus"] {
            add(&format!("topology/{name}"), mask(all));
            add(&format!("topology/{name}_list"), cpu_list(self.cpus));
        }
    }

    fn meminfo(&self) -> String {
        let labels = if self.kernel == Kernel::Old { MEMINFO_OLD } else { MEMINFO_NEW };
        let mut text = String::new();
        for label in labels.split_ascii_whitespace() {
            let amount = match label {
                "MemTotal" => self.memory,
                "SwapTotal" => self.swap,
                "CommitLimit" => self.memory / 2 + self.swap,
                "VmallocTotal" => 34359738367,
                "Hugepagesize" => 2048,
                "HugePages_Total" => 512,
                _ => self.activity,
            };
            let _ = match label {
                pool if pool.starts_with("HugePages_") => {
                    writeln!(text, "{:<19}{amount:5}", format!("{pool}:"))
                }
                "HardwareCorrupted" => writeln!(text, "{label}: {amount:5} kB"),
                _ => writeln!(text, "{:<16}{amount:8} kB", format!("{label}:")),
            };
        }
        text
    }

    fn cpuinfo(&self) -> String {
        let mut text = String::new();
        for cpu in 0..self.cpus {
            let _ = write!(
                text,
                "processor\t: {cpu}\nvendor_id\t: GenuineExample\ncpu family\t: 6\n\
                 model name\t: Example CPU X-1000 @ 2.00GHz\ncpu MHz\t\t: 2000.000\n\
                 physical id\t: 0\nsiblings\t: {0}\ncore id\t\t: {cpu}\ncpu cores\t: {0}\n\
                 apicid\t\t: {cpu}\nflags\t\t: fpu tsc\n\n",
                self.cpus
            );
        }
        text
    }

    fn stat(&self) -> String {
        let n = self.activity;
        let times = format!("{n} {n} {n} {n} {n} {n} {n} {n} {n} {n}");
        let mut text = format!("cpu  {times}\n");
        for cpu in 0..self.cpus {
            let _ = writeln!(text, "cpu{cpu} {times}");
        }
        let _ = write!(
            text,
            "intr {n} {n} 0 {n}\nctxt {n}\nbtime 1700000000\nprocesses {n}\nprocs_running {n}\n\
             procs_blocked {n}\nsoftirq {n} {n} {n} {n} {n} {n} {n} {n} {n} {n} {n}\n"
        );
        text
    }

    fn swaps(&self) -> String {
        let (size, used) = (self.swap, self.activity);
        let mut text = String::from("Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n");
        if self.kernel == Kernel::New {
            text = String::from("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        }
        if size > 0 {
            let _ = writeln!(text, "{:40}partition\t{size}\t\t{used}\t\t-2", "/dev/sdb2");
        }
        text
    }

    fn diskstats(&self) -> String {
        let columns = if self.kernel == Kernel::Old { 11 } else { 17 };
        let mut text = String::new();
        for (major, minor, name) in &self.disks {
            let _ = write!(text, "{major:4} {minor:7} {name}");
            for _ in 0..columns {
                let _ = write!(text, " {}", self.activity);
            }
            text.push('\n');
        }
        text
    }

    fn partitions(&self) -> String {
        let mut text = String::from("major minor  #blocks  name\n\n");
        for (major, minor, name) in &self.disks {
            let _ = writeln!(text, "{major:4}  {minor:7} {:10} {name}", 1048576);
        }
        text
    }

    fn cgroups(&self) -> String {
        let groups = self.activity;
        format!(
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\n\
             cpuset\t3\t{groups}\t1\nmemory\t0\t{groups}\t1\n"
        )
    }

    fn mdstat(&self) -> String {
        let mut text = String::from("Personalities : [raid1]\n");
        for (_, _, name) in &self.disks {
            let _ = writeln!(text, "{name} : active raid1 member[0]\n      1048512 blocks\n");
        }
        text + "unused devices: <none>\n"
    }

    fn vmstat(&self) -> String {
        let mut text = String::new();
        for name in VMSTAT.split_ascii_whitespace() {
            let _ = writeln!(text, "{name} {}", self.activity);
        }
        text
    }
}

/// `0-3`, as `bitmap_print_to_pagebuf` prints a mask of `cpus` CPUs.
pub fn cpu_list(cpus: u32) -> String {
    if cpus == 1 { "0\n".into() } else { format!("0-{}\n", cpus.saturating_sub(1)) }
}

/// Of interrupts `psi_show` in `kernel/sched/psi.c` has no `some`.
pub fn pressure(resource: &str, total: u64) -> String {
    let some = format!("some avg10=1.25 avg60=0.50 avg300=0.10 total={total}\n");
    let full = format!("full avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
    if resource == "irq" { full } else { some + &full }
}
