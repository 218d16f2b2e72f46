//! What the integration tests render from: a host, a container's groups, and
//! the inputs that a real host would hand over for each need.

// Each test crate uses a part of this, and only tests use it.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod container;
pub mod explained;
#[path = "../../../vproc-check/src/figures.rs"]
pub mod figures;
pub mod generate;
#[path = "../../../vproc-check/src/grammar.rs"]
pub mod grammar;
pub mod invariants;
pub mod machine;
pub mod oracle;
pub mod parse;
#[path = "../../../vproc-check/src/pattern.rs"]
pub mod pattern;
#[path = "../../../vproc-check/src/readers.rs"]
pub mod readers;
#[path = "../../../vproc-check/src/invariants.rs"]
pub mod relations;
pub mod scheduling;
pub mod settings;
pub mod zones;

use std::collections::BTreeMap;
use vproc_core::contract::{CgroupVersion, Content, Process, Scope, Source, TaskCounts};
use vproc_core::files::ENTRIES;
use vproc_core::{Entry, Environment, Error, Input, Kind, Need, Rendered, Snapshot};

/// The directory that lists CPUs.
pub const CPUS: &str = "/sys/devices/system/cpu";

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    Text(String),
    Bytes(Vec<u8>),
    Absent(u32),
}

pub const ENOENT: u32 = 2;

impl<T: Into<String>> From<T> for Datum {
    fn from(text: T) -> Self {
        Datum::Text(text.into())
    }
}

impl Datum {
    fn content(&self) -> Content<'_> {
        match self {
            Datum::Text(text) => Content::Text(text),
            Datum::Bytes(bytes) => Content::Bytes(bytes),
            Datum::Absent(errno) => Content::Absent(*errno),
        }
    }
}

/// Files by path, or by name within a group.
pub type Files = BTreeMap<String, Datum>;

/// A host and a container on it.
#[derive(Debug, Clone)]
pub struct World {
    pub page_size: u32,
    pub huge_page_size: u64,
    pub machine: String,
    pub settings: Vec<(String, String)>,
    pub now: u64,
    pub is_host: bool,
    pub state: Option<Vec<u8>>,
    pub host: Files,
    /// Groups of the v1 hierarchies, the leaf first and the root last; `None`
    /// where they do not exist.
    pub v1: Option<Vec<Files>>,
    /// As `v1`, of the unified hierarchy.
    pub v2: Option<Vec<Files>>,
    /// By `init/NAME` or `subject/NAME`.
    pub processes: Files,
    pub tasks: Option<TaskCounts>,
}

impl World {
    /// A host without containers and without files.
    pub fn empty() -> Self {
        World {
            page_size: 4096,
            huge_page_size: 2 << 20,
            machine: "x86_64".into(),
            settings: Vec::new(),
            now: 200_000_000_000,
            is_host: false,
            state: None,
            host: Files::new(),
            v1: None,
            v2: None,
            processes: Files::new(),
            tasks: None,
        }
    }

    pub fn with_host(mut self, path: &str, text: &str) -> Self {
        self.host.insert(path.into(), text.into());
        self
    }

    /// Adds v2 groups, the leaf first; the root is added below them.
    pub fn with_v2(mut self, groups: &[&[(&str, &str)]]) -> Self {
        self.v2 = Some(lineage(groups));
        self
    }

    /// As `with_v2`.
    pub fn with_v1(mut self, groups: &[&[(&str, &str)]]) -> Self {
        self.v1 = Some(lineage(groups));
        self
    }

    pub fn with_setting(mut self, knob: &str, value: &str) -> Self {
        self.settings.push((knob.into(), value.into()));
        self
    }

    pub fn environment(&self) -> Environment<'_> {
        Environment {
            page_size: self.page_size,
            user_hz: 100,
            huge_page_size: self.huge_page_size,
            machine: &self.machine,
            settings: self.settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
        }
    }

    /// The inputs that a host would hand over for `needs` of the entry at `path`.
    pub fn snapshot(&self, path: &str, needs: &[Need]) -> Snapshot<'_> {
        let mut inputs = Vec::new();
        for need in needs {
            let place = |content, level, depth| Input { key: need.key, level, depth, content };
            let absent = Content::Absent(ENOENT);
            match need.source {
                Source::Host(_) | Source::Itself => {
                    let found = need.source.host_path(path).and_then(|path| self.host.get(path));
                    inputs.push(place(found.map_or(absent, Datum::content), 0, 0));
                }
                // The container's namespaces are as the host's here.
                Source::Namespaced(path) => {
                    inputs.push(place(self.host.get(path).map_or(absent, Datum::content), 0, 0));
                }
                Source::Process { of, name } => {
                    let of = match of {
                        Process::Init => "init",
                        Process::Subject => "subject",
                        Process::Reader => "reader",
                        Process::Path => "path",
                    };
                    let found = self.processes.get(&format!("{of}/{name}"));
                    inputs.push(place(found.map_or(absent, Datum::content), 0, 0));
                }
                Source::Processes => {
                    let found = self.processes.get("list");
                    inputs.push(place(found.map_or(absent, Datum::content), 0, 0));
                }
                Source::Tasks => {
                    inputs.push(place(self.tasks.map_or(absent, Content::Tasks), 0, 0));
                }
                Source::Cgroup { version, name, scope, .. } => {
                    let groups = match version {
                        CgroupVersion::V1 => &self.v1,
                        CgroupVersion::V2 => &self.v2,
                    };
                    let Some(groups) = groups else { continue };
                    let found = find(groups, name, scope);
                    if found.is_empty() && scope != Scope::Lineage {
                        inputs.push(place(absent, 0, groups.len() as u32 - 1));
                    }
                    inputs.extend(found.into_iter().map(|(level, datum)| {
                        place(datum.content(), level as u32, (groups.len() - 1 - level) as u32)
                    }));
                }
            }
        }
        Snapshot {
            environment: self.environment(),
            now: self.now,
            is_host: self.is_host,
            state: self.state.as_deref(),
            inputs,
        }
    }

    /// Renders as a host does: asks for the needs, reads them, renders.
    pub fn render(&self, path: &str) -> Result<Rendered, Error> {
        let declared = vproc_core::declared(path, &self.environment())?;
        vproc_core::render(path, &self.snapshot(path, &declared.needs))
    }

    /// The paths of all files, with the numbers that the directory lists.
    pub fn paths(&self) -> Vec<(String, &'static Entry)> {
        let mut paths = Vec::new();
        for entry in ENTRIES {
            if let Some((before, after)) = entry.path.split_once('*') {
                let (directory, name) = before.rsplit_once('/').unwrap();
                let listing = self.render(directory).map(|rendered| rendered.text);
                let numbers: Vec<String> = listing
                    .unwrap_or_default()
                    .lines()
                    .map(|listed| listed.trim_start_matches(name).to_owned())
                    .collect();
                let path = |number| (format!("{before}{number}{after}"), *entry);
                paths.extend(numbers.into_iter().map(path));
            } else if entry.kind == Kind::File {
                paths.push((entry.path.to_owned(), *entry));
            }
        }
        paths
    }

    /// The text of an entry that must render.
    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        self.render(path).unwrap_or_else(|error| panic!("{path}: {error}")).text
    }
}

fn lineage(groups: &[&[(&str, &str)]]) -> Vec<Files> {
    let file = |(name, text): &(&str, &str)| (String::from(*name), Datum::from(*text));
    let mut lineage: Vec<Files> =
        groups.iter().map(|files| files.iter().map(file).collect()).collect();
    lineage.push(Files::new());
    lineage
}

fn find<'a>(groups: &'a [Files], name: &str, scope: Scope) -> Vec<(usize, &'a Datum)> {
    let files = groups.iter().enumerate();
    let mut found = files.filter_map(|(level, files)| Some((level, files.get(name)?)));
    let root = groups.len() - 1;
    match scope {
        Scope::Leaf => found.filter(|(level, _)| *level == 0).collect(),
        Scope::Nearest => found.find(|(level, _)| *level < root || root == 0).into_iter().collect(),
        Scope::Lineage => found.collect(),
    }
}
