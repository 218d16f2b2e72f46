//! `vprocctl doctor`: tells what this machine offers.

use crate::failure::Failure;

/// Tell what this machine offers, and what each lack costs
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let _ = arguments.json;
    Ok(())
}
