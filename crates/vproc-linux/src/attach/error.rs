//! Why nothing could be attached, and why a single file was not.

use crate::HostPid;
use rustix::io::Errno;
use std::path::PathBuf;
use std::time::Duration;

/// Why files could not be attached to a container, or detached from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process does not exist, or ended meanwhile. What was attached to
    /// it lives as long as its mount namespace does.
    #[error("no process {0}")]
    NoSuchProcess(HostPid),
    /// The process sees the host's own mounts.
    #[error(
        "process {0} runs in the host's mount namespace: attaching would change /proc for the \
         whole host"
    )]
    HostNamespace(HostPid),
    /// A path that names no file of `/proc` or `/sys`.
    #[error(
        "`{0}` is no file below /proc or /sys: an absolute path without `.` and `..` is wanted"
    )]
    Path(String),
    /// The mount to attach from cannot be used.
    #[error("cannot use the mount {}: {errno}", path.display())]
    Mount {
        /// The mount, or a file of it.
        path: PathBuf,
        /// The kernel's reason.
        errno: Errno,
    },
    /// The server of the mount to attach from is gone.
    #[error("nobody serves {} any more: unmount it, and start its server again", .0.display())]
    DeadMount(PathBuf),
    /// What is mounted there could not be found again in a container.
    #[error("{} is no mount of vproc: it is of type {fs}", path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// The type of its file system.
        fs: String,
    },
    /// The kernel cannot do it.
    #[error("this kernel has no {0}: Linux 5.12 or newer is wanted")]
    Unsupported(&'static str),
    /// The container could not be entered, or looked at.
    #[error(
        "cannot {action} of process {pid}: {errno}{}",
        if *errno == Errno::PERM { "; run as root of the host" } else { "" }
    )]
    Enter {
        /// What was tried.
        action: &'static str,
        /// The process.
        pid: HostPid,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A file system did not answer. Files before this one are attached, or
    /// detached; nothing happens to this one and the others any more.
    #[error("gave up after {} s at {path}: its file system does not answer", patience.as_secs_f32())]
    Timeout {
        /// The file.
        path: String,
        /// How long it was tried.
        patience: Duration,
    },
    /// The thread that enters the container could not be had, or died.
    #[error("cannot run a thread within the container: {0}")]
    Thread(std::io::Error),
    /// The host could not be read.
    #[error(transparent)]
    Host(crate::Error),
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::NoSuchProcess(pid) => Error::NoSuchProcess(pid),
            other => Error::Host(other),
        }
    }
}

impl Error {
    /// Whether a permission is missing that root of the host has.
    pub fn is_permission(&self) -> bool {
        match self {
            Error::Mount { errno, .. } | Error::Enter { errno, .. } => {
                matches!(*errno, Errno::PERM | Errno::ACCESS)
            }
            Error::Host(error) => matches!(error, crate::Error::Permission { .. }),
            _ => false,
        }
    }
}

/// Why nothing was done about a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// The container has no such file.
    #[error("the container has no such file")]
    Missing,
    /// The mount to attach from has no such file.
    #[error("the mount has no such file")]
    NotServed,
    /// The path leads through a symlink.
    #[error("a symlink stands in its place")]
    Symlink,
    /// One is a file and the other a directory.
    #[error("a {} stands in its place", if *.directory { "directory" } else { "file" })]
    OtherKind {
        /// Whether the container's is a directory.
        directory: bool,
    },
    /// What is there does not come from the kernel.
    #[error("{directory} of the container is no {wanted} but {fs}")]
    NotTheKernels {
        /// The directory.
        directory: String,
        /// `procfs` or `sysfs`.
        wanted: &'static str,
        /// The type of its file system.
        fs: String,
    },
    /// Somebody else's mount covers it, as runtimes do to mask a file.
    #[error("a mount of type {0} covers it")]
    Covered(String),
    /// A mount within the container would appear on the host.
    #[error("mounts over it propagate to the host")]
    SharedWithHost,
    /// The mount came with the container's mount namespace, from one of
    /// another user namespace, and can only go with it (mount_namespaces(7)).
    #[error("its mount is locked")]
    Locked,
    /// The container changed its mounts at the same time.
    #[error("the container changes its mounts")]
    Unsettled,
    /// The kernel refused.
    #[error("the kernel refuses: {0}")]
    Refused(Errno),
}
