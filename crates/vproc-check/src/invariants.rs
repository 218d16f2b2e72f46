//! What holds of the files of any container, whatever its limits and its host. The
//! core's own tests use it, too.

#![allow(unreachable_pub)]

use super::figures;
use std::collections::BTreeMap;

/// What was rendered, by path; what could not be rendered or is empty is left out.
pub type Texts = BTreeMap<String, String>;

/// Something that does not hold.
#[derive(Debug)]
pub struct Contradiction {
    /// Where.
    pub path: String,
    /// What.
    pub message: String,
}

/// Collects contradictions, and counts what was compared.
#[derive(Debug, Default)]
pub struct Comparison {
    /// What does not hold.
    pub found: Vec<Contradiction>,
    /// How often something was compared.
    pub cases: u64,
}

impl Comparison {
    /// Complains unless it holds.
    fn holds(&mut self, path: &str, it: bool, message: impl FnOnce() -> String) {
        self.cases += 1;
        if !it {
            self.found.push(Contradiction { path: path.to_owned(), message: message() });
        }
    }

    /// Complains unless both are there and the same, or one is not there.
    fn same(&mut self, path: &str, what: &str, one: Option<u64>, other: Option<u64>) {
        if let (Some(one), Some(other)) = (one, other) {
            self.holds(path, one == other, || format!("{what}: {one} and {other}"));
        }
    }

    /// Complains if the first is more than the second.
    fn within(&mut self, path: &str, what: &str, part: Option<u64>, whole: Option<u64>) {
        if let (Some(part), Some(whole)) = (part, whole) {
            self.holds(path, part <= whole, || format!("{what}: {part} is more than {whole}"));
        }
    }
}

const MEMINFO: &str = "/proc/meminfo";

/// Compares the files of a container that is not the host.
pub fn compare(texts: &Texts, page_size: u32) -> Comparison {
    let mut to = Comparison::default();
    if let Some(meminfo) = texts.get(MEMINFO) {
        memory_adds_up(&mut to, meminfo);
        swap_agrees(&mut to, texts, meminfo);
        let page = u64::from(page_size.max(1024)) / 1024;
        vmstat_agrees(&mut to, texts, meminfo, page);
        zones_add_up(&mut to, texts, meminfo, page);
        nodes_add_up(&mut to, texts, meminfo);
    }
    cpus_agree(&mut to, texts);
    cpu_times_add_up(&mut to, texts);
    siblings_exist(&mut to, texts);
    to
}

/// Lines of meminfo in kB that are not a part of the container's memory.
const NOT_PARTS: [&str; 8] = [
    "SwapTotal",
    "SwapFree",
    "Zswapped",     // a part of swap
    "CommitLimit",  // a share of memory, and swap
    "Committed_AS", // memory and swap
    "VmallocTotal", // an address space
    "Hugepagesize",
    "Hugetlb", // the pool is not charged to memory
];

fn memory_adds_up(to: &mut Comparison, meminfo: &str) {
    let table = figures::table(meminfo);
    let amount = |label: &str| table.get(label).copied();
    for (part, whole) in [
        ("MemFree", "MemTotal"),
        ("MemFree", "MemAvailable"),
        ("MemAvailable", "MemTotal"),
        ("SwapFree", "SwapTotal"),
        ("HugePages_Free", "HugePages_Total"),
    ] {
        to.within(MEMINFO, &format!("{part} and {whole}"), amount(part), amount(whole));
    }
    let total = amount("MemTotal");
    for line in meminfo.lines().filter(|line| line.ends_with(" kB")) {
        let label = line.split(':').next().unwrap_or_default();
        if !NOT_PARTS.contains(&label) {
            to.within(MEMINFO, &format!("{label} and MemTotal"), amount(label), total);
        }
    }
}

fn swap_agrees(to: &mut Comparison, texts: &Texts, meminfo: &str) {
    const SWAPS: &str = "/proc/swaps";
    let Some(swaps) = texts.get(SWAPS) else { return };
    let meminfo = figures::table(meminfo);
    let (mut size, mut used) = (0_u64, 0_u64);
    for row in swaps.lines().skip(1) {
        let mut numbers = row.split_ascii_whitespace().skip(2).map(|word| word.parse::<u64>());
        let (Some(Ok(of_row)), Some(Ok(used_of_row))) = (numbers.next(), numbers.next()) else {
            continue;
        };
        to.within(SWAPS, "what is used of an area", Some(used_of_row), Some(of_row));
        (size, used) = (size.saturating_add(of_row), used.saturating_add(used_of_row));
    }
    let total = meminfo.get("SwapTotal").copied();
    to.same(SWAPS, "the areas' size, and SwapTotal of /proc/meminfo", Some(size), total);
    let free = meminfo.get("SwapFree").copied();
    to.same(SWAPS, "what is free, and SwapFree of /proc/meminfo", size.checked_sub(used), free);
}

/// The same amounts in pages and in KiB.
fn vmstat_agrees(to: &mut Comparison, texts: &Texts, meminfo: &str, page: u64) {
    const VMSTAT: &str = "/proc/vmstat";
    let Some(vmstat) = texts.get(VMSTAT) else { return };
    let (vmstat, meminfo) = (figures::table(vmstat), figures::table(meminfo));
    for (name, label) in [
        ("nr_free_pages", "MemFree"),
        ("nr_active_anon", "Active(anon)"),
        ("nr_zone_active_anon", "Active(anon)"),
        ("nr_inactive_file", "Inactive(file)"),
        ("nr_unevictable", "Unevictable"),
        ("nr_anon_pages", "AnonPages"),
        ("nr_mapped", "Mapped"),
        ("nr_shmem", "Shmem"),
        ("nr_dirty", "Dirty"),
        ("nr_writeback", "Writeback"),
        ("nr_slab_reclaimable", "SReclaimable"),
        ("nr_slab_unreclaimable", "SUnreclaim"),
        ("nr_page_table_pages", "PageTables"),
    ] {
        let pages = meminfo.get(label).map(|kib| kib / page);
        let what = format!("{name}, and {label} of /proc/meminfo in pages");
        to.same(VMSTAT, &what, vmstat.get(name).copied(), pages);
    }
    let what = "nr_kernel_stack, and KernelStack of /proc/meminfo";
    let [stack, of_vmstat] = [meminfo.get("KernelStack"), vmstat.get("nr_kernel_stack")];
    to.same(VMSTAT, what, of_vmstat.copied(), stack.copied());
}

/// What is in the zones is what there is in all.
fn zones_add_up(to: &mut Comparison, texts: &Texts, meminfo: &str, page: u64) {
    const ZONES: &str = "/proc/zoneinfo";
    const PIECES: &str = "/proc/buddyinfo";
    let meminfo = figures::table(meminfo);
    let pages = |label: &str| meminfo.get(label).map(|kib| kib / page);
    if let Some(zones) = texts.get(ZONES) {
        let sum = |name: &str| {
            let lines = zones.lines().filter_map(|line| line.trim_start().strip_prefix(name));
            Some(lines.filter_map(|rest| rest.trim().parse::<u64>().ok()).sum())
        };
        to.same(ZONES, "pages present, and MemTotal", sum("present "), pages("MemTotal"));
        to.same(ZONES, "pages free, and MemFree", sum("pages free "), pages("MemFree"));
        let anonymous = sum("nr_anon_pages ");
        to.within(ZONES, "nr_anon_pages and AnonPages", anonymous, pages("AnonPages"));
    }
    if let Some(pieces) = texts.get(PIECES) {
        let mut free = 0_u64;
        for line in pieces.lines() {
            let counts = line.split_ascii_whitespace().skip(4);
            let counts = counts.filter_map(|count| count.parse::<u64>().ok());
            let pages = counts.zip(0_u32..).map(|(n, order)| n.saturating_mul(1 << order.min(32)));
            free = pages.fold(free, u64::saturating_add);
        }
        to.same(PIECES, "pages in pieces, and MemFree", Some(free), pages("MemFree"));
    }
}

/// What is in the nodes is what there is in all, memory and CPUs.
fn nodes_add_up(to: &mut Comparison, texts: &Texts, meminfo: &str) {
    const NODES: &str = "/sys/devices/system/node";
    let meminfo = figures::table(meminfo);
    let of_nodes = |file: &str| -> Vec<&String> {
        let is_it = |path: &&String| path.contains("/node/node") && path.ends_with(file);
        texts.iter().filter(|(path, _)| is_it(path)).map(|(_, text)| text).collect()
    };
    let directories = of_nodes("/meminfo");
    for label in ["MemTotal", "MemFree", "AnonPages", "Slab"] {
        let amount = |text: &&String| -> u64 {
            let line = text.lines().find(|line| line.contains(&format!(" {label}:")));
            line.and_then(|line| line.split_ascii_whitespace().nth(3)?.parse().ok()).unwrap_or(0)
        };
        if !directories.is_empty() {
            let sum = directories.iter().map(amount).fold(0, u64::saturating_add);
            let what = format!("{label} of all nodes, and of /proc/meminfo");
            to.same(NODES, &what, Some(sum), meminfo.get(label).copied());
        }
    }
    let lists = of_nodes("/cpulist");
    if let Some(online) = texts.get(ONLINE)
        && !lists.is_empty()
    {
        let mut cpus: Vec<_> = lists.iter().flat_map(|list| figures::cpu_list(list)).collect();
        cpus.sort_unstable();
        to.holds(NODES, cpus == figures::cpu_list(online), || {
            format!("the CPUs of all nodes are not those of {ONLINE}")
        });
    }
}

const ONLINE: &str = "/sys/devices/system/cpu/online";

/// One story about CPUs, everywhere.
fn cpus_agree(to: &mut Comparison, texts: &Texts) {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for list in ["online", "possible", "present"] {
        let path = format!("/sys/devices/system/cpu/{list}");
        if let Some(text) = texts.get(&path) {
            counts.push((path, figures::cpu_list(text).len()));
        }
    }
    for (path, count) in [
        ("/proc/stat", of_stat as fn(&str) -> usize),
        ("/proc/cpuinfo", figures::processors),
        ("/proc/interrupts", of_header),
        ("/proc/softirqs", of_header),
        ("/proc/schedstat", |text| text.lines().filter(|l| l.starts_with("cpu")).count()),
    ] {
        if let Some(text) = texts.get(path) {
            counts.push((path.to_owned(), count(text)));
        }
    }
    let directories = texts.keys().filter(|path| path.ends_with("/topology/core_id")).count();
    if directories > 0 {
        counts.push(("/sys/devices/system/cpu/cpu*".to_owned(), directories));
    }
    let Some((first, known)) = counts.first().cloned() else { return };
    for (path, count) in &counts {
        to.holds(path, *count == known, || {
            format!("it shows {count} CPUs where {first} shows {known}")
        });
        to.holds(path, *count > 0, || "it shows no CPU at all".to_owned());
    }
}

fn of_stat(text: &str) -> usize {
    figures::cpu_lines(text).len().saturating_sub(1)
}

fn of_header(text: &str) -> usize {
    text.lines().next().unwrap_or_default().split_ascii_whitespace().count()
}

/// The line `cpu` is the sum of all others.
fn cpu_times_add_up(to: &mut Comparison, texts: &Texts) {
    const STAT: &str = "/proc/stat";
    let Some(stat) = texts.get(STAT) else { return };
    let lines = figures::cpu_lines(stat);
    let Some(((_, sums), cpus)) = lines.split_first() else { return };
    for (column, &total) in sums.iter().enumerate() {
        let times = cpus.iter().filter_map(|(_, times)| times.get(column));
        let parts = times.map(|time| u128::from(*time)).sum::<u128>();
        let parts = parts.min(i64::MAX.unsigned_abs().into());
        to.holds(STAT, parts == u128::from(total), || {
            format!("column {} of the line `cpu`: {total}, and {parts} in all others", column + 1)
        });
    }
}

/// A CPU is among its siblings, and all of them are there.
fn siblings_exist(to: &mut Comparison, texts: &Texts) {
    let Some(online) = texts.get(ONLINE) else { return };
    let online = figures::cpu_list(online);
    let is_list = |path: &str| path.contains("/topology/") && path.ends_with("_list");
    for (path, text) in texts.iter().filter(|(path, _)| is_list(path)) {
        let number = figures::numbers(path).next().and_then(|number| number.parse().ok());
        let siblings = figures::cpu_list(text);
        to.holds(path, number.is_some_and(|number| siblings.contains(&number)), || {
            "the CPU is not among its siblings".to_owned()
        });
        to.holds(path, siblings.iter().all(|cpu| online.contains(cpu)), || {
            format!("a sibling is not in {ONLINE}")
        });
    }
}
