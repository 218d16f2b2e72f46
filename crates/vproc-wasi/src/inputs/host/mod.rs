//! The host that the runtime runs on, by the directories that it preopens:
//! `/proc` at `/vproc/proc`, `/sys` at `/vproc/sys`.
//!
//! A guest is no process of the host, so `/proc/self` is the runtime's. The
//! container is the runtime's own group, or the one that `VPROC_CGROUP` names.

// The same rules for which files a policy may name as on any other host.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../vproc-linux/src/allowed.rs"]
mod allowed;
mod groups;
mod machine;
mod tasks;

use super::{NoInputs, hidden};
use groups::Groups;
use std::io::{self, ErrorKind};
use vproc_snapshot::{
    Class, Content, Entry, Environment, Manifest, Process, Reading, Readings, Record, Setting,
    Source,
};

/// errno(3) of Linux, which is what a policy is told. WASI has other numbers.
mod errno {
    pub(super) const EPERM: u32 = 1;
    pub(super) const ENOENT: u32 = 2;
    pub(super) const EIO: u32 = 5;
    pub(super) const EACCES: u32 = 13;
    pub(super) const EISDIR: u32 = 21;
    pub(super) const ESTALE: u32 = 116;
}

/// A host and the group of the container.
pub(crate) struct Host {
    environment: Environment,
    groups: Groups,
}

impl Host {
    pub(crate) fn open(settings: Vec<Setting>) -> Result<Self, NoInputs> {
        Ok(Host { environment: machine::environment(settings)?, groups: Groups::open()? })
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Reads what an entry asks for.
    pub(crate) fn read(&self, entry: &Entry) -> Result<Readings, NoInputs> {
        let sources = Manifest::sources([entry]);
        allowed::check_sources(&sources).map_err(|refused| NoInputs::Malformed {
            path: entry.path.clone(),
            reason: refused.to_string(),
        })?;
        let records = sources.into_iter().map(|source| self.record(source)).collect();
        Ok(Readings {
            environment: self.environment.clone(),
            now: machine::now()?,
            is_host: false,
            records,
        })
    }

    fn record(&self, source: Source) -> Record {
        let found = match &source {
            Source::Host(path) => vec![Reading::plain(host_file(path))],
            Source::Cgroup { version, controller, name, scope } => {
                self.groups.look(*version, controller, name, *scope)
            }
            Source::Process { of: Process::Init | Process::Subject, name } => {
                vec![Reading::plain(content(&format!("/vproc/proc/self/{name}")))]
            }
            // A WASI guest is no process, and its tree has none.
            Source::Process { .. } | Source::Processes => {
                vec![Reading::plain(Content::Absent(errno::ENOENT))]
            }
            // The runtime's namespaces are not the guest's, and this component
            // cannot join others.
            Source::Namespaced(_) => vec![Reading::plain(Content::Absent(errno::EPERM))],
            Source::Tasks => vec![Reading::plain(tasks::count(&self.groups))],
        };
        Record { source, found }
    }

    /// Whether the host has no such file.
    pub(crate) fn lacks(&self, entry: &Entry) -> bool {
        let path = match (entry.stands_on(), entry.class) {
            (Some(Source::Host(path)), _) => path,
            (_, Class::Masked | Class::Denied) if !entry.is_pattern() => &entry.path,
            _ => return false,
        };
        matches!(hidden::exists(&format!("/vproc{path}")), Ok(false))
    }
}

/// A file of the host. Those in which the kernel tells the privileged more are
/// not read: the runtime may be, and WASI does not say.
fn host_file(path: &str) -> Content {
    let below = path.strip_prefix("/proc/").unwrap_or_default();
    if allowed::WITHOUT_PRIVILEGES.contains(&below) {
        return Content::Absent(errno::EACCES);
    }
    content(&format!("/vproc{path}"))
}

/// What is found at a path.
fn content(path: &str) -> Content {
    match hidden::read(path) {
        Ok(bytes) => bytes.into(),
        Err(error) => Content::Absent(number(&error)),
    }
}

/// A text that has to be there.
fn text(path: &str) -> Result<String, NoInputs> {
    hidden::text(path).map_err(|error| NoInputs::Unreadable { path: path.to_owned(), error })
}

fn number(error: &io::Error) -> u32 {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => errno::ENOENT,
        ErrorKind::PermissionDenied => errno::EACCES,
        ErrorKind::IsADirectory => errno::EISDIR,
        _ => errno::EIO,
    }
}
