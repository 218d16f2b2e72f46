//! The container's process 1: puts the container together, starts the
//! command, reaps, and ends with the command's status.

use super::groups::Group;
use super::message::{Report, Step};
use super::show;
use super::sys::{self, Argv, Disposition, Forked, SignalMask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, kill_process, set_parent_process_death_signal, wait,
};
use rustix::thread::UnshareFlags;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

/// What the init is handed over the fork.
pub(super) struct Init<'a> {
    /// The guardian holds the other side until it ends.
    pub(super) guardian: OwnedFd,
    /// Reports to the caller.
    pub(super) report: &'a OwnedFd,
    /// The rendered files, from the caller.
    pub(super) files: &'a OwnedFd,
    pub(super) groups: &'a [Group],
    pub(super) argv: &'a Argv,
    pub(super) mask: &'a SignalMask,
}

/// Why the init gives up.
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) index: usize,
    pub(super) errno: Errno,
}

impl Step {
    /// An error of this step, with the group or file of this index.
    pub(super) fn failed(self, index: usize) -> impl Fn(Errno) -> Failure {
        move |errno| Failure { step: self, index, errno }
    }
}

/// Runs as the forked child; every signal is blocked.
pub(super) fn run(init: &Init<'_>) -> ! {
    let code = init.container().unwrap_or_else(|Failure { step, index, errno }| {
        let index = i32::try_from(index).unwrap_or(-1);
        Report::Failed { step, index, errno }.send(init.report);
        1
    });
    sys::exit(code)
}

impl Init<'_> {
    fn container(&self) -> Result<u8, Failure> {
        let _ = rustix::thread::set_name(c"vproc-init");
        self.die_with_guardian().map_err(Step::DeathSignal.failed(0))?;
        for (index, group) in self.groups.iter().enumerate() {
            // 0 is the writer itself.
            fs::write(group.path.join("cgroup.procs"), "0")
                .map_err(|error| Step::JoinGroup.failed(index)(super::error::errno(&error)))?;
        }
        own_mounts()?;
        Report::Ready.send(self.report);
        let files = show::receive(self.files).map_err(Step::ReceiveFiles.failed(0))?;
        show::show(&files, |index| {
            Report::Skipped { file: i32::try_from(index).unwrap_or(-1) }.send(self.report);
        })?;
        Report::Shown.send(self.report);
        let command = match sys::fork().map_err(Step::ForkCommand.failed(0))? {
            Forked::Child => self.command(),
            Forked::Parent(command) => command,
        };
        let status = reap_until(command);
        Report::Ended { status: status.as_raw() }.send(self.report);
        Ok(code(status))
    }

    /// Has the kernel end this process, and with it the container, when the
    /// guardian ends. A guardian that ended before the request would never
    /// send the signal, so its side of the link is looked at afterwards;
    /// getppid(2) says nothing across a pid namespace.
    fn die_with_guardian(&self) -> Result<(), Errno> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let mut link = [PollFd::from_borrowed_fd(self.guardian.as_fd(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut link, Some(&now))? {
            0 => Ok(()),
            _ => Err(Errno::CHILD),
        }
    }

    /// Becomes the command, with the signals of the sandbox's caller; but for
    /// SIGPIPE, which the Rust runtime ignores in any program it starts.
    fn command(&self) -> ! {
        let _ = sys::dispose(Signal::PIPE, Disposition::Default);
        self.mask.restore();
        let errno = self.argv.execute();
        Report::NotExecuted { errno: errno.raw_os_error() }.send(self.report);
        sys::exit(if super::is_missing(errno) { 127 } else { 126 })
    }
}

fn own_mounts() -> Result<(), Failure> {
    sys::unshare(UnshareFlags::NEWNS).map_err(Step::UnshareMounts.failed(0))?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Step::PrivateMounts.failed(0))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(Step::MountProc.failed(0))
}

/// Reaps whatever ends, and passes signals on, until the command ends.
///
/// The init of a pid namespace gets only signals that it handles or blocks,
/// and from its own namespace not even SIGKILL (pid_namespaces(7)); blocked
/// ones are taken here one by one.
fn reap_until(command: Pid) -> WaitStatus {
    let passed_on = [Signal::TERM, Signal::HUP, Signal::USR1, Signal::USR2];
    let awaited = [Signal::CHILD, Signal::TERM, Signal::HUP, Signal::USR1, Signal::USR2];
    loop {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == command {
                return status;
            }
        }
        let signal = sys::next_signal(&awaited);
        let passed_on = |raw| passed_on.into_iter().find(|signal| signal.as_raw() == raw);
        if let Some(signal) = signal.ok().and_then(passed_on) {
            let _ = kill_process(command, signal);
        }
    }
}

/// The exit status that a shell would show.
fn code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    u8::try_from(code).unwrap_or(255)
}
