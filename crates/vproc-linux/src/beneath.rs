//! Opening files that lie where their path says: below a directory, on its
//! mount, through no symlink.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2, statat, statx,
};
use rustix::io::Errno;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once the kernel said that it has no `openat2` (Linux < 5.6).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Opens a file for reading. `path` is relative; the file is never one that
/// was mounted over another (`EXDEV`), nor behind a symlink (`ELOOP`).
pub(crate) fn open_file(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    // A FIFO or a device that somebody placed there must not block us.
    open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// Opens a directory as a base for further opens.
pub(crate) fn open_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    open(root, path, OFlags::PATH | OFlags::DIRECTORY)
}

/// Opens a directory to list it; `.` is the root itself.
pub(crate) fn open_listing(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// The names of the directories in a directory.
pub(crate) fn directories(parent: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    let mut listing = Dir::new(open_listing(parent, b".")?)?;
    while let Some(entry) = listing.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if is_directory(parent, entry.file_type(), name) {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

fn is_directory(parent: BorrowedFd<'_>, kind: FileType, name: &[u8]) -> bool {
    match kind {
        _ if matches!(name, b"." | b"..") => false,
        FileType::Unknown => statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        kind => kind == FileType::Directory,
    }
}

/// Opens a file as the flags say.
pub(crate) fn open(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    if !NO_OPENAT2.load(Ordering::Relaxed) {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_XDEV
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_SYMLINKS;
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS) => NO_OPENAT2.store(true, Ordering::Relaxed),
            // Seccomp filters that predate openat2 say EPERM where they mean
            // ENOSYS. A true EPERM is found again below.
            Err(Errno::PERM) => {}
            result => return result,
        }
    }
    open_stepwise(root, path, flags)
}

/// What `openat2` does, one component at a time. Mounts show by a change of
/// the device number, which misses a bind mount of the same file system.
fn open_stepwise(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let device = device_of(root)?;
    let mut components = path.split(|byte| *byte == b'/').peekable();
    let mut directory: Option<OwnedFd> = None;
    while let Some(component) = components.next() {
        if matches!(component, b"" | b"." | b"..") && path != b"." {
            return Err(Errno::XDEV);
        }
        let at = directory.as_ref().map_or(root, |fd| fd.as_fd());
        let is_last = components.peek().is_none();
        let kind = if is_last { flags & OFlags::DIRECTORY } else { OFlags::DIRECTORY };
        let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC | kind;
        let entry = openat(at, component, step, Mode::empty())?;
        if device_of(entry.as_fd())? != device {
            return Err(Errno::XDEV);
        }
        if is_last {
            return openat(at, component, flags | OFlags::NOFOLLOW, Mode::empty());
        }
        directory = Some(entry);
    }
    Err(Errno::NOENT)
}

/// The device number, without asking a file system that may be our own.
fn device_of(fd: BorrowedFd<'_>) -> Result<(u32, u32), Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let facts = statx(fd, "", flags, StatxFlags::TYPE)?;
    Ok((facts.stx_dev_major, facts.stx_dev_minor))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    type Opener = fn(BorrowedFd<'_>, &[u8]) -> Result<OwnedFd, Errno>;

    fn stepwise(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
        open_stepwise(root, path, OFlags::RDONLY | OFlags::CLOEXEC)
    }

    const BOTH: [Opener; 2] = [open_file, stepwise];

    #[test]
    fn symlinks_and_parents_are_refused() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("group")).unwrap();
        fs::write(tree.path().join("group/value"), "1\n").unwrap();
        symlink("group", tree.path().join("link")).unwrap();
        symlink("value", tree.path().join("group/alias")).unwrap();
        let root = fs::File::open(tree.path()).unwrap();
        for open in BOTH {
            assert!(open(root.as_fd(), b"group/value").is_ok());
            assert_eq!(open(root.as_fd(), b"group/other").unwrap_err(), Errno::NOENT);
            assert!(open(root.as_fd(), b"link/value").is_err());
            assert_eq!(open(root.as_fd(), b"group/alias").unwrap_err(), Errno::LOOP);
            assert_eq!(open(root.as_fd(), b"../etc/passwd").unwrap_err(), Errno::XDEV);
            assert_eq!(open(root.as_fd(), b"/etc/passwd").unwrap_err(), Errno::XDEV);
        }
    }

    #[test]
    fn another_file_system_is_refused() {
        let root = fs::File::open("/").unwrap();
        for open in BOTH {
            assert_eq!(open(root.as_fd(), b"proc/version").unwrap_err(), Errno::XDEV);
        }
    }
}
