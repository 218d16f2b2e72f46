//! Hosts and containers as they are, and as they are where something has
//! gone wrong.

use super::container::Group;
use super::machine::{Kernel, Machine, cpu_list};
use super::{Datum, Files, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use vproc_core::contract::TaskCounts;

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

pub fn group() -> impl Strategy<Value = Group> {
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

pub fn machine() -> impl Strategy<Value = Machine> {
    let size = || prop_oneof![1..1u64 << 34, 1..100_000u64];
    (select(&[Kernel::Old, Kernel::New][..]), 1..9u32, size(), prop_oneof![Just(0), size()])
        .prop_map(|(kernel, cpus, memory, swap)| Machine {
            cpus,
            memory,
            swap,
            ..Machine::new(kernel)
        })
}

pub fn settings() -> impl Strategy<Value = Vec<(String, String)>> {
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
pub fn processes() -> impl Strategy<Value = Files> {
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

pub fn tasks() -> impl Strategy<Value = Option<TaskCounts>> {
    proptest::option::of(any::<[u32; 4]>().prop_map(|[total, running, blocked, last_pid]| {
        TaskCounts { total, running, blocked, last_pid }
    }))
}

/// What a world is made of, so that some of it can change.
#[derive(Debug, Clone)]
pub struct Setup {
    machine: Machine,
    layout: &'static str,
    /// The leaf first; the root comes below them.
    groups: Vec<Group>,
    /// Everything but the files of the host and of the groups.
    pub rest: World,
}

pub fn setup() -> impl Strategy<Value = Setup> {
    let layout = select(&["v1", "v2", "hybrid", "none"][..]);
    let page_size = select(&[4096u32, 16384, 65536][..]);
    let now = prop_oneof![200_000_000_000..1u64 << 60, any::<u64>()];
    let state = proptest::option::of(vec(any::<u8>(), 0..64));
    let rest = (page_size, now, state, settings(), processes(), tasks()).prop_map(
        |(page_size, now, state, settings, processes, tasks)| World {
            page_size,
            now,
            state,
            settings,
            processes,
            tasks,
            ..World::empty()
        },
    );
    (machine(), layout, vec(group(), 0..4), rest)
        .prop_map(|(machine, layout, groups, rest)| Setup { machine, layout, groups, rest })
}

impl Setup {
    pub fn world(&self) -> World {
        // A hybrid host's unified tree has no controllers.
        fn without_controllers(group: &Group) -> Files {
            let mut files = group.v2();
            files.retain(|name, _| name.ends_with(".pressure") || name == "cpu.stat");
            files
        }
        let (v1, v2) = match self.layout {
            "v1" => (Some(self.lineage(Group::v1)), None),
            "v2" => (None, Some(self.lineage(Group::v2))),
            "hybrid" => (Some(self.lineage(Group::v1)), Some(self.lineage(without_controllers))),
            _ => (None, None),
        };
        World { v1, v2, host: self.machine.files(), ..self.rest.clone() }
    }

    fn lineage(&self, files: fn(&Group) -> Files) -> Vec<Files> {
        let root = Group::idle(&cpu_list(self.machine.cpus));
        self.groups.iter().chain([&root]).map(files).collect()
    }
}

/// A container on a host, with the text that kernels print.
pub fn world() -> impl Strategy<Value = World> {
    setup().prop_map(|setup| setup.world())
}

/// What happens between two reads: time passes, counters grow, and the
/// operator sets other limits.
#[derive(Debug, Clone)]
pub struct Step {
    seconds: u64,
    growth: Vec<u64>,
    quota: Option<u64>,
    cpus: String,
}

pub fn step() -> impl Strategy<Value = Step> {
    let growth = vec(prop_oneof![0..1000u64, amount()], 1..24);
    (0..1000u64, growth, group()).prop_map(|(seconds, growth, group)| Step {
        seconds,
        growth,
        quota: group.quota,
        cpus: group.cpus,
    })
}

impl Step {
    pub fn take(&self, setup: &mut Setup, limits_change: bool) {
        setup.rest.now = setup.rest.now.saturating_add(self.seconds * 1_000_000_000);
        for group in &mut setup.groups {
            for (amount, growth) in group.amounts.iter_mut().zip(self.growth.iter().cycle()) {
                *amount = amount.saturating_add(*growth);
            }
        }
        if limits_change && let Some(leaf) = setup.groups.first_mut() {
            leaf.quota = self.quota;
            leaf.cpus.clone_from(&self.cpus);
        }
    }
}

/// What can happen to a file.
#[derive(Debug, Clone)]
pub enum Fault {
    Absent(u32),
    Bytes(Vec<u8>),
    Text(String),
    Truncated(Index),
    WithoutLine(Index),
    LineTwice(Index),
    Number(Index, String),
}

pub fn fault() -> impl Strategy<Value = Fault> {
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
pub fn with_number(text: &str, at: &Index, to: &str) -> String {
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
pub enum Reach {
    Container,
    Everything,
}

pub fn strike(world: &mut World, faults: &[(Index, Fault)], reach: Reach) {
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
pub fn damaged_world(reach: Reach) -> impl Strategy<Value = World> {
    (world(), vec((any::<Index>(), fault()), 0..8)).prop_map(move |(mut world, faults)| {
        strike(&mut world, &faults, reach);
        world
    })
}
