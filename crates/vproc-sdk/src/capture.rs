//! Recorded machines to test a policy with, natively.
//!
//! ```
//! use vproc_sdk::capture::Machine;
//! use vproc_sdk::prelude::*;
//!
//! struct OneCpu;
//!
//! impl Policy for OneCpu {
//!     const NAME: &str = "one-cpu";
//!     const FIXED: &[(&str, &str)] = &[("cpu-rounding", "floor")];
//! }
//!
//! # let path = "../../fixtures/v1-run-256m.json";
//! let machine = Machine::read(path).unwrap(); // of 1.5 CPUs
//! let cpuinfo = machine.text::<OneCpu>("/proc/cpuinfo").unwrap();
//! assert_eq!(cpuinfo.matches("processor").count(), 1);
//! ```

use crate::{Content, Entry, Environment, Error, Explanation, Input, Policy, Snapshot};
use crate::{TaskCounts, answer};
use std::path::Path;
use vproc_core::contract as core;
use vproc_snapshot as data;

/// A recorded machine with a container on it.
#[derive(Debug, Clone)]
pub struct Machine(data::Readings);

impl Machine {
    /// Reads a capture: what `vprocctl capture --pid PID -o FILE` wrote.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref();
        let json = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Machine::parse(&json).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads the text of a capture.
    pub fn parse(json: &str) -> Result<Self, String> {
        let capture = data::Capture::from_json(json).map_err(|error| error.to_string())?;
        Ok(Machine(capture.readings))
    }

    /// The same machine with a knob turned.
    #[must_use]
    pub fn with_setting(mut self, knob: &str, value: &str) -> Self {
        let setting = data::Setting { knob: knob.to_owned(), value: value.to_owned() };
        self.0.environment.settings.push(setting);
        self
    }

    /// What a policy declares there.
    pub fn manifest<P: Policy>(&self) -> Result<Vec<Entry>, Error> {
        answer::manifest::<P>(&self.environment())
    }

    /// The text of a file, or why there is none.
    pub fn text<P: Policy>(&self, path: &str) -> Result<String, String> {
        let entry = self.entry::<P>(path)?;
        let readings = self.0.snapshot_at(&entry, path, None).map_err(|e| e.to_string())?;
        let rendered = answer::render::<P>(path, self.snapshot(&readings));
        rendered.map(|rendered| rendered.text).map_err(|error| error.to_string())
    }

    /// What a policy says of a file.
    pub fn explanation<P: Policy>(&self, path: &str) -> Result<Explanation, String> {
        let entry = self.entry::<P>(path)?;
        let readings = self.0.snapshot_at(&entry, path, None).map_err(|e| e.to_string())?;
        answer::explain::<P>(path, self.snapshot(&readings)).map_err(|error| error.to_string())
    }

    fn entry<P: Policy>(&self, path: &str) -> Result<data::Entry, String> {
        let manifest = self.manifest::<P>().map_err(|error| error.to_string())?;
        let entry = manifest.into_iter().find(|entry| entry.stands_for(path));
        entry.map(to_data).ok_or_else(|| format!("{} does not serve {path}", P::NAME))
    }

    fn environment(&self) -> Environment<'_> {
        let environment = &self.0.environment;
        let settings = environment.settings.iter();
        Environment {
            page_size: environment.page_size,
            user_hz: environment.user_hz,
            huge_page_size: environment.huge_page_size,
            machine: &environment.machine,
            settings: settings.map(|s| (s.knob.as_str(), s.value.as_str())).collect(),
        }
    }

    fn snapshot<'a>(&'a self, of: &data::Snapshot<'a>) -> Snapshot<'a> {
        let inputs = of.inputs.iter().map(|input| Input {
            key: input.key,
            level: input.level,
            depth: input.depth,
            content: match input.content {
                data::Content::Text(text) => Content::Text(text),
                data::Content::Bytes(bytes) => Content::Bytes(bytes),
                data::Content::Tasks(tasks) => Content::Tasks(TaskCounts {
                    total: tasks.total,
                    running: tasks.running,
                    blocked: tasks.blocked,
                    last_pid: tasks.last_pid,
                }),
                data::Content::Absent(errno) => Content::Absent(*errno),
            },
        });
        Snapshot {
            environment: self.environment(),
            now: of.now,
            is_host: of.is_host,
            state: None,
            inputs: inputs.collect(),
        }
    }
}

fn to_data(entry: Entry) -> data::Entry {
    let path = entry.path.into_owned();
    let needs = entry.needs.iter();
    data::Entry {
        needs: needs
            .map(|need| data::Need { key: need.key.into(), source: source(need.source, &path) })
            .collect(),
        // What else is declared does not matter for a render.
        kind: data::Kind::File,
        mode: entry.mode,
        class: data::Class::Virtual,
        summary: String::new(),
        reason: String::new(),
        history: None,
        covers: false,
        path,
    }
}

fn source(source: core::Source, own: &str) -> data::Source {
    match source {
        core::Source::Host(path) => data::Source::Host(path.into()),
        core::Source::Itself => data::Source::Host(own.into()),
        core::Source::Namespaced(path) => data::Source::Namespaced(path.into()),
        core::Source::Cgroup { version, controller, name, scope } => data::Source::Cgroup {
            version: match version {
                core::CgroupVersion::V1 => data::CgroupVersion::V1,
                core::CgroupVersion::V2 => data::CgroupVersion::V2,
            },
            controller: controller.into(),
            name: name.into(),
            scope: match scope {
                core::Scope::Leaf => data::Scope::Leaf,
                core::Scope::Nearest => data::Scope::Nearest,
                core::Scope::Lineage => data::Scope::Lineage,
            },
        },
        core::Source::Process { of, name } => data::Source::Process {
            of: match of {
                core::Process::Init => data::Process::Init,
                core::Process::Subject => data::Process::Subject,
                core::Process::Reader => data::Process::Reader,
                core::Process::Path => data::Process::Path,
            },
            name: name.into(),
        },
        core::Source::Tasks => data::Source::Tasks,
        core::Source::Processes => data::Source::Processes,
    }
}
