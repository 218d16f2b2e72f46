//! No counter falls for any reader, whatever happens to the container.

use crate::Test;
use crate::mounted::kill_worker;
use crate::roles::ROLE;
use crate::stage::{Container, is_emulated, myself, printed};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const TESTS: &[Test] = &[("monotony::no_counter_ever_falls", no_counter_ever_falls)];

/// How often each of four readers reads both files, in two lives. On an emulated
/// machine it is 10,000 times in all, unless `VPROC_READS` says more.
fn reads() -> u32 {
    let asked = std::env::var("VPROC_READS").map(|reads| reads.parse().expect("VPROC_READS"));
    asked.unwrap_or(if is_emulated() { 2_500 } else { 10_000 })
}

/// For how many seconds a reader tries, in both lives: long enough for half of what
/// an emulated machine does that shares its processors with builds.
fn patience() -> u32 {
    reads() / 7
}

fn no_counter_ever_falls(test: &str) {
    let program = myself();
    // It is there to be counted; readers need the time.
    let beat = [program.as_str(), ROLE, "beat"];
    let container = Container::start(&["--cpus", "2", "--cpuset", "0-1"], &beat);
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    let begin = Instant::now();
    let (made, troubles) = std::thread::scope(|scope| {
        let readers = [1, 2, 3, 4].map(|number| {
            let carried = directory.path().join(number.to_string());
            let container = &container;
            scope.spawn(move || read_twice(container, &carried))
        });
        let operator = scope.spawn(|| operate(&container, &done));
        let made = readers.map(|reader| reader.join());
        done.store(true, Ordering::Relaxed);
        (made, operator.join().unwrap())
    });
    let made = made.map(|made| made.unwrap());
    let seconds = begin.elapsed().as_secs_f64();
    println!("{test}: {made:?} reads in {seconds:.0} s; {troubles:?}");
    assert_eq!(made, [reads() / 2 * 2; 4]);
    assert!(troubles.rounds >= 1, "{troubles:?}");
    assert!(troubles.workers >= 1, "{troubles:?}");
}

/// A reader, and a second one that goes on where the first ended. They are in the
/// container's namespaces, but not in its groups, whose quota would stop them most
/// of the time: what they are shown is the init's.
fn read_twice(container: &Container, carried: &Path) -> u32 {
    let (half, seconds) = ((reads() / 2).to_string(), (patience() / 2).to_string());
    let carried = carried.to_str().unwrap();
    let program = myself();
    let once = || {
        let command = container.exec_in([], &[&program, ROLE, "climb", &half, &seconds, carried]);
        printed(command, "climb").trim().parse::<u32>().unwrap()
    };
    once() + once()
}

#[derive(Debug, Default)]
struct Troubles {
    rounds: u32,
    workers: u32,
}

/// Changes the quota and the cpuset, lets processes end, and kills workers, as
/// long as anybody reads.
fn operate(container: &Container, done: &AtomicBool) -> Troubles {
    let mut troubles = Troubles::default();
    while !done.load(Ordering::Relaxed) {
        for (quota, cpus) in [("100000", "0-1"), ("30000", "1"), ("200000", "0"), ("-1", "0-1")] {
            set_quota(container, quota);
            let set = container.groups.get("cpuset").unwrap_or(&container.groups[""]);
            fs::write(set.join("cpuset.cpus"), cpus).unwrap();
            container.script("for i in 1 2 3; do sh -c 'for n in $(seq 200); do :; done'; done");
            sleep(if is_emulated() { Duration::from_secs(1) } else { Duration::from_millis(100) });
        }
        troubles.workers += u32::from(kill_worker(container));
        troubles.rounds += 1;
    }
    troubles
}

/// Of 100 ms; `-1` is none.
fn set_quota(container: &Container, quota: &str) {
    match container.groups.get("cpu") {
        Some(group) => fs::write(group.join("cpu.cfs_quota_us"), quota).unwrap(),
        None => {
            let quota = if quota == "-1" { "max" } else { quota };
            fs::write(container.groups[""].join("cpu.max"), format!("{quota} 100000")).unwrap();
        }
    }
}
