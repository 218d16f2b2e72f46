//! A container as the kernel counts it, and what `/proc/stat` shows of it.

use crate::Rendered;
use crate::contract::Snapshot;
use crate::testing::{SECOND, cgroup, host, snapshot};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

pub(super) const MILLI: u64 = 1_000_000;
pub(super) const TICK: u64 = 10 * MILLI;

/// When init started: 90 seconds after boot.
pub(super) const BORN: u64 = 90 * SECOND;
pub(super) const INIT: &str = "1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9000 0\n";
/// The container's clock starts with its init.
const CLOCK: &str = "monotonic 0 0\nboottime -90 0\n";
pub(super) const STAT: &str = "cpu  1 2 3 4 5 6 7 8 9 10\nbtime 7\n";

/// CPUs of the host.
pub(super) const HOST_CPUS: usize = 10;

/// Which files the kernel has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kernel {
    V2,
    V1Table,
    V1PerCpu,
    V1Stat,
}

pub(super) fn kernels() -> impl Strategy<Value = Kernel> {
    use Kernel::{V1PerCpu, V1Stat, V1Table, V2};
    proptest::sample::select(vec![V2, V1Table, V1PerCpu, V1Stat])
}

/// A container as the kernel sees it.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) kernel: Kernel,
    pub(super) now: u64,
    pub(super) nice: u64,
    /// User and system time on each CPU of the host.
    pub(super) used: [(u64, u64); HOST_CPUS],
    pub(super) cpuset: (u32, u32),
    pub(super) quota: Option<u32>,
    pub(super) steal: bool,
    pub(super) throttled: u64,
}

impl World {
    pub(super) fn new(kernel: Kernel, count: u32) -> Self {
        World {
            kernel,
            now: BORN,
            nice: 0,
            used: [(0, 0); HOST_CPUS],
            cpuset: (0, count - 1),
            quota: None,
            steal: false,
            throttled: 0,
        }
    }

    pub(super) fn totals(&self) -> (u64, u64) {
        self.used.iter().fold((0, 0), |sum, used| (sum.0 + used.0, sum.1 + used.1))
    }

    pub(super) fn file(&self) -> (&'static str, String) {
        let (user, system) = self.totals();
        let rows = self.used.iter().zip(0..);
        match self.kernel {
            Kernel::V2 => {
                let micros = [user, system, self.nice, self.throttled].map(|time| time / 1000);
                let [user, system, nice, throttled] = micros;
                let text = format!(
                    "usage_usec 0\nuser_usec {user}\nsystem_usec {system}\nnice_usec {nice}\n\
                     throttled_usec {throttled}\n"
                );
                ("cpu.stat", text)
            }
            Kernel::V1Table => {
                // Sampled too often: `exact` has what counts.
                let line = |((user, system), cpu): (&(u64, u64), _)| {
                    format!("{cpu} {} {}\n", user + user / 8, system + system / 8)
                };
                (
                    "cpuacct.usage_all",
                    String::from("cpu user system\n") + &rows.map(line).collect::<String>(),
                )
            }
            Kernel::V1PerCpu => {
                let text = rows.map(|((user, system), _)| format!("{} ", user + system)).collect();
                ("cpuacct.usage_percpu", text)
            }
            Kernel::V1Stat => ("cpuacct.usage", format!("{}\n", user + system)),
        }
    }

    pub(super) fn render(&self, path: &str, state: Option<&[u8]>) -> Rendered {
        let (key, text) = self.file();
        // Beside the table, which only samples.
        let beside = if self.kernel == Kernel::V1Table { "cpuacct.usage_percpu" } else { "none" };
        let sampled = |(user, system): &(u64, u64)| format!("{} ", user + system);
        let exact: String = self.used.iter().map(sampled).collect();
        let cpuset = format!("{}-{}\n", self.cpuset.0, self.cpuset.1);
        let quota = self.quota.map_or("max 100000\n".into(), |n| format!("{}00000 100000\n", n));
        let (user, system) = self.totals();
        let stat = format!("user {}\nsystem {}\n", user / TICK, system / TICK);
        let inputs = vec![
            host("stat", STAT),
            host("cpu-online", "0-9\n"),
            host("init-stat", INIT),
            host("init-timens_offsets", CLOCK),
            cgroup("cpuset.cpus", 0, 1, &cpuset),
            cgroup("cpu.max", 0, 1, &quota),
            cgroup(key, 0, 1, &text),
            cgroup(beside, 0, 1, &exact),
            cgroup("cpuacct.stat", 0, if self.kernel == Kernel::V2 { 0 } else { 1 }, &stat),
        ];
        let mut snapshot: Snapshot<'_> = snapshot(inputs);
        (snapshot.now, snapshot.state) = (self.now, state);
        if self.steal {
            snapshot.environment.settings = vec![("steal", "throttled")];
        }
        crate::render(path, &snapshot).unwrap()
    }

    pub(super) fn stat(&self, state: Option<&[u8]>) -> (Shown, Option<Vec<u8>>) {
        let rendered = self.render("/proc/stat", state);
        (Shown::parse(&rendered.text), rendered.state)
    }
}

/// The lines of CPUs of `/proc/stat`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) sum: Vec<u64>,
    pub(super) cpus: BTreeMap<u32, Vec<u64>>,
}

impl Shown {
    pub(super) fn parse(text: &str) -> Self {
        let mut shown = Shown { sum: vec![], cpus: BTreeMap::new() };
        for line in text.lines().filter(|line| line.starts_with("cpu")) {
            let mut words = line.split_ascii_whitespace();
            let label = words.next().unwrap();
            let columns = words.map(|word| word.parse().unwrap()).collect();
            match label.strip_prefix("cpu").unwrap() {
                "" => shown.sum = columns,
                number => {
                    shown.cpus.insert(number.parse().unwrap(), columns);
                }
            }
        }
        shown
    }

    /// What the lines of all these CPUs add up to.
    pub(super) fn total<'a>(lines: impl IntoIterator<Item = &'a Vec<u64>>) -> Vec<u64> {
        lines.into_iter().fold(vec![0; 10], |sum, line| {
            sum.iter().zip(line).map(|(one, other)| one + other).collect()
        })
    }

    /// What holds of every text: `gone` is what CPUs showed last that are not
    /// shown any more.
    pub(super) fn check(&self, world: &World, gone: &[u64]) {
        let parts = Shown::total(self.cpus.values());
        let parts: Vec<u64> = parts.iter().zip(gone).map(|(part, gone)| part + gone).collect();
        assert_eq!(self.sum, parts, "{self:?} and {gone:?}");
        self.check_lines(world);
    }

    /// What holds whatever the sums have from earlier.
    pub(super) fn check_lines(&self, world: &World) {
        for columns in self.cpus.values() {
            assert!(columns.iter().sum::<u64>() <= (world.now - BORN) / TICK, "{self:?}");
        }
        assert_not_less(&self.sum, &Shown::total(self.cpus.values()));
    }
}

/// Of a container whose CPUs are all there.
pub(super) const NONE_GONE: [u64; 10] = [0; 10];

pub(super) fn assert_not_less(now: &[u64], before: &[u64]) {
    assert!(now.iter().zip(before).all(|(now, before)| now >= before), "{now:?} < {before:?}");
}

/// A stretch of a container's life.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) passed: u64,
    /// User, nice and system time, anywhere.
    pub(super) used: (u64, u64, u64),
    pub(super) on: usize,
    pub(super) change: Change,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Nothing,
    Cpuset(u32, u32),
    Quota(Option<u32>),
    /// Counters begin anew.
    Reset,
    Kernel(Kernel),
}

pub(super) fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => Just(Change::Nothing),
        1 => (0u32..5, 0u32..5).prop_map(|(first, more)| Change::Cpuset(first, first + more)),
        1 => proptest::option::of(1u32..5).prop_map(Change::Quota),
        1 => Just(Change::Reset),
        1 => kernels().prop_map(Change::Kernel),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let time = || prop_oneof![Just(0), 0..100 * MILLI, 0..20 * SECOND];
    let step = (time(), (time(), time(), time()), 0..HOST_CPUS, changes())
        .prop_map(|(passed, used, on, change)| Step { passed, used, on, change });
    proptest::collection::vec(step, 1..30)
}

pub(super) fn take(world: &mut World, step: &Step) {
    match step.change {
        Change::Nothing => {}
        Change::Cpuset(first, last) => world.cpuset = (first, last),
        Change::Quota(quota) => world.quota = quota,
        Change::Kernel(kernel) => world.kernel = kernel,
        Change::Reset => (world.used, world.nice) = ([(0, 0); HOST_CPUS], 0),
    }
    world.now += step.passed;
    let (user, nice, system) = step.used;
    world.nice += nice;
    world.throttled += system;
    let used = world.used.get_mut(step.on).unwrap();
    *used = (used.0 + user + nice, used.1 + system);
}
