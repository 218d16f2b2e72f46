//! `/proc/loadavg`: the container's load.
//!
//! cgroups keep no load average, so it takes samples: each render with the
//! state of an earlier one moves the averages on by the kernel's own
//! arithmetic, every five seconds once, towards the number of tasks that run
//! or are blocked now. Without a state that is taken for the past, too: what
//! runs now has run since the container's init started, and nothing before. So
//! the averages of a container that has just started begin near 0, as those of
//! a machine that has just booted, and those of an old one are that number.
//!
//! Sources: `fs/proc/loadavg.c`, `kernel/sched/loadavg.c`,
//! `include/linux/sched/loadavg.h`.
//!
//! # lxcfs
//!
//! lxcfs shows the host's, unless it is started with `-l`. Then it samples groups
//! three levels deep since their first read, and the last pid is the host's.

use crate::contract::{Class, Entry, History, Kind, Need};
use crate::process;
use crate::state::{Reader, Writer};
use crate::trace::{Amount, Operator, Trace};
use crate::units::{Count, Nanos};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "loadavg";
const TASKS: &str = "tasks";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/loadavg",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "averages of the container's own running and blocked tasks",
    reason: "there is no load average of a cgroup: it is computed as kernel/sched/loadavg.c does",
    needs: &[&[Need::host(HOST, "/proc/loadavg"), Need::tasks(TASKS), process::START]],
    history: Some(History { format: "vproc.loadavg/1", interval_ms: 5000, accept: None }),
    render,
};

/// `FIXED_1`: 1.0 as the kernel counts loads.
const ONE: u64 = 1 << 11;

/// `EXP_1`, `EXP_5`, `EXP_15`: what five seconds leave of a load.
const KEPT: [u64; 3] = [1884, 2014, 2037];

/// `LOAD_FREQ`, but for its extra tick.
const PERIOD: u64 = 5_000_000_000;

/// After so many periods, 5.7 hours, even the slowest average of a million
/// tasks has arrived: (2037/2048)^4096 × 2^20 × FIXED_1 < 1.
const ARRIVED: u64 = 4096;

/// Three averages, and the time up to which they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    averages: [Count; 3],
    sampled: Nanos,
}

impl Load {
    /// Nothing is known but the present, and since when it may have been so.
    fn since(start: Nanos, active: Count, now: Nanos, trace: Trace) -> Self {
        let nothing = trace.given("nothing ran before the container's init started", Count::ZERO);
        Load { averages: [nothing; 3], sampled: start }.advance(active, now)
    }

    /// As it is after a long time.
    fn instantaneous(active: Count, now: Nanos) -> Self {
        Load { averages: [active.times(ONE); 3], sampled: now }
    }

    /// `calc_load` for each period that has passed.
    fn advance(self, active: Count, now: Nanos) -> Self {
        let periods = now.minus(self.sampled).0 / PERIOD;
        if periods >= ARRIVED {
            return Load::instantaneous(active, now);
        }
        let mut averages = self.averages;
        for (average, kept) in averages.iter_mut().zip(KEPT) {
            *average = decayed(*average, active.times(ONE), kept, periods);
        }
        Load { averages, sampled: self.sampled.plus(Nanos(periods * PERIOD)) }
    }

    /// `None` for what this container cannot have left: a load of more tasks
    /// than can be counted, or a time yet to come.
    fn decode(bytes: &[u8], now: Nanos) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let sampled = Nanos(reader.next()?);
        let averages = [reader.next()?, reader.next()?, reader.next()?].map(Count);
        let largest = Count(u64::from(u32::MAX) * 2 * ONE);
        let sane = averages.iter().all(|average| *average <= largest) && sampled <= now;
        (sane && reader.is_at_end()).then_some(Load { averages, sampled })
    }

    /// The same, as an explanation is to call it.
    fn remembered(self, trace: Trace) -> Self {
        let old = |average| trace.given("remembered from an earlier read", average);
        Load { averages: self.averages.map(old), ..self }
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.push(self.sampled.0);
        for average in self.averages {
            writer.push(average.0);
        }
        writer.into_bytes()
    }
}

/// What `calc_load` makes of a load after so many periods.
fn decayed(load: Count, active: Count, kept: u64, periods: u64) -> Count {
    if periods == 0 {
        return load;
    }
    let after = Count((0..periods).fold(load.0, |load, _| calc_load(load, kept, active.0)));
    match load.origin().is_some() | active.origin().is_some() {
        true => {
            let operands = [load, active, Count(kept), Count(periods)].map(Amount::operand);
            after.made_by(Operator::Decayed, &operands)
        }
        false => after,
    }
}

fn calc_load(load: u64, kept: u64, active: u64) -> u64 {
    let rounding = if active >= load { ONE - 1 } else { 0 };
    (load * kept + active * (ONE - kept) + rounding) / ONE
}

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    if view.is_host() {
        out.push_str(view.text(HOST)?);
        return Ok(None);
    }
    let tasks = view.tasks(TASKS).ok_or(Error::MissingInput(TASKS))?;
    let trace = view.trace(TASKS, 0);
    let [running, blocked, total, last_pid] = [
        ("running", tasks.running),
        ("blocked", tasks.blocked),
        ("total", tasks.total),
        ("last-pid", tasks.last_pid),
    ]
    .map(|(item, count)| trace.read(item, "", Count::from(count)));
    let (now, active) = (view.now(), running.plus(blocked));
    let load = match view.state().and_then(|state| Load::decode(state, now)) {
        Some(load) => load.remembered(view.given()).advance(active, now),
        None => match process::start(view) {
            Ok(start) => Load::since(start, active, now, view.given()),
            // Nobody says how old the container is.
            Err(_) => Load::instantaneous(active, now),
        },
    };
    for (average, column) in load.averages.into_iter().zip(["load1", "load5", "load15"]) {
        // `LOAD_INT` and `LOAD_FRAC` of what `get_avenrun` rounded.
        let hundredths = average.plus(Count(ONE / 200)).share(Count(100), Count(ONE));
        out.column(column).push_hundredths(hundredths).push_str(" ");
    }
    out.column("running").push_number(running).push_str("/");
    out.column("total").push_number(total).push_str(" ");
    out.column("last-pid").push_number(last_pid).push_str("\n");
    Ok(Some(load.encode()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Rendered;
    use crate::testing::{SECOND, host, snapshot, tasks};
    use alloc::vec;
    use proptest::prelude::*;

    fn at(seconds: u64, active: u32, state: Option<&[u8]>) -> Rendered {
        let mut snapshot = snapshot(vec![tasks(9, active, 0, 42)]);
        (snapshot.now, snapshot.state) = (seconds * SECOND, state);
        crate::render(ENTRY.path, &snapshot).unwrap()
    }

    #[test]
    fn without_history_it_is_the_present() {
        let inputs = vec![tasks(17, 2, 1, 345)];
        let rendered = crate::render(ENTRY.path, &snapshot(inputs)).unwrap();
        assert_eq!(rendered.text, "3.00 3.00 3.00 2/17 345\n");
    }

    /// As if what runs now had run since the init started, at 900 s.
    #[test]
    fn without_history_a_container_is_as_old_as_its_init() {
        let started_at = "1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 90000 0\n";
        let of = |seconds: u64| {
            let inputs = vec![tasks(9, 1, 0, 42), host("init-stat", started_at)];
            let mut snapshot = snapshot(inputs);
            snapshot.now = seconds * SECOND;
            crate::render(ENTRY.path, &snapshot).unwrap()
        };
        assert_eq!(of(904).text, "0.00 0.00 0.00 1/9 42\n");
        assert_eq!(of(960).text, "0.63 0.18 0.06 1/9 42\n");
        assert_eq!(of(900 + 6 * 3600).text, "1.00 1.00 1.00 1/9 42\n");
        // And it goes on from there.
        assert_eq!(at(1020, 1, of(960).state.as_deref()).text, "0.87 0.34 0.13 1/9 42\n");
    }

    #[test]
    fn decays_as_the_kernels_does() {
        let first = at(100, 0, None);
        let minute = at(160, 1, first.state.as_deref());
        // 1 − 1/e after the minute of the first average.
        assert_eq!(minute.text, "0.63 0.18 0.06 1/9 42\n");
        let hours = at(160 + 6 * 3600, 1, minute.state.as_deref());
        assert_eq!(hours.text, "1.00 1.00 1.00 1/9 42\n");
    }

    #[test]
    fn less_than_a_period_changes_nothing_and_is_not_lost() {
        let mut state = at(100, 4, None).state;
        for second in 101..105 {
            let rendered = at(second, 0, state.as_deref());
            assert_eq!(rendered.text, "4.00 4.00 4.00 0/9 42\n");
            state = rendered.state;
        }
        assert_eq!(at(105, 0, state.as_deref()).text, "3.68 3.93 3.98 0/9 42\n");
    }

    #[test]
    fn needs_the_tasks() {
        let error = crate::render(ENTRY.path, &snapshot(vec![])).unwrap_err();
        assert_eq!(error, Error::MissingInput(TASKS));
    }

    #[test]
    fn the_host_sees_its_own() {
        let mut snapshot = snapshot(vec![host(HOST, "0.00 0.01 0.05 1/99 7\n"), tasks(1, 1, 0, 1)]);
        snapshot.is_host = true;
        assert_eq!(crate::render(ENTRY.path, &snapshot).unwrap().text, "0.00 0.01 0.05 1/99 7\n");
    }

    #[test]
    fn hostile_history_counts_for_nothing() {
        let mut future = Writer::default();
        future.push(u64::MAX).push(0).push(0).push(0);
        let mut huge = Writer::default();
        huge.push(0).push(u64::MAX).push(0).push(0);
        for state in [vec![], vec![0; 3], vec![0; 5], future.into_bytes(), huge.into_bytes()] {
            assert_eq!(at(100, 1, Some(&state)).text, "1.00 1.00 1.00 1/9 42\n");
        }
    }

    proptest! {
        #[test]
        fn one_long_step_is_many_short_ones(periods in 0u64..300, before in 0u32..50, active in 0u32..50) {
            let start = Load::instantaneous(Count::from(before), Nanos(7));
            let end = Nanos(7 + periods * PERIOD + PERIOD / 2);
            let mut steps = start;
            for period in 1..=periods {
                steps = steps.advance(Count::from(active), Nanos(7 + period * PERIOD));
            }
            prop_assert_eq!(start.advance(Count::from(active), end), steps);
        }

        #[test]
        fn stays_between_what_it_was_and_what_it_moves_to(
            before: u32, active: u32, periods in 0u64..5000,
        ) {
            let start = Load::instantaneous(Count::from(before), Nanos::ZERO);
            let end = start.advance(Count::from(active), Nanos(periods * PERIOD));
            let bounds = [u64::from(before) * ONE, u64::from(active) * ONE];
            for average in end.averages {
                prop_assert!((bounds[0].min(bounds[1])..=bounds[0].max(bounds[1])).contains(&average.0));
            }
        }

        #[test]
        fn any_history_renders(state: Vec<u8>) {
            at(100, 1, Some(&state));
        }
    }
}
