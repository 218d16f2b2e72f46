//! Renders the `/proc` that a container should see.
//!
//! Everything here is a pure function from the text of a host and the values
//! of a cgroup to the text of a virtual file: no I/O, no clock, no threads.
//! The crate knows neither wasm nor Linux system calls; `vproc-policy` wraps
//! it into a component, and tests call it natively.
//!
//! A file of `/proc` is one module below [`files`]: its [`Entry`] says where
//! it lives, which inputs it needs, how it is rendered and what a person
//! should know about it. The manifest is generated from the list of entries.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cgroup;
pub mod contract;
pub mod error;
pub mod explain;
pub mod files;
pub mod knobs;
pub mod process;
mod state;
#[cfg(test)]
mod testing;
pub mod text;
pub mod trace;
pub mod units;
mod view;

pub use contract::{Class, Entry, Environment, History, Input, Kind, Need, Snapshot};
pub use error::Error;
pub use explain::explain;
pub use knobs::{Knobs, Treatment};
pub use text::Text;
pub use view::{Found, View};

use alloc::vec::Vec;

/// The bytes that a reader gets, and the state for the next render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The whole file.
    pub text: alloc::string::String,
    /// What an entry with a [`History`] wants to see again.
    pub state: Option<Vec<u8>>,
}

/// An entry under the settings at hand: what the manifest says of it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The entry.
    pub entry: &'static Entry,
    /// Its class, changed where the operator asked for another treatment.
    pub class: Class,
    /// The inputs that a render needs under these settings.
    pub needs: Vec<Need>,
}

/// Lists what is served under these settings.
pub fn manifest(environment: &Environment<'_>) -> Result<Vec<Declared>, Error> {
    let knobs = Knobs::parse(environment.settings.iter().copied())?;
    Ok(files::ENTRIES.iter().map(|entry| declare(entry, &knobs, environment)).collect())
}

fn declare(entry: &'static Entry, knobs: &Knobs, environment: &Environment<'_>) -> Declared {
    let (class, needs) = match knobs.treatment(entry.path) {
        Treatment::Virtual => {
            let mut needs: Vec<Need> = Vec::new();
            for need in entry.needs.iter().copied().flatten() {
                if (need.when)(knobs, environment) && !needs.iter().any(|n| n.key == need.key) {
                    needs.push(*need);
                }
            }
            (entry.class, needs)
        }
        Treatment::Pass => (Class::Passed, alloc::vec![Need::host(PASSED, entry.path)]),
        Treatment::Mask => (Class::Masked, Vec::new()),
        Treatment::Deny => (Class::Denied, Vec::new()),
    };
    Declared { entry, class, needs }
}

/// The key under which the host's text of a passed file travels.
const PASSED: &str = "host";

/// Renders the entry at `path`.
pub fn render(path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
    let mut text = Text::new();
    let state = write(path, snapshot, None, &mut text)?;
    Ok(Rendered { text: text.into_string(), state })
}

/// Writes the entry at `path`; an explanation records how.
fn write(
    path: &str,
    snapshot: &Snapshot<'_>,
    recorder: Option<&view::Recorder>,
    text: &mut Text,
) -> Result<Option<Vec<u8>>, Error> {
    let knobs = Knobs::parse(snapshot.environment.settings.iter().copied())?;
    let entry = files::find(path).ok_or(Error::UnsupportedPath)?;
    let number = entry.number(path);
    if number.is_none() && entry.is_pattern() {
        return Err(Error::UnsupportedPath);
    }
    let mut view = View::new(snapshot, &knobs, number.unwrap_or(0));
    if let Some(recorder) = recorder {
        view = view.recording(recorder);
    }
    match knobs.treatment(entry.path) {
        Treatment::Virtual => (entry.render)(&view, text),
        Treatment::Pass => {
            text.push_str(view.text(PASSED)?);
            Ok(None)
        }
        Treatment::Mask => Ok(None),
        Treatment::Deny => Err(Error::Denied),
    }
}
