//! The text that a container's groups hold.

use super::machine::pressure;
use super::{Datum, Files};

/// A group, in terms that v1 and v2 share.
#[derive(Debug, Clone)]
pub struct Group {
    /// Bytes.
    pub memory_limit: Option<u64>,
    pub memory_usage: u64,
    pub swap_limit: Option<u64>,
    pub swap_usage: u64,
    /// Microseconds in each period of 100 ms.
    pub quota: Option<u64>,
    pub cpus: String,
    /// Devices with I/O.
    pub disks: Vec<(u32, u32)>,
    /// What statistics count, in turn.
    pub amounts: Vec<u64>,
}

const V1_UNLIMITED: u64 = i64::MAX as u64 / 4096 * 4096;

const V2_STAT: &str = "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc \
    shmem zswap zswapped file_mapped file_dirty file_writeback swapcached anon_thp file_thp \
    shmem_thp inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable \
    slab_unreclaimable slab workingset_refault_anon workingset_refault_file pgscan pgsteal \
    pgscan_kswapd pgscan_direct pgsteal_kswapd pgfault pgmajfault pgrefill pgactivate pgdeactivate \
    zswpin zswpout thp_fault_alloc thp_collapse_alloc";

const V1_STAT: &str = "cache rss rss_huge shmem mapped_file dirty writeback \
    workingset_refault_anon swap swapcached pgpgin pgpgout pgfault pgmajfault inactive_anon \
    active_anon inactive_file active_file unevictable";

impl Group {
    /// A group without limits that uses nothing.
    pub fn idle(cpus: &str) -> Self {
        Group {
            memory_limit: None,
            memory_usage: 0,
            swap_limit: None,
            swap_usage: 0,
            quota: None,
            cpus: cpus.into(),
            disks: Vec::new(),
            amounts: vec![0],
        }
    }

    fn amounts(&self) -> impl Iterator<Item = u64> {
        self.amounts.iter().copied().cycle()
    }

    /// `KEY NUMBER` lines.
    fn table(&self, prefix: &str, keys: &str) -> String {
        let line = |(key, amount)| format!("{prefix}{key} {amount}\n");
        keys.split_ascii_whitespace().zip(self.amounts()).map(line).collect()
    }

    pub fn v2(&self) -> Files {
        let max = |limit: Option<u64>| limit.map_or("max\n".into(), |limit| format!("{limit}\n"));
        let mut amounts = self.amounts();
        let mut next = || amounts.next().unwrap_or(0);
        let io: String = self
            .disks
            .iter()
            .map(|(major, minor)| {
                format!(
                    "{major}:{minor} rbytes={} wbytes={} rios={} wios={} dbytes={} dios={}\n",
                    next(),
                    next(),
                    next(),
                    next(),
                    next(),
                    next()
                )
            })
            .collect();
        let pages = "nr_periods nr_throttled throttled_usec nr_bursts burst_usec";
        let cpu = format!("usage_usec user_usec system_usec nice_usec {pages}");
        let huge = [("hugetlb.2MB.max", "max\n".into()), ("hugetlb.2MB.current", "0\n".into())];
        let pressures = ["cpu", "memory", "io", "irq"];
        let psi = pressures.map(|name| (format!("{name}.pressure"), pressure(name, next() >> 1)));
        let files = [
            ("memory.max", max(self.memory_limit)),
            ("memory.high", max(self.memory_limit.map(|limit| limit / 2))),
            ("memory.current", format!("{}\n", self.memory_usage)),
            ("memory.swap.max", max(self.swap_limit)),
            ("memory.swap.current", format!("{}\n", self.swap_usage)),
            ("memory.stat", self.table("", V2_STAT)),
            ("memory.events", self.table("", "low high max oom oom_kill oom_group_kill")),
            ("io.stat", io),
            ("cpu.max", self.quota.map_or("max 100000\n".into(), |us| format!("{us} 100000\n"))),
            ("cpu.weight", "100\n".into()),
            ("cgroup.stat", self.table("", "nr_descendants nr_dying_descendants")),
            ("pids.max", max(self.swap_limit)),
            ("cpu.stat", self.table("", &cpu)),
            ("cpuset.cpus", self.cpus.clone()),
            ("cpuset.cpus.effective", self.cpus.clone()),
            // Sets of nodes are as odd as sets of CPUs.
            ("cpuset.mems.effective", self.cpus.clone()),
        ];
        let files = files.into_iter().chain(huge).map(|(name, text)| (name.to_owned(), text));
        files.chain(psi).map(|(name, text)| (name, Datum::from(text))).collect()
    }

    pub fn v1(&self) -> Files {
        let mut amounts = self.amounts();
        let mut next = || amounts.next().unwrap_or(0);
        let number = |value: u64| format!("{value}\n");
        let both = |memory: Option<u64>, swap: Option<u64>| {
            memory.zip(swap).map_or(V1_UNLIMITED, |(memory, swap)| memory.saturating_add(swap))
        };
        let memsw = self.memory_usage.saturating_add(self.swap_usage);
        let mut blkio = || {
            let row = |(major, minor): &(u32, u32)| {
                let [read, write, discard] = [next(), next(), next()];
                let at = format!("{major}:{minor}");
                format!(
                    "{at} Read {read}\n{at} Write {write}\n{at} Sync {read}\n{at} Discard {discard}\n"
                )
            };
            let rows: String = self.disks.iter().map(row).collect();
            rows + "Total 0\n"
        };
        let stat = self.table("", V1_STAT) + &self.table("total_", V1_STAT);
        let usage = self.amounts.first().copied().unwrap_or(0);
        [
            ("memory.limit_in_bytes", number(self.memory_limit.unwrap_or(V1_UNLIMITED))),
            ("memory.usage_in_bytes", number(self.memory_usage)),
            ("memory.memsw.limit_in_bytes", number(both(self.memory_limit, self.swap_limit))),
            ("memory.memsw.usage_in_bytes", number(memsw)),
            ("memory.stat", stat),
            ("memory.kmem.usage_in_bytes", number(self.amounts.last().copied().unwrap_or(0))),
            ("memory.oom_control", self.table("", "oom_kill_disable under_oom oom_kill")),
            ("blkio.throttle.io_service_bytes_recursive", blkio()),
            ("blkio.throttle.io_serviced_recursive", blkio()),
            ("blkio.bfq.io_service_bytes_recursive", "Total 0\n".into()),
            ("blkio.bfq.io_serviced_recursive", "Total 0\n".into()),
            ("cpu.cfs_quota_us", self.quota.map_or("-1\n".into(), number)),
            ("cpu.cfs_period_us", "100000\n".into()),
            ("cpu.shares", "1024\n".into()),
            ("memory.swappiness", "60\n".into()),
            ("pids.max", self.swap_limit.map_or("max\n".into(), number)),
            ("cpu.stat", self.table("", "nr_periods nr_throttled throttled_time")),
            ("cpuacct.usage", number(usage)),
            ("cpuacct.stat", self.table("", "user system")),
            ("cpuset.cpus", self.cpus.clone()),
            ("cpuset.effective_cpus", self.cpus.clone()),
            ("cpuset.mems", self.cpus.clone()),
            ("cpuset.effective_mems", self.cpus.clone()),
            ("memory.kmem.slabinfo", String::new()),
            ("hugetlb.2MB.limit_in_bytes", number(V1_UNLIMITED)),
            ("hugetlb.2MB.usage_in_bytes", "0\n".into()),
        ]
        .map(|(name, text)| (name.to_owned(), Datum::from(text)))
        .into()
    }
}
