//! Builds the policies that only tests use.

use std::path::Path;
use vproc_build::{component, script};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let hostile = component(&workspace, "hostile", &["tests/guests/hostile"])?;
        println!("cargo::rustc-env=HOSTILE={}", hostile.display());
        Ok(())
    });
}
