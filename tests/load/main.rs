//! Containers with a known load, on the running kernel: what live files and
//! the programs that read them show of it, beside what the kernel counts.
//!
//! The tests measure, so they run one after another, which libtest does not
//! promise; and this program is also the load (`roles.rs`). So it brings its
//! own `main`, which prints as libtest does. A measurement that does not fit
//! is taken up to three times: the machine has other work to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod busy;
mod clients;
mod counters;
mod cpu;
mod groups;
mod identity;
mod io;
mod loadavg;
mod monotony;
mod mounted;
mod nested;
mod pressure;
mod roles;
mod stage;
mod time;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

type Test = (&'static str, fn(&str));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, rest @ ..] = arguments.as_slice()
        && role == roles::ROLE
    {
        roles::play(rest);
        return ExitCode::SUCCESS;
    }
    let all = [
        cpu::TESTS,
        busy::TESTS,
        monotony::TESTS,
        time::TESTS,
        loadavg::TESTS,
        io::TESTS,
        pressure::TESTS,
        identity::TESTS,
        nested::TESTS,
        clients::TESTS,
    ];
    let tests = chosen(all.concat(), &arguments);
    if arguments.iter().any(|argument| argument == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let Some(reason) = stage::unavailable() {
        tests.iter().for_each(|(name, _)| vproc_tests::skip(name, &reason));
        return ExitCode::SUCCESS;
    }
    run(&tests)
}

fn chosen(mut tests: Vec<Test>, arguments: &[String]) -> Vec<Test> {
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let is_chosen =
        |name: &str, filter: &str| if exact { name == filter } else { name.contains(filter) };
    tests.retain(|(name, _)| {
        filters.is_empty() || filters.iter().any(|filter| is_chosen(name, filter))
    });
    tests
}

fn run(tests: &[Test]) -> ExitCode {
    println!("running {} tests", tests.len());
    let mut failed = Vec::new();
    for (name, test) in tests {
        let begin = Instant::now();
        let passed = catch_unwind(|| test(name)).is_ok();
        println!("{name}: {:.1} s", begin.elapsed().as_secs_f64());
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    println!("{} passed, {} failed {failed:?}", tests.len() - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
