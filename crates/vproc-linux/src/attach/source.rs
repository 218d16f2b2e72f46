//! The files to attach: copies of our mount that stand nowhere yet.

use super::error::{Error, Skip};
use super::{Options, inside};
use crate::mountinfo::Mount;
use crate::sys;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags, open, openat2, statx};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, OpenTreeFlags, open_tree};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Our mount on the host.
pub(super) struct Origin {
    path: PathBuf,
    fd: OwnedFd,
    device: Vec<u8>,
    /// The part of the file system that `path` shows.
    root: PathBuf,
}

/// A mount of one file or directory, in no namespace. Dropping it unmounts
/// it, unless it was attached.
pub(super) struct Tree {
    pub(super) fd: OwnedFd,
    pub(super) is_directory: bool,
    device: Vec<u8>,
    root: PathBuf,
}

impl Tree {
    /// Whether a mount shows the same file of the same file system.
    pub(super) fn is_same(&self, mount: &Mount) -> bool {
        mount.device == self.device && mount.root == self.root.as_os_str().as_bytes()
    }
}

impl Origin {
    /// Opens our mount, which lies in the mount namespace of this thread.
    pub(super) fn open(
        path: &Path,
        procfs: BorrowedFd<'_>,
        mounts: &[Mount],
        options: &Options,
    ) -> Result<Self, Error> {
        let failed = |errno| Error::Mount { path: path.to_owned(), errno };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|errno| unusable(path, errno))?;
        let id = inside::mount_id(procfs, fd.as_fd()).map_err(failed)?;
        let mount = mounts.iter().find(|mount| mount.id == id).ok_or(failed(Errno::XDEV))?;
        if !options.ours.matches(mount) {
            return Err(Error::NotOurs { path: path.to_owned(), fs: mount.fs.clone() });
        }
        // What the kernel remembers of files says nothing about their server.
        let asked = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
        statx(&fd, "", asked, StatxFlags::BASIC_STATS).map_err(|errno| unusable(path, errno))?;
        // The kernel knows the path without symlinks.
        let full = rustix::fs::readlinkat(procfs, inside::link(&fd), Vec::new()).map_err(failed)?;
        let full = PathBuf::from(std::ffi::OsString::from_vec(full.into_bytes()));
        let point = Path::new(std::ffi::OsStr::from_bytes(&mount.point));
        let below = full.strip_prefix(point).map_err(|_| failed(Errno::XDEV))?;
        let root = Path::new(std::ffi::OsStr::from_bytes(&mount.root)).join(below);
        Ok(Origin { path: path.to_owned(), fd, device: mount.device.clone(), root })
    }

    /// Copies the mount of one file. `path` is absolute within the mount.
    pub(super) fn tree(&self, path: &str, options: &Options) -> Result<Result<Tree, Skip>, Error> {
        let below = path.trim_start_matches('/');
        let full = self.path.join(below);
        let (fd, is_directory) = match self.open_file(below) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Err(Skip::NotServed)),
            Err(errno) => return Err(unusable(&full, errno)),
        };
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(&fd, "", flags).map_err(|errno| match errno {
            Errno::NOSYS => Error::Unsupported("open_tree"),
            _ => unusable(&full, errno),
        })?;
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        if options.read_only {
            attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        // A copy is a peer of what it was copied from: what a container
        // mounts over it would appear on the host.
        sys::set_mount_attributes(tree.as_fd(), attributes, MountPropagationFlags::PRIVATE)
            .map_err(|errno| match errno {
                Errno::NOSYS => Error::Unsupported("mount_setattr"),
                _ => unusable(&full, errno),
            })?;
        let (device, root) = (self.device.clone(), self.root.join(below));
        Ok(Ok(Tree { fd: tree, is_directory, device, root }))
    }

    fn open_file(&self, below: &str) -> Result<(OwnedFd, bool), Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        inside::open_either(|kind| {
            let flags = OFlags::PATH | OFlags::CLOEXEC | kind;
            openat2(&self.fd, below, flags, Mode::empty(), resolve | ResolveFlags::NO_SYMLINKS)
        })
    }
}

fn unusable(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::NOTCONN | Errno::CONNREFUSED => Error::DeadMount(path.to_owned()),
        _ => Error::Mount { path: path.to_owned(), errno },
    }
}
