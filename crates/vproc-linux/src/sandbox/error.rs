//! Why a sandbox could not be had.

use super::message::Step;
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// Why a sandbox could not be started, filled or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process has several threads, so that it cannot fork safely.
    #[error(
        "a sandbox must be started before the process has other threads, and this one has {}",
        match .0 { Some(threads) => threads.to_string(), None => "an unknown number".to_owned() }
    )]
    Threads(Option<usize>),
    /// There is nothing to run.
    #[error("no command to run")]
    NoCommand,
    /// Part of the command, or a path, holds a null byte.
    #[error("`{0}` holds a null byte, which the kernel cannot take")]
    NullByte(String),
    /// The groups of this host are nowhere mounted.
    #[error(
        "no cgroup hierarchy is mounted: mount one, such as `mount -t cgroup2 none /sys/fs/cgroup`"
    )]
    NoCgroups,
    /// The parent group does not exist or is not written as one.
    #[error("the parent group `{0}` must be an absolute path without `..`, as in /proc/PID/cgroup")]
    Parent(PathBuf),
    /// A limit is wanted, and no hierarchy has the controller for it.
    #[error("cannot limit {limit}: no mounted cgroup hierarchy offers the {controller} controller")]
    NoController {
        /// The limit.
        limit: &'static str,
        /// What it needs.
        controller: &'static str,
    },
    /// The parent refused to pass a controller on.
    #[error("cannot pass the {controller} controller on to a new group: {}: {errno}{}", path.display(), subtree_remedy(*errno))]
    Delegate {
        /// The controller.
        controller: &'static str,
        /// The parent's `cgroup.subtree_control`.
        path: PathBuf,
        /// The kernel's reason.
        errno: Errno,
    },
    /// The kernel does not account swap by group.
    #[error("cannot limit swap: {} does not exist, so the kernel does not account swap by group (see `swapaccount=1` and CONFIG_SWAP)", .0.display())]
    NoSwapAccounting(PathBuf),
    /// cgroup v1 limits memory and swap together.
    #[error("a limit for swap needs one for memory: cgroup v1 limits the sum of the two")]
    SwapWithoutMemory,
    /// The set of CPUs is empty.
    #[error("an empty set of CPUs leaves the command none to run on")]
    NoCpus,
    /// A file could not be read, written, made or removed.
    #[error("cannot {action} {}: {errno}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A value was refused by a file of a group.
    #[error("cannot write `{value}` to {}: {errno}", path.display())]
    Write {
        /// What was written.
        value: String,
        /// Where.
        path: PathBuf,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A group could not be removed in time.
    #[error("{} still has processes after {seconds} s of killing them", path.display())]
    StillPopulated {
        /// The group.
        path: PathBuf,
        /// How long it was tried.
        seconds: u64,
    },
    /// A call that belongs to no file failed.
    #[error("cannot {action}: {errno}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// The kernel's reason.
        errno: Errno,
    },
    /// One of the sandbox's processes could not do its part.
    #[error("cannot {step}{}: {errno}{}", subject.as_ref().map(|s| format!(" {s}")).unwrap_or_default(), step.remedy(*errno))]
    Setup {
        /// What was tried.
        step: Step,
        /// With what: a path.
        subject: Option<String>,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A rendered file is for a path that is not absolute.
    #[error("`{0}` is no absolute path below which a file could be shown")]
    FilePath(String),
    /// The init of the sandbox ended before the command was started.
    #[error("the sandbox's init was killed by signal {signal} before the command started{}", if *signal == 9 { " (a memory limit below a megabyte or two leaves no room for it)" } else { "" })]
    InitKilled {
        /// The signal.
        signal: i32,
    },
    /// The guardian went away, by a SIGKILL; what it guarded was cleaned up.
    #[error("the sandbox's guardian process was killed, and its container with it")]
    GuardianKilled,
}

/// What making a group is called in [`Error::File`].
pub(super) const MAKE_GROUP: &str = "make the group";

/// What to do where a group does not pass a controller on
/// (Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint").
fn subtree_remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::BUSY => {
            "; the parent holds processes itself: move them into a child group, or choose another parent"
        }
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            "; run as root, or choose a parent that was delegated to this user"
        }
        Errno::NOENT => "; the parent does not have it either: enable it from the root down",
        _ => "",
    }
}

impl Error {
    /// Whether a permission is missing that another user would have.
    pub fn is_permission(&self) -> bool {
        match self {
            Error::File { errno, .. }
            | Error::Write { errno, .. }
            | Error::Delegate { errno, .. }
            | Error::Call { errno, .. }
            | Error::Setup { errno, .. } => {
                matches!(*errno, Errno::ACCESS | Errno::PERM | Errno::ROFS)
            }
            _ => false,
        }
    }

    /// Whether a value was asked for that this kernel or this machine does not
    /// take: a CPU that is not there, a number that is too large.
    pub fn is_unacceptable(&self) -> bool {
        match self {
            Error::NoCommand
            | Error::NullByte(_)
            | Error::Parent(_)
            | Error::NoCpus
            | Error::SwapWithoutMemory => true,
            Error::Write { errno, .. } => matches!(*errno, Errno::INVAL | Errno::RANGE),
            // The parent is what the caller named.
            Error::File { action: MAKE_GROUP, errno, .. } => *errno == Errno::NOENT,
            _ => false,
        }
    }

    pub(super) fn file(action: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Error::File { action, path: path.to_owned(), errno: errno(error) }
    }

    pub(super) fn call(action: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Error::Call { action, errno }
    }
}

/// The errno in an error of the standard library, EIO if it has none.
pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
