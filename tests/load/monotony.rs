//! No counter falls for any reader, whatever happens to the container.

use crate::Test;
use crate::roles::ROLE;
use crate::stage::{Container, children, is_emulated, myself, printed};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[("monotony::no_counter_ever_falls", no_counter_ever_falls)];

/// How many reads of each file a reader makes, in two lives.
const READS: u32 = 10_000;
/// For how long a reader tries, and how often it must have read.
fn patience() -> (u64, u32) {
    if is_emulated() { (24, 40) } else { (300, READS) }
}

fn no_counter_ever_falls(test: &str) {
    let program = myself();
    let spin = [program.as_str(), ROLE, "spin", "1", "0", "1"];
    let container = Container::start(&["--cpus", "2", "--cpuset", "0-1"], &spin);
    let directory = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    let (reads, troubles) = std::thread::scope(|scope| {
        let readers = [1, 2, 3, 4].map(|number| {
            let carried = directory.path().join(number.to_string());
            let container = &container;
            scope.spawn(move || read_twice(container, &carried))
        });
        let operator = scope.spawn(|| operate(&container, &done));
        let reads = readers.map(|reader| reader.join());
        done.store(true, Ordering::Relaxed);
        (reads, operator.join().unwrap())
    });
    let reads = reads.map(|reads| reads.unwrap());
    println!("{test}: {reads:?} reads; {troubles:?}");
    assert!(reads.iter().all(|reads| *reads >= patience().1), "{reads:?}");
    assert!(troubles.workers >= 1, "{troubles:?}");
}

/// A reader, and a second one that goes on where the first ended.
fn read_twice(container: &Container, carried: &Path) -> u32 {
    let (half, seconds) = ((READS / 2).to_string(), (patience().0 / 2).to_string());
    let carried = carried.to_str().unwrap();
    let program = myself();
    let once = || {
        let command = container.exec(&[&program, ROLE, "climb", &half, &seconds, carried]);
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
            fs::write(
                container.groups.get("cpuset").unwrap_or(&container.groups[""]).join("cpuset.cpus"),
                cpus,
            )
            .unwrap();
            container.script(
                "for i in 1 2 3; do sh -c 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done'; done",
            );
            sleep(Duration::from_millis(100));
        }
        troubles.workers += u32::from(kill_worker(container.outside()));
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

/// Kills the process that renders for a container of `vprocctl run`.
pub(crate) fn kill_worker(run: u32) -> bool {
    let is = |pid: &u32, role: &str| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes())
    };
    let holders = children(run).into_iter().filter(|pid| is(pid, "mount"));
    let worker = holders.flat_map(children).find(|pid| is(pid, "worker"));
    let Some(worker) = worker else { return false };
    Command::new("kill").args(["-s", "KILL", &worker.to_string()]).status().unwrap().success()
}
