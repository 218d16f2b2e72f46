//! `vprocctl worker` and `vprocctl broker`: what `vprocctl mount` starts to
//! render, and what a worker starts to read files of containers' namespaces. Not
//! for people.

use crate::log;
use std::process::ExitCode;
use vproc_fuse::Program;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    log: log::Choice,

    assignment: String,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    arguments.log.start();
    // This very program, even if another one is in its place by now.
    let path = "/proc/self/exe".into();
    let log = arguments.log.arguments();
    let broker =
        Program { path, arguments: ["broker".to_owned()].into_iter().chain(log).collect() };
    vproc_fuse::work(&arguments.assignment, &broker)
}

#[derive(clap::Args)]
pub(crate) struct Broker {
    #[command(flatten)]
    log: log::Choice,
}

pub(crate) fn broker(arguments: &Broker) -> ExitCode {
    arguments.log.start();
    vproc_fuse::serve_worker()
}
