//! `/proc/PID` of real containers: what is rendered from outside, beside what
//! the kernel prints to a process inside through a procfs of its own.
//!
//! This program is also the container's processes (`roles.rs`), so it brings
//! its own `main`, which prints as libtest does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../command/mod.rs"]
mod command;
mod differences;
#[allow(dead_code)] // not all of it is used here
#[path = "../mount/fixture.rs"]
mod fixture;
mod ours;
mod programs;
mod proof;
mod roles;
mod stage;

use std::panic::catch_unwind;
use std::process::ExitCode;

type Test = (&'static str, fn(&str));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, rest @ ..] = arguments.as_slice()
        && role == roles::ROLE
    {
        roles::play(rest);
        return ExitCode::SUCCESS;
    }
    let is_filter = |argument: &&String| !argument.starts_with('-');
    let filters: Vec<&String> = arguments.iter().filter(is_filter).collect();
    let mut tests: Vec<Test> = [proof::TESTS, programs::TESTS].concat();
    tests.retain(|(name, _)| filters.is_empty() || filters.iter().any(|f| name.contains(*f)));
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("running {} tests", tests.len());
    let mut failed = 0;
    for (name, test) in &tests {
        let passed = catch_unwind(|| test(name)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {} passed; {failed} failed", tests.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
