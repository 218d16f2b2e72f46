//! The default policy as bytes: the component, and the native code that was
//! compiled from it when this crate was built.

use vproc_runtime::{Cache, Digest, Engine, Error, Policy};

/// The component. Write it to a file and any WASI 0.2 host can load it.
pub static COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy.wasm"));

static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy.cwasm"));

const DIGEST: Digest = Digest(include!(concat!(env!("OUT_DIR"), "/digest.in")));

/// Loads the default policy without compiling it. Where the code does not fit
/// the engine or the processor, it is compiled after all, through `cache`.
#[allow(unsafe_code)]
pub fn load(engine: &Engine, cache: Option<&Cache>) -> Result<Policy, Error> {
    // SAFETY: the build script of this crate made `CODE` with
    // `Policy::precompile` from `COMPONENT`.
    unsafe { Policy::from_precompiled(engine, COMPONENT, DIGEST, CODE, cache) }
}
