//! Runs a command in groups and namespaces of its own and shows it rendered
//! files.
//!
//! Three processes stand between the caller and the command:
//!
//! ```text
//! caller ── guardian ── init (1) ── command (2)
//!           own session  └ pid, mount and time namespace, groups ┘
//! ```
//!
//! The *guardian* removes the groups when the container ends, and ends the
//! container when the caller does, even by SIGKILL. The *init* dies with the
//! guardian (`PR_SET_PDEATHSIG`), and every process of its pid namespace with
//! it; then the caller removes the groups. Where both are killed at once, the
//! next sandbox below the same parent removes them.
//!
//! Init and command stay in the caller's process group, so that the command
//! is in the terminal's foreground: Ctrl-C and Ctrl-Z reach it as if it ran
//! without a sandbox. The kernel keeps both from the init, which handles
//! neither.
//!
//! What a sandbox is not: a boundary. The command keeps the caller's user,
//! capabilities, network and files.

mod apply;
mod error;
mod groups;
mod guardian;
mod init;
mod leash;
mod limits;
mod message;
mod mounts;
mod outcome;
mod show;
mod signals;
mod sys;
mod terminal;

pub use error::Error;
pub use groups::{Group, Groups};
pub use limits::{Cpus, Limits, MalformedCpus, MalformedSize, Size};
pub use message::Step;
pub use outcome::Outcome;

use crate::HostPid;
use guardian::Guardian;
use leash::Leash;
use message::{Report, pair};
use rustix::io::Errno;
use rustix::net::SocketType;
use signals::Signals;
use std::ffi::{CString, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use sys::{Argv, Forked, SignalMask};
use terminal::Foreground;

/// What to run, and within what.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The command and its arguments. The command is looked for in `PATH`.
    pub command: Vec<OsString>,
    /// The limits of its groups.
    pub limits: Limits,
    /// The group below which its groups are made, as in `/proc/PID/cgroup`.
    pub cgroup_parent: PathBuf,
}

impl Spec {
    /// A command without limits, in groups right below the root.
    pub fn new<I: IntoIterator<Item: Into<OsString>>>(command: I) -> Self {
        Spec {
            command: command.into_iter().map(Into::into).collect(),
            limits: Limits::default(),
            cgroup_parent: "/".into(),
        }
    }
}

/// A container that waits for its files, or runs its command. Dropping it
/// kills what runs and removes its groups.
pub struct Sandbox {
    leash: Leash,
    command: OsString,
    files: OwnedFd,
    init: HostPid,
    own_clock: bool,
    signals: Option<Signals>,
    _foreground: Option<Foreground>,
}

impl Sandbox {
    /// Makes the groups and the container, up to the point where it waits
    /// for files ([`Sandbox::release`]).
    ///
    /// This forks: it must be called before the process has any other
    /// thread, and refuses if it has.
    pub fn start(spec: &Spec) -> Result<Self, Error> {
        match sys::threads() {
            Some(1) => {}
            threads => return Err(Error::Threads(threads)),
        }
        let command = spec.command.first().ok_or(Error::NoCommand)?.clone();
        let argv = spec.command.iter().map(to_c_string).collect::<Result<_, _>>().map(Argv::new)?;
        let groups = Groups::create(&spec.cgroup_parent, &spec.limits)?;
        let (leash, files) = fork_guardian(groups, &argv)?;
        let (init, own_clock) = await_init(&leash)?;
        let (signals, _foreground) = (None, None);
        Ok(Sandbox { leash, command, files, init, own_clock, signals, _foreground })
    }

    /// The container's init, in the caller's pid namespace.
    pub fn init_pid(&self) -> HostPid {
        self.init
    }

    /// Whether the container's clocks started at 0, in a time namespace.
    pub fn has_own_clock(&self) -> bool {
        self.own_clock
    }

    /// The groups.
    pub fn groups(&self) -> &Groups {
        &self.leash.groups
    }

    /// Shows the files, each text in place of its path, and starts the
    /// command. Returns the paths that do not exist in the container.
    ///
    /// From here until the end of the sandbox, SIGINT and SIGQUIT are left to
    /// the command, and [`Sandbox::wait`] passes SIGTERM and SIGHUP on.
    pub fn release(&mut self, files: &[(String, Vec<u8>)]) -> Result<Vec<String>, Error> {
        for (path, _) in files {
            if !path.starts_with('/') || path.contains('\0') {
                return Err(Error::FilePath(path.clone()));
            }
        }
        self.signals = Some(Signals::take_over().map_err(Error::call("take signals over"))?);
        self._foreground = Foreground::remember();
        // If it fails because nobody listens, a report says why.
        let sent = show::send_all(&self.files, files);
        let mut skipped = Vec::new();
        loop {
            match self.leash.next_report()? {
                Some(Report::Skipped { file }) => {
                    let file = usize::try_from(file).ok().and_then(|index| files.get(index));
                    skipped.extend(file.map(|(path, _)| path.clone()));
                }
                Some(Report::Shown) => {
                    sent.map_err(Error::call("send the rendered files"))?;
                    return Ok(skipped);
                }
                other => return Err(failure(other, self.groups(), files)),
            }
        }
    }

    /// Waits for the command to end, then for the container and its groups to
    /// be gone. A sandbox that still waits for files gets none.
    pub fn wait(mut self) -> Result<Outcome, Error> {
        if self.signals.is_none() {
            self.release(&[])?;
        }
        let mut outcome = None;
        while let Some(report) = self.next_report()? {
            match report {
                Report::NotExecuted { errno } => {
                    let (command, errno) = (self.command.clone(), Errno::from_raw_os_error(errno));
                    outcome = Some(Outcome::NotStarted { command, errno });
                }
                Report::Ended { status } | Report::Gone { status } => {
                    outcome.get_or_insert(Outcome::from_wait(status));
                }
                other => return Err(failure(Some(other), self.groups(), &[])),
            }
        }
        self.leash.end()?;
        outcome.ok_or(Error::GuardianKilled)
    }

    /// The next report, with signals passed on in the meantime.
    fn next_report(&self) -> Result<Option<Report>, Error> {
        if let Some(signals) = &self.signals {
            while !self.leash.has_report(&signals.noted())? {
                self.leash.signal(&signals.take());
            }
        }
        self.leash.next_report()
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sandbox")
            .field("command", &self.command)
            .field("init", &self.init)
            .field("groups", &self.groups())
            .finish_non_exhaustive()
    }
}

/// Forks; the caller gets the leash and the way for the files.
fn fork_guardian(mut groups: Groups, argv: &Argv) -> Result<(Leash, OwnedFd), Error> {
    let sockets = Error::call("make a pair of sockets");
    let (control, guardians_control) = pair(SocketType::STREAM).map_err(&sockets)?;
    let (report, their_report) = pair(SocketType::SEQPACKET).map_err(&sockets)?;
    let (files, inits_files) = pair(SocketType::STREAM).map_err(&sockets)?;
    // Until the guardian and the init know what to do about them; the
    // command gets the caller's mask back.
    let mask = SignalMask::block_all();
    match sys::fork() {
        Ok(Forked::Child) => {
            drop((control, report, files));
            let (control, report, files) = (guardians_control, their_report, inits_files);
            Guardian { control, report, files, groups: &mut groups, argv, mask: &mask }.run()
        }
        Ok(Forked::Parent(guardian)) => {
            mask.restore();
            Ok((Leash::new(groups, guardian, control, report), files))
        }
        Err(errno) => {
            mask.restore();
            Err(Error::Call { action: "fork the sandbox's guardian", errno })
        }
    }
}

/// Waits until the init is ready. It may say so before the guardian, which
/// has forked it, tells its pid.
fn await_init(leash: &Leash) -> Result<(HostPid, bool), Error> {
    let (mut forked, mut ready) = (None, false);
    loop {
        match leash.next_report()? {
            Some(Report::Forked { init, own_clock }) => {
                forked = u32::try_from(init).ok().and_then(HostPid::new).zip(Some(own_clock));
            }
            Some(Report::Ready) => ready = true,
            other => return Err(failure(other, &leash.groups, &[])),
        }
        if let (true, Some(forked)) = (ready, forked) {
            return Ok(forked);
        }
    }
}

/// What it means that this report came where another was awaited.
fn failure(report: Option<Report>, groups: &Groups, files: &[(String, Vec<u8>)]) -> Error {
    let (step, index, errno) = match report {
        None => return Error::GuardianKilled,
        Some(Report::Failed { step, index, errno }) => (step, usize::try_from(index).ok(), errno),
        Some(Report::Gone { status }) => {
            return match Outcome::from_wait(status) {
                Outcome::Killed(signal) => Error::InitKilled { signal },
                _ => Error::Call { action: "follow the sandbox's init", errno: Errno::CHILD },
            };
        }
        Some(_) => return Error::Call { action: "follow the sandbox", errno: Errno::PROTO },
    };
    let subject = match step {
        Step::JoinGroup => index
            .and_then(|index| groups.list().get(index))
            .map(|group| group.path.display().to_string()),
        Step::ShowFile => index.and_then(|index| files.get(index)).map(|(path, _)| path.clone()),
        Step::MountProc => Some("/proc".to_owned()),
        Step::StageFiles => Some(show::STAGE.to_owned()),
        _ => None,
    };
    Error::Setup { step, subject, errno }
}

/// Whether an errno says that a path leads nowhere.
fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR)
}

fn to_c_string(text: &OsString) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|_| Error::NullByte(text.to_string_lossy().into_owned()))
}
