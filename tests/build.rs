//! Builds the policies that only tests use.

use std::path::Path;
use vproc_build::{component, script};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let guests = [
            ("hostile", "HOSTILE"),
            ("greedy", "GREEDY"),
            ("puppet", "PUPPET"),
            ("of-0-1", "OF_0_1"),
        ];
        for (guest, variable) in guests {
            let wasm = component(&workspace, guest, &[&format!("tests/guests/{guest}")])?;
            println!("cargo::rustc-env={variable}={}", wasm.display());
        }
        for example in ["two-cpus", "hidden-cpu", "requests", "frozen", "ten-files"] {
            let own = format!("examples/policies/{example}");
            let sources = ["crates/vproc-core/src", "crates/vproc-sdk", &own];
            let wasm = component(&workspace, &format!("example-{example}"), &sources)?;
            let variable = example.replace('-', "_").to_uppercase();
            println!("cargo::rustc-env={variable}={}", wasm.display());
        }
        Ok(())
    });
}
