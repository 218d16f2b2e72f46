//! Files that nobody else could have written.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, open, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

/// Why others could have changed a file, or that it cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Exposed {
    /// It cannot be opened.
    #[error("cannot open {path:?}: {}", crate::admission::in_words(error))]
    Open {
        /// The file, or a directory above it.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Whoever owns the link decides what it leads to.
    #[error("{0:?} is a symbolic link; name what it leads to")]
    Link(PathBuf),
    /// Not a regular file.
    #[error("{0:?} is no regular file")]
    Kind(PathBuf),
    /// It would not be clear which directories count.
    #[error("{0:?} has `..` in it; name the file by its full path")]
    Upwards(PathBuf),
    /// Somebody else's.
    #[error("{path:?} belongs to user {owner}; `chown root` it")]
    Owner {
        /// The file, or a directory above it.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Open to others.
    #[error("others can write to {0:?}; `chmod go-w` it")]
    Writable(PathBuf),
}

/// Opens a file which, as each directory above it, belongs to one of `owners`
/// and is writable by nobody else. No component may be a symbolic link.
///
/// Each component is opened below the one that was looked at, so nothing can be
/// exchanged in between.
pub(crate) fn open_guarded(path: &Path, owners: &[u32]) -> Result<File, Exposed> {
    let failed = |path: &Path, errno: Errno| Exposed::Open {
        path: path.to_owned(),
        error: io::Error::from(errno),
    };
    let absolute = std::path::absolute(path)
        .map_err(|error| Exposed::Open { path: path.to_owned(), error })?;
    let mut reached = PathBuf::from("/");
    let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A FIFO would block an open(2) for reading.
    let itself = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = open(&reached, above, Mode::empty()).map_err(|errno| failed(&reached, errno))?;
    check(&at, &reached, owners)?;
    let mut components = absolute.components().skip(1).peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else { return Err(Exposed::Upwards(absolute)) };
        reached.push(name);
        let flags = if components.peek().is_some() { above } else { itself };
        at = openat(&at, name, flags, Mode::empty()).map_err(|errno| {
            let stat = statat(&at, name, AtFlags::SYMLINK_NOFOLLOW);
            match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Ok(FileType::Symlink) => Exposed::Link(reached.clone()),
                _ => failed(&reached, errno),
            }
        })?;
        check(&at, &reached, owners)?;
    }
    match fstat(&at).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::RegularFile) => Ok(File::from(at)),
        _ => Err(Exposed::Kind(absolute)),
    }
}

fn check(opened: &OwnedFd, path: &Path, owners: &[u32]) -> Result<(), Exposed> {
    let stat = fstat(opened)
        .map_err(|errno| Exposed::Open { path: path.to_owned(), error: errno.into() })?;
    if !owners.contains(&stat.st_uid) {
        return Err(Exposed::Owner { path: path.to_owned(), owner: stat.st_uid });
    }
    // With an ACL, the group's bits are the mask of all who are named in it
    // (acl(5)), so they tell of those, too.
    if stat.st_mode & 0o022 != 0 && !is_sticky(&stat) {
        return Err(Exposed::Writable(path.to_owned()));
    }
    Ok(())
}

/// A directory as `/tmp`: others can add to it, but not take away or rename
/// what is somebody else's (`S_ISVTX` in inode(7)).
fn is_sticky(stat: &Stat) -> bool {
    stat.st_mode & 0o1000 != 0 && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}
