//! What is declared of a file.

use crate::{Class, History, Kind, Need};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use vproc_core::{Declared, can_cover};

/// A file that a policy serves, and what it is rendered from.
///
/// ```
/// use vproc_sdk::prelude::*;
///
/// struct Quiet;
///
/// impl Policy for Quiet {
///     const NAME: &str = "quiet";
///
///     fn entry(entry: Entry) -> Option<Entry> {
///         match &*entry.path {
///             "/proc/diskstats" => Some(entry.masked("nobody here looks at disks")),
///             "/proc/version" => Some(entry.denied("the kernel is nobody's business")),
///             _ => Some(entry),
///         }
///     }
/// }
/// # let machine = vproc_sdk::capture::Machine::read("../../fixtures/v2-6.12-run-96m.json");
/// # let machine = machine.unwrap();
/// # assert_eq!(machine.text::<Quiet>("/proc/diskstats").as_deref(), Ok(""));
/// # assert!(machine.text::<Quiet>("/proc/version").unwrap_err().contains("denied"));
/// ```
#[derive(Debug, Clone)]
pub struct Entry {
    /// The absolute path as the container sees it. A `*` stands for a number.
    pub path: Cow<'static, str>,
    /// File, directory or symbolic link.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Where its numbers come from.
    pub class: Class,
    /// One line for a person: what the reader gets to see.
    pub summary: Cow<'static, str>,
    /// One line for a person: why, and where the rule comes from.
    pub reason: Cow<'static, str>,
    /// The inputs that a render needs, each under a key of its own.
    pub needs: Vec<Need>,
    /// Set where the text depends on earlier renders.
    pub history: Option<History>,
    /// Whether it is meant to be put over the container's own file, where it
    /// has a procfs or sysfs of its own.
    pub covers: bool,
}

impl From<Declared> for Entry {
    fn from(declared: Declared) -> Self {
        let Declared { path, entry, class, reason, needs, covers } = declared;
        Entry {
            path,
            kind: entry.kind,
            mode: entry.mode,
            class,
            summary: Cow::Borrowed(entry.summary),
            reason: Cow::Borrowed(reason),
            needs,
            history: entry.history,
            covers,
        }
    }
}

impl Entry {
    /// A file that everybody may read, for [`Policy::added`](crate::Policy::added).
    pub fn file(path: &'static str, class: Class, summary: &'static str) -> Self {
        Entry {
            path: Cow::Borrowed(path),
            kind: Kind::File,
            mode: 0o444,
            class,
            summary: Cow::Borrowed(summary),
            reason: Cow::Borrowed(""),
            needs: Vec::new(),
            history: None,
            covers: can_cover(path, Kind::File, []),
        }
    }

    /// The same, with one more input, unless the entry has one under this key.
    #[must_use]
    pub fn needing(mut self, need: Need) -> Self {
        if !self.needs.iter().any(|known| known.key == need.key) {
            self.needs.push(need);
        }
        self
    }

    /// The same file, which cannot be opened.
    #[must_use]
    pub fn denied(self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.without_inputs(Class::Denied, reason.into())
    }

    /// The same file without any text.
    #[must_use]
    pub fn masked(self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.without_inputs(Class::Masked, reason.into())
    }

    /// The same file, which [`Policy::render`](crate::Policy::render) writes without
    /// looking at anything.
    #[must_use]
    pub fn constant(self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.without_inputs(Class::Constant, reason.into())
    }

    fn without_inputs(self, class: Class, reason: Cow<'static, str>) -> Self {
        // What was decided about a single file is to hold for its readers.
        let covers = self.kind == Kind::File && can_cover(&self.path, self.kind, &self.needs);
        Entry { class, reason, needs: Vec::new(), history: None, covers, ..self }
    }

    /// Whether it is the entry of a path.
    pub(crate) fn stands_for(&self, path: &str) -> bool {
        let (mut patterns, mut names) = (self.path.split('/'), path.split('/'));
        loop {
            match (patterns.next(), names.next()) {
                (None, None) => return true,
                (Some(pattern), Some(name)) if is_name_of(pattern, name) => {}
                _ => return false,
            }
        }
    }
}

/// Whether a name is that of a component in which each `*` is a number.
fn is_name_of(pattern: &str, name: &str) -> bool {
    let Some((literal, pattern)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(literal) else { return false };
    let rest = name.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < name.len() && is_name_of(pattern, rest)
}
