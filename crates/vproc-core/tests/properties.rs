//! What holds for every entry, on any host, with any limits, from any text.
//!
//! `PROPTEST_CASES` sets how many cases each property tries.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use support::generate::{Reach, damaged_world, machine, setup, step, world};
use support::machine::Machine;
use support::{Datum, World, invariants, oracle, parse};
use vproc_core::files::ENTRIES;
use vproc_core::{Class, Kind};

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 96;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    /// No text, no errno and no state is too odd.
    #[test]
    fn renders_or_fails_but_never_panics(
        mut world in damaged_world(Reach::Everything),
        is_host: bool,
        at: Index,
        bits: u8,
    ) {
        world.is_host = is_host;
        let unlisted = ENTRIES.iter().map(|entry| entry.path.replace('*', "65535"));
        let paths: Vec<String> =
            world.paths().into_iter().map(|(path, _)| path).chain(unlisted).collect();
        for path in paths {
            let once = world.render(&path);
            prop_assert_eq!(&once, &world.render(&path));
            // What a render leaves is what the next one gets, or nearly.
            let Some(mut state) = once.ok().and_then(|rendered| rendered.state) else { continue };
            if !state.is_empty() {
                let at = at.index(state.len());
                state[at] ^= bits;
            }
            world.state = Some(state);
            let _ = world.render(&path);
        }
    }

    /// Files add up and agree with one another, whatever the groups say.
    #[test]
    fn files_add_up_and_agree(world in damaged_world(Reach::Container)) {
        let texts = invariants::render_all(&world);
        invariants::check(&world, &texts);
    }

    /// Where nothing is missing, everything renders and reads back.
    #[test]
    fn everything_renders_and_reads_back(mut world in world()) {
        world.tasks.get_or_insert_default();
        let texts = invariants::render_all(&world);
        for (path, entry) in world.paths() {
            let is_shown = entry.class != Class::Denied;
            prop_assert_eq!(texts.contains_key(&path), is_shown, "{:?}", world.render(&path));
        }
        prop_assert!(texts.contains_key("/sys/devices/system/cpu/cpu0/topology/core_id")
            || world.settings.iter().any(|(knob, _)| knob == "cpu-numbering"));
        invariants::check(&world, &texts);
        prop_assert!(oracle::check(&world, &texts) >= 6);
    }

    /// What is printed for the host itself is what was read.
    #[test]
    fn the_host_sees_itself(mut world in world()) {
        world.is_host = true;
        // A setting holds for the host, too.
        world.settings.retain(|(knob, _)| knob != "cmdline");
        for (path, entry) in world.paths() {
            // Made from /proc/meminfo and /proc/vmstat, for the host as well.
            if ["/meminfo", "/numastat", "/vmstat"].into_iter().any(|file| {
                path.starts_with("/sys/devices/system/node/") && path.ends_with(file)
            }) {
                continue;
            }
            let expected = match entry.class {
                Class::Masked => Some("".into()),
                _ => world.host.get(&path).cloned(),
            };
            let rendered = world.render(&path).map(|rendered| Datum::Text(rendered.text));
            prop_assert_eq!(rendered.ok(), expected, "{}", path);
        }
    }

    /// Nothing that the host does comes out: two hosts that differ only in
    /// what they do look the same. What they have in common may come out, and
    /// where it does it is no activity:
    ///
    /// - `MemTotal`, `SwapTotal` and `HugePages_Total`: how much there is, where
    ///   no limit is lower;
    /// - the share of memory in `CommitLimit`, `VmallocTotal`, `Hugepagesize`,
    ///   the text of `cpuinfo`, `kernel_max`: the machine;
    /// - the clock and `btime`: the same for all without a time namespace;
    /// - size and name of a disk that the container uses.
    ///
    /// Both do more than a container could: `Mlocked` and `nr_mlock` are the
    /// host's as far as the container's unevictable memory reaches.
    #[test]
    fn the_hosts_activity_stays_inside(world in world(), machine in machine()) {
        let on = |activity: u64| {
            let mut disks = machine.disks.clone();
            disks.push((66, 66, format!("disk{activity}")));
            let machine = Machine { activity, disks, ..machine.clone() };
            World { host: machine.files(), ..world.clone() }
        };
        const PLANTED: [u64; 2] = [77_777_777_777_777_777, 55_555_555_555_555_555];
        let [here, there] = PLANTED.map(on);
        for (path, _) in here.paths() {
            let rendered = here.render(&path);
            prop_assert_eq!(&rendered, &there.render(&path), "{}", path);
            let text = rendered.map(|rendered| rendered.text).unwrap_or_default();
            prop_assert!(!text.contains("7777777777"), "{}: {}", path, text);
        }
    }

    /// What counts up does not come down, whatever an operator does.
    #[test]
    fn counters_never_go_backwards(
        setup in setup(),
        steps in vec(step(), 1..4),
        limits_change: bool,
    ) {
        for entry in ENTRIES.iter().filter(|entry| parse::COUNTERS.contains(&entry.path)) {
            let mut last = BTreeMap::new();
            let mut setup = setup.clone();
            for step in &steps {
                let world = setup.world();
                let Ok(rendered) = world.render(entry.path) else { break };
                for (name, count) in parse::counters(entry.path, &rendered.text) {
                    let before = last.insert(name.clone(), count).unwrap_or(0);
                    prop_assert!(before <= count, "{} {name}: {before}, {count}", entry.path);
                }
                setup.rest.state = rendered.state;
                step.take(&mut setup, limits_change);
            }
        }
    }

    /// An operator's word counts, whatever the container is.
    #[test]
    fn treatments_hold(mut world in world()) {
        for entry in ENTRIES.iter().filter(|entry| entry.kind == Kind::File) {
            let path = entry.path.replace('*', "0");
            let mut text = |treatment: &str| {
                world.settings.push((entry.path.to_owned(), treatment.to_owned()));
                let rendered = world.render(&path).map(|rendered| rendered.text);
                world.settings.pop();
                (rendered, world.host.get(&path).cloned())
            };
            if !entry.is_pattern() {
                let (passed, host) = text("pass");
                prop_assert_eq!(passed.ok().map(Datum::Text), host, "{}", path);
            }
            prop_assert_eq!(text("mask").0, Ok(String::new()));
            prop_assert_eq!(text("deny").0, Err(vproc_core::Error::Denied));
        }
    }
}
