//! The caller's end of a running container.

use super::error::Error;
use super::groups::{Groups, PATIENCE};
use super::message::Report;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::os::fd::{AsFd, OwnedFd};

/// What the caller holds of a container. Letting go of it kills the
/// container and removes its groups.
pub(super) struct Leash {
    pub(super) groups: Groups,
    /// Until it is reaped.
    guardian: Option<Pid>,
    /// Closing it ends the container.
    control: Option<OwnedFd>,
    report: OwnedFd,
}

impl Leash {
    pub(super) fn new(groups: Groups, guardian: Pid, control: OwnedFd, report: OwnedFd) -> Self {
        Leash { groups, guardian: Some(guardian), control: Some(control), report }
    }

    /// Waits for the next report; `None` when no process is left to send one.
    pub(super) fn next_report(&self) -> Result<Option<Report>, Error> {
        Report::receive(self.report.as_fd()).map_err(Error::call("read a report of the sandbox"))
    }

    /// Waits for a report, or until `noted` can be read; whether there is a
    /// report.
    pub(super) fn has_report(&self, noted: &impl AsFd) -> Result<bool, Error> {
        let mut fds = [
            PollFd::from_borrowed_fd(self.report.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(noted.as_fd(), PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut fds, None)).map_err(Error::call("wait"))?;
        let [report, _] = fds.map(|fd| !fd.revents().is_empty());
        Ok(report)
    }

    /// Has the guardian send signals to the init, by their numbers.
    pub(super) fn signal(&self, signals: &[u8]) {
        if let Some(control) = self.control.as_ref().filter(|_| !signals.is_empty()) {
            // Who is gone needs no signal.
            let _ = send(control, signals, SendFlags::NOSIGNAL);
        }
    }

    /// Ends the container if it has not ended, and removes its groups if the
    /// guardian could not.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.control = None;
        if let Some(guardian) = self.guardian.take() {
            self.await_silence(guardian);
            // Where SIGCHLD is ignored it waits all the same, and then fails.
            let _ = retry_on_intr(|| waitpid(Some(guardian), WaitOptions::empty()));
        }
        self.groups.remove()
    }

    /// Waits until no process of the sandbox is left that could report; kills
    /// a guardian that takes much longer than it grants itself.
    fn await_silence(&self, guardian: Pid) {
        let patience = Timespec { tv_sec: 2 * PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        loop {
            let mut fds = [PollFd::from_borrowed_fd(self.report.as_fd(), PollFlags::IN)];
            let report = match retry_on_intr(|| poll(&mut fds, Some(&patience))) {
                Ok(0) => Err(Errno::TIMEDOUT),
                Ok(_) => Report::receive(self.report.as_fd()),
                Err(errno) => Err(errno),
            };
            match report {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    let _ = kill_process(guardian, Signal::KILL);
                    return;
                }
            }
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sandbox sweeps.
        let _ = self.end();
    }
}
