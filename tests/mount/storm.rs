//! Readers that notice nothing while everything behind the mount is replaced.

use crate::fixture::Mount;
use crate::reader::{Reader, Tally};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How many bytes each reader takes at a time.
const CHUNKS: [usize; 4] = [1 << 16, 1024, 100, 7];

/// What happens, spread over the time.
#[derive(Clone, Copy)]
struct Plan {
    seconds: u64,
    kills: u32,
    swaps: u32,
}

impl Plan {
    /// As `VPROC_STORM` says, three numbers; CI takes a long one.
    fn chosen() -> Plan {
        let words = std::env::var("VPROC_STORM").unwrap_or_else(|_| "20 15 60".into());
        let numbers: Vec<u64> = words.split(' ').map(|word| word.parse().unwrap()).collect();
        let [seconds, kills, swaps] = numbers[..] else { panic!("VPROC_STORM={words}") };
        let count = |number: u64| u32::try_from(number).unwrap();
        Plan { seconds, kills: count(kills), swaps: count(swaps) }
    }

    /// A part of it.
    fn half(self) -> Plan {
        Plan { seconds: self.seconds / 2, kills: self.kills / 2, swaps: self.swaps / 2 }
    }
}

fn start(test: &str, plan: Plan, arguments: &[&str]) -> Option<Mount> {
    let limit = Duration::from_secs(plan.seconds * 4 + 60);
    Mount::start_for(test, limit, arguments, |_| {})
}

/// Kills workers and changes policies; `policies` are arguments of `vprocctl
/// policy` that take turns.
fn storm(mount: &Mount, plan: Plan, policies: &[Vec<&str>]) -> Vec<Tally> {
    let readers: Vec<Reader> =
        CHUNKS.iter().map(|chunk| Reader::start(&mount.point, *chunk)).collect();
    let total = Duration::from_secs(plan.seconds);
    let (mut kills, mut swaps, mut swapped) = (0, 0, 0);
    let started = Instant::now();
    while started.elapsed() < total || kills < plan.kills || swaps < plan.swaps {
        let elapsed = started.elapsed();
        let is_due = |done: u32, all: u32| done < all && elapsed * all >= total * done;
        if is_due(kills, plan.kills) {
            mount.signal_worker(Signal::KILL);
            kills += 1;
        }
        if is_due(swaps, plan.swaps) {
            let arguments = &policies[swaps as usize % policies.len()];
            // The worker that was asked may have been killed.
            swapped += u32::from(mount.ask(arguments).status.success());
            swaps += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let tallies: Vec<Tally> = readers.into_iter().map(Reader::stop).collect();
    let kills_seen = mount.status().restarts;
    let longest = tallies.iter().map(|tally| tally.longest).max();
    println!("{kills} kills, {swapped} of {swaps} swaps in {:?}", started.elapsed());
    println!("the longest wait was {longest:?}: {tallies:?}");
    // A worker may be killed twice, while it ends.
    assert!(kills_seen * 2 >= kills, "{kills_seen} restarts of {kills}");
    assert!(swapped * 2 >= swaps, "{swapped} swaps of {swaps}");
    for tally in &tallies {
        assert!(tally.texts > 0, "{tallies:?}");
    }
    tallies
}

fn copy(mount: &Mount) -> String {
    mount.write("copy.wasm", vproc_default::COMPONENT)
}

fn kills_and_swaps(test: &str, plan: Plan, arguments: &[&str], recovery: &str) {
    let Some(mount) = start(test, plan, arguments) else { return };
    let actual = mount.status().recovery;
    if actual != recovery {
        return vproc_tests::skip(test, &format!("this kernel has recovery by {actual}"));
    }
    let copy = copy(&mount);
    // Texts of the same size, so that only letters and times tell them apart.
    let a = mount.puppet("a.wasm", "letter=A lines=40");
    let b = mount.puppet("b.wasm", "letter=B lines=40");
    let policies = [
        vec!["policy", "set", &copy],
        vec!["policy", "set", &a],
        vec!["policy", "set", &b],
        vec!["policy", "reset"],
    ];
    let tallies = storm(&mount, plan, &policies);
    let puppets: u64 = tallies.iter().map(|tally| tally.puppets).sum();
    let texts: u64 = tallies.iter().map(|tally| tally.texts).sum();
    assert!(puppets > 0 && puppets < texts, "all policies were read: {tallies:?}");
}

#[test]
fn kills_and_swaps_pass_unnoticed() {
    let test = "kills_and_swaps_pass_unnoticed";
    kills_and_swaps(test, Plan::chosen(), &[], "resend");
}

#[test]
fn kills_and_swaps_pass_unnoticed_with_a_journal() {
    let test = "kills_and_swaps_pass_unnoticed_with_a_journal";
    kills_and_swaps(test, Plan::chosen(), &["--no-resend"], "journal");
}

/// Also with fewer threads than readers, and texts that are handed out twice.
#[test]
fn kills_and_swaps_pass_unnoticed_with_one_thread() {
    let test = "kills_and_swaps_pass_unnoticed_with_one_thread";
    let arguments = ["--no-resend", "--threads", "1", "--max-age", "20"];
    kills_and_swaps(test, Plan::chosen().half(), &arguments, "journal");
}

#[test]
fn a_policy_that_traps_now_and_then_fails_no_read() {
    let test = "a_policy_that_traps_now_and_then_fails_no_read";
    let plan = Plan::chosen().half();
    let Some(mount) = start(test, plan, &["--max-age", "0"]) else { return };
    let policy = mount.puppet("traps.wasm", "letter=T lines=20 trap=10");
    // It may also trap while it is tried out.
    let set = vec!["policy", "set", &policy];
    crate::fixture::eventually("a try without a trap", || {
        mount.ask(&set).status.success().then_some(())
    });
    let tallies = storm(&mount, Plan { swaps: 0, ..plan }, &[set]);
    let failures: u64 = mount.status().policies.iter().map(|policy| policy.failures).sum();
    let fallbacks: u64 = mount.status().files.iter().map(|file| file.fallbacks).sum();
    assert!(failures > 0 && fallbacks >= failures, "{failures} failures, {fallbacks} fallbacks");
    let puppets: u64 = tallies.iter().map(|tally| tally.puppets).sum();
    let texts: u64 = tallies.iter().map(|tally| tally.texts).sum();
    assert!(puppets > 0 && puppets < texts, "both have answered: {tallies:?}");
}
