#![allow(clippy::unwrap_used)]

use super::*;
use crate::contract::Snapshot;
use crate::testing::{cgroup, host, snapshot};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::{format, vec};
use proptest::prelude::*;

const FILES: [&Entry; 13] = [
    &PHYSICAL_PACKAGE_ID,
    &DIE_ID,
    &CORE_ID,
    &THREAD_SIBLINGS,
    &THREAD_SIBLINGS_LIST,
    &CORE_CPUS,
    &CORE_CPUS_LIST,
    &CORE_SIBLINGS,
    &CORE_SIBLINGS_LIST,
    &PACKAGE_CPUS,
    &PACKAGE_CPUS_LIST,
    &DIE_CPUS,
    &DIE_CPUS_LIST,
];

/// A host's cpuinfo, from the package and the core of each CPU.
fn cpuinfo(cpus: &[(u32, u32)]) -> String {
    let paragraph = |(cpu, (package, core)): (usize, &(u32, u32))| {
        format!(
            "processor\t: {cpu}\nvendor_id\t: GenuineExample\nphysical id\t: {package}\n\
             siblings\t: 1\ncore id\t\t: {core}\ncpu cores\t: 1\n\n"
        )
    };
    cpus.iter().enumerate().map(paragraph).collect()
}

fn container<'a>(cpuinfo: &'a str, cpuset: &'a str) -> Snapshot<'a> {
    snapshot(vec![
        host("cpuinfo", cpuinfo),
        host("cpu-online", "0-4095\n"),
        host(POSSIBLE, "0-8191\n"),
        cgroup("cpuset.cpus.effective", 0, 1, cpuset),
    ])
}

fn text(entry: &Entry, cpu: u32, snapshot: &Snapshot<'_>) -> Result<String, Error> {
    let path = entry.path.replace('*', &format!("{cpu}"));
    crate::render(&path, snapshot).map(|rendered| rendered.text)
}

fn all(cpu: u32, snapshot: &Snapshot<'_>) -> Vec<String> {
    FILES.iter().map(|entry| text(entry, cpu, snapshot).unwrap()).collect()
}

/// Two packages of two cores of two threads; the threads of a core are 4
/// apart.
const TWO_PACKAGES: [(u32, u32); 8] =
    [(0, 0), (1, 0), (0, 1), (1, 1), (0, 0), (1, 0), (0, 1), (1, 1)];

#[test]
fn siblings_are_what_is_left_of_them() {
    let text = cpuinfo(&TWO_PACKAGES);
    // Shown as 0 to 4: both threads of two cores of package 0, and one of 1.
    let part = container(&text, "0,2-4,6\n");
    let expected = [
        "0\n",
        "0\n",
        "1\n",
        "12\n",
        "1,4\n",
        "12\n",
        "1,4\n",
        "1b\n",
        "0-1,3-4\n",
        "1b\n",
        "0-1,3-4\n",
        "1b\n",
        "0-1,3-4\n",
    ];
    assert_eq!(all(1, &part), expected);
    let alone = [
        "1\n", "0\n", "1\n", "04\n", "2\n", "04\n", "2\n", "04\n", "2\n", "04\n", "2\n", "04\n",
        "2\n",
    ];
    assert_eq!(all(2, &part), alone);
    assert_eq!(self::text(&CORE_ID, 5, &part), Err(Error::UnsupportedPath));
}

#[test]
fn numbers_may_be_the_hosts() {
    let text = cpuinfo(&TWO_PACKAGES);
    let mut part = container(&text, "0,2-4,6\n");
    part.environment.settings = vec![("cpu-numbering", "host")];
    assert_eq!(self::text(&CORE_SIBLINGS_LIST, 6, &part).unwrap(), "0,2,4,6\n");
    assert_eq!(self::text(&THREAD_SIBLINGS, 6, &part).unwrap(), "44\n");
    assert_eq!(self::text(&CORE_ID, 1, &part), Err(Error::UnsupportedPath));
}

/// `%*pb` for 1, 4, 5, 32, 33 and 40 CPUs of one core each.
#[test]
fn masks_are_laid_out_as_the_kernel_s() {
    for (cpus, first, whole) in [
        (1, "1\n", "1\n"),
        (4, "1\n", "f\n"),
        (5, "01\n", "1f\n"),
        (32, "00000001\n", "ffffffff\n"),
        (33, "0,00000001\n", "1,ffffffff\n"),
        (40, "00,00000001\n", "ff,ffffffff\n"),
        (70, "00,00000000,00000001\n", "3f,ffffffff,ffffffff\n"),
    ] {
        let places: Vec<(u32, u32)> = (0..cpus).map(|cpu| (0, cpu)).collect();
        let (text, cpuset) = (cpuinfo(&places), format!("0-{}\n", cpus - 1));
        let snapshot = container(&text, &cpuset);
        assert_eq!(self::text(&CORE_CPUS, 0, &snapshot).unwrap(), first, "{cpus}");
        assert_eq!(self::text(&PACKAGE_CPUS, 0, &snapshot).unwrap(), whole, "{cpus}");
    }
}

#[test]
fn without_a_word_of_topology_each_cpu_is_a_core() {
    let arm64 = "processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\nBogoMIPS\t: 50.00\n\n\
                 processor\t: 2\nBogoMIPS\t: 50.00\n\n";
    for text in [arm64, "", "cpu\t\t\t: Alpha\ncpus detected\t\t: 3\n"] {
        let snapshot = container(text, "0-2\n");
        let expected = [
            "0\n", "0\n", "2\n", "4\n", "2\n", "4\n", "2\n", "7\n", "0-2\n", "7\n", "0-2\n", "7\n",
            "0-2\n",
        ];
        assert_eq!(all(2, &snapshot), expected, "{text}");
    }
}

#[test]
fn the_host_s_masks_are_as_wide_as_the_kernel_s() {
    let text = cpuinfo(&[(0, 0), (0, 1)]);
    let mut snapshot = container(&text, "\n");
    snapshot.inputs = vec![
        host("cpuinfo", &text),
        host("cpu-online", "0-1\n"),
        host(POSSIBLE, "0-39\n"),
        cgroup("cpuset.cpus.effective", 0, 0, "0-1\n"),
    ];
    snapshot.is_host = true;
    assert_eq!(self::text(&PACKAGE_CPUS, 1, &snapshot).unwrap(), "00,00000003\n");
    assert_eq!(self::text(&CORE_ID, 1, &snapshot).unwrap(), "1\n");
}

fn list(text: &str) -> BTreeSet<u32> {
    CpuSet::parse("list", text).unwrap().iter().collect()
}

/// The CPUs in a mask, read as programs do: from the right.
fn mask(text: &str) -> BTreeSet<u32> {
    let digits = text.trim_end().chars().filter(|c| *c != ',').rev();
    let digits = (0..).zip(digits.map(|digit| digit.to_digit(16).unwrap()));
    digits
        .flat_map(|(place, digit)| {
            (0..4).filter(move |bit| digit & (1 << bit) != 0).map(move |bit| place * 4 + bit)
        })
        .collect()
}

proptest! {
    /// The directory lists the CPUs of cpuinfo; being siblings goes both
    /// ways; lists and masks agree; and all of it is about CPUs that exist.
    #[test]
    fn one_story(
        places in proptest::collection::vec((0u32..4, 0u32..9), 1..140),
        cpuset in proptest::collection::btree_set(0u32..140, 1..140),
        quota in proptest::option::of(1u32..40),
        numbering in proptest::sample::select(vec!["dense", "host"]),
    ) {
        let cpuset: Vec<u32> = cpuset.into_iter().filter(|cpu| (*cpu as usize) < places.len()).collect();
        prop_assume!(!cpuset.is_empty());
        let (text, mut set) = (cpuinfo(&places), Text::new());
        CpuSet::from_ascending(cpuset.iter().copied()).print(&mut set);
        let (set, quota) = (set.into_string(), quota.map(|quota| format!("{quota}0000 10000\n")));
        let mut snapshot = container(&text, &set);
        snapshot.inputs.extend(quota.as_deref().map(|quota| cgroup("cpu.max", 0, 1, quota)));
        snapshot.environment.settings = vec![("cpu-numbering", numbering)];
        let render = |path: &str| crate::render(path, &snapshot).unwrap().text;
        let present = list(&render("/sys/devices/system/cpu/present"));
        let directories: BTreeSet<u32> = render("/sys/devices/system/cpu")
            .lines().map(|name| name.strip_prefix("cpu").unwrap().parse().unwrap()).collect();
        prop_assert_eq!(&directories, &present);
        let shown: Vec<[u32; 3]> = render("/proc/cpuinfo").split_terminator("\n\n").map(|paragraph| {
            ["processor", "physical id", "core id"].map(|key| {
                let line = paragraph.lines().find(|line| line.starts_with(key)).unwrap();
                line.split_once(": ").unwrap().1.parse().unwrap()
            })
        }).collect();
        prop_assert_eq!(&shown.iter().map(|cpu| cpu[0]).collect::<BTreeSet<u32>>(), &present);
        for [cpu, package, core] in shown.iter().copied() {
            let number = |entry| self::text(entry, cpu, &snapshot).unwrap().trim().parse::<u32>().unwrap();
            prop_assert_eq!((number(&PHYSICAL_PACKAGE_ID), number(&CORE_ID)), (package, core));
            for (lists, masks, are_siblings) in [
                (&CORE_CPUS_LIST, &CORE_CPUS, (|a, b| a == b) as fn((u32, u32), (u32, u32)) -> bool),
                (&THREAD_SIBLINGS_LIST, &THREAD_SIBLINGS, |a, b| a == b),
                (&PACKAGE_CPUS_LIST, &PACKAGE_CPUS, |a, b| a.0 == b.0),
                (&DIE_CPUS_LIST, &DIE_CPUS, |a, b| a.0 == b.0),
                (&CORE_SIBLINGS_LIST, &CORE_SIBLINGS, |a, b| a.0 == b.0),
            ] {
                let siblings = list(&self::text(lists, cpu, &snapshot).unwrap());
                prop_assert_eq!(&siblings, &mask(&self::text(masks, cpu, &snapshot).unwrap()));
                prop_assert!(siblings.contains(&cpu) && siblings.is_subset(&present));
                let expected = shown.iter().filter(|other| are_siblings((other[1], other[2]), (package, core)));
                prop_assert_eq!(&siblings, &expected.map(|other| other[0]).collect());
            }
        }
        let active = render("/sys/devices/system/cpu/smt/active");
        let cores: BTreeSet<(u32, u32)> = shown.iter().map(|cpu| (cpu[1], cpu[2])).collect();
        prop_assert_eq!(active == "1\n", cores.len() < shown.len());
    }
}
