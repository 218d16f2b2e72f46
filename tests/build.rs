//! Builds the policies that only tests use.

use std::path::Path;
use vproc_build::{component, script};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (guest, variable) in [("hostile", "HOSTILE"), ("greedy", "GREEDY")] {
            let wasm = component(&workspace, guest, &[&format!("tests/guests/{guest}")])?;
            println!("cargo::rustc-env={variable}={}", wasm.display());
        }
        Ok(())
    });
}
