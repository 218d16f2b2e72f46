//! What can go wrong with a policy.

use std::time::Duration;

/// What a policy answers when it cannot render: the `error` of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The manifest has no such path.
    #[error("it does not serve this path")]
    UnsupportedPath,
    /// The policy or a setting denies this path.
    #[error("this path is denied")]
    Denied,
    /// An input without which nothing can be said is absent.
    #[error("its input `{0}` could not be read")]
    MissingInput(String),
    /// An input is not what the kernel prints.
    #[error("its input `{key}` is malformed{}: {reason}", at_line(.line))]
    MalformedInput {
        /// The key of the need.
        key: String,
        /// Counted from 1; 0 where the input as a whole is meant.
        line: u32,
        /// What is wrong.
        reason: String,
    },
    /// A knob that does not exist, or a value that it does not take.
    #[error("it rejects the setting `{knob}`: {reason}")]
    RejectedSetting {
        /// The knob.
        knob: String,
        /// What is wrong.
        reason: String,
    },
}

fn at_line(line: &u32) -> String {
    match line {
        0 => String::new(),
        line => format!(" at line {line}"),
    }
}

/// Why a policy could not be loaded or did not answer. Each is a verdict on
/// the policy; the process that embeds it is unharmed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine itself could not be set up.
    #[error("cannot set up the wasm engine: {0}")]
    Engine(String),
    /// The bytes are no component, or one that cannot be compiled.
    #[error("not a WebAssembly component that can be loaded: {0}")]
    NotAComponent(String),
    /// It is a component of another world.
    #[error("not a policy of world vproc:policy/policy@0.2.0 or @0.1.0: {0}")]
    NotAPolicy(String),
    /// It took longer than [`Limits::time`](crate::Limits::time).
    #[error("it ran longer than {0:?} and was stopped")]
    Timeout(Duration),
    /// It asked for more than [`Limits::memory`](crate::Limits::memory).
    #[error("it asked for more than {0} bytes of memory")]
    Memory(usize),
    /// It asked for a larger table than [`Limits::table_elements`](crate::Limits::table_elements).
    #[error("it asked for a table of more than {0} elements")]
    Table(usize),
    /// It rendered more than [`Limits::output`](crate::Limits::output).
    #[error("it rendered {found} bytes, more than the {limit} that are allowed")]
    Output {
        /// How many bytes it returned.
        found: usize,
        /// How many it may.
        limit: usize,
    },
    /// It trapped: a bug in the policy.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It does not export `vproc:policy/explainer`.
    #[error("it cannot explain what it renders")]
    CannotExplain,
    /// What it explained contradicts itself.
    #[error("its explanation is malformed: {0}")]
    Explanation(String),
    /// What it declared cannot be served.
    #[error("its manifest is malformed: {0}")]
    Manifest(String),
    /// It answered with an error.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// What was written is not a text for this file: EINVAL.
    #[error("it does not take this text")]
    Invalid,
}
