//! Instances of procfs and sysfs whose files can be trusted.

use crate::Error;
use crate::beneath;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FsWord, Mode, OFlags, fstat, fstatfs, open, openat, statat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// One of the kernel's own file systems.
#[derive(Debug)]
pub(crate) struct PseudoFs {
    root: OwnedFd,
    private: bool,
    kind: &'static Kind,
}

#[derive(Debug)]
pub(crate) struct Kind {
    /// Its name for a person.
    pub(crate) name: &'static str,
    /// Its name for `mount`.
    fs: &'static str,
    /// Where everybody mounts it.
    pub(crate) mount_point: &'static str,
    magic: FsWord,
}

pub(crate) const PROC: Kind =
    Kind { name: "procfs", fs: "proc", mount_point: "/proc", magic: rustix::fs::PROC_SUPER_MAGIC };

/// `SYSFS_MAGIC` of `include/uapi/linux/magic.h`.
pub(crate) const SYS: Kind =
    Kind { name: "sysfs", fs: "sysfs", mount_point: "/sys", magic: 0x6265_6572 };

/// The root's inode in procfs and sysfs: `PROC_ROOT_INO` of
/// `include/linux/proc_ns.h`, and kernfs numbers from 1. A bind mount of a
/// directory within has another one.
const ROOT_INODE: u64 = 1;

impl PseudoFs {
    /// A detached mount where we may make one: nothing can be mounted over
    /// its files. Else the mount that everybody sees.
    pub(crate) fn open(kind: &'static Kind) -> Result<Self, Error> {
        match detached(kind.fs) {
            Ok(root) => Ok(PseudoFs { root, private: true, kind }),
            Err(_) => PseudoFs::shared(kind),
        }
    }

    /// The mount that everybody sees, if it is what it should be. Its files
    /// can be mounted over; opening one of those fails with `EXDEV`.
    pub(crate) fn shared(kind: &'static Kind) -> Result<Self, Error> {
        let foreign = |reason| Error::ForeignMount { path: kind.mount_point.to_owned(), reason };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(kind.mount_point, flags, Mode::empty())
            .map_err(|errno| Error::at(kind.mount_point, errno))?;
        let statfs = fstatfs(&root).map_err(|errno| Error::at(kind.mount_point, errno))?;
        if statfs.f_type != kind.magic {
            return Err(foreign("another file system is mounted there"));
        }
        let stat = fstat(&root).map_err(|errno| Error::at(kind.mount_point, errno))?;
        if stat.st_ino != ROOT_INODE {
            return Err(foreign("a directory of it is mounted there, not its root"));
        }
        Ok(PseudoFs { root, private: false, kind })
    }

    /// Whether nothing can be mounted over its files.
    pub(crate) fn is_private(&self) -> bool {
        self.private
    }

    /// Opens a file by its path below the root.
    pub(crate) fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        beneath::open_file(self.root.as_fd(), path.as_bytes())
    }

    /// Opens a directory by its path below the root.
    pub(crate) fn open_directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        beneath::open_directory(self.root.as_fd(), path.as_bytes())
    }

    /// Whether nothing has this path below the root.
    pub(crate) fn lacks(&self, path: &str) -> bool {
        statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT)
    }

    /// The names in the root.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |errno| self.error("", errno);
        let mut names = Vec::new();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(&self.root, ".", flags, Mode::empty()).map_err(failed)?;
        for entry in Dir::new(root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !matches!(&*name, "." | "..") {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The error for an errno at a file of it.
    pub(crate) fn error(&self, path: &str, errno: Errno) -> Error {
        let path = format!("{}/{path}", self.kind.mount_point);
        match errno {
            Errno::XDEV => Error::Overmounted { path, filesystem: self.kind.name },
            _ => Error::at(path, errno),
        }
    }
}

impl AsFd for PseudoFs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// `fsmount(2)` gives a mount that is in no mount namespace, so no path leads
/// to it and `mount(2)` cannot cover it. Costs some 20 µs on Linux 6.18.
fn detached(fs: &str) -> Result<OwnedFd, Errno> {
    let context = fsopen(fs, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
