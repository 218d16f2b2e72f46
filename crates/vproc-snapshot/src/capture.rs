//! Readings on disk.
//!
//! A capture is JSON that a person can read and edit: text as text, other
//! bytes as base64, what could not be read as its errno. [`FORMAT`] changes
//! when an older program could no longer read it.

use crate::Readings;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// Which cgroup interfaces a host has mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupLayout {
    /// Hierarchies of v1 only.
    V1,
    /// Hierarchies of v1 and the unified one.
    Hybrid,
    /// The unified hierarchy only.
    V2,
    /// Nothing.
    None,
}

impl CgroupLayout {
    /// The layout in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            CgroupLayout::V1 => "v1",
            CgroupLayout::Hybrid => "hybrid",
            CgroupLayout::V2 => "v2",
            CgroupLayout::None => "none",
        }
    }
}

/// The policy whose needs were recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyIdentity {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hex.
    pub sha256: String,
}

/// Where a capture comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The program that made it, with its version.
    pub made_by: String,
    /// The kernel, as `uname -r` prints it.
    pub kernel: String,
    /// The cgroup interfaces of the host.
    pub cgroup: CgroupLayout,
    /// How the subject was chosen: `init`, `reader` or `parent`.
    pub identity: String,
    /// The policy whose needs were recorded.
    pub policy: PolicyIdentity,
    /// Whether names and serial numbers were blanked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// What a person should know: how the container was set up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Readings and their origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The version of the format.
    #[serde(rename = "vproc-capture")]
    pub format: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// What was read.
    #[serde(flatten)]
    pub readings: Readings,
}

/// Why a capture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It is not JSON, or not a capture.
    #[error("not a capture: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is newer than this program.
    #[error("a capture of format {found}, but this program reads up to format {FORMAT}")]
    TooNew {
        /// The format that the file names.
        found: u32,
    },
}

impl Capture {
    /// Readings of this moment, in the current format.
    pub fn new(origin: Origin, readings: Readings) -> Self {
        Capture { format: FORMAT, origin, readings }
    }

    /// Reads a capture.
    pub fn from_json(json: &str) -> Result<Self, CaptureError> {
        #[derive(Deserialize)]
        struct Header {
            #[serde(rename = "vproc-capture")]
            format: u32,
        }
        let Header { format } = serde_json::from_str(json)?;
        if format > FORMAT {
            return Err(CaptureError::TooNew { found: format });
        }
        Ok(serde_json::from_str(json)?)
    }

    /// Prints it for people: indented, with a newline at its end.
    pub fn to_json(&self) -> Result<String, CaptureError> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(json)
    }
}
