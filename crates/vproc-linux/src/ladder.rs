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

/// What was found for one file, and what to look at again.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) found: Vec<Reading>,
    /// The open files, one for each of `found`. Fewer where some stand for a
    /// file that could not be opened.
    pub(crate) files: Vec<Option<OwnedFd>>,
    /// Files that are not there, of groups that may get them: all but the
    /// root, whose files are there from the start. Paths below the mount.
    pub(crate) missing: Vec<Vec<u8>>,
}

impl Look {
    /// Nothing but what stands for a file.
    pub(crate) fn at(reading: Reading) -> Self {
        Look { found: vec![reading], ..Look::default() }
    }
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
    pub(crate) fn look(
        &mut self,
        scratch: &mut Scratch,
        name: &str,
        scope: Scope,
    ) -> Result<Look, Error> {
        if let Err(errno) = self.directory(0) {
            let gone = is_gone(errno);
            self.lost_leaf |= gone;
            // The process is somewhere else by now. "No such file" would say
            // that its group has no limit.
            return Ok(Look::at(self.absent(0, if gone { Errno::STALE } else { errno })));
        }
        let last = match scope {
            Scope::Leaf => 0,
            Scope::Nearest | Scope::Lineage => self.opened.len(),
        };
        let mut look = Look::default();
        for level in 0..=last {
            let is_root = self.depth(level) == 0;
            if scope == Scope::Nearest && level > 0 && is_root {
                break;
            }
            let (content, file) = self.content(scratch, level, name)?;
            if content == absent(Errno::NOENT) {
                if !is_root {
                    look.missing.push(self.names_of_file(level, name));
                }
                continue;
            }
            look.found.push(self.reading(level, content));
            look.files.push(file);
            if scope == Scope::Nearest {
                break;
            }
        }
        if look.found.is_empty() {
            look.found.push(self.absent(0, Errno::NOENT));
        }
        Ok(look)
    }

    fn content(
        &mut self,
        scratch: &mut Scratch,
        level: usize,
        name: &str,
    ) -> Result<(Content, Option<OwnedFd>), Error> {
        let opened = self
            .directory(level)
            .and_then(|directory| beneath::open_file(directory, name.as_bytes()));
        let file = match opened {
            Ok(file) => file,
            Err(errno) => return Ok((self.failed(level, errno), None)),
        };
        let content = match scratch.read(file.as_fd(), CGROUP_LIMIT) {
            Ok(bytes) => bytes.to_vec().into(),
            Err(Unread::Errno(errno)) => self.failed(level, errno),
            Err(Unread::TooLarge) => {
                let path = format!("{}/{name}", self.path(level));
                return Err(Error::TooLarge { path, limit: CGROUP_LIMIT });
            }
        };
        Ok((content, Some(file)))
    }

    fn failed(&mut self, level: usize, errno: Errno) -> Content {
        // kernfs answers ENODEV for the open files of a removed group.
        self.lost_leaf |= level == 0 && errno == Errno::NODEV;
        absent(errno)
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

    /// The names from the mounted group to a file.
    fn names_of_file(&self, level: usize, name: &str) -> Vec<u8> {
        let mut path = names_at(&self.spot.names, level).join(&b'/');
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        path
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
