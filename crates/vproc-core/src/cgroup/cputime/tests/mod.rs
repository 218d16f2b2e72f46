#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod world;

use super::*;
use crate::testing::SECOND;
use alloc::collections::BTreeMap;
use proptest::prelude::*;
use world::*;

proptest! {
    /// Whatever happens to the container.
    #[test]
    fn with_a_state_nothing_ever_falls(kernel in kernels(), steps in steps(), steal: bool) {
        let mut world = World { steal, ..World::new(kernel, 4) };
        let (mut state, mut last, mut seen) = (None, None::<Shown>, BTreeMap::new());
        for step in steps {
            take(&mut world, &step);
            let (shown, next) = world.stat(state.as_deref());
            state = next;
            for (number, columns) in &shown.cpus {
                if let Some(before) = seen.insert(*number, columns.clone()) {
                    assert_not_less(columns, &before);
                }
            }
            let gone = seen.iter().filter(|(number, _)| !shown.cpus.contains_key(number));
            shown.check(&world, &Shown::total(gone.map(|(_, columns)| columns)));
            if let Some(last) = last {
                assert_not_less(&shown.sum, &last.sum);
            }
            last = Some(shown);
        }
    }

    /// What is shown was used.
    #[test]
    fn no_busy_time_is_invented(kernel in kernels(), steps in steps()) {
        let mut world = World::new(kernel, 4);
        let (mut state, mut seen) = (None, BTreeMap::new());
        for step in steps.into_iter().filter(|step| !matches!(step.change, Change::Reset)) {
            take(&mut world, &step);
            let (shown, next) = world.stat(state.as_deref());
            state = next;
            for (number, columns) in shown.cpus {
                seen.insert(number, columns.into_iter().take(3).sum::<u64>());
            }
            let (user, system) = world.totals();
            prop_assert!(seen.values().sum::<u64>() <= (user + system) / TICK);
        }
    }

    /// As long as the kernel's readings fit together and its CPUs stay.
    #[test]
    fn without_a_state_nothing_falls_either(
        kernel in prop_oneof![Just(Kernel::V2), Just(Kernel::V1Table)],
        count in 1u32..6,
        quota in proptest::option::of(1u32..6),
        steps in proptest::collection::vec((0..3 * SECOND, 0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64), 1..30),
    ) {
        let mut world = World { quota, ..World::new(kernel, count) };
        let shown_cpus = u64::from(quota.unwrap_or(count).min(count));
        let mut last: Option<Shown> = None;
        for (passed, busy, user, nice) in steps {
            world.now += passed;
            let all = (passed as f64 * busy) as u64 * shown_cpus / u64::from(count);
            for used in world.used.iter_mut().take(count as usize) {
                let part = (all as f64 * user) as u64;
                *used = (used.0 + part, used.1 + (all - part));
                world.nice += (part as f64 * nice) as u64;
            }
            let (shown, _) = world.stat(None);
            shown.check(&world, &NONE_GONE);
            if let Some(last) = last {
                assert_not_less(&shown.sum, &last.sum);
                for (now, before) in shown.cpus.values().zip(last.cpus.values()) {
                    assert_not_less(now, before);
                }
            }
            last = Some(shown);
        }
    }

    /// Of a steady load each CPU shows its part, to the tick.
    #[test]
    fn a_steady_load_is_shown_as_it_is(
        kernel in kernels(),
        count in 1u32..6,
        (user, system) in (0u64..500, 0u64..500),
        waits in proptest::collection::vec(1u64..3000, 2..20),
    ) {
        let mut world = World::new(kernel, count);
        let mut state = None;
        let mut last: Option<(Shown, u64)> = None;
        for wait in waits {
            world.now += wait * MILLI;
            for used in world.used.iter_mut().take(count as usize) {
                *used = (used.0 + wait * user * 1000, used.1 + wait * system * 1000);
            }
            let (shown, next) = world.stat(state.as_deref());
            state = next;
            if let Some((last, then)) = last {
                let passed = world.now - then;
                for (now, before) in shown.cpus.values().zip(last.cpus.values()) {
                    let grown: Vec<u64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
                    let exact = [user, 0, system, 1000 - user - system].map(|permille| passed * permille / 1000);
                    // cpuacct.stat, which decides the mixture, counts ticks.
                    let slack = if matches!(kernel, Kernel::V1PerCpu | Kernel::V1Stat) { 3 } else { 2 };
                    for (grown, exact) in grown.iter().zip(exact) {
                        prop_assert!((grown * TICK).abs_diff(exact) < slack * TICK, "{grown} {exact}");
                    }
                }
            }
            last = Some((shown, world.now));
        }
    }

    /// uptime and stat of one snapshot tell one story.
    #[test]
    fn uptime_is_idle_as_stat_is(kernel in kernels(), steps in steps()) {
        let mut world = World::new(kernel, 3);
        for step in steps {
            take(&mut world, &step);
            let (shown, _) = world.stat(None);
            let uptime = world.render("/proc/uptime", None).text;
            let idle = uptime.trim_end().split_once(' ').unwrap().1.replace('.', "");
            prop_assert_eq!(idle.parse::<u64>().unwrap(), *shown.sum.get(3).unwrap());
        }
    }

    /// A state that was tampered with is refused, or does no harm.
    #[test]
    fn hostile_states_do_no_harm(
        steps in steps(),
        at in any::<proptest::sample::Index>(),
        byte: u8,
        cut in any::<proptest::sample::Index>(),
        noise: Vec<u8>,
    ) {
        let mut world = World::new(Kernel::V1Table, 4);
        steps.iter().for_each(|step| take(&mut world, step));
        let mut state = world.stat(None).1.unwrap();
        world.stat(Some(&noise)).0.check(&world, &NONE_GONE);
        // What is left of it may tell of CPUs that the container never saw.
        world.stat(state.get(..cut.index(state.len()))).0.check_lines(&world);
        let place = at.index(state.len());
        *state.get_mut(place).unwrap() = byte;
        world.now += SECOND;
        let (shown, next) = world.stat(Some(&state));
        shown.check_lines(&world);
        world.stat(next.as_deref()).0.check_lines(&world);
    }
}

#[test]
fn a_burst_beyond_the_clock_is_shown_later() {
    let mut world = World { quota: Some(1), ..World::new(Kernel::V2, 4) };
    world.now += SECOND;
    let (_, state) = world.stat(None);
    // Half a second of CPU time within a tenth of a second.
    world.now += 100 * MILLI;
    world.used = [(50 * MILLI, 0); HOST_CPUS];
    let (shown, state) = world.stat(state.as_deref());
    assert_eq!(shown.sum.get(..4), Some(&[10, 0, 0, 100][..]));
    world.now += SECOND;
    let (shown, _) = world.stat(state.as_deref());
    assert_eq!(shown.sum.get(..4), Some(&[50, 0, 0, 160][..]));
}

#[test]
fn counts_of_another_file_are_a_new_base() {
    let mut world = World::new(Kernel::V2, 1);
    world.now += 100 * SECOND;
    let (_, state) = world.stat(None);
    (world.kernel, world.used) = (Kernel::V1Table, [(5 * SECOND, 0); HOST_CPUS]);
    world.now += 10 * SECOND;
    let (shown, state) = world.stat(state.as_deref());
    assert_eq!(shown.sum.get(..4), Some(&[0, 0, 0, 11_000][..]));
    world.used = [(5 * SECOND + 100 * MILLI, 0); HOST_CPUS];
    world.now += 10 * SECOND;
    let (shown, _) = world.stat(state.as_deref());
    assert_eq!(shown.sum.get(..4), Some(&[100, 0, 0, 11_900][..]));
}

#[test]
fn time_that_moves_from_one_kind_to_another_counts_once() {
    let mut world = World::new(Kernel::V2, 1);
    world.used = [(SECOND, 0); HOST_CPUS];
    world.now += 100 * SECOND;
    let (_, state) = world.stat(None);
    world.used = [(SECOND - 50 * MILLI, 100 * MILLI); HOST_CPUS];
    world.now += SECOND;
    let (shown, _) = world.stat(state.as_deref());
    assert_eq!(shown.sum.get(..4), Some(&[1000, 0, 50, 9_050][..]));
}

#[test]
fn what_a_container_may_owe_has_a_bound() {
    let mut world = World { quota: Some(1), ..World::new(Kernel::V2, 4) };
    // The group is older than the container's init.
    world.used = [(360 * SECOND, 0); HOST_CPUS];
    world.now += 10 * SECOND;
    let (shown, state) = world.stat(None);
    assert_eq!(shown.sum.get(..4), Some(&[1000, 0, 0, 0][..]));
    world.now += 10 * SECOND;
    let (shown, _) = world.stat(state.as_deref());
    assert_eq!(shown.sum.get(..4), Some(&[1100, 0, 0, 900][..]));
}

#[test]
fn a_cpu_that_comes_back_goes_on() {
    let mut world = World::new(Kernel::V2, 2);
    world.now += 10 * SECOND;
    let (both, state) = world.stat(None);
    world.quota = Some(1);
    world.now += 10 * SECOND;
    let (one, state) = world.stat(state.as_deref());
    assert_eq!(one.cpus.len(), 1);
    assert_eq!((one.cpus[&0][3], one.sum[3]), (2000, 3000), "the other one's 10 seconds stay");
    world.quota = None;
    world.now += SECOND;
    let (back, _) = world.stat(state.as_deref());
    assert_eq!(both.cpus.get(&1).and_then(|cpu| cpu.get(3)), Some(&1000));
    assert_eq!(back.cpus.get(&1).and_then(|cpu| cpu.get(3)), Some(&1100));
    assert_eq!(back.cpus.get(&0).and_then(|cpu| cpu.get(3)), Some(&2100));
}

#[test]
fn another_containers_state_counts_for_nothing() {
    let mut world = World::new(Kernel::V2, 2);
    world.now += 100 * SECOND;
    let (_, state) = world.stat(None);
    let mut ledger = Ledger::decode(state.as_deref().unwrap()).unwrap();
    assert_eq!(Some(ledger.encode()), state);
    // From a time that has not come yet, and of an init that started later.
    world.now -= SECOND;
    assert_eq!(world.stat(state.as_deref()).0, world.stat(None).0);
    ledger.start = Nanos(BORN + TICK);
    world.now += 9 * SECOND;
    assert_eq!(world.stat(Some(&ledger.encode())).0, world.stat(None).0);
}
