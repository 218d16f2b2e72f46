//! Policies in files: components, and overlays of them, which are TOML.
//!
//! ```toml
//! base = "default"            # or a component beside this file
//!
//! [set]                       # knobs, unless the operator turns them
//! cpus = "cpuset"
//!
//! [[rule]]                    # of those that match, the last one counts
//! path = "/proc/sys/**"
//! deny = "nobody needs it"
//!
//! [[rule]]
//! path = "/proc/sys/kernel/ostype"
//! text = "Linux\n"
//!
//! [[rule]]
//! path = "/proc/meminfo"
//! policy = "mine.wasm"
//! ```
//!
//! [`read`] makes one sequence of bytes of a policy, with all that it is made of,
//! so that it can be kept, sent and compared; [`load`] makes a policy of them.

mod bundle;
mod file;

pub use bundle::load;
pub use file::{files, read};

use std::path::PathBuf;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or may not be used.
    #[error(transparent)]
    Refused(#[from] vproc_trust::Refused),
    /// An overlay says what cannot be.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The overlay.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// What was kept of an overlay is damaged.
    #[error("what was kept of an overlay is damaged: {0}")]
    Damaged(String),
    /// A component of an overlay is no policy.
    #[error("{part}: {error}")]
    Part {
        /// The component, as the overlay names it.
        part: String,
        /// Why.
        error: vproc_runtime::Error,
    },
    /// The component is no policy.
    #[error(transparent)]
    Policy(#[from] vproc_runtime::Error),
}
