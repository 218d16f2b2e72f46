//! What the policy gets to see.
//!
//! The runtime says it by what it preopens below `/vproc`, where the guest does
//! not see it: a capture, or the host's own directories.

mod hidden;
mod host;

use host::Host;
use std::borrow::Cow;
use std::io::{self, ErrorKind};
use vproc_snapshot::{Capture, Entry, Environment, Readings, Setting};

/// Names of variables that are meant for this component, and hidden from the
/// guest.
pub(crate) const VARIABLES: &str = "VPROC_";

const CAPTURE: &str = "/vproc/capture.json";

/// Where inputs come from.
pub(crate) enum Inputs {
    Recorded(Box<Readings>),
    Live(Box<Host>),
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoInputs {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: String, error: io::Error },
    #[error("{path}: {reason}")]
    Malformed { path: String, reason: String },
    #[error("`{0}` in VPROC_SET is not of the form KNOB=VALUE")]
    Setting(String),
    #[error("no cgroup hierarchy is preopened below /vproc")]
    NoHierarchy,
    #[error("no group {0} in any hierarchy with controllers")]
    NoGroup(String),
}

impl Inputs {
    /// Opens the capture, or the host where there is none.
    pub(crate) fn open() -> Result<Self, NoInputs> {
        let settings = settings()?;
        match hidden::text(CAPTURE) {
            Ok(json) => {
                let capture = Capture::from_json(&json).map_err(|error| NoInputs::Malformed {
                    path: CAPTURE.into(),
                    reason: error.to_string(),
                })?;
                let mut readings = capture.readings;
                readings.environment.settings.extend(settings);
                Ok(Inputs::Recorded(Box::new(readings)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Inputs::Live(Box::new(Host::open(settings)?)))
            }
            Err(error) => Err(NoInputs::Unreadable { path: CAPTURE.into(), error }),
        }
    }

    /// What holds for every render.
    pub(crate) fn environment(&self) -> &Environment {
        match self {
            Inputs::Recorded(readings) => &readings.environment,
            Inputs::Live(host) => host.environment(),
        }
    }

    /// What an entry is rendered from.
    pub(crate) fn readings(&self, entry: &Entry) -> Result<Cow<'_, Readings>, NoInputs> {
        match self {
            Inputs::Recorded(readings) => Ok(Cow::Borrowed(readings)),
            Inputs::Live(host) => host.read(entry).map(Cow::Owned),
        }
    }

    /// Whether there is no such file in the container, because the host has
    /// none.
    pub(crate) fn lacks(&self, entry: &Entry) -> bool {
        match self {
            Inputs::Recorded(readings) => readings.lacks(entry),
            Inputs::Live(host) => host.lacks(entry),
        }
    }

    /// Whether an entry can be shown at all: a capture may hold a part.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        match self {
            Inputs::Recorded(readings) => readings.has(entry),
            Inputs::Live(_) => true,
        }
    }
}

/// Knobs, between spaces, as `vprocctl --set` takes them.
fn settings() -> Result<Vec<Setting>, NoInputs> {
    let words = std::env::var("VPROC_SET").unwrap_or_default();
    words
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((knob, value)) if !knob.is_empty() => {
                Ok(Setting { knob: knob.into(), value: value.into() })
            }
            _ => Err(NoInputs::Setting(word.into())),
        })
        .collect()
}
