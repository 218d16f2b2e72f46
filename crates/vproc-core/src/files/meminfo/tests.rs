#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{cgroup, host, snapshot};
use alloc::string::String;
use alloc::vec;

const GIB: u64 = 1 << 30;

fn printed(line: &str, amount: u64) -> String {
    let mut out = Text::new();
    Line::parse(line).unwrap().print(Count(amount), &mut out);
    out.into_string()
}

#[test]
fn lines_print_as_they_were_read() {
    for line in [
        "MemTotal:       16319508 kB",
        "MemTotal:       131902332 kB",
        "MemTotal:     16425892 kB",
        "MemFree:          108676 kB",
        "VmallocTotal:   34359738367 kB",
        "HardwareCorrupted:     0 kB",
        "HugePages_Total:      12",
        "HugePages_Total:   123456",
        "HugePages_Total:    12",
        "Hugepagesize:    262144 kB",
    ] {
        let amount = Line::parse(line).unwrap().amount;
        assert_eq!(printed(line, amount).trim_end_matches('\n'), line);
    }
}

#[test]
fn other_amounts_take_the_same_columns() {
    assert_eq!(printed("MemTotal:       131902332 kB", 5), "MemTotal:              5 kB\n");
    assert_eq!(printed("MemFree:               5 kB", 131902332), "MemFree:        131902332 kB\n");
    assert_eq!(printed("HugePages_Free:        3", 123456), "HugePages_Free:    123456\n");
}

#[test]
fn what_is_not_a_line_is_left_out() {
    for text in ["", "MemTotal", "MemTotal:", "MemTotal: kB", "MemTotal: -1 kB", "Mem: 1 2 3"] {
        assert!(Line::parse(text).is_none(), "{text}");
    }
}

#[test]
fn fields_are_found_in_any_order() {
    let mut next = 0;
    for label in ["MemTotal", "MemFree", "DirectMap2G", "MemTotal", "Nothing", "Cached"] {
        let expected = if label == "Nothing" { "" } else { label };
        assert_eq!(field(label, &mut next).label, expected);
    }
    for (place, field) in FIELDS.iter().enumerate() {
        let mut others = FIELDS.iter().skip(place + 1);
        assert!(others.all(|other| other.label != field.label), "{} twice", field.label);
        assert!(
            !field.rule.is_empty() || field.origin == Origin::Computed,
            "{} has no rule",
            field.label
        );
    }
}

#[test]
fn only_properties_of_the_machine_pass() {
    let passed = FIELDS.iter().filter(|field| field.origin == Origin::Passed);
    let labels: Vec<_> = passed.map(|field| field.label).collect();
    assert_eq!(labels, ["VmallocTotal", "Hugepagesize"]);
}

fn render(host_text: &str, inputs: &[(&'static str, &str)]) -> Result<String, Error> {
    let mut all = vec![host(HOST, host_text)];
    all.extend(inputs.iter().map(|(key, text)| cgroup(key, 0, 1, text)));
    crate::render("/proc/meminfo", &snapshot(all)).map(|rendered| rendered.text)
}

fn amount(text: &str, label: &str) -> u64 {
    let mut lines = text.lines().filter_map(Line::parse);
    lines.find(|line| line.label == label).unwrap().amount
}

#[test]
fn the_commit_limit_is_the_hosts_share_of_the_containers_memory() {
    // vm.overcommit_ratio 50, and 1 GiB of swap.
    let host = "MemTotal: 8388608 kB\nSwapTotal: 1048576 kB\nCommitLimit: 5242880 kB\n";
    let swap = [("memory.swap.max", "4096"), ("memory.swap.current", "0")];
    let limit = [("memory.max", "1073741824")];
    let text = render(host, &[&limit[..], &swap].concat()).unwrap();
    assert_eq!(amount(&text, "CommitLimit"), 524288 + 4);
    let ungoverned = render("MemTotal: 0 kB\nCommitLimit: 99 kB\n", &[]).unwrap();
    assert_eq!(amount(&ungoverned, "CommitLimit"), 0);
}

#[test]
fn available_is_free_and_cache_within_the_total() {
    let host = "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 1 kB\n";
    let with = |stat| {
        let files = [("memory.max", "1048576"), ("memory.current", "524288")];
        let text = render(host, &[&files[..], &[("memory.stat", stat)]].concat()).unwrap();
        (amount(&text, "MemFree"), amount(&text, "MemAvailable"))
    };
    assert_eq!(with("active_file 1024\ninactive_file 2048\nslab_reclaimable 1024\n"), (512, 516));
    assert_eq!(with("active_file 99999999\n"), (512, 1024));
    assert_eq!(with(""), (512, 512));
}

/// Pages that were swapped in and not changed are in the swap cache, which is
/// not a part of what a group counts as `file`.
#[test]
fn the_swap_cache_is_no_page_cache() {
    let stat = "file 33554432\nswapcached 26214400\n";
    let host_text = "MemTotal: 1048576 kB\nCached: 1 kB\nSwapCached: 1 kB\n";
    let text = render(host_text, &[("memory.stat", stat)]).unwrap();
    assert_eq!((amount(&text, "Cached"), amount(&text, "SwapCached")), (32 << 10, 25 << 10));
}

#[test]
fn usage_above_the_limit_leaves_nothing_free() {
    let host = "MemTotal: 8388608 kB\nMemFree: 1 kB\nActive: 1 kB\n";
    let usage = alloc::format!("{}", 2 * GIB);
    let stat = alloc::format!("active_anon {}\nactive_file {}\n", u64::MAX, u64::MAX);
    let files = [("memory.max", "1073741824"), ("memory.current", &usage), ("memory.stat", &stat)];
    let text = render(host, &files).unwrap();
    assert_eq!(amount(&text, "MemFree"), 0);
    assert_eq!(amount(&text, "Active"), GIB / 1024);
}

#[test]
fn a_host_without_a_total_is_malformed() {
    let error = render("MemFree: 1 kB\n", &[]).unwrap_err();
    assert!(matches!(error, Error::MalformedInput { key: HOST, .. }));
    let absent = crate::render("/proc/meminfo", &snapshot(vec![]));
    assert_eq!(absent.unwrap_err(), Error::MissingInput(HOST));
}
