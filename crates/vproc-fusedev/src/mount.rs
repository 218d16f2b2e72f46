//! mount(2) and umount2(2) for a file system of type `fuse`.

use crate::Error;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount};
use std::ffi::CString;
use std::path::Path;

/// How a file system is mounted. It is always `nosuid`, `nodev` and `noexec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// The first column of `/proc/mounts`.
    pub source: String,
    /// The type is `fuse.` and this.
    pub subtype: String,
    /// Processes of other users may use it. Without it, only processes whose
    /// user and group ids are all those of the process that mounts.
    pub allow_other: bool,
    /// The kernel checks permissions by mode, owner and group, and sends no
    /// [`Access`](crate::Operation::Access).
    pub default_permissions: bool,
    /// Mounted read-only.
    pub read_only: bool,
    /// The most bytes that one read may ask for, if fewer than negotiated.
    pub max_read: Option<u32>,
    /// Negotiate `FUSE_HAS_RESEND` where the kernel offers it. Without it, a
    /// worker needs a [`Journal`](crate::Journal), as with Linux before 6.9.
    pub resend: bool,
}

impl Default for MountOptions {
    fn default() -> Self {
        MountOptions {
            source: "vproc".into(),
            subtype: "vproc".into(),
            allow_other: true,
            default_permissions: true,
            read_only: false,
            max_read: None,
            resend: true,
        }
    }
}

impl MountOptions {
    /// What `fuse_fs_parameters` in fs/fuse/inode.c takes.
    fn data(&self, device: &OwnedFd) -> String {
        let fd = device.as_raw_fd();
        let mut data = format!("fd={fd},rootmode=40000,user_id=0,group_id=0");
        if self.allow_other {
            data.push_str(",allow_other");
        }
        if self.default_permissions {
            data.push_str(",default_permissions");
        }
        if let Some(max_read) = self.max_read {
            data.push_str(&format!(",max_read={max_read}"));
        }
        data
    }

    fn flags(&self) -> MountFlags {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        if self.read_only { flags | MountFlags::RDONLY } else { flags }
    }
}

/// Opens the device and mounts it. Its first request is then waiting.
pub(crate) fn attach(point: &Path, options: &MountOptions) -> Result<OwnedFd, Error> {
    let device = open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let device = device.map_err(Error::Open)?;
    let failed = |errno| Error::Mount { point: point.into(), errno };
    let data = CString::new(options.data(&device)).map_err(|_| failed(Errno::INVAL))?;
    let kind = format!("fuse.{}", options.subtype);
    mount(options.source.as_str(), point, kind, options.flags(), data.as_c_str())
        .map_err(failed)?;
    Ok(device)
}

/// Takes the mount away from the tree. Who has files open can use them further,
/// and [`Received::Unmounted`](crate::Received::Unmounted) comes after the last.
pub fn unmount(point: &Path) -> Result<(), Error> {
    detach(point, UnmountFlags::DETACH)
}

/// Takes the mount away and ends its connection: all requests in flight and to
/// come fail, whether or not anybody serves.
pub fn abort(point: &Path) -> Result<(), Error> {
    detach(point, UnmountFlags::DETACH | UnmountFlags::FORCE)
}

fn detach(point: &Path, flags: UnmountFlags) -> Result<(), Error> {
    rustix::mount::unmount(point, flags | UnmountFlags::NOFOLLOW)
        .map_err(|errno| Error::Unmount { point: point.into(), errno })
}
