//! Compiles the component that has the files, and the default policy.

use std::path::Path;
use vproc_build::{component, script};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files =
            ["crates/vproc-wasi", "crates/vproc-snapshot/src", "crates/vproc-linux/src/allowed.rs"];
        let policy = ["crates/vproc-core/src", "crates/vproc-policy", "crates/vproc-sdk"];
        for (variable, package, sources) in [
            ("FILE_SYSTEM", "vproc-wasi", &files[..]),
            ("DEFAULT_POLICY", "vproc-policy", &policy[..]),
        ] {
            let wasm = component(&workspace, package, sources)?;
            println!("cargo::rustc-env={variable}={}", wasm.display());
        }
        Ok(())
    });
}
