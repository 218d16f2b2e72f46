//! Why a connection could not be made or used.

use rustix::io::Errno;
use std::path::PathBuf;

/// Why a connection could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device cannot be opened: the module `fuse` is not loaded, or a
    /// container has no such device.
    #[error("cannot open /dev/fuse: {0}")]
    Open(Errno),
    /// mount(2) failed.
    #[error("cannot mount on {}: {errno}", point.display())]
    Mount {
        /// The mount point.
        point: PathBuf,
        /// What mount(2) said.
        errno: Errno,
    },
    /// umount2(2) failed.
    #[error("cannot unmount {}: {errno}", point.display())]
    Unmount {
        /// The mount point.
        point: PathBuf,
        /// What umount2(2) said.
        errno: Errno,
    },
    /// The first request of the kernel was not the one that a connection
    /// begins with.
    #[error("the kernel began with a request that is not FUSE_INIT")]
    NoInit,
    /// The kernel is too old, or of a future that this crate does not know.
    #[error("the kernel speaks FUSE {major}.{minor}, but 7.31 (Linux 5.4) or a newer 7 is needed")]
    Version {
        /// The major version.
        major: u32,
        /// The minor version.
        minor: u32,
    },
    /// A request could not be read.
    #[error("cannot read /dev/fuse: {0}")]
    Receive(Errno),
    /// The kernel did not take an answer.
    #[error("cannot write an answer to /dev/fuse: {0}")]
    Reply(Errno),
    /// The kernel did not take a notification.
    #[error("cannot write {what} to /dev/fuse: {errno}")]
    Notify {
        /// Its name in `fuse.h`.
        what: &'static str,
        /// What write(2) said.
        errno: Errno,
    },
    /// Memory for a buffer cannot be had.
    #[error("cannot map a receive buffer: {0}")]
    Buffer(Errno),
    /// The file for requests in flight cannot be used.
    #[error("cannot {action} the journal of requests in flight: {errno}")]
    Journal {
        /// What was tried.
        action: &'static str,
        /// What the system call said.
        errno: Errno,
    },
}
