//! Compiles the default policy to a component, and the component to native
//! code that the program loads without a compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use vproc_runtime::{Engine, Options, Policy};

const WASM: &str = "wasm32-wasip2";

fn main() {
    if let Err(reason) = run() {
        println!("cargo::error={reason}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for source in
        ["Cargo.lock", "Cargo.toml", "wit", "crates/vproc-core/src", "crates/vproc-policy"]
    {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let wasm = component(&workspace, &out)?;
    let engine = Engine::new(Options { target: Some(variable("TARGET")?), ..Options::default() })
        .map_err(|error| error.to_string())?;
    let code = Policy::precompile(&engine, &wasm).map_err(|error| error.to_string())?;
    let digest = vproc_runtime::Digest::of(&wasm);
    write(&out.join("policy.wasm"), &wasm)?;
    write(&out.join("policy.cwasm"), &code)?;
    write(&out.join("digest.in"), format!("{:?}", digest.0).as_bytes())
}

fn component(workspace: &Path, out: &Path) -> Result<Vec<u8>, String> {
    let rustc = variable("RUSTC")?;
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", WASM])
        .output()
        .map_err(|error| format!("cannot run {rustc}: {error}"))?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !libraries.is_dir() {
        return Err(format!(
            "the policy is a WebAssembly component, and the target {WASM} is not installed; \
             run: rustup target add {WASM}"
        ));
    }
    // A target directory of its own: the workspace's is locked by the cargo
    // that runs this script.
    let target = out.join("policy-target");
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .args(["build", "--package", "vproc-policy", "--profile", "policy", "--locked"])
        .args(["--target", WASM, "--target-dir"])
        .arg(&target)
        .current_dir(workspace)
        .env("RUSTC", &rustc)
        // What is meant for the host's code would break wasm's.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        eprintln!("{log}");
        return Err(format!("cannot build the policy: {}", log.replace('\n', " | ")));
    }
    let wasm = target.join(WASM).join("policy/vproc_policy.wasm");
    std::fs::read(&wasm).map_err(|error| format!("cannot read {}: {error}", wasm.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    std::fs::write(path, content)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
