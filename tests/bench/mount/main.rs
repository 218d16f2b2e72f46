//! What reading a file through a mount costs, beside lxcfs, beside the host's
//! own file, and beside the least that any FUSE server costs.
//!
//! One run, one container, alternating slices: a machine whose speed drifts
//! slows all of them alike. Each number is the median over the slices.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod container;
mod floor;
mod groups;
mod inside;
mod many;
mod report;
mod servers;
mod speed;

use report::{Machine, Report};
use servers::Servers;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files that are compared: those that lxcfs has, too.
const FILES: [&str; 7] = ["meminfo", "stat", "cpuinfo", "uptime", "loadavg", "diskstats", "swaps"];

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

const USAGE: &str = "\
usage: cargo xtask bench --mount [OPTIONS]

  --slices N        slices of each target (5)
  --slice SECONDS   how long a slice is (0.5)
  --containers N    instead: N containers of 50 tasks each
  --tasks N         tasks in each of them (50)
  --write FILE      replace this benchmark's part of FILE
";

/// What the command line says.
struct Plan {
    slices: usize,
    slice: Duration,
    containers: Option<usize>,
    tasks: usize,
    write: Option<PathBuf>,
    machine: Machine,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--role", rest)) = arguments.split_first().map(|(first, rest)| (&**first, rest)) {
        return inside::play(rest);
    }
    // `cargo test --benches` runs this too, without `--bench`.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let Some(plan) = Plan::parse(&arguments) else {
        eprint!("{USAGE}");
        std::process::exit(2);
    };
    if let Some(reason) = missing() {
        return vproc_tests::skip("mount", &reason);
    }
    let report = match plan.containers {
        Some(containers) => many::measure(containers, plan.tasks),
        None => single(&plan),
    };
    println!("{}", report.text(&plan.machine));
    if let Some(file) = &plan.write {
        report.write(&plan.machine, file);
    }
}

fn single(plan: &Plan) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let (servers, container) = Servers::start_all(directory.path());
    let idle = servers.memory();
    let table = speed::measure(&servers, &container, plan.slices, plan.slice);
    let first = speed::first_reads(&servers, &container, 30);
    let memory = speed::memory(&servers, idle, 200);
    Report::single(&servers, &table, &first, &memory)
}

/// Why this cannot run here.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("containers need root".to_owned());
    }
    std::fs::File::open("/dev/fuse").err().map(|error| format!("/dev/fuse: {error}"))
}

impl Plan {
    fn parse(arguments: &[String]) -> Option<Self> {
        let mut plan = Plan {
            slices: 5,
            slice: Duration::from_millis(500),
            containers: None,
            tasks: 50,
            write: None,
            machine: Machine::here(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--bench" {
                continue;
            }
            let value = arguments.next()?;
            match argument.as_str() {
                "--slices" => plan.slices = value.parse().ok().filter(|slices| *slices > 0)?,
                "--slice" => plan.slice = Duration::try_from_secs_f64(value.parse().ok()?).ok()?,
                "--containers" => plan.containers = Some(value.parse().ok()?),
                "--tasks" => plan.tasks = value.parse().ok().filter(|tasks| *tasks > 0)?,
                // From where the command was given; cargo changes the directory.
                "--write" => plan.write = Some(Path::new(ROOT).join(value)),
                "--date" => plan.machine.date.clone_from(value),
                "--command" => plan.machine.command.clone_from(value),
                _ => return None,
            }
        }
        Some(plan)
    }
}
