//! The process that holds the mount. It does nothing else, so that nothing
//! can kill it but a signal.
//!
//! It mounts, keeps the connection's descriptor, starts a worker that serves
//! it, and starts another one when that one ends or hangs. Requests that are
//! under way wait meanwhile. Should the holder be killed nevertheless, the
//! worker serves on, and the next holder takes the mount over.

use crate::clock::boot_time;
use crate::privileges;
use crate::state::StateDirectory;
use crate::succession::{self, KEPT, Kept, NoSuccession};
use crate::worker::{Assignment, BEAT, Settings, UNMOUNTED};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use vproc_fusedev::{Connection, MountOptions};

/// How long a worker may be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a worker may take to begin.
const BEGINNING: Duration = Duration::from_secs(60);

/// How long a worker may take to end that was killed. One that waits in the
/// kernel for an answer that nobody else can give never does.
const LINGERING: Duration = Duration::from_secs(1);

/// Why there is no mount.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Somebody holds it already.
    #[error("{} is already served by vprocctl; `vprocctl status` asks it", .0.display())]
    Held(PathBuf),
    /// The mount could not be made.
    #[error("cannot mount: {0}")]
    Mount(#[from] vproc_fusedev::Error),
    /// The state directory is not usable.
    #[error("cannot use the state directory {}: {error}", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A worker of a killed holder is in the way.
    #[error(transparent)]
    Succession(#[from] NoSuccession),
    /// The first worker did not begin.
    #[error("the worker could not begin; its message stands above")]
    Worker,
    /// A system call failed.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// How to start a worker: a program and the arguments before the assignment.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program, by a path at which a later version will be.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

enum Event {
    Signal(i32),
    Beat(u32),
    Ended(u32, ExitStatus),
}

/// Whoever started the holder: a service manager, or a person.
pub trait Supervisor {
    /// A connection of an earlier holder of this mount, which was left with
    /// the supervisor.
    fn stored(&mut self) -> Option<OwnedFd> {
        None
    }

    /// The mount is there, and a worker serves it. A supervisor that keeps the
    /// connection for the next holder says so: then the mount stays when this
    /// one is told to end.
    fn ready(&mut self, connection: BorrowedFd<'_>) -> bool {
        let _ = connection;
        false
    }

    /// The worker has said that it is well.
    fn is_well(&mut self) {}
}

/// Mounts and holds, until a signal or an unmount ends it.
pub fn hold(
    settings: &Settings,
    program: &Program,
    options: &MountOptions,
    supervisor: &mut dyn Supervisor,
) -> Result<(), HoldError> {
    let state = |error| HoldError::State { path: settings.state.clone(), error };
    let directory = StateDirectory::create(&settings.state).map_err(state)?;
    let lock = File::create(directory.file("lock")).map_err(state)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Err(HoldError::Held(settings.point.clone())),
        locked => locked.map_err(|errno| state(errno.into()))?,
    }
    let inherited = succession::inherit(supervisor, &directory, &settings.point)?;
    let (fuse, kept) = match inherited {
        Some(inherited) => inherited,
        None => {
            directory.forget_connection().map_err(state)?;
            detach_dead(&settings.point);
            let connection = Connection::mount(&settings.point, options)?;
            let negotiated = connection.negotiated().to_string();
            let kept = Kept { negotiated, incarnation: 0, mounted: boot_time() };
            (connection.as_fd().try_clone_to_owned()?, kept)
        }
    };
    privileges::keep_those_of_workers();
    let (sender, events) = channel();
    watch_signals(sender.clone())?;
    let mut holder = Holder {
        settings,
        program,
        directory: &directory,
        fuse,
        kept,
        sender,
        worker: None,
        failures: 0,
        keeps_mount: false,
    };
    let result = holder.run(&events, supervisor);
    if holder.keeps_mount && result.is_ok() {
        return result;
    }
    drop(holder);
    unmount(&settings.point);
    if settings.ephemeral {
        let _ = std::fs::remove_dir(&settings.point);
        let _ = std::fs::remove_dir_all(&settings.state);
    }
    result
}

/// A mount whose server has died stands in the way of a new one.
fn detach_dead(point: &Path) {
    if matches!(rustix::fs::statfs(point), Err(Errno::NOTCONN | Errno::CONNREFUSED)) {
        tracing::warn!(
            mount = %point.display(),
            "a dead mount was there; containers that have it need `vprocctl attach`"
        );
        unmount(point);
    }
}

fn unmount(point: &Path) {
    match rustix::mount::unmount(point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => tracing::warn!(mount = %point.display(), %error, "cannot unmount"),
    }
}

fn watch_signals(sender: Sender<Event>) -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR2])?;
    let forward = move || {
        for signal in signals.forever() {
            if sender.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("vproc-signals".into()).spawn(forward).map(drop)
}

struct Holder<'a> {
    settings: &'a Settings,
    program: &'a Program,
    directory: &'a StateDirectory,
    fuse: OwnedFd,
    kept: Kept,
    sender: Sender<Event>,
    worker: Option<Worker>,
    /// Workers in a row that ended before they served.
    failures: u32,
    /// Whether the supervisor has the connection, too.
    keeps_mount: bool,
}

struct Worker {
    pid: Pid,
    /// It ends when this is closed.
    _channel: UnixStream,
    has_begun: bool,
    heard: Instant,
    killed: Option<Instant>,
}

impl Holder<'_> {
    fn run(
        &mut self,
        events: &Receiver<Event>,
        supervisor: &mut dyn Supervisor,
    ) -> Result<(), HoldError> {
        // Nobody uses a mount yet that never had a worker.
        let is_new = self.kept.incarnation == 0;
        let mut is_ready = false;
        let mut start_at = Some(Instant::now());
        let mut leaving = false;
        loop {
            if let Some(at) = start_at
                && at <= Instant::now()
            {
                start_at = None;
                self.start()?;
            }
            let wait = start_at.map_or(BEAT, |at| at.saturating_duration_since(Instant::now()));
            match events.recv_timeout(wait.min(BEAT)) {
                Ok(Event::Beat(incarnation)) if incarnation == self.kept.incarnation => {
                    self.heard();
                    supervisor.is_well();
                    if !is_ready {
                        is_ready = true;
                        self.keeps_mount = supervisor.ready(self.fuse.as_fd());
                    }
                }
                Ok(Event::Beat(_)) => {}
                Ok(Event::Ended(incarnation, status)) if incarnation == self.kept.incarnation => {
                    let begun = self.worker.take().is_some_and(|worker| worker.has_begun);
                    if status.code() == Some(i32::from(UNMOUNTED)) {
                        self.keeps_mount = false;
                        return Ok(());
                    }
                    if leaving {
                        return Ok(());
                    }
                    if is_new && !is_ready {
                        return Err(HoldError::Worker);
                    }
                    if !begun {
                        self.failures += 1;
                    }
                    tracing::warn!(%status, incarnation, "the worker has ended; starting another");
                    start_at = Some(Instant::now() + self.pause());
                }
                Ok(Event::Ended(..)) => {}
                Ok(Event::Signal(signal)) => match signal {
                    SIGHUP => self.signal(Signal::HUP),
                    SIGUSR2 => self.signal(Signal::TERM),
                    _ => {
                        leaving = true;
                        if !self.keeps_mount {
                            unmount(&self.settings.point);
                        }
                        self.signal(Signal::TERM);
                        if self.worker.is_none() {
                            return Ok(());
                        }
                    }
                },
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.has_lost_worker() {
                if leaving {
                    return Ok(());
                }
                start_at = Some(Instant::now());
            }
        }
    }

    fn heard(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.heard = Instant::now();
            if !worker.has_begun {
                worker.has_begun = true;
                self.failures = 0;
            }
        }
    }

    /// Ends a worker that is silent for too long. Whether it is given up:
    /// another one may then begin beside it, because all that is left of it
    /// are threads that wait in the kernel.
    fn has_lost_worker(&mut self) -> bool {
        let Some(worker) = &mut self.worker else { return false };
        let limit = if worker.has_begun { SILENCE } else { BEGINNING };
        if worker.heard.elapsed() <= limit {
            return false;
        }
        let pid = worker.pid.as_raw_nonzero();
        match worker.killed {
            None => {
                tracing::error!(pid, "the worker hangs; ending it");
                worker.killed = Some(Instant::now());
                let _ = kill_process(worker.pid, Signal::KILL);
                false
            }
            Some(at) if at.elapsed() > LINGERING => {
                tracing::error!(pid, "the worker cannot end; going on without it");
                self.worker = None;
                true
            }
            Some(_) => false,
        }
    }

    /// How long to wait before the next worker: not at all, unless the last
    /// ones could not even begin.
    fn pause(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_millis(50) * 2_u32.saturating_pow(failures.min(6)),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(worker) = &self.worker {
            let _ = kill_process(worker.pid, signal);
        }
    }

    fn start(&mut self) -> io::Result<()> {
        self.kept.incarnation += 1;
        let incarnation = self.kept.incarnation;
        if let Err(error) = self.directory.save(KEPT, &self.kept) {
            tracing::warn!(%error, "cannot keep what the next holder needs");
        }
        let assignment = Assignment {
            settings: self.settings.clone(),
            negotiated: self.kept.negotiated.clone(),
            incarnation,
            holder: std::process::id(),
            mounted: self.kept.mounted,
        };
        // A new version that does not work must not end what the old one
        // could go on with.
        let ourselves = Path::new("/proc/self/exe");
        let path = if self.failures >= 3 { ourselves } else { &self.program.path };
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(path)
            .args(&self.program.arguments)
            .arg(serde_json::to_string(&assignment)?)
            .stdin(Stdio::from(self.fuse.try_clone()?))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .current_dir("/")
            .spawn();
        let child = match child {
            Ok(child) => child,
            // Out of memory or processes: that may pass.
            Err(error) if incarnation > 1 => {
                tracing::error!(%error, "cannot start a worker");
                self.failures += 1;
                let sender = self.sender.clone();
                let pause = self.pause();
                std::thread::spawn(move || {
                    std::thread::sleep(pause);
                    let _ = sender.send(Event::Ended(incarnation, ExitStatus::default()));
                });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.worker = Some(Worker {
            pid: Pid::from_child(&child),
            _channel: ours.try_clone()?,
            has_begun: false,
            heard: Instant::now(),
            killed: None,
        });
        self.watch(child, ours)
    }

    fn watch(&self, mut child: Child, mut channel: UnixStream) -> io::Result<()> {
        let incarnation = self.kept.incarnation;
        let sender = self.sender.clone();
        let listen = move || {
            let mut beats = [0; 64];
            while channel.read(&mut beats).is_ok_and(|read| read > 0) {
                if sender.send(Event::Beat(incarnation)).is_err() {
                    return;
                }
            }
            if let Ok(status) = child.wait() {
                let _ = sender.send(Event::Ended(incarnation, status));
            }
        };
        std::thread::Builder::new().name("vproc-worker".into()).spawn(listen).map(drop)
    }
}
