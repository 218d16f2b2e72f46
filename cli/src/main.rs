//! `vprocctl`: shows what a container should see of `/proc`.
//!
//! Parses arguments, calls the libraries, prints. One file per subcommand.

mod admission;
mod attach;
mod capture;
mod colour;
mod control;
mod diff;
mod doctor;
mod explain;
mod facts;
mod failure;
mod files;
mod log;
mod ls;
mod mount;
mod output;
mod policy;
mod policy_check;
mod policy_file;
mod private_mount;
mod readings;
mod render;
mod run;
mod scaffold;
mod service;
mod shipping;
mod subject;
mod worker;

use clap::{Parser, Subcommand};
use failure::{EXIT_CODES, Failure};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  vprocctl run --memory 256M --cpus 1.5 -- free -m
  vprocctl render --pid 4242 /proc/meminfo /proc/loadavg
  vprocctl explain --pid 4242 /proc/meminfo MemTotal
  vprocctl diff --pid 4242 /proc/meminfo
  vprocctl capture --pid 4242 -o box.json && vprocctl render --from box.json /proc
  vprocctl mount /var/lib/vproc
  vprocctl doctor";

/// Shows what a container should see of /proc and /sys/devices/system/cpu:
/// its own memory, CPUs, load and I/O in place of the host's.
#[derive(Parser)]
#[command(name = "vprocctl", version, after_help = EXAMPLES, after_long_help = long_help())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Render(render::Arguments),
    Explain(explain::Arguments),
    Diff(diff::Arguments),
    Ls(ls::Arguments),
    Capture(capture::Arguments),
    Run(run::Arguments),
    Mount(mount::Arguments),
    Attach(attach::Attach),
    Detach(attach::Detach),
    Status(control::Status),
    #[command(subcommand)]
    Policy(control::Policy),
    Register(control::Register),
    Forget(control::Forget),
    Doctor(doctor::Arguments),
    #[command(hide = true)]
    Worker(worker::Arguments),
    #[command(hide = true)]
    Broker(worker::Broker),
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

fn main() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let result = match Arguments::parse().command {
        Command::Render(arguments) => render::run(arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Ls(arguments) => ls::run(arguments).map(done),
        Command::Capture(arguments) => capture::run(arguments).map(done),
        Command::Run(arguments) => run::run(arguments),
        Command::Mount(arguments) => mount::run(arguments),
        Command::Attach(arguments) => attach::attach(&arguments),
        Command::Detach(arguments) => attach::detach(&arguments).map(done),
        Command::Status(arguments) => control::status(&arguments).map(done),
        Command::Policy(command) => control::policy(&command),
        Command::Register(arguments) => control::register(&arguments).map(done),
        Command::Forget(arguments) => control::forget(&arguments).map(done),
        Command::Worker(arguments) => Ok(worker::run(&arguments)),
        Command::Broker(arguments) => Ok(worker::broker(&arguments)),
        Command::Doctor(arguments) => doctor::run(arguments).map(done),
    };
    result.unwrap_or_else(Failure::report)
}
