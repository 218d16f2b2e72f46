//! How a holder goes on with the mount of the one before.
//!
//! That one may have left the connection with its supervisor. Or it was killed,
//! and its worker serves on without it. Such a worker has the connection's
//! descriptor as its standard input, and a lock on a file of the state directory
//! in which stands what it was told. The next holder finds the file locked,
//! takes a copy of the descriptor, ends the worker and starts another one.

use crate::holder::Supervisor;
use crate::state::StateDirectory;
use crate::worker::Assignment;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Timespec, flock};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open, pidfd_send_signal,
};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vproc_fusedev::Negotiated;

/// What the next holder needs to know about a connection.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) negotiated: String,
    pub(crate) incarnation: u32,
    pub(crate) mounted: Duration,
}

/// The file that holds it.
pub(crate) const KEPT: &str = "connection.json";

const POST: &str = "worker";

/// Standard input: see `Holder::start`.
const CONNECTION: i32 = 0;

/// How long a worker may take to answer what it has begun, and to end when
/// killed, in seconds.
const DRAINING: i64 = 3;
const ENDING: i64 = 10;

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Posted {
    pid: i32,
    assignment: Assignment,
}

/// Why the mount of a killed holder cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum NoSuccession {
    /// It is somewhere else.
    #[error(
        "worker {pid} still serves {} with this state directory, without a holder; \
         mount there, or choose another --state",
        point.display()
    )]
    Elsewhere {
        /// The worker.
        pid: i32,
        /// Where it serves.
        point: PathBuf,
    },
    /// It was unmounted.
    #[error(
        "worker {pid} still serves containers from a mount that is not at {} any more; \
         choose another --state, or end it (`vprocctl attach --repair` then repairs the containers)",
        point.display()
    )]
    Unmounted {
        /// The worker.
        pid: i32,
        /// Where the mount was.
        point: PathBuf,
    },
    /// The connection cannot be had, or the worker cannot be ended.
    #[error("cannot take the mount over from worker {pid}: {errno}")]
    System {
        /// The worker.
        pid: i32,
        /// Why.
        errno: Errno,
    },
}

/// Tells later holders of this worker. The lock ends with the process.
pub(crate) fn post(directory: &StateDirectory, assignment: &Assignment) -> io::Result<()> {
    let new = directory.file("worker.new");
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let mut file = File::create(&new)?;
    // A file of its own: a worker that was killed may take a while to end.
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.write_all(&serde_json::to_vec(&Posted { pid, assignment: assignment.clone() })?)?;
    fs::rename(new, directory.file(POST))?;
    std::mem::forget(file);
    Ok(())
}

/// The connection of an earlier holder. The caller is the only one now.
pub(crate) fn inherit(
    supervisor: &mut dyn Supervisor,
    directory: &StateDirectory,
    point: &Path,
) -> Result<Option<(OwnedFd, Kept)>, NoSuccession> {
    let stored = supervisor.stored();
    if let Some(orphan) = orphan(directory)?
        && let Some(fuse) = orphan.take_over(point)?
    {
        tracing::warn!("the holder before this one was killed; taking its mount over");
        let Assignment { negotiated, incarnation, mounted, .. } = orphan.assignment;
        return Ok(Some((fuse, Kept { negotiated, incarnation, mounted })));
    }
    let left = || {
        let fuse = stored?;
        let kept: Kept = directory.load(KEPT)?;
        kept.negotiated.parse::<Negotiated>().ok()?;
        tracing::info!("going on with the connection of an earlier holder");
        Some((fuse, kept))
    };
    Ok(left())
}

/// A worker without a holder.
struct Orphan {
    pid: i32,
    process: OwnedFd,
    assignment: Assignment,
}

/// Finds the worker of a killed holder.
fn orphan(directory: &StateDirectory) -> Result<Option<Orphan>, NoSuccession> {
    let path = directory.file(POST);
    let is_held = || {
        let file = File::open(&path).ok()?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        matches!(locked, Err(Errno::WOULDBLOCK)).then_some(())
    };
    let find = || {
        is_held()?;
        serde_json::from_slice::<Posted>(&fs::read(&path).ok()?).ok()
    };
    let Some(Posted { pid, assignment }) = find() else { return Ok(None) };
    let Some(id) = Pid::from_raw(pid) else { return Ok(None) };
    match pidfd_open(id, PidfdFlags::empty()) {
        // Still held: so the process is the one that holds it.
        Ok(process) if is_held().is_some() => Ok(Some(Orphan { pid, process, assignment })),
        Ok(_) | Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(NoSuccession::System { pid, errno }),
    }
}

impl Orphan {
    /// Ends the worker and returns the descriptor of its connection. What it
    /// has not answered waits for the next one.
    /// Nothing if it ended by itself.
    fn take_over(&self, point: &Path) -> Result<Option<OwnedFd>, NoSuccession> {
        let (pid, served) = (self.pid, self.assignment.settings.point.clone());
        let failed = |errno| NoSuccession::System { pid, errno };
        if served == point && is_mounted(point) {
            return self.end().map(Some).map_err(failed);
        }
        // Without a mount it may be ending just now.
        if self.has_ended(DRAINING).map_err(failed)? {
            return Ok(None);
        }
        Err(match served == point {
            true => NoSuccession::Unmounted { pid, point: served },
            false => NoSuccession::Elsewhere { pid, point: served },
        })
    }

    /// Whether it ends within some seconds.
    fn has_ended(&self, seconds: i64) -> Result<bool, Errno> {
        let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        retry_on_intr(|| poll(&mut ended, Some(&limit))).map(|ready| ready > 0)
    }

    fn end(&self) -> Result<OwnedFd, Errno> {
        let connection = pidfd_getfd(&self.process, CONNECTION, PidfdGetfdFlags::empty())?;
        for (signal, seconds) in [(Signal::TERM, DRAINING), (Signal::KILL, ENDING)] {
            match pidfd_send_signal(&self.process, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno),
            }
            if self.has_ended(seconds)? {
                return Ok(connection);
            }
        }
        Err(Errno::BUSY)
    }
}

/// Whether a file system of ours is mounted, without asking it: there may be
/// nobody who answers.
pub fn is_mounted(point: &Path) -> bool {
    // Spaces and the like are written in octal (proc_pid_mountinfo(5)).
    let mut name = String::new();
    for c in point.to_string_lossy().chars() {
        match c {
            ' ' | '\t' | '\n' | '\\' => name.push_str(&format!("\\{:03o}", u32::from(c))),
            c => name.push(c),
        }
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| {
        let mut words = line.split(' ').skip(1);
        words.next() == Some(&name) && words.next().is_some_and(|kind| kind == "fuse.vproc")
    })
}
