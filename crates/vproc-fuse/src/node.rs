//! Node ids that mean the same in every worker.
//!
//! A container holds on to a node for as long as it runs, and a worker that
//! takes over has never been asked to look it up. So a node id is not the
//! address of anything: it is whose view is meant, and the number of a path in
//! a list that is kept beside the mount ([`Paths`]).

use rustix::fs::{Mode, OFlags, open};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use vproc_linux::HostPid;

/// Whose view a node belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum View {
    /// That of whoever reads.
    Reader,
    /// That of one process, for the host's administrator.
    Process(HostPid),
    /// That of a container that was registered, by its number.
    Registered(u32),
}

const PATH_BITS: u32 = 24;
const REGISTERED: u64 = 1 << 30;

/// A node: a path in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) view: View,
    pub(crate) path: PathId,
}

impl Node {
    pub(crate) fn new(view: View, path: PathId) -> Self {
        Node { view, path }
    }

    /// The number for the kernel. That of the root is 1, as `FUSE_ROOT_ID`.
    pub(crate) fn id(self) -> u64 {
        let view = match self.view {
            View::Reader => 0,
            View::Process(pid) => u64::from(pid.get()),
            View::Registered(number) => REGISTERED | u64::from(number),
        };
        view << PATH_BITS | u64::from(self.path.0)
    }

    /// The node with a number; `None` for what this program gave to nobody.
    pub(crate) fn from_id(id: u64) -> Option<Self> {
        let path = PathId(u32::try_from(id & ((1 << PATH_BITS) - 1)).ok()?);
        let view = match id >> PATH_BITS {
            0 => View::Reader,
            view if view & REGISTERED != 0 => {
                View::Registered(u32::try_from(view & !REGISTERED).ok()?)
            }
            view => View::Process(HostPid::new(u32::try_from(view).ok()?)?),
        };
        Some(Node { view, path })
    }
}

/// The number of a path. 1 is `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId(u32);

impl PathId {
    pub(crate) const ROOT: PathId = PathId(1);

    fn place(self) -> Option<usize> {
        usize::try_from(self.0).ok()?.checked_sub(1)
    }
}

/// Every path that has a node. The list only grows, and is a file: line N is
/// the path of number N.
///
/// Not so for paths of single processes, of which there are ever new ones. They
/// are numbered from [`PASSING`] up, in memory, and a number is used again after
/// [`MOST_PASSING`] others. Nothing but the administrator's views has them, and
/// the kernel remembers none of their names. A worker that takes over does not
/// know them, and says `ESTALE` for a file that was left open.
pub(crate) struct Paths {
    known: RwLock<Known>,
    passing: RwLock<Passing>,
    file: Mutex<File>,
}

const PASSING: u32 = 1 << 23;
const MOST_PASSING: u32 = 1 << 18;

#[derive(Default)]
struct Passing {
    numbers: HashMap<Arc<str>, PathId>,
    paths: VecDeque<Arc<str>>,
    /// How many were numbered before the first of `paths`.
    before: u32,
}

impl Passing {
    fn number(&mut self, path: &str) -> PathId {
        if let Some(known) = self.numbers.get(path) {
            return *known;
        }
        if u32::try_from(self.paths.len()).is_ok_and(|count| count >= MOST_PASSING)
            && let Some(oldest) = self.paths.pop_front()
        {
            self.numbers.remove(&oldest);
            self.before = (self.before + 1) % PASSING;
        }
        let place = u32::try_from(self.paths.len()).unwrap_or(0);
        let number = PathId(PASSING | ((self.before + place) % PASSING));
        let path: Arc<str> = path.into();
        self.paths.push_back(Arc::clone(&path));
        self.numbers.insert(path, number);
        number
    }

    fn path(&self, number: PathId) -> Option<Arc<str>> {
        let place = (number.0 - self.before) % PASSING;
        self.paths.get(usize::try_from(place).ok()?).cloned()
    }
}

#[derive(Default)]
struct Known {
    paths: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, PathId>,
}

impl Known {
    fn add(&mut self, path: &str) -> Option<PathId> {
        let number = u32::try_from(self.paths.len() + 1).ok().filter(|n| *n < PASSING)?;
        let path: Arc<str> = path.into();
        self.paths.push(Arc::clone(&path));
        self.numbers.insert(path, PathId(number));
        Some(PathId(number))
    }
}

impl Paths {
    /// Opens the list, or begins one.
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        let mut file = File::from(open(file, flags | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR)?);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut known = Known::default();
        // A last line without its end was being written when a worker died,
        // and no node of it was given to anybody.
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        for path in text.get(..complete).unwrap_or_default().lines() {
            known.add(path);
        }
        file.set_len(u64::try_from(complete).unwrap_or(0))?;
        let (known, passing) = (RwLock::new(known), RwLock::default());
        let paths = Paths { known, passing, file: Mutex::new(file) };
        paths.intern("/")?;
        Ok(paths)
    }

    /// The number of a path, which gets one if it has none.
    pub(crate) fn intern(&self, path: &str) -> io::Result<PathId> {
        if let Some(known) = self.number(path) {
            return Ok(known);
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.number(path) {
            return Ok(known);
        }
        let complete = file.metadata()?.len();
        if let Err(error) = file.write_all(format!("{path}\n").as_bytes()) {
            // A part of a line would become one with the next.
            file.set_len(complete)?;
            return Err(error);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.add(path).ok_or_else(|| io::Error::from(io::ErrorKind::QuotaExceeded))
    }

    pub(crate) fn number(&self, path: &str) -> Option<PathId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.numbers.get(path).copied()
    }

    /// The number of a path that may be forgotten again.
    pub(crate) fn number_for_now(&self, path: &str) -> PathId {
        self.passing.write().unwrap_or_else(PoisonError::into_inner).number(path)
    }

    /// The path with a number.
    pub(crate) fn path(&self, number: PathId) -> Option<Arc<str>> {
        if number.0 >= PASSING {
            return self.passing.read().unwrap_or_else(PoisonError::into_inner).path(number);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.paths.get(number.place()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nodes_read_back() {
        let views = [
            View::Reader,
            View::Process(HostPid::new(4_194_304).unwrap()),
            View::Registered(0),
            View::Registered(77),
        ];
        for view in views {
            let node = Node::new(view, PathId(12));
            assert_eq!(Node::from_id(node.id()), Some(node));
        }
        assert_eq!(Node::new(View::Reader, PathId::ROOT).id(), 1);
    }

    #[test]
    fn paths_that_pass_are_forgotten_and_never_mixed_up() {
        let mut passing = Passing { before: PASSING - 2, ..Passing::default() };
        let first = passing.number("/proc/1/stat");
        assert_eq!(passing.number("/proc/1/stat"), first);
        assert_eq!(passing.path(first).as_deref(), Some("/proc/1/stat"));
        for process in 2..MOST_PASSING + 1 {
            passing.number(&format!("/proc/{process}/stat"));
        }
        let last = passing.number("/proc/1/status");
        assert_eq!(passing.path(first), None);
        assert_eq!(passing.path(last).as_deref(), Some("/proc/1/status"));
        assert_ne!(passing.number("/proc/1/stat"), first);
    }

    #[test]
    fn paths_keep_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("paths");
        let first = Paths::open(&file).unwrap();
        let stat = first.intern("/proc/stat").unwrap();
        assert_eq!(first.intern("/proc/stat").unwrap(), stat);
        drop(first);
        // A worker died while it wrote a line.
        std::fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .unwrap()
            .write_all(b"/proc/x")
            .unwrap();
        let second = Paths::open(&file).unwrap();
        assert_eq!(second.number("/"), Some(PathId::ROOT));
        assert_eq!(second.number("/proc/stat"), Some(stat));
        assert_eq!(second.number("/proc/x"), None);
        let uptime = second.intern("/proc/uptime").unwrap();
        drop(second);
        let third = Paths::open(&file).unwrap();
        assert_eq!(third.path(uptime).as_deref(), Some("/proc/uptime"));
    }
}
