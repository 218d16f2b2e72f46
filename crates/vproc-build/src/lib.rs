//! Compiles a crate of this workspace to a policy component, from a build
//! script.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that `cargo build` makes components for.
const WASM: &str = "wasm32-wasip2";

/// Runs a build script's work. What went wrong becomes an error of cargo's,
/// without a backtrace.
pub fn script(work: impl FnOnce() -> Result<(), String>) {
    if let Err(reason) = work() {
        println!("cargo::error={reason}");
        std::process::exit(1);
    }
}

/// Builds `package` and returns the path of its component. `workspace` is the
/// root of this workspace; `sources` are what the package is made of beside
/// the contract, below `workspace`.
pub fn component(workspace: &Path, package: &str, sources: &[&str]) -> Result<PathBuf, String> {
    for source in ["Cargo.lock", "Cargo.toml", "wit"].iter().chain(sources) {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let rustc = variable("RUSTC")?;
    require_target(&rustc)?;
    // A target directory of its own: the workspace's is locked by the cargo
    // that runs this script.
    let target = PathBuf::from(variable("OUT_DIR")?).join("component");
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .args(["build", "--package", package, "--profile", "policy", "--locked"])
        .args(["--target", WASM, "--target-dir"])
        .arg(&target)
        .current_dir(workspace)
        .env("RUSTC", &rustc);
    // What is meant for the host's code would break wasm's.
    for name in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"]
    {
        cargo.env_remove(name);
    }
    let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr).replace('\n', " | ");
        return Err(format!("cannot build {package}: {log}"));
    }
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(target.join(WASM).join("policy").join(file))
}

fn require_target(rustc: &str) -> Result<(), String> {
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", WASM])
        .output()
        .map_err(|error| format!("cannot run {rustc}: {error}"))?;
    if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "policies are WebAssembly components, and the target {WASM} is not installed; \
         run: rustup target add {WASM}"
    ))
}

/// A variable that cargo sets for build scripts.
pub fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
