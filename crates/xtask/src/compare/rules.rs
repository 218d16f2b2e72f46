//! What each field should show, and what it means where lxcfs shows another
//! number.

use super::{Evidence, Facts, Shown};

/// A field of a file.
pub(super) struct Rule {
    pub(super) file: &'static str,
    pub(super) field: &'static str,
    pub(super) place: Place,
    pub(super) expect: fn(&Evidence) -> Expect,
    pub(super) design: Design,
    /// What is wrong where lxcfs shows something else.
    pub(super) wrong: &'static str,
}

/// Whether the two may differ and both be right.
pub(super) enum Design {
    No,
    /// lxcfs shows something else on purpose: why, and what.
    Other(&'static str, fn(&Evidence) -> Expect),
}

/// Where a field stands.
pub(super) enum Place {
    /// A word of the line with this label, which is word 0.
    Word(&'static str, usize),
    /// A word of the text, where slashes part words too.
    Nth(usize),
    /// A line, the first of which is 0.
    Line(usize),
    /// How many tabs the first line has.
    Tabs,
    /// How many lines begin like this.
    Count(&'static str),
    /// The word that follows the first of these.
    After(&'static str),
    /// A word of a line, both counted from 0.
    Cell(usize, usize),
    /// How many lines follow the first.
    Rows,
    /// The memory of all kinds of objects, in kB.
    Objects,
    /// What these words of the lines of all CPUs add up to.
    Cpus(&'static [usize]),
    /// What these words of a line add up to.
    Sum(&'static str, &'static [usize]),
    /// By how much that grew between the two moments.
    Growth(&'static str, &'static [usize]),
}

/// What is right.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expect {
    Range(f64, f64),
    Text(String),
    /// No text is.
    Nothing,
}

/// A word of the line with this label.
pub(super) fn word(text: &str, label: &str, at: usize) -> Option<String> {
    let label_of = |line: &str| line.split([' ', ':', '\t']).next() == Some(label);
    let line = text.lines().find(|line| label_of(line))?;
    line.split_whitespace().filter(|word| *word != ":").nth(at).map(str::to_owned)
}

impl Place {
    /// What stands there.
    pub(super) fn of(&self, file: &str, shown: &Shown) -> Option<String> {
        let text = shown.second.get(file)?;
        let sum = |text: &str, label: &str, words: &[usize]| {
            let number = |at: &usize| word(text, label, *at)?.parse::<f64>().ok();
            words.iter().map(number).sum::<Option<f64>>()
        };
        match *self {
            Place::Word(label, at) => word(text, label, at),
            Place::Nth(at) => text.split([' ', '/', '\n']).nth(at).map(str::to_owned),
            Place::Line(at) => text.lines().nth(at).map(str::to_owned),
            Place::Tabs => Some(text.lines().next()?.matches('\t').count().to_string()),
            Place::Count(start) => {
                Some(text.lines().filter(|line| line.starts_with(start)).count().to_string())
            }
            Place::After(key) => {
                text.split(key).nth(1)?.split(['\n', ' ']).next().map(str::to_owned)
            }
            Place::Cell(line, at) => {
                text.lines().nth(line)?.split_whitespace().nth(at).map(str::to_owned)
            }
            Place::Rows => Some(text.lines().skip(1).count().to_string()),
            Place::Objects => {
                // The version and the heading come first.
                let row = |line: &str| {
                    let mut numbers = line.split_whitespace().skip(2).map(str::parse::<f64>);
                    Some(numbers.next()?.ok()? * numbers.next()?.ok()?)
                };
                let bytes = text.lines().skip(2).map(row).sum::<Option<f64>>()?;
                Some((bytes / 1024.0).to_string())
            }
            Place::Cpus(words) => {
                let cpus = (0..).map(|cpu| sum(text, &format!("cpu{cpu}"), words));
                Some(cpus.map_while(|cpu| cpu).sum::<f64>().to_string())
            }
            Place::Sum(label, words) => sum(text, label, words).map(|sum| sum.to_string()),
            Place::Growth(label, words) => {
                let before = sum(shown.first.get(file)?, label, words)?;
                sum(text, label, words).map(|after| (after - before).to_string())
            }
        }
    }
}

/// What facts say at the second moment, give or take `slack`.
fn now(evidence: &Evidence, slack: f64, of: impl Fn(&Facts) -> f64) -> Expect {
    let [before, after] = &evidence.second;
    let (one, other) = (of(before), of(after));
    Expect::Range((one.min(other) - slack).max(0.0), one.max(other) + slack)
}

/// By how much a number grew, give or take `slack`.
fn growth(evidence: &Evidence, slack: f64, of: impl Fn(&Facts) -> f64) -> Expect {
    let ([start, started], [end, ended]) = (&evidence.first, &evidence.second);
    Expect::Range((of(end) - of(started) - slack).max(0.0), of(ended) - of(start) + slack)
}

fn total(facts: &Facts) -> f64 {
    let host = facts.host(MEMINFO, "MemTotal");
    if facts.has("limit") { facts.get("limit").min(host) } else { host }
}

/// What may be swapped out; nothing where the kernel does not count it.
fn swap_total(facts: &Facts) -> f64 {
    let host = facts.host(MEMINFO, "SwapTotal");
    match (facts.has("swap"), facts.has("swap limit")) {
        (false, _) => 0.0,
        (true, false) => host,
        (true, true) => facts.get("swap limit").clamp(0.0, host),
    }
}

/// v1 counts the kernel's memory as one number.
fn slab(facts: &Facts) -> f64 {
    if facts.has(V1_KERNEL) { facts.get(V1_KERNEL) } else { facts.get("slab") }
}

/// What v1 does not name is no part of anything else.
fn nothing_on_v1(evidence: &Evidence) -> Expect {
    let is_v1 = evidence.second.iter().any(|facts| facts.has(V1_KERNEL));
    if is_v1 { Expect::Range(0.0, 0.0) } else { Expect::Nothing }
}

/// A load that was `active` since the container started with none: samples are
/// five seconds apart (`calc_load` in `kernel/sched/loadavg.c`).
fn load(evidence: &Evidence, minutes: f64) -> Expect {
    let after = |seconds: f64| 1.0 - (-seconds.max(0.0) / (60.0 * minutes)).exp();
    let active = |facts: &Facts| facts.get("running") + facts.get("blocked");
    let [before, after_it] = &evidence.second;
    let (least, most) =
        (active(before).min(active(after_it)), active(before).max(active(after_it)));
    Expect::Range(
        (least * after(before.get("clock") - PERIOD) - ROUNDED).max(0.0),
        most * after(after_it.get("clock") + PERIOD) + ROUNDED,
    )
}

/// What the CPUs of the container were not used for, on its clock.
fn idle(facts: &Facts) -> f64 {
    facts.get("cpus") * facts.get("clock") - facts.get("user") - facts.get("system")
}

/// What is left of the quota, rather than of the CPUs.
fn idle_of_quota(facts: &Facts) -> f64 {
    facts.get("quota") * facts.get("clock") - facts.get("user") - facts.get("system")
}

/// The container uses none of the host's, if there are any that fit.
fn huge_pages(evidence: &Evidence) -> Expect {
    now(evidence, 0.0, |facts| {
        let fit = (total(facts) / facts.host(MEMINFO, "Hugepagesize").max(1.0)).floor();
        facts.host(MEMINFO, "HugePages_Total").min(fit)
    })
}

/// All ticks of a CPU, if the container has it.
fn time_of_cpu(evidence: &Evidence, cpu: u32) -> Expect {
    match evidence.second.iter().all(|facts| f64::from(cpu) < facts.get("cpus")) {
        true => now(evidence, MOMENT + TICKS, |facts| 100.0 * facts.get("clock")),
        false => Expect::Text(String::new()),
    }
}

/// The CPUs of the container, from 0.
fn cpu_list(evidence: &Evidence) -> Expect {
    let cpus = evidence.second.first().map_or(1.0, |facts| facts.get("cpus"));
    Expect::Text(if cpus > 1.0 { format!("0-{}", cpus - 1.0) } else { "0".into() })
}

/// Pages of 4 KiB come and go while the files are read.
const PAGES: f64 = 16.0;
/// Ticks that are not yet whole.
const TICKS: f64 = 6.0;
/// Seconds between two samples of a load.
const PERIOD: f64 = 5.0;
/// The last digit of a load.
const ROUNDED: f64 = 0.01;
/// A tenth of a second, in ticks: between the kernel's clock and the files.
const MOMENT: f64 = 10.0;

const MEMINFO: &str = "/proc/meminfo";
const SWAPS: &str = "/proc/swaps";
const CPUINFO: &str = "/proc/cpuinfo";
const STAT: &str = "/proc/stat";
const UPTIME: &str = "/proc/uptime";
const LOADAVG: &str = "/proc/loadavg";
const SLABINFO: &str = "/proc/slabinfo";
const DISKSTATS: &str = "/proc/diskstats";

const COPIED: &str = "the host's, copied";
const KERNEL: &str =
    "v1 does not name the parts of kernel memory: vproc shows it all as slab, lxcfs none";
const MEMSW: &str = "not the group's limit of swap";
const V1_KERNEL: &str = "kernel of v1";
const OWN_READ: &str = "counts from its own first read";

const QUOTA: &str =
    "lxcfs takes the quota for all there is: a container that uses it up is at 100 %";

macro_rules! rules {
    ($($file:ident $field:literal, $place:expr, $design:expr, $wrong:expr, $expect:expr;)*) => {
        /// Every field that is compared.
        pub(super) static RULES: &[Rule] = &[$(Rule {
            file: $file,
            field: $field,
            place: $place,
            expect: $expect,
            design: $design,
            wrong: $wrong,
        }),*];
    };
}

use Design::{No, Other};
use Place::{After, Cell, Count, Cpus, Growth, Line, Nth, Objects, Rows, Sum, Tabs, Word};

const PSI_CPU: &str = "/proc/pressure/cpu";
const PSI_MEMORY: &str = "/proc/pressure/memory";
const PSI_IO: &str = "/proc/pressure/io";
const ONLINE: &str = "/sys/devices/system/cpu/online";
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";
const PRESENT: &str = "/sys/devices/system/cpu/present";
const OFFLINE: &str = "/sys/devices/system/cpu/offline";

rules! {
    MEMINFO "MemTotal", Word("MemTotal", 1), No, "not the limit", |e| now(e, 0.0, total);
    MEMINFO "MemFree", Word("MemFree", 1), No, "not what the limit leaves", |e| now(e, PAGES, |f| total(f) - f.get("usage"));
    MEMINFO "MemAvailable", Word("MemAvailable", 1), No, "counts shared memory, which cannot be reclaimed", |e| now(e, PAGES, |f| {
        let cache = f.get("active_file") + f.get("inactive_file") + f.get("slab_reclaimable");
        (total(f) - f.get("usage") + cache).min(total(f))
    });
    MEMINFO "Buffers", Word("Buffers", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);
    MEMINFO "Cached", Word("Cached", 1), No, "", |e| now(e, PAGES, |f| f.get("file"));
    MEMINFO "SwapCached", Word("SwapCached", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("swapcached"));
    MEMINFO "Active", Word("Active", 1), No, "", |e| now(e, PAGES, |f| f.get("active_anon") + f.get("active_file"));
    MEMINFO "Inactive", Word("Inactive", 1), No, "", |e| now(e, PAGES, |f| f.get("inactive_anon") + f.get("inactive_file"));
    MEMINFO "Active(anon)", Word("Active(anon)", 1), No, "", |e| now(e, PAGES, |f| f.get("active_anon"));
    MEMINFO "Inactive(anon)", Word("Inactive(anon)", 1), No, "", |e| now(e, PAGES, |f| f.get("inactive_anon"));
    MEMINFO "Active(file)", Word("Active(file)", 1), No, "", |e| now(e, PAGES, |f| f.get("active_file"));
    MEMINFO "Inactive(file)", Word("Inactive(file)", 1), No, "", |e| now(e, PAGES, |f| f.get("inactive_file"));
    MEMINFO "Unevictable", Word("Unevictable", 1), No, "", |e| now(e, PAGES, |f| f.get("unevictable"));
    MEMINFO "Mlocked", Word("Mlocked", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("locked"));
    MEMINFO "SwapTotal", Word("SwapTotal", 1), No, MEMSW, |e| now(e, 0.0, swap_total);
    MEMINFO "SwapFree", Word("SwapFree", 1), No, MEMSW, |e| now(e, PAGES, |f| swap_total(f) - f.get("swap"));
    MEMINFO "Zswap", Word("Zswap", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("zswap"));
    MEMINFO "Zswapped", Word("Zswapped", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("zswapped"));
    MEMINFO "Dirty", Word("Dirty", 1), No, "always 0", |e| now(e, PAGES, |f| f.get("file_dirty"));
    MEMINFO "Writeback", Word("Writeback", 1), No, "always 0", |e| now(e, PAGES, |f| f.get("file_writeback"));
    MEMINFO "AnonPages", Word("AnonPages", 1), No, "computed from lists that do not hold all", |e| now(e, PAGES, |f| f.get("anon"));
    MEMINFO "Mapped", Word("Mapped", 1), No, "always 0", |e| now(e, PAGES, |f| f.get("file_mapped"));
    MEMINFO "Shmem", Word("Shmem", 1), No, "", |e| now(e, PAGES, |f| f.get("shmem"));
    MEMINFO "KReclaimable", Word("KReclaimable", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("slab_reclaimable"));
    MEMINFO "Slab", Word("Slab", 1), Other(KERNEL, nothing_on_v1), COPIED, |e| now(e, PAGES, slab);
    MEMINFO "SReclaimable", Word("SReclaimable", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("slab_reclaimable"));
    MEMINFO "SUnreclaim", Word("SUnreclaim", 1), Other(KERNEL, nothing_on_v1), COPIED, |e| now(e, PAGES, |f| slab(f) - f.get("slab_reclaimable"));
    MEMINFO "KernelStack", Word("KernelStack", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("kernel_stack"));
    MEMINFO "PageTables", Word("PageTables", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("pagetables"));
    MEMINFO "SecPageTables", Word("SecPageTables", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("sec_pagetables"));
    MEMINFO "VmallocUsed", Word("VmallocUsed", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("vmalloc"));
    MEMINFO "Percpu", Word("Percpu", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("percpu"));
    MEMINFO "CommitLimit", Word("CommitLimit", 1), No, COPIED, |e| now(e, PAGES, |f| total(f) * f.get("commit") + swap_total(f));
    MEMINFO "Committed_AS", Word("Committed_AS", 1), No, COPIED, |e| now(e, PAGES, |f| f.get("anon") + f.get("shmem") + f.get("swap"));
    MEMINFO "AnonHugePages", Word("AnonHugePages", 1), No, "always 0", |e| now(e, PAGES, |f| f.get("anon_thp"));
    MEMINFO "HugePages_Total", Word("HugePages_Total", 1), No, COPIED, huge_pages;
    MEMINFO "HugePages_Free", Word("HugePages_Free", 1), No, COPIED, huge_pages;
    MEMINFO "HugePages_Rsvd", Word("HugePages_Rsvd", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);
    MEMINFO "VmallocTotal", Word("VmallocTotal", 1), No, "", |e| now(e, 0.0, |f| f.host(MEMINFO, "VmallocTotal"));
    MEMINFO "Hugepagesize", Word("Hugepagesize", 1), No, "", |e| now(e, 0.0, |f| f.host(MEMINFO, "Hugepagesize"));
    MEMINFO "DirectMap4k", Word("DirectMap4k", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);
    MEMINFO "DirectMap2M", Word("DirectMap2M", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);
    MEMINFO "DirectMap1G", Word("DirectMap1G", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);

    SWAPS "tabs of heading", Tabs, No, "not the columns of this kernel", |e| now(e, 0.0, |f| {
        let heading = f.host.get(SWAPS).and_then(|text| text.lines().next());
        heading.map_or(0.0, |heading| heading.matches('\t').count() as f64)
    });
    SWAPS "areas", Rows, No, "none, though the group may swap", |e| now(e, 0.0, |f| if swap_total(f) > 0.0 { 1.0 } else { 0.0 });
    SWAPS "size", Cell(1, 2), No, MEMSW, |e| now(e, 0.0, swap_total);
    SWAPS "used", Cell(1, 3), No, "not what is swapped out", |e| now(e, PAGES, |f| f.get("swap"));
    CPUINFO "CPUs", Count("processor"), No, "not those of the quota", |e| now(e, 0.0, |f| f.get("cpus"));
    CPUINFO "siblings", Word("siblings", 1), No, COPIED, |e| now(e, 0.0, |f| f.get("cpus").min(f.host(CPUINFO, "siblings")));

    STAT "lines of CPUs", Count("cpu"), No, "not those of the quota", |e| now(e, 0.0, |f| f.get("cpus") + 1.0);
    STAT "user + nice", Sum("cpu", &[1, 2]), No, OWN_READ, |e| now(e, TICKS, |f| f.get("user") * 100.0);
    STAT "system", Sum("cpu", &[3]), No, OWN_READ, |e| now(e, TICKS, |f| f.get("system") * 100.0);
    STAT "idle", Sum("cpu", &[4]), No, OWN_READ, |e| now(e, MOMENT + TICKS, |f| 100.0 * idle(f));
    STAT "user + nice of CPUs", Cpus(&[1, 2]), No, OWN_READ, |e| now(e, TICKS, |f| f.get("user") * 100.0);
    STAT "system of CPUs", Cpus(&[3]), No, OWN_READ, |e| now(e, TICKS, |f| f.get("system") * 100.0);
    STAT "idle of CPUs", Cpus(&[4]), No, OWN_READ, |e| now(e, MOMENT + TICKS, |f| 100.0 * idle(f));
    STAT "time of CPU 0", Sum("cpu0", &[1, 2, 3, 4]), No, OWN_READ, |e| time_of_cpu(e, 0);
    STAT "time of CPU 1", Sum("cpu1", &[1, 2, 3, 4]), No, OWN_READ, |e| time_of_cpu(e, 1);
    STAT "busy in 3 s", Growth("cpu", &[1, 2, 3]), No, "not what was used", |e| growth(e, TICKS, |f| 100.0 * (f.get("user") + f.get("system")));
    STAT "idle in 3 s", Growth("cpu", &[4]), Other(QUOTA, |e| growth(e, MOMENT + TICKS, |f| 100.0 * idle_of_quota(f))), "not the rest of the time", |e| growth(e, MOMENT + TICKS, |f| 100.0 * idle(f));
    STAT "irq + softirq", Sum("cpu", &[6, 7]), No, COPIED, |_| Expect::Range(0.0, 0.0);
    STAT "intr", Word("intr", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);
    STAT "ctxt", Word("ctxt", 1), No, COPIED, |_| Expect::Range(0.0, 0.0);
    STAT "btime", Word("btime", 1), No, "not of the container's clock", |e| now(e, 1.0, |f| f.host(STAT, "btime") - f.get("offset"));
    STAT "processes", Word("processes", 1), No, COPIED, |e| now(e, 16.0, |f| f.get("last"));
    STAT "procs_running", Word("procs_running", 1), No, COPIED, |e| now(e, 0.0, |f| f.get("running"));
    STAT "procs_blocked", Word("procs_blocked", 1), No, COPIED, |e| now(e, 0.0, |f| f.get("blocked"));

    UPTIME "uptime", Nth(0), No, "not of the container's clock", |e| now(e, 0.3, |f| f.get("clock"));
    UPTIME "idle", Nth(1), No, "the time of one CPU", |e| now(e, 0.3, idle);
    LOADAVG "1 minute", Nth(0), No, OWN_READ, |e| load(e, 1.0);
    LOADAVG "5 minutes", Nth(1), No, OWN_READ, |e| load(e, 5.0);
    LOADAVG "15 minutes", Nth(2), No, OWN_READ, |e| load(e, 15.0);
    LOADAVG "running", Nth(3), No, "as of up to 5 seconds ago", |e| now(e, 0.0, |f| f.get("running"));
    LOADAVG "tasks", Nth(4), No, "as of up to 5 seconds ago", |e| now(e, 0.0, |f| f.get("tasks"));
    LOADAVG "last pid", Nth(5), No, "a pid of the host", |e| now(e, 0.0, |f| f.get("last"));

    SLABINFO "objects", Objects, No, COPIED, |e| now(e, PAGES, slab);
    DISKSTATS "disks", Count(" "), No, COPIED, |e| now(e, 0.0, |f| f.get("disks"));
    PSI_CPU "total", After("total="), No, COPIED, |e| now(e, 2000.0, |f| f.get("cpu.pressure"));
    PSI_MEMORY "total", After("total="), No, COPIED, |e| now(e, 2000.0, |f| f.get("memory.pressure"));
    PSI_IO "total", After("total="), No, COPIED, |e| now(e, 2000.0, |f| f.get("io.pressure"));
    ONLINE "online", Line(0), No, COPIED, cpu_list;
    POSSIBLE "possible", Line(0), No, COPIED, cpu_list;
    PRESENT "present", Line(0), No, COPIED, cpu_list;
    OFFLINE "offline", Line(0), No, COPIED, |_| Expect::Text(String::new());
}
