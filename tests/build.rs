//! Builds the policies that only tests use.

use std::path::Path;
use vproc_build::{component, script};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let guests = [("hostile", "HOSTILE"), ("greedy", "GREEDY"), ("puppet", "PUPPET")];
        for (guest, variable) in guests {
            let wasm = component(&workspace, guest, &[&format!("tests/guests/{guest}")])?;
            println!("cargo::rustc-env={variable}={}", wasm.display());
        }
        Ok(())
    });
}
