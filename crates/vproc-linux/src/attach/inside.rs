//! Within the container's mount namespace.
//!
//! Nothing here asks a file system of the container anything, but for the
//! names `proc` and `sys` in its root: a FUSE server may keep us waiting for
//! ever. Whether that is so is known before, from the container's mountinfo,
//! and which mount a descriptor lies on from our own fdinfo.

use super::Error;
use super::error::Skip;
use crate::content::{HOST_LIMIT, Scratch, Unread};
use crate::mountinfo::{Mount, mounts};
use crate::{HostPid, beneath, sys};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, SeekFrom, openat2, seek};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What must be open before a container is entered.
pub(super) struct Doors {
    pub(super) pid: HostPid,
    pub(super) procfs: OwnedFd,
    pub(super) namespace: OwnedFd,
    /// The container's root. Its processes may be in a chroot, and what it
    /// calls `/proc` is then elsewhere in its mount namespace.
    pub(super) root: OwnedFd,
    pub(super) mountinfo: OwnedFd,
}

/// This thread, in the container's mount namespace.
pub(super) struct Inside(Doors);

/// Where a path leads.
pub(super) struct Place {
    pub(super) fd: OwnedFd,
    pub(super) is_directory: bool,
    /// What is mounted there, the topmost first.
    pub(super) stack: Vec<Mount>,
    /// The mount of procfs or sysfs that holds the file.
    pub(super) base: Mount,
}

impl Inside {
    /// Takes this thread into the container, for good.
    pub(super) fn enter(doors: Doors) -> Result<Self, Error> {
        let failed = |action| move |errno| Error::Enter { action, pid: doors.pid, errno };
        let namespace = doors.namespace.as_fd();
        sys::unshare_root()
            .and_then(|()| move_into_link_name_space(namespace, Some(LinkNameSpaceType::Mount)))
            .map_err(failed("enter the mount namespace"))?;
        // From here, paths lead to our descriptors, and nowhere into the
        // container.
        rustix::process::fchdir(&doors.procfs).map_err(failed("leave the root"))?;
        Ok(Inside(doors))
    }

    /// The container's mounts.
    pub(super) fn known(&self) -> Result<Vec<Mount>, Error> {
        let failed = |errno| Error::Enter { action: "read the mounts", pid: self.0.pid, errno };
        self.mounts().map_err(failed)
    }

    fn mounts(&self) -> Result<Vec<Mount>, Errno> {
        seek(&self.0.mountinfo, SeekFrom::Start(0))?;
        read_mounts(self.0.mountinfo.as_fd())
    }

    /// Follows a path that [`is_eligible`].
    pub(super) fn find(&self, path: &str) -> Result<Place, Skip> {
        let known = self.mounts().map_err(Skip::Refused)?;
        let (below, name) = path.rsplit_once('/').ok_or(Skip::Missing)?;
        let wanted = Pseudo::of(path);
        let (mut directory, mut above, mut seen) = (None, 0, String::new());
        for component in below.split('/').filter(|part| !part.is_empty()) {
            let at = directory.as_ref().unwrap_or(&self.0.root);
            let next = step(at.as_fd(), component, OFlags::DIRECTORY).map_err(missing)?;
            above = self.mount_id(next.as_fd())?;
            seen = format!("{seen}/{component}");
            let mount = known.iter().find(|mount| mount.id == above).ok_or(Skip::Unsettled)?;
            if mount.fs != wanted.fs {
                let (wanted, fs) = (wanted.name, mount.fs.clone());
                return Err(Skip::NotTheKernels { directory: seen, wanted, fs });
            }
            directory = Some(next);
        }
        let at = directory.ok_or(Skip::Missing)?;
        let (fd, is_directory) =
            open_either(|kind| step(at.as_fd(), name, kind)).map_err(missing)?;
        let top = self.mount_id(fd.as_fd())?;
        // Ids are reused, but not that of a mount that a descriptor holds.
        let now = self.mounts().map_err(Skip::Refused)?;
        let (stack, base) = stack(&now, top, above).ok_or(Skip::Unsettled)?;
        Ok(Place { fd, is_directory, stack, base })
    }

    fn mount_id(&self, fd: BorrowedFd<'_>) -> Result<u32, Skip> {
        mount_id(self.0.procfs.as_fd(), fd).map_err(Skip::Refused)
    }
}

/// The file system that holds a path, as the kernel calls it and as people do.
struct Pseudo {
    fs: &'static str,
    name: &'static str,
}

impl Pseudo {
    fn of(path: &str) -> Self {
        match path.starts_with("/sys/") {
            true => Pseudo { fs: "sysfs", name: "sysfs" },
            false => Pseudo { fs: "proc", name: "procfs" },
        }
    }
}

/// Whether a path may be a file of procfs or sysfs, in the one form that
/// mountinfo has for it.
pub(super) fn is_eligible(path: &str) -> bool {
    let below = path.strip_prefix("/proc/").or_else(|| path.strip_prefix("/sys/"));
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    below.is_some_and(|below| below.split('/').all(is_name))
}

fn step(at: BorrowedFd<'_>, name: &str, kind: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(at, name, OFlags::PATH | OFlags::CLOEXEC | kind, Mode::empty(), resolve)
}

/// Opens what may be a directory, and tells whether it is one without asking
/// its file system for attributes.
pub(super) fn open_either(
    open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
) -> Result<(OwnedFd, bool), Errno> {
    match open(OFlags::DIRECTORY) {
        Err(Errno::NOTDIR) => open(OFlags::empty()).map(|fd| (fd, false)),
        result => result.map(|fd| (fd, true)),
    }
}

fn missing(errno: Errno) -> Skip {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Skip::Missing,
        Errno::LOOP => Skip::Symlink,
        errno => Skip::Refused(errno),
    }
}

/// The mounts from `top` down to the one that the parent directory lies on.
fn stack(mounts: &[Mount], top: u32, base: u32) -> Option<(Vec<Mount>, Mount)> {
    let get = |id| mounts.iter().find(|mount| mount.id == id);
    let (mut stack, mut at) = (Vec::new(), top);
    while at != base {
        let mount = get(at).filter(|_| stack.len() < mounts.len())?;
        stack.push(mount.clone());
        at = mount.parent;
    }
    Some((stack, get(base)?.clone()))
}

/// Puts a tree on top of what is at a place, or between the topmost mount
/// there and what that covers.
pub(super) fn mount(tree: &OwnedFd, place: &Place, beneath: bool) -> Result<(), Errno> {
    let mut flags =
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    flags.set(MoveMountFlags::MOVE_MOUNT_BENEATH, beneath);
    move_mount(tree, "", &place.fd, "", flags)
}

/// Unmounts the topmost mount of a place, and no other: by its descriptor,
/// as no path can name it for sure. Works in a thread that is [`Inside`].
pub(super) fn unmount_top(place: &Place) -> Result<(), Errno> {
    unmount(link(&place.fd), UnmountFlags::DETACH)
}

/// The magic link of a descriptor, from the root of procfs.
pub(super) fn link(fd: &OwnedFd) -> String {
    format!("{}/fd/{}", HostPid::current(), fd.as_raw_fd())
}

/// The mount that a descriptor lies on. Unlike `statx`, this asks no file
/// system.
pub(super) fn mount_id(procfs: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let path = format!("{}/fdinfo/{}", HostPid::current(), fd.as_raw_fd());
    let file = beneath::open_file(procfs, path.as_bytes())?;
    let mut scratch = Scratch::default();
    let text = scratch.read(file.as_fd(), HOST_LIMIT).map_err(errno)?;
    let id = std::str::from_utf8(text).ok().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
    });
    id.ok_or(Errno::PROTO)
}

/// The mounts in an open mountinfo.
pub(super) fn read_mounts(file: BorrowedFd<'_>) -> Result<Vec<Mount>, Errno> {
    Ok(mounts(Scratch::default().read(file, HOST_LIMIT).map_err(errno)?))
}

fn errno(unread: Unread) -> Errno {
    match unread {
        Unread::Errno(errno) => errno,
        Unread::TooLarge => Errno::FBIG,
    }
}
