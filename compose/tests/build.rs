//! Builds the guests and policies that the tests compose.

use std::path::Path;
use vproc_build::{component, script};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (guest, variable) in [("prober", "PROBER"), ("sizer", "SIZER"), ("puppet", "PUPPET")] {
            let wasm = component(&workspace, guest, &[&format!("tests/guests/{guest}")])?;
            println!("cargo::rustc-env={variable}={}", wasm.display());
        }
        Ok(())
    });
}
