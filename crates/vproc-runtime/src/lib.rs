//! Loads a vproc policy component and renders with it, within limits.
//!
//! ```
//! use vproc_runtime::{Engine, Policy};
//! use vproc_snapshot::Capture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # std::fs::write(directory.path().join("policy.wasm"), vproc_default::COMPONENT)?;
//! # let fixture = "../../fixtures/v1-run-256m.json";
//! # std::fs::copy(fixture, directory.path().join("capture.json"))?;
//! # std::env::set_current_dir(directory.path())?;
//! let engine = Engine::new(Default::default())?;
//! let policy = Policy::compile(&engine, &std::fs::read("policy.wasm")?)?;
//! let capture = Capture::from_json(&std::fs::read_to_string("capture.json")?)?;
//! let manifest = policy.declare(&capture.readings.environment)?;
//! let entry = manifest.entry("/proc/meminfo").ok_or("not served")?;
//! let snapshot = capture.readings.snapshot(entry, None)?;
//! let text = String::from_utf8(policy.render(&entry.path, &snapshot)?.body)?;
//! assert!(text.starts_with("MemTotal:         262144 kB\n"));
//! # Ok(()) }
//! ```
//!
//! - [`Engine`]: one for a process. Holds the limits and the thread that
//!   enforces the limit on time. A program that has a wasmtime engine gives it
//!   that one: [`Engine::from_wasmtime`].
//! - [`Policy`]: a loaded component. `Send + Sync`; rendering makes a fresh
//!   instance, so nothing of one render is visible to another.
//! - [`Overlay`](overlay::Overlay): a policy that is put together of others.
//! - [`Instance`]: an instance to render with repeatedly, for one container.
//! - [`Cache`]: compiled code on disk, so that a policy is compiled once.
//!
//! The crate knows no file of `/proc` by name.

mod bindings;
mod cache;
mod component;
mod engine;
mod error;
mod manifest;
pub mod overlay;
mod policy;
mod watchdog;

pub use cache::{Cache, Distrust};
pub use engine::{Allocation, Engine, Limits, Options};
pub use error::{Error, Refusal};
pub use policy::{Digest, Instance, Policy, Rendered, Version};
pub use wasmtime;

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs hold them in statics and hand them to threads.
    #[test]
    fn what_is_shared_may_be() {
        fn is_shared<T: Send + Sync + 'static>() {}
        is_shared::<Policy>();
        is_shared::<Engine>();
        is_shared::<overlay::Overlay>();
        is_shared::<Cache>();
        is_shared::<Error>();
        is_shared::<Digest>();
        is_shared::<Rendered>();
        // An instance renders for one at a time, in whatever thread.
        fn is_sent<T: Send + 'static>() {}
        is_sent::<Instance>();
    }
}
