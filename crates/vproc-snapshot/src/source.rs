//! Where an input comes from, and how that is written: `host:/proc/stat`,
//! `cgroup2:memory/memory.max@lineage`, `process:init/stat`,
//! `namespaced:/proc/sys/kernel/hostname`, `tasks`, `processes`.

use crate::pattern;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The two cgroup interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CgroupVersion {
    /// Hierarchies with one or a few controllers each.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Which groups a cgroup file is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The group of the container alone.
    Leaf,
    /// The leaf, or its nearest ancestor that has the file; never the root
    /// unless the leaf is the root.
    Nearest,
    /// The leaf and every ancestor, nearest first.
    Lineage,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Scope::Leaf => "leaf",
            Scope::Nearest => "nearest",
            Scope::Lineage => "lineage",
        }
    }
}

/// Which process a process file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Process {
    /// Process 1 of the container's pid namespace.
    Init,
    /// The process whose cgroup counts.
    Subject,
    /// The process that asks, if it is one of the container's; else `Init`.
    Reader,
    /// The process, or the thread below `task/`, that the path names which is
    /// rendered: what an entry declares. [`Source::at`] puts the numbers in.
    Path,
    /// A process by its number in the container.
    Numbered(u32),
    /// A thread by the numbers of its process and its own.
    Thread(u32, u32),
}

impl fmt::Display for Process {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Init => out.write_str("init"),
            Process::Subject => out.write_str("subject"),
            Process::Reader => out.write_str("reader"),
            Process::Path => out.write_str("path"),
            Process::Numbered(pid) => write!(out, "{pid}"),
            Process::Thread(pid, tid) => write!(out, "{pid}/task/{tid}"),
        }
    }
}

impl Process {
    /// Whose file a text such as `17/task/18/stat` names, and which.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (of, name) = text.split_once('/')?;
        let of = match of {
            "init" => Process::Init,
            "subject" => Process::Subject,
            "reader" => Process::Reader,
            "path" => Process::Path,
            pid => {
                let pid = pid.parse().ok()?;
                let thread = name.strip_prefix("task/").and_then(|rest| rest.split_once('/'));
                if let Some((tid, name)) = thread {
                    return Some((Process::Thread(pid, tid.parse().ok()?), name));
                }
                Process::Numbered(pid)
            }
        };
        Some((of, name))
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Source {
    /// A file of the host by its absolute path.
    Host(String),
    /// A cgroup interface file.
    Cgroup {
        /// Which of the two interfaces.
        version: CgroupVersion,
        /// The controller; empty for a file that every v2 group has.
        controller: String,
        /// The file's name, without a directory.
        name: String,
        /// The groups to read it from.
        scope: Scope,
    },
    /// A file below `/proc/PID`.
    Process {
        /// Whose.
        of: Process,
        /// The file's name. One that ends with `/` is a directory, whose
        /// names are listed; a `*` stands for the last number in the path.
        name: String,
    },
    /// A file of `/proc` by its absolute path, as it is in the namespaces of
    /// the container's init.
    Namespaced(String),
    /// Counts over the container's tasks.
    Tasks,
    /// The container's processes and their numbers, outside and inside.
    Processes,
}

impl Source {
    /// Whether it depends on the numbers in the path that is rendered.
    pub fn is_relative(&self) -> bool {
        matches!(self, Source::Process { of: Process::Path, .. })
    }

    /// Whether it tells of the container's processes, one by one, or of who
    /// asks.
    pub fn is_of_processes(&self) -> bool {
        matches!(
            self,
            Source::Processes | Source::Process { of: Process::Path | Process::Reader, .. }
        )
    }

    /// What it means for a path that `declared` stands for.
    pub fn at(&self, declared: &str, path: &str) -> Source {
        let Source::Process { of: Process::Path, name } = self else { return self.clone() };
        let numbers = pattern::numbers(declared, path);
        let of = match *numbers {
            [pid, tid, ..] if declared.contains("*/task/*") => Process::Thread(pid, tid),
            [pid, ..] => Process::Numbered(pid),
            [] => Process::Path,
        };
        let name = match numbers.last() {
            Some(last) => name.replace('*', &last.to_string()),
            None => name.clone(),
        };
        Source::Process { of, name }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Host(path) => write!(out, "host:{path}"),
            Source::Cgroup { version, controller, name, scope } => {
                let version = match version {
                    CgroupVersion::V1 => 1,
                    CgroupVersion::V2 => 2,
                };
                write!(out, "cgroup{version}:{controller}/{name}@{}", scope.as_str())
            }
            Source::Process { of, name } => write!(out, "process:{of}/{name}"),
            Source::Namespaced(path) => write!(out, "namespaced:{path}"),
            Source::Tasks => out.write_str("tasks"),
            Source::Processes => out.write_str("processes"),
        }
    }
}

/// Text that names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a source")]
pub struct MalformedSource(pub String);

impl FromStr for Source {
    type Err = MalformedSource;

    fn from_str(text: &str) -> Result<Self, MalformedSource> {
        parse(text).ok_or_else(|| MalformedSource(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Source> {
    match text {
        "tasks" => return Some(Source::Tasks),
        "processes" => return Some(Source::Processes),
        _ => {}
    }
    let (kind, rest) = text.split_once(':')?;
    let version = match kind {
        "host" => return Some(Source::Host(rest.to_owned())),
        "namespaced" => return Some(Source::Namespaced(rest.to_owned())),
        "process" => {
            let (of, name) = Process::parse(rest)?;
            return Some(Source::Process { of, name: name.to_owned() });
        }
        "cgroup1" => CgroupVersion::V1,
        "cgroup2" => CgroupVersion::V2,
        _ => return None,
    };
    let (controller, file) = rest.split_once('/')?;
    let (name, scope) = file.rsplit_once('@')?;
    let scope = [Scope::Leaf, Scope::Nearest, Scope::Lineage]
        .into_iter()
        .find(|candidate| candidate.as_str() == scope)?;
    Some(Source::Cgroup {
        version,
        controller: controller.to_owned(),
        name: name.to_owned(),
        scope,
    })
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

impl TryFrom<String> for Source {
    type Error = MalformedSource;

    fn try_from(text: String) -> Result<Self, MalformedSource> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        let sources = [
            "host:/proc/meminfo",
            "cgroup2:memory/memory.max@lineage",
            "cgroup1:cpuacct/cpuacct.usage@leaf",
            "cgroup2:/cpu.stat@nearest",
            "process:init/stat",
            "process:subject/timens_offsets",
            "namespaced:/proc/sys/kernel/hostname",
            "process:reader/status",
            "process:path/fd/*",
            "process:17/task/",
            "process:17/stat",
            "process:17/task/18/stat",
            "process:17/task/18/ns/pid",
            "tasks",
            "processes",
        ];
        for text in sources {
            assert_eq!(text.parse::<Source>().map(|source| source.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "host", "file:/etc/shadow", "cgroup2:memory.max@leaf", "process:x/stat"] {
            assert_eq!(text.parse::<Source>(), Err(MalformedSource(text.into())));
        }
    }

    #[test]
    fn numbers_of_a_path_are_put_in() {
        let at = |source: &str, declared, path| {
            source.parse::<Source>().map(|source| source.at(declared, path).to_string())
        };
        for (source, declared, path, expected) in [
            ("process:path/stat", "/proc/*/stat", "/proc/17/stat", "process:17/stat"),
            (
                "process:path/stat",
                "/proc/*/task/*/stat",
                "/proc/17/task/18/stat",
                "process:17/task/18/stat",
            ),
            ("process:path/fd/*", "/proc/*/fd/*", "/proc/17/fd/3", "process:17/fd/3"),
            (
                "process:path/fd/*",
                "/proc/*/task/*/fd/*",
                "/proc/17/task/18/fd/3",
                "process:17/task/18/fd/3",
            ),
            ("process:path/task/", "/proc/*/task", "/proc/17/task", "process:17/task/"),
            ("process:init/stat", "/proc/*/stat", "/proc/17/stat", "process:init/stat"),
        ] {
            assert_eq!(at(source, declared, path), Ok(expected.to_owned()));
        }
    }
}
