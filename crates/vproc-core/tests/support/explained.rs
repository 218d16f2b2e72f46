//! Whether an explanation accounts for its text: each field stands where it
//! says, every number of a file that is covered is told, and the steps lead
//! from what stands in the inputs to what is printed.

use std::collections::BTreeSet;
use vproc_core::contract::{Content, Snapshot, Source};
use vproc_core::explain::{Explanation, Field, From};
use vproc_core::text::Layout;
use vproc_core::trace::{Operator, Provenance};

/// Files of which every number is told.
pub const COVERED: [&str; 26] = [
    "/proc/meminfo",
    "/proc/swaps",
    "/proc/vmstat",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/diskstats",
    "/proc/partitions",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/proc/buddyinfo",
    "/proc/cgroups",
    "/proc/interrupts",
    "/proc/softirqs",
    "/proc/slabinfo",
    "/proc/zoneinfo",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/vm/min_free_kbytes",
    "/proc/sys/vm/user_reserve_kbytes",
    "/proc/sys/vm/nr_hugepages",
    "/proc/sys/vm/swappiness",
    "/proc/sys/kernel/ns_last_pid",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
];

/// Checks the explanation of a render.
pub fn check(path: &str, explained: &Explanation, snapshot: &Snapshot<'_>) {
    check_steps(path, explained, snapshot);
    let is_treated = snapshot.environment.settings.iter().any(|(knob, _)| *knob == path);
    let mut lines = BTreeSet::new();
    for field in &explained.fields {
        lines.insert(field.line);
        check_field(path, field, explained, snapshot);
        if COVERED.contains(&path) && !snapshot.is_host && !is_treated {
            let is_told = field.value.is_some()
                || field.quoted.is_some()
                || field.provenance == Provenance::Constant
                || field.provenance == Provenance::Filtered && !field.reason.is_empty();
            assert!(is_told, "{path}: nothing is known of {field:?}");
        }
    }
    for (line, at) in explained.text.lines().zip(1..) {
        assert!(line.trim().is_empty() || lines.contains(&at), "{path} has no field for `{line}`");
    }
}

fn check_field(path: &str, field: &Field, explained: &Explanation, snapshot: &Snapshot<'_>) {
    let printed = &explained.text[field.range.clone()];
    if let Some(key) = field.quoted {
        let mut inputs = snapshot.inputs.iter().filter(|input| input.key == key);
        assert!(
            inputs.any(
                |input| matches!(input.content, Content::Text(text) if text.contains(printed))
            ),
            "{path}: {printed} does not stand in {key}"
        );
    }
    let Some(value) = field.value.map(|step| explained.steps[step as usize].value) else { return };
    let value = value.min(i64::MAX as u64);
    match field.layout.unwrap() {
        Layout::Number => assert_eq!(printed, value.to_string(), "{path} {field:?}"),
        Layout::Hundredths => {
            assert_eq!(printed, format!("{}.{:02}", value / 100, value % 100), "{path} {field:?}");
        }
        Layout::CpuList => assert_eq!(cpus(printed).len() as u64, value, "{path} {field:?}"),
        Layout::Unprinted => assert_eq!(printed, ""),
    }
    // A word about a number does not contradict its steps.
    let leaves = leaves(explained, field.value.unwrap());
    let of_container = leaves.iter().any(|leaf| match leaf {
        From::Input { key, .. } => {
            let mut needs = vproc_core::files::find(path).unwrap().needs.iter().copied().flatten();
            !needs.any(|need| need.key == *key && matches!(need.source, Source::Host(_)))
        }
        _ => false,
    });
    match field.provenance {
        Provenance::Passed | Provenance::Constant => assert!(!of_container, "{path} {field:?}"),
        _ => {}
    }
}

/// Every step follows from those before it, and every leaf stands in an input.
fn check_steps(path: &str, explained: &Explanation, snapshot: &Snapshot<'_>) {
    for (place, step) in explained.steps.iter().enumerate() {
        let of = |operand: &u32| {
            assert!((*operand as usize) < place, "{path}: operands come first");
            &explained.steps[*operand as usize]
        };
        let value = match &step.from {
            From::Input { key, level, item, raw } => {
                check_quote(path, snapshot, (key, *level), item, raw, step.value);
                continue;
            }
            From::Given(_) => continue,
            From::Named(_, operand) | From::Noted(_, operand) => of(operand).value,
            From::Result(Operator::Common, operands) => {
                let sets: Vec<_> =
                    operands.iter().map(|operand| set(explained, *operand)).collect();
                sets[0].intersection(&sets[1]).count() as u64
            }
            From::Result(operator, operands) => {
                let values: Vec<u64> = operands.iter().map(|operand| of(operand).value).collect();
                computed(*operator, &values)
            }
        };
        assert_eq!(step.value, value, "{path}: {step:?}");
    }
}

/// The arithmetic of the operators, once more.
fn computed(operator: Operator, values: &[u64]) -> u64 {
    let wide = |place: usize| u128::from(values[place]);
    let by = |place: usize| wide(place).max(1);
    let value = match operator {
        Operator::Plus => wide(0) + wide(1),
        Operator::Minus => wide(0).saturating_sub(wide(1)),
        Operator::Times => wide(0) * wide(1),
        Operator::Divided => wide(0) / by(1),
        Operator::DividedUp => wide(0).div_ceil(by(1)),
        Operator::DividedNearest => (wide(0) * 2 + by(1)) / (by(1) * 2),
        Operator::Aligned => wide(0) / by(1) * by(1),
        Operator::Share => wide(0) * wide(1) / by(2),
        Operator::ShareNearest => (wide(0) * wide(1) + by(2) / 2) / by(2),
        Operator::Least => wide(0).min(wide(1)),
        Operator::Greatest => wide(0).max(wide(1)),
        Operator::Decayed => (0..values[3]).fold(wide(0), |load, _| {
            let rounding = if wide(1) >= load { 2047 } else { 0 };
            (load * wide(2) + wide(1) * (2048 - wide(2)) + rounding) / 2048
        }),
        Operator::Common => unreachable!("not of numbers"),
    };
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn check_quote(
    path: &str,
    snapshot: &Snapshot<'_>,
    place: (&str, u32),
    item: &str,
    raw: &str,
    value: u64,
) {
    let mut inputs = snapshot.inputs.iter().filter(|input| (input.key, input.level) == place);
    let found = inputs.any(|input| match input.content {
        Content::Text(text) => {
            // `cpu3 user`, `8:0 rbytes`: put together from several places;
            // and what counts as below zero was read as 0.
            let is_there = text.contains(raw) || value == 0 || value == u64::MAX;
            is_there || item.contains(' ') || item == "boottime"
        }
        Content::Tasks(counts) => [counts.total, counts.running, counts.blocked, counts.last_pid]
            .iter()
            .any(|count| u64::from(*count) == value),
        _ => false,
    });
    // A task count that could not be taken is none.
    assert!(found || place.0 == "tasks", "{path}: {raw} of {item} in {place:?}");
}

/// The CPUs that a step counts.
fn set(explained: &Explanation, step: u32) -> Cpus {
    match &explained.steps[step as usize].from {
        From::Input { raw, .. } => Cpus(cpus(raw)),
        From::Named(_, of) | From::Noted(_, of) => set(explained, *of),
        other => panic!("no list: {other:?}"),
    }
}

struct Cpus(BTreeSet<u32>);

impl Cpus {
    fn intersection<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a u32> {
        self.0.intersection(&other.0)
    }
}

fn cpus(list: &str) -> BTreeSet<u32> {
    let parts = list.trim_matches(['\0', ' ', '\n', '\t', '\r', '\x0c']).split(',');
    parts
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
        })
        .collect()
}

/// Where the numbers come from that a step follows from.
pub fn leaves(explained: &Explanation, step: u32) -> Vec<&From> {
    let (mut open, mut seen, mut leaves) = (vec![step], BTreeSet::new(), Vec::new());
    while let Some(next) = open.pop() {
        if !seen.insert(next) {
            continue;
        }
        match &explained.steps[next as usize].from {
            From::Result(_, operands) => open.extend(operands),
            From::Named(_, of) | From::Noted(_, of) => open.push(*of),
            leaf => leaves.push(leaf),
        }
    }
    leaves
}
