//! What holds for every entry, on any host, with any limits, from any text.
//!
//! `PROPTEST_CASES` sets how many cases each property tries.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::container::Group;
use support::invariants;
use support::machine::{Kernel, Machine, cpu_list};
use support::oracle;
use support::{Datum, Files, World};
use vproc_core::contract::TaskCounts;
use vproc_core::files::ENTRIES;

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 96;
    }
    config
}

// ------------------------------------------------------------------- generators

/// Amounts as they are, and as they are where something has gone wrong.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..1u64 << 36,
        2 => 0..5000u64,
        1 => select(&[0, 1, 4095, 4096, 9_999_999, 10_000_000][..]),
        1 => select(&[i64::MAX as u64, i64::MAX as u64 - 4095, u64::MAX, u64::MAX - 1, 1 << 63][..]),
        1 => any::<u64>(),
    ]
}

fn group() -> impl Strategy<Value = Group> {
    let memory =
        (proptest::option::of(amount()), amount(), proptest::option::of(amount()), amount());
    let quota = proptest::option::of(prop_oneof![1..2_000_000u64, amount()]);
    let cpus = select(&["0-3\n", "1\n", "0,2\n", "1-2\n", "\n", "7\n", "2-8191\n"][..]);
    let cpus = cpus.prop_map(str::to_owned);
    let disks = vec(select(&[(8, 0), (8, 16), (254, 0), (9, 9)][..]), 0..4);
    (memory, quota, cpus, disks, vec(amount(), 1..24)).prop_map(
        |((memory_limit, memory_usage, swap_limit, swap_usage), quota, cpus, disks, amounts)| {
            Group {
                memory_limit,
                memory_usage,
                swap_limit,
                swap_usage,
                quota,
                cpus,
                disks,
                amounts,
            }
        },
    )
}

fn machine() -> impl Strategy<Value = Machine> {
    let size = || prop_oneof![1..1u64 << 34, 1..100_000u64];
    (select(&[Kernel::Old, Kernel::New][..]), 1..9u32, size(), prop_oneof![Just(0), size()])
        .prop_map(|(kernel, cpus, memory, swap)| Machine {
            cpus,
            memory,
            swap,
            ..Machine::new(kernel)
        })
}

fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
    let every: Vec<(String, String)> = vproc_core::knobs::KNOBS
        .iter()
        .flat_map(|knob| {
            let values: Vec<&str> = match knob.name {
                "cpu-minimum" => vec!["1", "2", "4294967295"],
                _ => knob.values.split(" | ").collect(),
            };
            values.into_iter().map(|value| (knob.name.to_owned(), value.to_owned()))
        })
        .collect();
    vec(select(every), 0..4)
}

/// The files of a container's init process.
fn processes() -> impl Strategy<Value = Files> {
    let name = select(&["init", "npm run start", "a) R (b", ""][..]);
    (name, prop_oneof![0..20_000u64, amount()], proptest::bool::ANY).prop_map(
        |(comm, start, own_clock)| {
            let stat =
                format!("1 ({comm}) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {start} 1 2 3\n");
            let offset = if own_clock { -100 } else { 0 };
            let clocks = format!("monotonic {offset:10} 0\nboottime  {offset:10} 0\n");
            let mut files = Files::new();
            for of in ["init", "subject"] {
                files.insert(format!("{of}/stat"), stat.clone().into());
                files.insert(format!("{of}/timens_offsets"), clocks.clone().into());
            }
            files
        },
    )
}

fn tasks() -> impl Strategy<Value = Option<TaskCounts>> {
    proptest::option::of(any::<[u32; 4]>().prop_map(|[total, running, blocked, last_pid]| {
        TaskCounts { total, running, blocked, last_pid }
    }))
}

/// A container on a host, with the text that kernels print.
fn world() -> impl Strategy<Value = World> {
    let layout = select(&["v1", "v2", "hybrid", "none"][..]);
    let page_size = select(&[4096u32, 16384, 65536][..]);
    let now = prop_oneof![200_000_000_000..1u64 << 60, any::<u64>()];
    let state = proptest::option::of(vec(any::<u8>(), 0..64));
    (
        (machine(), layout, vec(group(), 0..4), settings()),
        (page_size, now, state, processes(), tasks()),
    )
        .prop_map(
            |((machine, layout, groups, settings), (page_size, now, state, processes, tasks))| {
                let lineage = |files: fn(&Group) -> Files| {
                    let mut lineage: Vec<Files> = groups.iter().map(files).collect();
                    lineage.push(files(&Group::idle(&cpu_list(machine.cpus))));
                    lineage
                };
                // A hybrid host's unified tree has no controllers.
                let unified = |group: &Group| {
                    let mut files = group.v2();
                    files.retain(|name, _| name.ends_with(".pressure") || name == "cpu.stat");
                    files
                };
                let (v1, v2) = match layout {
                    "v1" => (Some(lineage(Group::v1)), None),
                    "v2" => (None, Some(lineage(Group::v2))),
                    "hybrid" => (Some(lineage(Group::v1)), Some(lineage(unified))),
                    _ => (None, None),
                };
                World {
                    page_size,
                    now,
                    state,
                    settings,
                    processes,
                    tasks,
                    v1,
                    v2,
                    host: machine.files(),
                    ..World::empty()
                }
            },
        )
}

/// What can happen to a file.
#[derive(Debug, Clone)]
enum Fault {
    Absent(u32),
    Bytes(Vec<u8>),
    Text(String),
    Truncated(Index),
    WithoutLine(Index),
    LineTwice(Index),
    Number(Index, String),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        select(&[1, 2, 5, 6, 13, 19, 95, 0, u32::MAX][..]).prop_map(Fault::Absent),
        vec(any::<u8>(), 0..40).prop_map(Fault::Bytes),
        "\\PC{0,40}".prop_map(Fault::Text),
        "([a-z_]{0,8}[:= ]?[0-9-]{0,30}[\n\t ]?){0,6}".prop_map(Fault::Text),
        any::<Index>().prop_map(Fault::Truncated),
        any::<Index>().prop_map(Fault::WithoutLine),
        any::<Index>().prop_map(Fault::LineTwice),
        (any::<Index>(), "-?[0-9]{1,40}|max|-|0x10|1e9| ")
            .prop_map(|(at, to)| Fault::Number(at, to)),
    ]
}

impl Fault {
    fn strike(&self, datum: &mut Datum) {
        let Datum::Text(text) = datum else { return };
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        *datum = match self {
            Fault::Absent(errno) => Datum::Absent(*errno),
            Fault::Bytes(bytes) => Datum::Bytes(bytes.clone()),
            Fault::Text(other) => other.as_str().into(),
            Fault::Truncated(at) => {
                let end = at.index(text.len() + 1);
                String::from_utf8_lossy(&text.as_bytes()[..end]).into_owned().into()
            }
            Fault::WithoutLine(_) | Fault::LineTwice(_) if lines.is_empty() => return,
            Fault::WithoutLine(at) => {
                lines.remove(at.index(lines.len()));
                lines.concat().into()
            }
            Fault::LineTwice(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
                lines.concat().into()
            }
            Fault::Number(at, to) => with_number(text, at, to).into(),
        };
    }
}

/// `text` with one of its numbers replaced.
fn with_number(text: &str, at: &Index, to: &str) -> String {
    let starts: Vec<usize> = text
        .char_indices()
        .filter(|(i, c)| c.is_ascii_digit() && !text[..*i].ends_with(|c: char| c.is_ascii_digit()))
        .map(|(i, _)| i)
        .collect();
    if starts.is_empty() {
        return to.to_owned();
    }
    let start = starts[at.index(starts.len())];
    let rest = text[start..].trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}{to}{rest}", &text[..start])
}

/// Which files a fault may strike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Container,
    Everything,
}

fn strike(world: &mut World, faults: &[(Index, Fault)], reach: Reach) {
    for (at, fault) in faults {
        let groups = world.v1.iter_mut().chain(&mut world.v2).flatten();
        let mut files: Vec<&mut Datum> = groups.flat_map(Files::values_mut).collect();
        files.extend(world.processes.values_mut());
        if reach == Reach::Everything {
            files.extend(world.host.values_mut());
        }
        if !files.is_empty() {
            let at = at.index(files.len());
            fault.strike(files[at]);
        }
    }
}

/// Worlds in which some files of the container are missing or damaged.
fn damaged_world(reach: Reach) -> impl Strategy<Value = World> {
    (world(), vec((any::<Index>(), fault()), 0..8)).prop_map(move |(mut world, faults)| {
        strike(&mut world, &faults, reach);
        world
    })
}

// ------------------------------------------------------------------- properties

proptest! {
    #![proptest_config(config())]

    /// No text, no errno and no state is too odd.
    #[test]
    fn renders_or_fails_but_never_panics(
        mut world in damaged_world(Reach::Everything),
        is_host: bool,
    ) {
        world.is_host = is_host;
        for entry in ENTRIES {
            let once = world.render(entry.path);
            prop_assert_eq!(&once, &world.render(entry.path));
            if let Ok(rendered) = once {
                // What a render leaves is what the next one gets.
                world.state = rendered.state.or(world.state);
                let _ = world.render(entry.path);
            }
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
        for entry in ENTRIES {
            prop_assert!(texts.contains_key(entry.path), "{:?}", world.render(entry.path));
        }
        invariants::check(&world, &texts);
        prop_assert!(oracle::check(&world, &texts) >= 6);
    }

    /// What is printed for the host itself is what was read.
    #[test]
    fn the_host_sees_itself(mut world in world()) {
        world.is_host = true;
        for entry in ENTRIES {
            let expected = world.host.get(entry.path).cloned();
            let rendered = world.render(entry.path).map(|rendered| Datum::Text(rendered.text));
            prop_assert_eq!(rendered.ok(), expected, "{}", entry.path);
        }
    }

    /// Nothing that the host does comes out: two hosts that differ only in
    /// what they do look the same.
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
        for entry in ENTRIES {
            let rendered = here.render(entry.path);
            prop_assert_eq!(&rendered, &there.render(entry.path), "{}", entry.path);
            let text = rendered.map(|rendered| rendered.text).unwrap_or_default();
            prop_assert!(!text.contains("7777777777"), "{}: {}", entry.path, text);
        }
    }

    /// An operator's word counts, whatever the container is.
    #[test]
    fn treatments_hold(world in world()) {
        for entry in ENTRIES {
            let treated = |treatment| world.clone().with_setting(entry.path, treatment);
            let text = |world: World| world.render(entry.path).map(|rendered| rendered.text);
            let host = world.host.get(entry.path).cloned();
            prop_assert_eq!(text(treated("pass")).ok().map(Datum::Text), host, "{}", entry.path);
            prop_assert_eq!(text(treated("mask")), Ok(String::new()));
            prop_assert_eq!(text(treated("deny")), Err(vproc_core::Error::Denied));
        }
    }
}
