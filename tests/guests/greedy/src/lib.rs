//! A policy whose table is larger than any policy needs (see `build.rs`).

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "policy" });

use exports::vproc::policy::renderer::*;

struct Greedy;

export!(Greedy);

impl Guest for Greedy {
    fn declare(_: Environment) -> Result<Manifest, Error> {
        Err(Error::Denied)
    }

    fn render(_: String, _: Snapshot) -> Result<Rendered, Error> {
        Err(Error::Denied)
    }
}
