//! A group and its ancestors, and the files in them.

use crate::Error;
use crate::beneath;
use crate::content::{CGROUP_LIMIT, Scratch, Unread};
use crate::hierarchy::Spot;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use vproc_snapshot::{Content, Reading, Scope};

/// A leaf group and the way up from it. Directories are opened once.
#[derive(Debug)]
pub(crate) struct Ladder<'h> {
    spot: Spot<'h>,
    opened: Vec<Option<Result<OwnedFd, Errno>>>,
    lost_leaf: bool,
}

impl<'h> Ladder<'h> {
    pub(crate) fn new(spot: Spot<'h>) -> Self {
        let opened = spot.names.iter().map(|_| None).collect();
        Ladder { spot, opened, lost_leaf: false }
    }

    /// Whether the leaf was removed before or while it was read.
    pub(crate) fn lost_leaf(&self) -> bool {
        self.lost_leaf
    }

    /// Reads a file from the groups that a scope selects.
    pub(crate) fn read(
        &mut self,
        scratch: &mut Scratch,
        name: &str,
        scope: Scope,
    ) -> Result<Vec<Reading>, Error> {
        if let Err(errno) = self.directory(0) {
            let gone = is_gone(errno);
            self.lost_leaf |= gone;
            // The process is somewhere else by now. "No such file" would say
            // that its group has no limit.
            return Ok(vec![self.absent(0, if gone { Errno::STALE } else { errno })]);
        }
        let last = match scope {
            Scope::Leaf => 0,
            Scope::Nearest | Scope::Lineage => self.opened.len(),
        };
        let mut found = Vec::new();
        for level in 0..=last {
            let is_ancestor_root = level > 0 && self.depth(level) == 0;
            if scope == Scope::Nearest && is_ancestor_root {
                break;
            }
            let content = self.content(scratch, level, name)?;
            if content == absent(Errno::NOENT) {
                continue;
            }
            found.push(self.reading(level, content));
            if scope == Scope::Nearest {
                break;
            }
        }
        if found.is_empty() {
            found.push(self.absent(0, Errno::NOENT));
        }
        Ok(found)
    }

    fn content(
        &mut self,
        scratch: &mut Scratch,
        level: usize,
        name: &str,
    ) -> Result<Content, Error> {
        let read = self
            .directory(level)
            .and_then(|directory| beneath::open_file(directory, name.as_bytes()))
            .map_err(Unread::Errno)
            .and_then(|file| Ok(scratch.read(file.as_fd(), CGROUP_LIMIT)?.to_vec()));
        match read {
            Ok(bytes) => Ok(bytes.into()),
            Err(Unread::Errno(errno)) => {
                // kernfs answers ENODEV for the open files of a removed group.
                self.lost_leaf |= level == 0 && errno == Errno::NODEV;
                Ok(absent(errno))
            }
            Err(Unread::TooLarge) => {
                let path = format!("{}/{name}", self.path(level));
                Err(Error::TooLarge { path, limit: CGROUP_LIMIT })
            }
        }
    }

    /// Opens the directory of the leaf (level 0) or of an ancestor.
    pub(crate) fn directory(&mut self, level: usize) -> Result<BorrowedFd<'_>, Errno> {
        let root = self.spot.directory;
        let names = names_at(&self.spot.names, level);
        match self.opened.get_mut(level) {
            None => Ok(root),
            Some(slot) => slot
                .get_or_insert_with(|| beneath::open_directory(root, &names.join(&b'/')))
                .as_ref()
                .map(|directory| directory.as_fd())
                .map_err(|errno| *errno),
        }
    }

    fn depth(&self, level: usize) -> u32 {
        let level = u32::try_from(level).unwrap_or(u32::MAX);
        self.spot.depth().saturating_sub(level)
    }

    fn path(&self, level: usize) -> String {
        let mut path = self.spot.top.clone();
        for name in names_at(&self.spot.names, level) {
            path.push('/');
            path.push_str(&String::from_utf8_lossy(name));
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }

    fn reading(&self, level: usize, content: Content) -> Reading {
        Reading {
            group: Some(self.path(level)),
            level: u32::try_from(level).unwrap_or(u32::MAX),
            depth: self.depth(level),
            content,
        }
    }

    fn absent(&self, level: usize, errno: Errno) -> Reading {
        self.reading(level, absent(errno))
    }
}

fn names_at(names: &[Vec<u8>], level: usize) -> &[Vec<u8>] {
    names.get(..names.len().saturating_sub(level)).unwrap_or_default()
}

/// What stands for an input that could not be read.
pub(crate) fn absent(errno: Errno) -> Content {
    Content::Absent(errno.raw_os_error().unsigned_abs())
}

/// The errnos of a group that is no more.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NODEV | Errno::NOTDIR)
}

#[cfg(test)]
mod tests;
