//! Containers that somebody gave a name.

use crate::container::lock;
use crate::state::StateDirectory;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use vproc_linux::{Host, HostPid, Identity, Membership, Subject};

/// A container with a name.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Registration {
    /// In node ids.
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// That of the container's subject: a pid alone may be used again.
    pub(crate) key: String,
    /// Its groups, as text of `/proc/PID/cgroup` without the ids.
    groups: Vec<String>,
}

/// Why a container could not be registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` is no name for a container: letters, digits and `.`, `_`, `-` are wanted")]
    Name(String),
    #[error("there is no container `{0}`")]
    Unknown(String),
    #[error(transparent)]
    Subject(#[from] vproc_linux::Error),
    #[error("cannot keep the list of containers: {0}")]
    File(#[from] io::Error),
}

const FILE: &str = "containers.json";

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// No number is given twice: who has a file of a container open does not
    /// get another one's.
    next: u32,
    containers: Vec<Registration>,
}

/// All of them. The list is a file, so that the next worker has it.
pub(crate) struct Registry {
    directory: StateDirectory,
    host: Arc<Host>,
    next: AtomicU32,
    all: Mutex<Vec<(Registration, Arc<Subject>)>>,
}

impl Registry {
    /// Takes over what the worker before this one has registered, as far as it
    /// still lives.
    pub(crate) fn open(directory: StateDirectory, host: Arc<Host>) -> Self {
        let kept: Kept = directory.load(FILE).unwrap_or_default();
        let alive = kept.containers.into_iter().filter_map(|registration| {
            let pid = HostPid::new(registration.pid)?;
            let subject = host.subject(pid, Identity::Init).ok()?;
            (subject.key() == registration.key).then(|| (registration, Arc::new(subject)))
        });
        let all = Mutex::new(alive.collect());
        Registry { directory, host, next: AtomicU32::new(kept.next), all }
    }

    /// Gives a container a name. One that had the name before loses it.
    pub(crate) fn register(&self, name: &str, pid: HostPid) -> Result<Arc<Subject>, Error> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty()
            || name.starts_with('.')
            || name.len() > 255
            || !name.chars().all(is_plain)
        {
            return Err(Error::Name(name.to_owned()));
        }
        let subject = Arc::new(self.host.subject(pid, Identity::Init)?);
        let mut all = lock(&self.all);
        all.retain(|(registration, _)| registration.name != name);
        all.push((
            Registration {
                number: self.next.fetch_add(1, Ordering::Relaxed),
                name: name.to_owned(),
                pid: pid.get(),
                key: subject.key().to_owned(),
                groups: groups(subject.membership()),
            },
            Arc::clone(&subject),
        ));
        self.save(&all)?;
        Ok(subject)
    }

    /// Takes a name back.
    pub(crate) fn forget(&self, name: &str) -> Result<(), Error> {
        let mut all = lock(&self.all);
        let before = all.len();
        all.retain(|(registration, _)| registration.name != name);
        if all.len() == before {
            return Err(Error::Unknown(name.to_owned()));
        }
        Ok(self.save(&all)?)
    }

    fn save(&self, all: &[(Registration, Arc<Subject>)]) -> io::Result<()> {
        let containers = all.iter().map(|(registration, _)| registration.clone()).collect();
        let next = self.next.load(Ordering::Relaxed);
        self.directory.save(FILE, &Kept { next, containers })
    }

    pub(crate) fn list(&self) -> Vec<Registration> {
        lock(&self.all).iter().map(|(registration, _)| registration.clone()).collect()
    }

    pub(crate) fn subjects(&self) -> Vec<Arc<Subject>> {
        lock(&self.all).iter().map(|(_, subject)| Arc::clone(subject)).collect()
    }

    /// The container with a number.
    pub(crate) fn subject(&self, number: u32) -> Option<Arc<Subject>> {
        let all = lock(&self.all);
        let (_, subject) = all.iter().find(|(registration, _)| registration.number == number)?;
        subject.is_alive().then(|| Arc::clone(subject))
    }

    /// The container whose group holds these, the nearest one.
    pub(crate) fn around(&self, membership: &Membership) -> Option<Arc<Subject>> {
        let inner = groups(membership);
        let all = lock(&self.all);
        let holding = all.iter().filter_map(|(registration, subject)| {
            Some((nesting(&registration.groups, &inner)?, subject))
        });
        let (_, subject) = holding.max_by_key(|(depth, _)| *depth)?;
        subject.is_alive().then(|| Arc::clone(subject))
    }

    /// Forgets containers that have ended.
    pub(crate) fn tidy(&self) {
        let mut all = lock(&self.all);
        let before = all.len();
        all.retain(|(_, subject)| subject.is_alive());
        if all.len() != before
            && let Err(error) = self.save(&all)
        {
            tracing::warn!(%error, "cannot keep the list of containers");
        }
    }
}

/// The groups of every hierarchy, as `controllers:path`, roots left out.
fn groups(membership: &Membership) -> Vec<String> {
    let below_root = membership.groups().iter().filter(|group| group.path() != "/");
    below_root.map(|group| format!("{}:{}", group.controllers().join(","), group.path())).collect()
}

/// How long the paths are of groups that hold another process's, if all do.
fn nesting(outer: &[String], inner: &[String]) -> Option<usize> {
    let holds = |outer: &String| {
        inner.iter().any(|inner| {
            inner
                .strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    (!outer.is_empty() && outer.iter().all(holds)).then(|| outer.iter().map(String::len).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_group_counts() {
        let groups = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let reader = groups(&["memory:/pod/a/b", "cpu:/pod/a"]);
        let pod = nesting(&groups(&["memory:/pod", "cpu:/pod"]), &reader);
        let own = nesting(&groups(&["memory:/pod/a", "cpu:/pod/a"]), &reader);
        assert!(own > pod && pod.is_some());
        assert_eq!(nesting(&groups(&["memory:/pod/ab"]), &reader), None);
        assert_eq!(nesting(&groups(&["memory:/po", "cpu:/pod"]), &reader), None);
        assert_eq!(nesting(&[], &reader), None);
    }
}
