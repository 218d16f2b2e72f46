//! `vprocctl worker`: what `vprocctl mount` starts to render. Not for people.

use crate::log;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    log: log::Choice,

    assignment: String,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    arguments.log.start();
    vproc_fuse::work(&arguments.assignment)
}
