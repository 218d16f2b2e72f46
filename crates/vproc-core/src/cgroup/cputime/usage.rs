//! How much CPU time the container's cgroup counts.

use crate::cgroup::cpuset::LAST;
use crate::cgroup::own_found;
use crate::contract::{Environment, Need, Scope};
use crate::text::{number, pairs};
use crate::trace::{Amount, Trace};
use crate::units::{Count, Nanos, Ticks};
use crate::{Error, Found, Knobs, View, process};
use alloc::format;
use alloc::vec::Vec;

const V2_STAT: &str = "cpu.stat";
const V1_THROTTLED: &str = "cpu.stat.v1";
const V1_TABLE: &str = "cpuacct.usage_all";
const V1_PER_CPU: &str = "cpuacct.usage_percpu";
const V1_STAT: &str = "cpuacct.stat";
const V1_USAGE: &str = "cpuacct.usage";

/// Every file that counts CPU time, and the age of the container.
pub(super) const NEEDS: &[Need] = &[
    process::START,
    Need::v2("", V2_STAT, Scope::Leaf),
    Need::v1("cpuacct", V1_TABLE, Scope::Leaf),
    Need::v1("cpuacct", V1_PER_CPU, Scope::Leaf),
    Need::v1("cpuacct", V1_STAT, Scope::Leaf),
    Need::v1("cpuacct", V1_USAGE, Scope::Leaf),
    Need::v1("cpu", "cpu.stat", Scope::Leaf).keyed(V1_THROTTLED).when(shows_steal),
];

fn shows_steal(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.throttled_is_steal
}

/// Busy time by its kind, in nanoseconds; none of it counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) user: Nanos,
    pub(super) nice: Nanos,
    pub(super) system: Nanos,
}

impl Busy {
    pub(super) fn total(self) -> Nanos {
        self.user.plus(self.nice).plus(self.system)
    }

    /// The same, as an explanation is to call it.
    pub(super) fn named(self) -> Self {
        Busy {
            user: self.user.named("user time"),
            nice: self.nice.named("nice time"),
            system: self.system.named("system time"),
        }
    }

    fn each(self, other: Self, change: impl Fn(Nanos, Nanos) -> Nanos) -> Self {
        Busy {
            user: change(self.user, other.user),
            nice: change(self.nice, other.nice),
            system: change(self.system, other.system),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.each(other, Nanos::plus)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.each(other, Nanos::minus)
    }

    pub(super) fn lower(self, other: Self) -> Self {
        self.each(other, Nanos::min)
    }

    pub(super) fn divided(self, by: u64) -> Self {
        let by = by.max(1);
        self.each(Busy::default(), |time, _| time.divided(by))
    }

    /// The same mixture of kinds, `total` in all.
    pub(super) fn mixed(self, total: Nanos) -> Self {
        let whole = u128::from(self.user.0) + u128::from(self.nice.0) + u128::from(self.system.0);
        if whole <= u128::from(u64::MAX) {
            let whole = self.total();
            return self.each(Busy::default(), |time, _| total.share(time, whole));
        }
        // Centuries: more than can be told apart from a wrong count.
        self.each(Busy::default(), |time, _| {
            let part = u128::from(time.0) * u128::from(total.0) / whole;
            Nanos(u64::try_from(part).unwrap_or(u64::MAX))
        })
    }

    pub(super) fn at_most(self, total: Nanos) -> Self {
        if self.total() > total { self.mixed(total) } else { self }
    }
}

/// Which file counts. Counts of different files are not compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// No group of the container's own counts CPU time.
    #[default]
    Nothing,
    V2,
    V1Table,
    V1PerCpu,
    V1Stat,
}

impl Source {
    pub(super) const ALL: [Source; 5] =
        [Source::Nothing, Source::V2, Source::V1Table, Source::V1PerCpu, Source::V1Stat];
}

/// All that the container ever used, as the kernel counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// With `nice`.
    pub(super) user: Nanos,
    pub(super) nice: Nanos,
    pub(super) system: Nanos,
    pub(super) throttled: Nanos,
}

impl Totals {
    /// What was used since `earlier`. Where the kernel's own split into user
    /// and system time moved, the sum decides; where it counts anew, nothing
    /// was used.
    pub(super) fn since(&self, earlier: &Totals) -> Busy {
        let user = self.user.minus(earlier.user);
        let nice = self.nice.minus(earlier.nice).min(user);
        let system = self.system.minus(earlier.system);
        let sum = self.user.plus(self.system).minus(earlier.user.plus(earlier.system));
        Busy { user: user.minus(nice), nice, system }.at_most(sum)
    }
}

/// What v1 counts for each CPU of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// CPU, user time, system time; in ascending order.
    rows: Vec<(u32, Nanos, Nanos)>,
    /// Whether user time stands for both, so that the totals' mixture holds.
    pub(super) is_mixed: bool,
}

impl Table {
    pub(super) fn row(&self, cpu: u32) -> Option<(Nanos, Nanos)> {
        let index = self.rows.binary_search_by_key(&cpu, |row| row.0).ok()?;
        self.rows.get(index).map(|&(_, user, system)| (user, system))
    }

    /// A heading, then a CPU's number, user and system nanoseconds in each
    /// line (`cpuacct_all_seq_show`, `kernel/sched/cpuacct.c`).
    fn parse(text: &str, trace: Trace) -> Result<Self, Error> {
        let mut rows = Vec::new();
        for (line, at) in text.lines().zip(1u32..).skip(1) {
            let mut words = line.split_ascii_whitespace().map(number);
            let (Some(Some(cpu)), Some(Some(user)), Some(Some(system))) =
                (words.next(), words.next(), words.next())
            else {
                let reason = "not a CPU, its user and its system time";
                return Err(Error::MalformedInput { key: V1_TABLE, line: at, reason });
            };
            let user = trace.read_at(|| format!("cpu{cpu} user"), Nanos(user));
            let system = trace.read_at(|| format!("cpu{cpu} system"), Nanos(system));
            rows.push((known_cpu(V1_TABLE, cpu)?, user, system));
        }
        Ok(Table { rows, is_mixed: false })
    }

    /// Nanoseconds of each possible CPU (`__cpuacct_percpu_seq_show`).
    fn parse_per_cpu(Found { text, trace, .. }: Found<'_>) -> Result<Self, Error> {
        let mut rows = Vec::new();
        for (word, cpu) in text.split_ascii_whitespace().zip(0u64..) {
            let time = number(word).ok_or(Error::malformed(V1_PER_CPU, "not numbers"))?;
            let time = trace.read_at(|| format!("cpu{cpu}"), Nanos(time));
            rows.push((known_cpu(V1_PER_CPU, cpu)?, time, Nanos::ZERO));
        }
        Ok(Table { rows, is_mixed: true })
    }

    /// The table's times are sampled: whoever runs when the timer ticks gets
    /// the tick. That is wrong by several hundredths of a second, and in one
    /// direction for a load that keeps time with the ticks, as one does that a
    /// quota holds back. What each CPU was used for in all is exact. So, as
    /// the kernel does it for v2 (`cputime_adjust`, `kernel/sched/cputime.c`),
    /// the samples only say which part of that was which.
    fn exact(mut self, per_cpu: &Table) -> Self {
        for (cpu, user, system) in &mut self.rows {
            if let Some((exact, _)) = per_cpu.row(*cpu) {
                let sampled = Busy { user: *user, nice: Nanos::ZERO, system: *system };
                *system = sampled.mixed(exact).system;
                *user = exact.minus(*system);
            }
        }
        self
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, user, system) in &self.rows {
            totals.user = totals.user.plus(*user);
            totals.system = totals.system.plus(*system);
        }
        totals
    }
}

fn known_cpu(key: &'static str, cpu: u64) -> Result<u32, Error> {
    let cpu = u32::try_from(cpu).ok().filter(|cpu| *cpu <= LAST);
    cpu.ok_or(Error::malformed(key, "a CPU number above 65535"))
}

/// What the container used, and of which CPUs, where that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) source: Source,
    pub(super) totals: Totals,
    pub(super) table: Option<Table>,
}

impl Usage {
    /// Reads [`NEEDS`].
    ///
    /// A group counts if it is the container's own, which a root group is
    /// not. On a hybrid host there may be two. Then the v1 group counts: there
    /// the container has its limits, while in the v2 tree it may have been
    /// left in the service of its manager, with other containers.
    pub(super) fn read(view: &View<'_>) -> Result<Self, Error> {
        let mut v1 = None;
        for key in [V1_TABLE, V1_PER_CPU, V1_STAT] {
            v1 = v1.or(own_found(view, key)?.map(|found| (key, found)));
        }
        let mut usage = match (own_found(view, V2_STAT)?, v1) {
            (_, Some((key, v1))) => v1_usage(view, key, v1)?,
            (Some(v2), None) => v2_usage(v2)?,
            (None, None) => {
                let none = view.given().given("no group counts CPU time", Nanos::ZERO);
                let totals = Totals { user: none, nice: none, system: none, throttled: none };
                Usage { totals, ..Usage::default() }
            }
        };
        if usage.totals.throttled == Nanos::ZERO {
            usage.totals.throttled = v1_throttled(view)?;
        }
        Ok(usage)
    }
}

/// `cgroup_base_stat_cputime_show`, `kernel/cgroup/rstat.c`; throttled time
/// from `cpu_extra_stat_show`, `kernel/sched/core.c`. `nice_usec` is a part
/// of `user_usec`, since 6.11.
fn v2_usage(Found { text, trace, .. }: Found<'_>) -> Result<Usage, Error> {
    let (mut totals, mut known) = (Totals::default(), false);
    for (key, micros) in pairs(text) {
        let time = Nanos::from_micros(trace.read(key, "", Count(micros)));
        match key {
            "user_usec" => (totals.user, known) = (time, true),
            "nice_usec" => totals.nice = time,
            "system_usec" => totals.system = time,
            "throttled_usec" => totals.throttled = time,
            _ => {}
        }
    }
    if !known {
        return Err(Error::malformed(V2_STAT, "no line `user_usec …`"));
    }
    Ok(Usage { source: Source::V2, totals, table: None })
}

fn v1_usage(view: &View<'_>, key: &'static str, found: Found<'_>) -> Result<Usage, Error> {
    if key == V1_TABLE {
        let per_cpu = view.found(V1_PER_CPU)?.map(Table::parse_per_cpu).transpose()?;
        let table = Table::parse(found.text, found.trace)?.exact(&per_cpu.unwrap_or_default());
        return Ok(Usage { source: Source::V1Table, totals: table.totals(), table: Some(table) });
    }
    let stat = view.found(V1_STAT)?.map(|found| v1_stat(found, view.environment().user_hz));
    let stat = stat.unwrap_or_default();
    if key == V1_PER_CPU {
        let table = Table::parse_per_cpu(found)?;
        let all = table.totals();
        let mixed = match stat.total() {
            none if none == Nanos::ZERO => Busy { user: all.user, ..stat },
            _ => stat.mixed(all.user),
        };
        let totals = Totals { user: mixed.user, system: mixed.system, ..all };
        return Ok(Usage { source: Source::V1PerCpu, totals, table: Some(table) });
    }
    let stat = match view.found(V1_USAGE)?.map(|found| found.number()) {
        Some(Some(usage)) => stat.at_most(usage.as_nanos()),
        Some(None) => return Err(Error::malformed(V1_USAGE, "not a number")),
        None => stat,
    };
    let totals = Totals { user: stat.user, system: stat.system, ..Totals::default() };
    Ok(Usage { source: Source::V1Stat, totals, table: None })
}

/// Ticks (`cpuacct_stats_show`).
fn v1_stat(Found { text, trace, .. }: Found<'_>, user_hz: u32) -> Busy {
    let mut busy = Busy::default();
    for (key, ticks) in pairs(text) {
        match key {
            "user" => busy.user = trace.read(key, "", Ticks(ticks)).nanos(user_hz),
            "system" => busy.system = trace.read(key, "", Ticks(ticks)).nanos(user_hz),
            _ => {}
        }
    }
    busy
}

/// Nanoseconds (`cpu_cfs_stat_show`, `kernel/sched/core.c`).
fn v1_throttled(view: &View<'_>) -> Result<Nanos, Error> {
    let Some(Found { text, trace, .. }) = own_found(view, V1_THROTTLED)? else {
        return Ok(Nanos::ZERO);
    };
    let item = "throttled_time";
    Ok(crate::text::pair(text, item).map_or(Nanos::ZERO, |time| trace.read(item, "", Nanos(time))))
}
