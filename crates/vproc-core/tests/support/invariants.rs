//! What holds of any container's files, whatever its limits and its host.

use super::{Datum, World, parse};
use std::collections::BTreeMap;
use vproc_core::Class;

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

/// What was rendered, by path; what could not be rendered is left out.
pub type Texts = BTreeMap<String, String>;

/// Renders everything, and again to see that the same comes out.
pub fn render_all(world: &World) -> Texts {
    let mut texts = Texts::new();
    for (path, _) in world.paths() {
        let rendered = world.render(&path);
        assert_eq!(rendered, world.render(&path), "{path} is not a function");
        if let Ok(rendered) = rendered {
            texts.insert(path, rendered.text);
        }
    }
    texts
}

/// Checks everything that can be said of the files of a container that is not
/// the host.
#[track_caller]
pub fn check(world: &World, texts: &Texts) {
    for (path, text) in texts {
        // The group's own file or the host's, as it is.
        let entry = vproc_core::files::find(path).unwrap();
        if path.starts_with("/proc/pressure/") || entry.class == Class::Passed {
            continue;
        }
        numbers_are_plausible(path, text);
        assert!(text.is_empty() || text.ends_with('\n'), "{path} ends within a line: {text:?}");
    }
    if let Some(meminfo) = texts.get("/proc/meminfo") {
        memory_adds_up(world, meminfo);
        swap_agrees(texts, meminfo);
        vmstat_agrees(world, texts, meminfo);
        zones_add_up(world, texts, meminfo);
        nodes_add_up(texts, meminfo);
    }
    cpus_agree(texts);
    siblings_exist(texts);
    disks_are_the_hosts(world, texts);
}

/// Readers parse into signed longs.
fn numbers_are_plausible(path: &str, text: &str) {
    for digits in parse::numbers(text) {
        assert!(digits.parse::<i64>().is_ok(), "{path}: {digits}");
    }
    assert!(!parse::has_negative(text), "{path}: {text}");
}

fn host_text<'a>(world: &'a World, path: &str) -> &'a str {
    match world.host.get(path) {
        Some(Datum::Text(text)) => text,
        _ => "",
    }
}

fn memory_adds_up(world: &World, meminfo: &str) {
    let host = parse::table(host_text(world, "/proc/meminfo"));
    let table = parse::table(meminfo);
    let amount = |label| table.get(label).copied().unwrap_or(0);
    let total = amount("MemTotal");
    assert!(total <= host["MemTotal"], "MemTotal above the host's\n{meminfo}");
    assert!(amount("MemFree") <= total, "{meminfo}");
    if table.contains_key("MemAvailable") {
        assert!(amount("MemFree") <= amount("MemAvailable"), "{meminfo}");
        assert!(amount("MemAvailable") <= total, "{meminfo}");
    }
    assert!(amount("SwapFree") <= amount("SwapTotal"), "{meminfo}");
    assert!(amount("SwapTotal") <= host.get("SwapTotal").copied().unwrap_or(0), "{meminfo}");
    assert!(amount("HugePages_Free") <= amount("HugePages_Total"), "{meminfo}");
    for line in meminfo.lines().filter(|line| line.ends_with(" kB")) {
        let label = line.split(':').next().unwrap_or("");
        assert!(NOT_PARTS.contains(&label) || amount(label) <= total, "{line} of {total}");
    }
    lines_are_laid_out_as_the_hosts(meminfo, host_text(world, "/proc/meminfo"));
}

/// The same labels in the same order, and numbers that end in the same column
/// unless one of them is too long for it.
fn lines_are_laid_out_as_the_hosts(meminfo: &str, host: &str) {
    let host: Vec<&str> = host.lines().filter(|line| line.contains(':')).collect();
    assert_eq!(meminfo.lines().count(), host.len(), "{meminfo}");
    for (line, host) in meminfo.lines().zip(host) {
        let label = |line: &str| line.split_once(':').map(|(label, _)| label.to_owned());
        assert_eq!(label(line), label(host), "{meminfo}");
        let width = if line.ends_with(" kB") { 8 } else { 5 };
        let is_short = |line: &str| parse::numbers(line).last().is_some_and(|n| n.len() <= width);
        if is_short(line.trim_end_matches(" kB")) && is_short(host.trim_end_matches(" kB")) {
            assert_eq!(line.len(), host.len(), "{line:?} {host:?}");
        }
    }
}

fn swap_agrees(texts: &Texts, meminfo: &str) {
    let Some(swaps) = texts.get("/proc/swaps") else { return };
    let meminfo = parse::table(meminfo);
    let rows: Vec<Vec<&str>> =
        swaps.lines().skip(1).map(|row| row.split_ascii_whitespace().collect()).collect();
    if meminfo["SwapTotal"] == 0 {
        assert!(rows.is_empty(), "an area without swap: {swaps}");
        return;
    }
    let [row] = rows.as_slice() else { panic!("one area: {swaps}") };
    assert_eq!(row.len(), 5, "{swaps}");
    let [size, used] = [row[2], row[3]].map(|number| number.parse::<u64>().unwrap_or(u64::MAX));
    assert!(used <= size, "{swaps}");
    assert_eq!(size, meminfo["SwapTotal"], "{swaps}");
    assert_eq!(size - used, meminfo["SwapFree"], "{swaps}");
}

/// The same amounts in pages and in KiB.
fn vmstat_agrees(world: &World, texts: &Texts, meminfo: &str) {
    let Some(vmstat) = texts.get("/proc/vmstat") else { return };
    let (vmstat, meminfo) = (parse::table(vmstat), parse::table(meminfo));
    let page = u64::from(world.page_size.max(1024)) / 1024;
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
        if let (Some(&pages), Some(&kib)) = (vmstat.get(name), meminfo.get(label)) {
            assert_eq!(pages, kib / page, "{name} and {label}");
        }
    }
    if let (Some(kib), Some(stack)) = (vmstat.get("nr_kernel_stack"), meminfo.get("KernelStack")) {
        assert_eq!(kib, stack, "nr_kernel_stack and KernelStack");
    }
}

/// What is in the zones is what there is in all.
fn zones_add_up(world: &World, texts: &Texts, meminfo: &str) {
    let meminfo = parse::table(meminfo);
    let page = u64::from(world.page_size.max(1024)) / 1024;
    let sum = |text: &str, name: &str| -> u64 {
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(name));
        lines.filter_map(|rest| rest.trim().parse::<u64>().ok()).sum()
    };
    if let Some(zones) = texts.get("/proc/zoneinfo") {
        assert_eq!(sum(zones, "present "), meminfo["MemTotal"] / page, "{zones}");
        assert_eq!(sum(zones, "pages free "), meminfo["MemFree"] / page, "{zones}");
        assert!(sum(zones, "nr_anon_pages ") <= meminfo["AnonPages"] / page, "{zones}");
    }
    if let Some(pieces) = texts.get("/proc/buddyinfo") {
        let mut free = 0;
        for line in pieces.lines() {
            let counts = line.split_ascii_whitespace().skip(4);
            let pages = counts.enumerate().map(|(order, n)| n.parse::<u64>().unwrap() << order);
            free += pages.sum::<u64>();
        }
        assert_eq!(free, meminfo["MemFree"] / page, "{pieces}");
    }
}

/// What is in the nodes is what there is in all, memory and CPUs.
fn nodes_add_up(texts: &Texts, meminfo: &str) {
    let meminfo = parse::table(meminfo);
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
            let sum: u64 = directories.iter().map(amount).sum();
            assert_eq!(sum, meminfo[label], "{label}: {directories:?}");
        }
    }
    let lists = of_nodes("/cpulist");
    if let Some(online) = texts.get("/sys/devices/system/cpu/online")
        && !lists.is_empty()
    {
        let mut cpus: Vec<_> = lists.iter().flat_map(|list| parse::cpu_list(list)).collect();
        cpus.sort_unstable();
        assert_eq!(cpus, parse::cpu_list(online), "{lists:?}");
    }
}

/// One story about CPUs, everywhere.
fn cpus_agree(texts: &Texts) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    if let Some(stat) = texts.get("/proc/stat") {
        let lines = parse::cpu_lines(stat);
        let (sum, cpus) = lines.split_first().expect("a line `cpu`");
        counts.insert("stat", cpus.len());
        for (column, &total) in sum.1.iter().enumerate() {
            let parts = cpus.iter().map(|(_, times)| u128::from(times[column])).sum::<u128>();
            let parts = parts.min(i64::MAX.unsigned_abs().into());
            assert_eq!(parts, u128::from(total), "column {column} of the line `cpu`\n{stat}");
        }
    }
    if let Some(cpuinfo) = texts.get("/proc/cpuinfo") {
        counts.insert("cpuinfo", parse::processors(cpuinfo));
    }
    for list in ["online", "possible", "present"] {
        let path = format!("/sys/devices/system/cpu/{list}");
        if let Some(text) = texts.get(path.as_str()) {
            counts.insert(list, parse::cpu_list(text).len());
        }
    }
    for path in ["/proc/interrupts", "/proc/softirqs"] {
        if let Some(header) = texts.get(path).and_then(|text| text.lines().next()) {
            counts.insert(path, header.split_ascii_whitespace().count());
        }
    }
    if let Some(text) = texts.get("/proc/schedstat") {
        counts.insert("schedstat", text.lines().filter(|line| line.starts_with("cpu")).count());
    }
    let directories = texts.keys().filter(|path| path.ends_with("/topology/core_id")).count();
    if directories > 0 {
        counts.insert("directories", directories);
    }
    let mut distinct: Vec<usize> = counts.values().copied().collect();
    distinct.dedup();
    assert!(distinct.len() <= 1, "CPUs: {counts:?}");
    assert!(!distinct.contains(&0), "no CPU at all: {counts:?}");
}

/// A CPU is among its siblings, and all of them are there.
fn siblings_exist(texts: &Texts) {
    let Some(online) = texts.get("/sys/devices/system/cpu/online") else { return };
    let online = parse::cpu_list(online);
    for (path, text) in
        texts.iter().filter(|(path, _)| path.contains("/topology/") && path.ends_with("_list"))
    {
        let number = parse::numbers(path).next().expect("a CPU's directory");
        let siblings = parse::cpu_list(text);
        assert!(siblings.contains(&number.parse().expect("a number")), "{path}: {text}");
        assert!(siblings.iter().all(|cpu| online.contains(cpu)), "{path}: {text}");
    }
}

/// Rows are the host's, of the same devices in both files.
fn disks_are_the_hosts(world: &World, texts: &Texts) {
    let name = |row: &str, column| row.split_ascii_whitespace().nth(column).map(str::to_owned);
    let names = |text: &str, column| -> Vec<String> {
        text.lines().filter_map(|row| name(row, column)).collect()
    };
    if let Some(diskstats) = texts.get("/proc/diskstats") {
        let host = names(host_text(world, "/proc/diskstats"), 2);
        let mut left = host.iter();
        for shown in names(diskstats, 2) {
            assert!(left.any(|name| *name == shown), "{shown} is not next in {host:?}");
        }
    }
    if let Some(partitions) = texts.get("/proc/partitions") {
        let host: Vec<&str> = host_text(world, "/proc/partitions").lines().collect();
        for line in partitions.lines() {
            assert!(host.contains(&line), "{line:?} is not the host's");
        }
        assert_ne!(partitions.lines().count(), 2, "a header without rows");
    }
}
