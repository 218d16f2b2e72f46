//! What an explanation says is what was computed: it has the text of the
//! render, the printed values, and steps that lead to them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use proptest::prelude::*;
use std::collections::BTreeSet;
use support::World;
use support::explained::{self, leaves};
use support::generate::{Reach, damaged_world, world};
use vproc_core::explain::{From, explain};
use vproc_core::trace::Provenance;

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_explanation_accounts_for_the_render(world in world()) {
        check_all(&world);
    }

    #[test]
    fn so_does_that_of_a_damaged_host(world in damaged_world(Reach::Everything), is_host: bool) {
        check_all(&World { is_host, ..world });
    }

    /// The second read continues from what the first left.
    #[test]
    fn and_that_of_a_second_read(mut world in world()) {
        for path in ["/proc/stat", "/proc/uptime", "/proc/loadavg"] {
            world.state = world.render(path).ok().and_then(|rendered| rendered.state);
            world.now += 7_000_000_000;
            check(&world, path);
        }
    }
}

fn check_all(world: &World) {
    for (path, _) in world.paths() {
        check(world, &path);
    }
}

fn check(world: &World, path: &str) {
    let declared = vproc_core::declared(path, &world.environment()).unwrap();
    let snapshot = world.snapshot(path, &declared.needs);
    let rendered = vproc_core::render(path, &snapshot).map(|rendered| rendered.text);
    let explained = match (rendered, explain(path, &snapshot)) {
        (Ok(text), Ok(explained)) => {
            assert_eq!(explained.text, text, "{path}");
            explained
        }
        (rendered, explained) => {
            assert_eq!(rendered.err(), explained.err(), "{path}");
            return;
        }
    };
    explained::check(path, &explained, &snapshot);
}

#[test]
fn the_group_that_decides_is_named() {
    let world = World::empty()
        .with_host("/proc/meminfo", "MemTotal:       24113424 kB\nMemFree:  5 kB\n")
        .with_v2(&[
            &[("memory.max", "max\n"), ("memory.current", "4096\n")],
            &[("memory.max", "536870912\n")],
            &[("memory.max", "268435456\n")],
        ]);
    let manifest = vproc_core::manifest(&world.environment()).unwrap();
    let snapshot = world.snapshot("/proc/meminfo", &manifest[0].needs);
    let explained = explain("/proc/meminfo", &snapshot).unwrap();
    let total = &explained.fields[0];
    assert_eq!((total.label.as_str(), total.line, total.column), ("MemTotal", 1, ""));
    assert_eq!(&explained.text[total.range.clone()], "262144");
    let leaves = leaves(&explained, total.value.unwrap());
    let groups: BTreeSet<(u32, &str)> = leaves
        .iter()
        .filter_map(|leaf| match leaf {
            From::Input { key: "memory.max", level, raw, .. } => Some((*level, *raw)),
            _ => None,
        })
        .collect();
    assert_eq!(groups, BTreeSet::from([(1, "536870912"), (2, "268435456")]));
    assert!(
        leaves
            .iter()
            .any(|leaf| matches!(leaf, From::Input { key: "meminfo", item: "MemTotal", .. }))
    );
    assert!(explained.inputs.contains(&"memory.max"));
}

#[test]
fn a_line_that_stands_so_in_an_input_says_where() {
    let pressure = "some avg10=1.00 avg60=0.50 avg300=0.10 total=5\n";
    let world = World::empty().with_v2(&[&[("cpu.pressure", pressure)]]);
    let entry = vproc_core::files::find("/proc/pressure/cpu").unwrap();
    let explained = explain(entry.path, &world.snapshot(entry.path, entry.needs[0])).unwrap();
    assert_eq!(explained.fields.len(), 1);
    assert_eq!(explained.fields[0].quoted, Some("group.pressure"));
    assert_eq!(explained.fields[0].provenance, Provenance::Computed);
    let world = World::empty().with_v2(&[&[]]);
    let explained = explain(entry.path, &world.snapshot(entry.path, entry.needs[0])).unwrap();
    assert_eq!(explained.fields[1].provenance, Provenance::Constant);
    assert!(explained.fields[1].reason.contains("no pressure"));
}
