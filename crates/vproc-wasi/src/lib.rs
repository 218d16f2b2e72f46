//! A component that stands between a WASI guest and its runtime, and shows the
//! guest a `/proc`: the world `file-system` of `wit/world.wit`.
//!
//! - `streams`, `clock`, `console`: what passes through as it is.
//! - `descriptor`: files and directories, the runtime's and rendered ones.
//! - `walk`: paths that start above a rendered directory.
//! - `tree`: which files there are, and what they say, by the policy.
//! - `inputs`: what the policy gets to see: a capture, or the host.
//!
//! Built for anything but wasm the crate is empty.

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "vproc:wasi/file-system",
        merge_structurally_equal_types: true,
        generate_all,
    });
}

#[cfg(target_family = "wasm")]
mod clock;
#[cfg(target_family = "wasm")]
mod console;
#[cfg(target_family = "wasm")]
mod descriptor;
#[cfg(target_family = "wasm")]
mod inputs;
#[cfg(target_family = "wasm")]
mod listing;
#[cfg(target_family = "wasm")]
mod preopens;
#[cfg(target_family = "wasm")]
mod renderer;
#[cfg(target_family = "wasm")]
mod streams;
#[cfg(target_family = "wasm")]
mod tree;
#[cfg(target_family = "wasm")]
mod walk;

/// What the exports hang on.
#[cfg(target_family = "wasm")]
struct Component;

#[cfg(target_family = "wasm")]
#[allow(unsafe_code)] // the exported functions
mod exported {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}
