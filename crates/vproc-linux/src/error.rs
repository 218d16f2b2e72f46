//! Why a host could not be read.

use crate::{HostPid, RefusedSource, init_pid};
use rustix::io::Errno;

/// Why a host could not be read.
///
/// A single input that is missing is no error: its errno stands among the
/// [`Readings`](vproc_snapshot::Readings), and the policy decides.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process does not exist, or ended while it was looked at.
    #[error("no process {0}")]
    NoSuchProcess(HostPid),
    /// The parent is not visible from here.
    #[error("process {0} has no parent in this pid namespace, so identity `parent` says nothing")]
    NoParent(HostPid),
    /// Permission is missing.
    #[error("cannot read {what}: {errno}; {remedy}")]
    Permission {
        /// What was to be read.
        what: String,
        /// EACCES or EPERM.
        errno: Errno,
        /// What would help.
        remedy: &'static str,
    },
    /// Something is mounted over a file that must be the kernel's own.
    #[error(
        "something is mounted over {path}, so it may not be the kernel's own text; \
         run as root of the host, so that a private {filesystem} can be opened"
    )]
    Overmounted {
        /// The file.
        path: String,
        /// `procfs` or `sysfs`.
        filesystem: &'static str,
    },
    /// What is mounted is not what belongs there.
    #[error("{path} is not usable: {reason}")]
    ForeignMount {
        /// The mount point.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file is larger than any file of its kind should be.
    #[error("{path} is longer than {limit} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A file of the kernel does not read like one.
    #[error("{path} is malformed: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A source that no policy may name.
    #[error(transparent)]
    Refused(#[from] RefusedSource),
    /// Process 1 of the reader's pid namespace was not found.
    #[error("cannot tell which process is number 1 in the pid namespace of process {reader}")]
    InitPid {
        /// The process whose namespace was asked.
        reader: HostPid,
        /// Why.
        source: init_pid::Error,
    },
    /// A system call failed.
    #[error("{what}: {errno}")]
    System {
        /// The file, or the call and its object.
        what: String,
        /// The errno.
        errno: Errno,
    },
}

/// The remedy for what only a privileged process may read.
pub(crate) const AS_ROOT: &str = "run as root, or with CAP_SYS_PTRACE and CAP_SYS_ADMIN";

impl Error {
    /// An error at a file that does not belong to a process.
    pub(crate) fn at(what: impl Into<String>, errno: Errno) -> Self {
        let what = what.into();
        match errno {
            Errno::ACCESS | Errno::PERM => Error::Permission { what, errno, remedy: AS_ROOT },
            _ => Error::System { what, errno },
        }
    }
}
