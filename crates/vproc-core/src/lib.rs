//! Renders the `/proc` that a container should see.
//!
//! Everything here is a pure function from the text of a host and the values
//! of a cgroup to the text of a virtual file: no I/O, no clock, no threads.
//! The crate knows neither wasm nor Linux system calls; `vproc-sdk` wraps
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
pub use error::{Error, WriteError};
pub use explain::explain;
pub use knobs::{Knobs, Treatment};
pub use text::Text;
pub use view::{Found, View};

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The bytes that a reader gets, and the state for the next render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The whole file.
    pub text: String,
    /// The whole file where it is not UTF-8; `text` is empty then.
    pub bytes: Option<Vec<u8>>,
    /// What an entry with a [`History`] wants to see again.
    pub state: Option<Vec<u8>>,
}

impl From<String> for Rendered {
    fn from(text: String) -> Self {
        Rendered { text, bytes: None, state: None }
    }
}

impl From<&str> for Rendered {
    fn from(text: &str) -> Self {
        String::from(text).into()
    }
}

impl Rendered {
    /// The same with another text in place of this one, and the same state.
    /// What is not text stays as it is.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(&str) -> String) -> Self {
        if self.bytes.is_none() {
            self.text = change(&self.text);
        }
        self
    }
}

/// An entry under the settings at hand: what the manifest says of it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Where it is: the entry's path, or one that only a setting names.
    pub path: Cow<'static, str>,
    /// The entry.
    pub entry: &'static Entry,
    /// Its class, changed where the operator asked for another treatment.
    pub class: Class,
    /// Why, changed likewise.
    pub reason: &'static str,
    /// The inputs that a render needs under these settings.
    pub needs: Vec<Need>,
    /// Whether it is meant to be put over the container's own file.
    pub covers: bool,
}

/// Lists what is served under these settings.
pub fn manifest(environment: &Environment<'_>) -> Result<Vec<Declared>, Error> {
    let knobs = Knobs::parse(environment.settings.iter().copied())?;
    let listed = files::all().map(|entry| {
        let treatment = knobs.treatment(entry.path);
        declare(Cow::Borrowed(entry.path), entry, treatment, &knobs, environment)
    });
    let unlisted = knobs.unlisted().map(|(path, treatment)| {
        let path = Cow::Owned(String::from(path));
        declare(path, &files::catalogue::UNLISTED, treatment, &knobs, environment)
    });
    Ok(listed.chain(unlisted).collect())
}

/// One entry under these settings, by its own path.
pub fn declared(path: &str, environment: &Environment<'_>) -> Result<Declared, Error> {
    let knobs = Knobs::parse(environment.settings.iter().copied())?;
    let (entry, treatment) = chosen(path, &knobs)?;
    let own = if entry.path.is_empty() { path } else { entry.path };
    Ok(declare(Cow::Owned(String::from(own)), entry, treatment, &knobs, environment))
}

fn declare(
    path: Cow<'static, str>,
    entry: &'static Entry,
    treatment: Treatment,
    knobs: &Knobs,
    environment: &Environment<'_>,
) -> Declared {
    let mut needs: Vec<Need> = Vec::new();
    let (class, reason) = match treatment {
        Treatment::Virtual => {
            for need in entry.needs.iter().copied().flatten() {
                if (need.when)(knobs, environment) && !needs.iter().any(|n| n.key == need.key) {
                    needs.push(*need);
                }
            }
            (entry.class, entry.reason)
        }
        Treatment::Pass => {
            needs.push(Need::ITSELF);
            (Class::Passed, BY_SETTING)
        }
        Treatment::Mask => (Class::Masked, BY_SETTING),
        Treatment::Deny => (Class::Denied, BY_SETTING),
    };
    let is_possible = can_cover(&path, entry.kind, &needs);
    let covers = is_possible && covers(&path, entry, class, treatment);
    Declared { path, entry, class, reason, needs, covers }
}

/// Whether something is meant to be put over the file that the kernel has at
/// its path in a container. Below `/proc`, what is passed or denied is not,
/// unless a setting asks for it: the kernel's own file shows the same, or is
/// right where ours could not be. Nor is what lies in `/proc/sys` and
/// `/proc/sysvipc`, which are namespaced, unless we make it up.
fn covers(path: &str, entry: &Entry, class: Class, treatment: Treatment) -> bool {
    let is_in = |directory: &&str| path.starts_with(*directory);
    if treatment == Treatment::Virtual && entry.leaves_own() {
        return false;
    }
    match class {
        _ if is_in(&"/sys/") => true,
        Class::Virtual | Class::Constant => true,
        _ if ["/proc/sys/", "/proc/sysvipc/"].iter().any(is_in) => false,
        Class::Filtered | Class::Masked => true,
        Class::Passed | Class::Denied => treatment != Treatment::Virtual,
    }
}

/// Whether a host can put something over a container's own. That is a single
/// file, and none about single processes: a procfs has these in the reader's own
/// numbers. Below `/sys` it is anything, since whole directories are put there.
pub fn can_cover<'a>(path: &str, kind: Kind, needs: impl IntoIterator<Item = &'a Need>) -> bool {
    let is_single = || kind != Kind::Directory && !path.contains('*');
    let is_of_processes = || needs.into_iter().any(|need| need.source.is_of_processes());
    path.starts_with("/sys/") || is_single() && !is_of_processes()
}

const BY_SETTING: &str = "a setting asks for it";

/// Renders the entry at `path`.
pub fn render(path: &str, snapshot: &Snapshot<'_>) -> Result<Rendered, Error> {
    let mut text = Text::new();
    let Written { bytes, state } = write(path, snapshot, None, &mut text)?;
    Ok(Rendered { text: text.into_string(), bytes, state })
}

/// Takes what a container writes to the entry at `path`: gives the state from
/// which the entry is rendered from now on.
pub fn accept(path: &str, snapshot: &Snapshot<'_>, written: &[u8]) -> Result<Vec<u8>, WriteError> {
    let knobs = Knobs::parse(snapshot.environment.settings.iter().copied())?;
    let (entry, treatment) = chosen(path, &knobs)?;
    let accept = entry.history.and_then(|history| history.accept);
    // What the host writes is for its kernel.
    let (Some(accept), Treatment::Virtual, false) = (accept, treatment, snapshot.is_host) else {
        return Err(Error::Denied.into());
    };
    let written = core::str::from_utf8(written).map_err(|_| WriteError::Invalid)?;
    let view = View::new(snapshot, &knobs, 0);
    Ok(accept(&view, written)?.into_bytes())
}

/// What comes of a render beside the text.
#[derive(Default)]
struct Written {
    /// In place of the text, what is not UTF-8.
    bytes: Option<Vec<u8>>,
    state: Option<Vec<u8>>,
}

/// The entry at `path`, and what a reader of it gets.
fn chosen(path: &str, knobs: &Knobs) -> Result<(&'static Entry, Treatment), Error> {
    match files::find(path) {
        Some(entry) => Ok((entry, knobs.treatment(entry.path))),
        None => match knobs.treatment(path) {
            Treatment::Virtual => Err(Error::UnsupportedPath),
            treatment => Ok((&files::catalogue::UNLISTED, treatment)),
        },
    }
}

/// Writes the entry at `path`; an explanation records how.
fn write(
    path: &str,
    snapshot: &Snapshot<'_>,
    recorder: Option<&view::Recorder>,
    text: &mut Text,
) -> Result<Written, Error> {
    let knobs = Knobs::parse(snapshot.environment.settings.iter().copied())?;
    let (entry, treatment) = chosen(path, &knobs)?;
    let numbers = entry.numbers(path);
    if numbers.is_none() && entry.is_pattern() {
        return Err(Error::UnsupportedPath);
    }
    let mut view = View::new(snapshot, &knobs, 0).at(numbers.unwrap_or_default());
    if let Some(recorder) = recorder {
        view = view.recording(recorder);
    }
    let mut written = Written::default();
    match treatment {
        Treatment::Virtual if let Some(kept) = entry.kept(&view) => {
            text.push_str(kept);
        }
        // What stands for several files is not at its own path on the host.
        Treatment::Virtual if entry.class != Class::Passed || entry.is_pattern() => {
            written.state = (entry.render)(&view, text)?;
        }
        Treatment::Virtual | Treatment::Pass => match view.bytes(Need::ITSELF.key) {
            Some(raw) => written.bytes = Some(raw.to_vec()),
            None if treatment == Treatment::Pass => {
                text.push_str(view.text(Need::ITSELF.key)?);
            }
            None => written.state = (entry.render)(&view, text)?,
        },
        Treatment::Mask => {}
        Treatment::Deny => return Err(Error::Denied),
    }
    written.bytes = written.bytes.or_else(|| text.take_bytes());
    Ok(written)
}
