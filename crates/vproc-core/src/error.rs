//! Why a file could not be rendered, or not be written to.

use alloc::string::String;

/// Why a file could not be rendered. Keys are those of the entry's needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No entry has this path.
    #[error("the policy does not serve this path")]
    UnsupportedPath,
    /// The policy or a setting denies this path.
    #[error("this path is denied")]
    Denied,
    /// An input without which nothing can be said is absent.
    #[error("the input `{0}` is missing")]
    MissingInput(&'static str),
    /// An input is not what the kernel prints.
    #[error("the input `{key}` is malformed at line {line}: {reason}")]
    MalformedInput {
        /// The key of the need.
        key: &'static str,
        /// Counted from 1; 0 where the input as a whole is meant.
        line: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// A knob that does not exist, or a value that it does not take.
    #[error("the setting `{knob}` is rejected: {reason}")]
    RejectedSetting {
        /// The knob's name.
        knob: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

impl Error {
    /// An input that is wrong as a whole.
    pub fn malformed(key: &'static str, reason: &'static str) -> Self {
        Error::MalformedInput { key, line: 0, reason }
    }
}

/// Why a text was not taken that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It is not what the kernel would take for this file: EINVAL.
    #[error("the kernel would not take this text")]
    Invalid,
    /// Nothing can be written there now.
    #[error(transparent)]
    Refused(#[from] Error),
}
