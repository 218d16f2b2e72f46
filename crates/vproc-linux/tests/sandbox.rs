//! Sandboxes on the running kernel.
//!
//! A sandbox must be started by a process without threads, and libtest runs
//! every test in a thread, so these tests bring their own `main`. Tests that
//! kill the caller start this program again in the role of one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "sandbox/callers.rs"]
mod callers;
#[path = "sandbox/commands.rs"]
mod commands;
#[path = "sandbox/groups.rs"]
mod groups;
#[path = "sandbox/terminals.rs"]
mod terminals;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

type Test = (&'static str, fn());

fn main() -> ExitCode {
    if let Some(code) = callers::play_role() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tests: Vec<Test> =
        [commands::TESTS, groups::TESTS, callers::TESTS, terminals::TESTS].concat();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if let Some(reason) = groups::unavailable() {
        eprintln!("skipped, because {reason}");
        return ExitCode::SUCCESS;
    }
    run(&chosen(tests, &arguments))
}

fn chosen(mut tests: Vec<Test>, arguments: &[String]) -> Vec<Test> {
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    tests.retain(|(name, _)| {
        filters.is_empty()
            || filters.iter().any(|filter| match exact {
                true => name == filter,
                false => name.contains(filter.as_str()),
            })
    });
    tests
}

fn run(tests: &[Test]) -> ExitCode {
    let mut failed = Vec::new();
    for (name, test) in tests {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    println!("{} passed, {} failed {failed:?}", tests.len() - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits for what must become true.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        sleep(Duration::from_millis(5));
    }
}
