//! Says which policies may be used here.
//!
//! - [`Pinned`]: a file, and the SHA-256 that it must have.
//! - [`PublicKey`]: who may sign policies; verifies a [`Signature`].
//! - [`Origin`]: what ties a file to a signed manifest of a registry, so that
//!   this can be verified where there is no network.
//! - [`Trust`]: the rules of a machine, `/etc/vproc/trust.toml`.
//! - [`admit`]: reads a policy and holds it to all of these. What it returns
//!   are the very bytes that were looked at.
//!
//! The crate opens no connection and knows nothing of WebAssembly.

mod admission;
mod guarded;
mod key;
mod origin;
mod pinned;
mod rules;
mod sha256;

pub use admission::{Admitted, MAX_POLICY, Refused, admit, verify_signature};
pub use guarded::Exposed;
pub use key::{NotAKey, NotASignature, PublicKey, Signature};
pub use origin::{Claim, NotProven, Origin};
pub use pinned::{NotAFile, Pinned};
pub use rules::{DEFAULT_FILE, Trust, TrustError};
pub use sha256::{Hasher, NotSha256, Sha256};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the signature of a policy's file is: `FILE.wasm.sig`.
pub fn signature_file(policy: &Path) -> PathBuf {
    beside(policy, ".sig")
}

/// Where the [`Origin`] of a policy's file is: `FILE.wasm.origin.json`.
pub fn origin_file(policy: &Path) -> PathBuf {
    beside(policy, ".origin.json")
}

fn beside(policy: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(policy);
    name.push(suffix);
    name.into()
}
