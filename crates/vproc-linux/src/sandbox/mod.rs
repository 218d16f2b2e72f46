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

use guardian::Guardian;
use message::{Report, pair};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, SocketType, send};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use signals::Signals;
use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
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
    command: OsString,
    groups: Groups,
    guardian: Option<Pid>,
    /// Closing it ends the container.
    control: Option<OwnedFd>,
    report: OwnedFd,
    files: OwnedFd,
    init: u32,
    own_clock: bool,
    signals: Option<Signals>,
    foreground: Option<Foreground>,
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
        let command = spec.command.first().ok_or(Error::NoCommand)?;
        let argv = spec.command.iter().map(to_c_string).collect::<Result<_, _>>().map(Argv::new)?;
        let mut groups = Groups::create(&spec.cgroup_parent, &spec.limits)?;
        let sockets = Error::call("make a pair of sockets");
        let (control, guardians_control) = pair(SocketType::STREAM).map_err(&sockets)?;
        let (report, their_report) = pair(SocketType::SEQPACKET).map_err(&sockets)?;
        let (files, inits_files) = pair(SocketType::STREAM).map_err(&sockets)?;
        // Blocked until the guardian knows what to do about them.
        let mask = SignalMask::block_all();
        let forked = sys::fork();
        if let Ok(Forked::Child) = forked {
            drop((control, report, files));
            let (control, report, files) = (guardians_control, their_report, inits_files);
            Guardian { control, report, files, groups: &mut groups, argv: &argv, mask: &mask }.run()
        }
        mask.restore();
        drop((guardians_control, their_report, inits_files));
        let guardian = match forked.map_err(Error::call("fork the guardian"))? {
            Forked::Parent(pid) => Some(pid),
            Forked::Child => None,
        };
        let mut sandbox = Sandbox {
            command: command.clone(),
            groups,
            guardian,
            control: Some(control),
            report,
            files,
            init: 0,
            own_clock: false,
            signals: None,
            foreground: None,
        };
        sandbox.await_init()?;
        Ok(sandbox)
    }

    fn await_init(&mut self) -> Result<(), Error> {
        loop {
            match self.receive()? {
                Report::Forked { init, own_clock } => {
                    self.init = u32::try_from(init).unwrap_or(0);
                    self.own_clock = own_clock;
                }
                Report::Ready => return Ok(()),
                other => return Err(self.unexpected(other, &[])),
            }
        }
    }

    /// The pid of the container's init, as the caller's pid namespace has it.
    pub fn init_pid(&self) -> u32 {
        self.init
    }

    /// Whether the container's clocks started at 0, in a time namespace.
    pub fn has_own_clock(&self) -> bool {
        self.own_clock
    }

    /// The groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
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
        self.foreground = Foreground::remember();
        // If it fails because nobody listens, a report says why.
        let sent = show::send_all(&self.files, files);
        let mut skipped = Vec::new();
        loop {
            match self.receive()? {
                Report::Skipped { file } => {
                    let file = usize::try_from(file).ok().and_then(|index| files.get(index));
                    skipped.extend(file.map(|(path, _)| path.clone()));
                }
                Report::Shown => {
                    sent.map_err(Error::call("send the rendered files"))?;
                    return Ok(skipped);
                }
                other => return Err(self.unexpected(other, files)),
            }
        }
    }

    /// Waits for the command to end, then for the container and its groups to
    /// be gone.
    pub fn wait(mut self) -> Result<Outcome, Error> {
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
                other => return Err(self.unexpected(other, &[])),
            }
        }
        self.end()?;
        outcome.ok_or(Error::GuardianKilled)
    }

    /// The next report, with signals passed on in the meantime.
    fn next_report(&self) -> Result<Option<Report>, Error> {
        let Some(signals) = &self.signals else { return self.try_receive() };
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.report.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(signals.noted(), PollFlags::IN),
            ];
            retry_on_intr(|| poll(&mut fds, None)).map_err(Error::call("wait"))?;
            let [report, noted] = fds.map(|fd| !fd.revents().is_empty());
            if noted && let Some(control) = &self.control {
                // Who is gone needs no signal.
                let _ = send(control, &signals.take(), SendFlags::NOSIGNAL);
            }
            if report {
                return self.try_receive();
            }
        }
    }

    fn try_receive(&self) -> Result<Option<Report>, Error> {
        Report::receive(self.report.as_fd()).map_err(Error::call("read a report of the sandbox"))
    }

    fn receive(&self) -> Result<Report, Error> {
        self.try_receive()?.ok_or(Error::GuardianKilled)
    }

    fn unexpected(&self, report: Report, files: &[(String, Vec<u8>)]) -> Error {
        let (step, index, errno) = match report {
            Report::Failed { step, index, errno } => (step, usize::try_from(index).ok(), errno),
            Report::Gone { status } | Report::Ended { status } => {
                return match Outcome::from_wait(status) {
                    Outcome::Killed(signal) => Error::InitKilled { signal },
                    _ => Error::GuardianKilled,
                };
            }
            _ => return Error::Call { action: "follow the sandbox", errno: Errno::PROTO },
        };
        let subject = match step {
            Step::JoinGroup => index
                .and_then(|index| self.groups.list().get(index))
                .map(|group| group.path.display().to_string()),
            Step::ShowFile => {
                index.and_then(|index| files.get(index)).map(|(path, _)| path.clone())
            }
            Step::MountProc => Some("/proc".to_owned()),
            Step::StageFiles => Some(show::STAGE.to_owned()),
            _ => None,
        };
        Error::Setup { step, subject, errno }
    }

    /// Ends the container if it has not ended, and removes its groups if the
    /// guardian could not.
    fn end(&mut self) -> Result<(), Error> {
        self.control = None;
        if let Some(guardian) = self.guardian.take() {
            self.await_end(guardian);
            // An inherited disposition to ignore SIGCHLD makes it ECHILD, as
            // late as it should be.
            let _ = retry_on_intr(|| waitpid(Some(guardian), WaitOptions::empty()));
        }
        self.signals = None;
        self.foreground = None;
        self.groups.remove()
    }

    /// Waits until no process of the sandbox is left that could report; kills
    /// a guardian that takes much longer than it grants itself.
    fn await_end(&self, guardian: Pid) {
        let patience = groups::PATIENCE * 2;
        let patience = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: 0 };
        loop {
            let mut fds = [PollFd::from_borrowed_fd(self.report.as_fd(), PollFlags::IN)];
            let ready = retry_on_intr(|| poll(&mut fds, Some(&patience)));
            match ready.and_then(|ready| match ready {
                0 => Err(Errno::TIMEDOUT),
                _ => Report::receive(self.report.as_fd()),
            }) {
                Ok(None) => return,
                Ok(Some(_)) => {}
                Err(_) => {
                    let _ = kill_process(guardian, Signal::KILL);
                    return;
                }
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sandbox sweeps.
        let _ = self.end();
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Sandbox")
            .field("command", &self.command)
            .field("init", &self.init)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// Whether an errno says that a path leads nowhere.
fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR)
}

fn to_c_string(text: &OsString) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|_| Error::NullByte(text.to_string_lossy().into_owned()))
}
