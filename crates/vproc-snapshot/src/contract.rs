//! What a policy declares.

use crate::Source;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What holds as long as the host runs, and what its operator has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Bytes of a page: `sysconf(_SC_PAGESIZE)`.
    pub page_size: u32,
    /// Ticks a second, `USER_HZ`: `sysconf(_SC_CLK_TCK)`.
    pub user_hz: u32,
    /// Bytes of a huge page of the default size; 0 where there is no pool.
    pub huge_page_size: u64,
    /// The machine, as `uname -m` prints it.
    pub machine: String,
    /// Knobs that differ from their defaults; the last setting of one counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
}

/// One knob and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The knob's name.
    pub knob: String,
    /// Its value.
    pub value: String,
}

/// One input that an entry asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The policy's own name for the input.
    pub key: String,
    /// Where it comes from.
    pub source: Source,
}

/// What a directory listing shows an entry as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Kind {
    File,
    Directory,
    Symlink,
}

/// Where the numbers of an entry come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Computed from the container's cgroup.
    Virtual,
    /// The host's rows and columns that belong to the container.
    Filtered,
    /// As the host has it.
    Passed,
    /// The same text for every container.
    Constant,
    /// Empty.
    Masked,
    /// Cannot be opened.
    Denied,
}

impl Class {
    /// The class in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Virtual => "virtual",
            Class::Filtered => "filtered",
            Class::Passed => "passed",
            Class::Constant => "constant",
            Class::Masked => "masked",
            Class::Denied => "denied",
        }
    }
}

/// A file whose text depends on earlier renders of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// Names the format of the state; state crosses over to another policy
    /// that names the same one.
    pub format: String,
    /// How often a long-running host should render the entry, in
    /// milliseconds; 0 where a render at each read is enough.
    pub interval_ms: u32,
}

/// One file or directory that a policy serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The absolute path as the container sees it. A `*` stands for a number:
    /// see [`crate::pattern`].
    pub path: String,
    /// File, directory or symlink.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Where its numbers come from.
    pub class: Class,
    /// One line for a person: what the reader gets to see.
    pub summary: String,
    /// One line for a person: why, and where the rule comes from.
    pub reason: String,
    /// The inputs that a render of it needs.
    pub needs: Vec<Need>,
    /// Set where the text depends on earlier renders.
    pub history: Option<History>,
    /// Whether it is meant to be put over the file that the kernel has at its
    /// path, in a container that has a procfs or sysfs of its own.
    pub covers: bool,
}

impl Entry {
    /// The source that the entry is made from, in that there is no such file
    /// in the container where the host lacks it: the first one of an entry
    /// that shows the host's text, a part of it, or a constant in its place.
    pub fn stands_on(&self) -> Option<&Source> {
        let first = &self.needs.first()?.source;
        let is_made_from = matches!(self.class, Class::Passed | Class::Filtered | Class::Constant)
            && matches!(first, Source::Host(_) | Source::Namespaced(_));
        is_made_from.then_some(first)
    }

    /// Whether a host can put it over the container's own. That is a single file,
    /// and none about single processes: the container's own procfs has these in
    /// the reader's own numbers. Below `/sys` it is anything, since whole
    /// directories are put there.
    pub fn can_cover(&self) -> bool {
        let is_single = || self.kind != Kind::Directory && !self.is_pattern();
        self.path.starts_with("/sys/") || is_single() && !self.is_of_processes()
    }

    /// Whether it is about the container's processes one by one, as `/proc/17`
    /// and `/proc/self` are. Where a container has a procfs of its own, that
    /// one shows them.
    pub fn is_of_processes(&self) -> bool {
        self.path.starts_with("/proc/*/") || self.needs.iter().any(|n| n.source.is_of_processes())
    }
}

/// A setting that a policy understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The values it takes, for a person.
    pub values: String,
    /// The value that holds where it is not set.
    pub default: String,
    /// One line for a person.
    pub summary: String,
}

/// Everything that a policy serves and asks for, under given settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// A short name.
    pub name: String,
    /// The policy's own version.
    pub version: String,
    /// What it serves.
    pub entries: Vec<Entry>,
    /// What it can be told.
    pub knobs: Vec<Knob>,
}

impl Manifest {
    /// The sources that a set of entries needs, each once.
    pub fn sources<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Source> {
        let mut known = HashSet::new();
        let needs = entries.into_iter().flat_map(|entry| &entry.needs);
        let new = needs.filter(|need| known.insert(&need.source));
        new.map(|need| need.source.clone()).collect()
    }
}

/// Counts over every thread of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// All threads.
    pub total: u32,
    /// Threads in state R.
    pub running: u32,
    /// Threads in state D.
    pub blocked: u32,
    /// Id of the newest thread in the container's own numbering; 0 if unknown.
    pub last_pid: u32,
}
