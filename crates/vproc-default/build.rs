//! Compiles the default policy to a component, and the component to native
//! code that the program loads without a compiler.

use std::path::Path;
use vproc_build::{component, script, variable};
use vproc_runtime::{Digest, Engine, Options, Policy};

fn main() {
    script(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sources = ["crates/vproc-core/src", "crates/vproc-policy", "crates/vproc-sdk"];
        let wasm = component(&workspace, "vproc-policy", &sources)?;
        let wasm = std::fs::read(&wasm)
            .map_err(|error| format!("cannot read {}: {error}", wasm.display()))?;
        // Code for any processor of the target: the program travels.
        let options = Options { target: Some(variable("TARGET")?), ..Options::default() };
        let code = Engine::new(options)
            .and_then(|engine| Policy::precompile(&engine, &wasm))
            .map_err(|error| error.to_string())?;
        write("policy.wasm", &wasm)?;
        write("policy.cwasm", &code)?;
        write("digest.in", format!("{:?}", Digest::of(&wasm).0).as_bytes())
    });
}

fn write(name: &str, content: &[u8]) -> Result<(), String> {
    let path = Path::new(&variable("OUT_DIR")?).join(name);
    std::fs::write(&path, content)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
