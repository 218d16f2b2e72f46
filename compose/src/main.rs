//! `vproc-compose`: gives a WASI guest the `/proc` of its container.

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vproc_compose::{DEFAULT_POLICY, compose};

/// Gives a WASI guest a /proc that a vproc policy renders.
///
/// The result is a component which any runtime with WASI 0.2 runs in the
/// guest's place. What the policy is to see is preopened below /vproc: a
/// capture as /vproc/capture.json, or the host's /proc and /sys as /vproc/proc
/// and /vproc/sys. docs/embedding-wasi.md has the rest.
#[derive(Parser)]
#[command(name = "vproc-compose", version)]
struct Arguments {
    /// A component, or a module of WASI preview 1
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,

    /// Where the result goes
    #[arg(short, long, value_name = "OUT.wasm")]
    output: PathBuf,

    /// Render with the policy in this file, a component of world
    /// vproc:policy/policy, in place of the embedded one
    #[arg(long, value_name = "FILE.wasm")]
    policy: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("vproc-compose: {}", reason.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let guest = read(&arguments.guest)?;
    let policy = arguments.policy.as_deref().map(read).transpose()?;
    let composed = compose(&guest, policy.as_deref().unwrap_or(DEFAULT_POLICY))
        .map_err(|error| format!("cannot compose {}: {error}", arguments.guest.display()))?;
    std::fs::write(&arguments.output, composed)
        .map_err(|error| format!("cannot write {}: {error}", arguments.output.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
