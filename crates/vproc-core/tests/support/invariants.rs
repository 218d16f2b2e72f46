//! What holds of any container's files, whatever its limits and its host.

use super::relations::{self, Contradiction};
use super::{Datum, World, parse};
use vproc_core::Class;

pub use super::relations::Texts;

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
    let compared = relations::compare(texts, world.page_size);
    if let Some(Contradiction { path, message }) = compared.found.first() {
        panic!("{path}: {message}\n{texts:#?}");
    }
    if let Some(meminfo) = texts.get("/proc/meminfo") {
        memory_is_of_the_host(world, meminfo);
        swap_is_one_area(texts, meminfo);
    }
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

fn memory_is_of_the_host(world: &World, meminfo: &str) {
    let host = parse::table(host_text(world, "/proc/meminfo"));
    let table = parse::table(meminfo);
    let amount = |label| table.get(label).copied().unwrap_or(0);
    assert!(amount("MemTotal") <= host["MemTotal"], "MemTotal above the host's\n{meminfo}");
    assert!(amount("SwapTotal") <= host.get("SwapTotal").copied().unwrap_or(0), "{meminfo}");
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

fn swap_is_one_area(texts: &Texts, meminfo: &str) {
    let Some(swaps) = texts.get("/proc/swaps") else { return };
    let areas = usize::from(parse::table(meminfo)["SwapTotal"] > 0);
    assert_eq!(swaps.lines().skip(1).count(), areas, "{swaps}");
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
