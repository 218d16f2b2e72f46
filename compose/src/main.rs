//! `vproc-compose`: gives a WASI guest the `/proc` of its container.

use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vproc_compose::{DEFAULT_POLICY, compose};
use vproc_trust::{Pinned, Trust, admit};

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
    /// vproc:policy/policy, in place of the embedded one; with @sha256:HEX,
    /// only if that is its hash
    #[arg(long, value_name = "FILE.wasm[@sha256:HEX]", value_parser = pinned())]
    policy: Option<Pinned>,

    /// Use a policy only as the rules in this file allow, in place of those in
    /// /etc/vproc/trust.toml
    #[arg(long, value_name = "FILE.toml")]
    trust: Option<PathBuf>,
}

fn pinned() -> impl TypedValueParser<Value = Pinned> {
    OsStringValueParser::new().try_map(Pinned::parse)
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
    let policy = match &arguments.policy {
        None => None,
        Some(pinned) => Some(admitted(pinned, arguments.trust.as_deref())?),
    };
    let composed = compose(&guest, policy.as_deref().unwrap_or(DEFAULT_POLICY))
        .map_err(|error| format!("cannot compose {}: {error}", arguments.guest.display()))?;
    std::fs::write(&arguments.output, composed)
        .map_err(|error| format!("cannot write {}: {error}", arguments.output.display()))
}

/// A policy in a file, if the pin and the rules let it be used.
fn admitted(pinned: &Pinned, rules: Option<&Path>) -> Result<Vec<u8>, String> {
    let trust = Trust::load(rules).map_err(|error| error.to_string())?;
    let admitted = admit(pinned, trust.as_ref()).map_err(|error| error.to_string())?;
    Ok(admitted.bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
