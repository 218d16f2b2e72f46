//! Pushes policies to OCI registries, and pulls them from there.
//!
//! A policy is an artifact as the CNCF's TAG Runtime describes them for
//! WebAssembly (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>):
//! a config that tells what the component imports and exports, and one layer,
//! the component. `wkg`, `oras`, `skopeo` and the like read and copy it.
//!
//! What is pulled is hashed as it arrives, within a limit, and compared with the
//! manifest; the manifest with the digest that was asked for; and with a key,
//! the manifest with what cosign signed. Nothing is compiled or run here.

mod answer;
mod artifact;
mod challenge;
mod client;
mod credentials;
mod error;
mod pull;
mod push;
mod quoted;
mod reference;
mod roots;

pub use client::Options;
pub use error::Error;
pub use pull::{Pulled, pull};
pub use push::{Interface, Pushed, push};
pub use reference::{NotAReference, Reference};
