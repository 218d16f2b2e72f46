//! Where an input comes from, and how that is written: `host:/proc/stat`,
//! `cgroup2:memory/memory.max@lineage`, `process:init/stat`,
//! `namespaced:/proc/sys/kernel/hostname`, `tasks`.

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
        /// The file's name.
        name: String,
    },
    /// A file of `/proc` by its absolute path, as it is in the namespaces of
    /// the container's init.
    Namespaced(String),
    /// Counts over the container's tasks.
    Tasks,
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
            Source::Process { of: Process::Init, name } => write!(out, "process:init/{name}"),
            Source::Process { of: Process::Subject, name } => write!(out, "process:subject/{name}"),
            Source::Namespaced(path) => write!(out, "namespaced:{path}"),
            Source::Tasks => out.write_str("tasks"),
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
    if text == "tasks" {
        return Some(Source::Tasks);
    }
    let (kind, rest) = text.split_once(':')?;
    let version = match kind {
        "host" => return Some(Source::Host(rest.to_owned())),
        "namespaced" => return Some(Source::Namespaced(rest.to_owned())),
        "process" => {
            let (of, name) = rest.split_once('/')?;
            let of = match of {
                "init" => Process::Init,
                "subject" => Process::Subject,
                _ => return None,
            };
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
            "tasks",
        ];
        for text in sources {
            assert_eq!(text.parse::<Source>().map(|source| source.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "host", "file:/etc/shadow", "cgroup2:memory.max@leaf", "process:1/stat"] {
            assert_eq!(text.parse::<Source>(), Err(MalformedSource(text.into())));
        }
    }
}
