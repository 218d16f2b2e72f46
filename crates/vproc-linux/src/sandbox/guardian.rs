//! The process between the caller and the container: it outlives both, and
//! removes what they leave.

use super::groups::Groups;
use super::init::{self, Init};
use super::message::{Report, Step, pair};
use super::sys::{self, Argv, Disposition, Forked, SignalMask};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SocketType, recv};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use rustix::thread::UnshareFlags;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the guardian is handed over the fork.
pub(super) struct Guardian<'a> {
    /// Orders: a byte is a signal for the init; the end is the caller's end.
    pub(super) control: OwnedFd,
    /// Reports to the caller.
    pub(super) report: OwnedFd,
    /// The rendered files, for the init.
    pub(super) files: OwnedFd,
    pub(super) groups: &'a mut Groups,
    pub(super) argv: &'a Argv,
    /// The caller's signal mask, for the command.
    pub(super) mask: &'a SignalMask,
}

impl Guardian<'_> {
    /// Runs as the forked child; every signal is blocked.
    pub(super) fn run(self) -> ! {
        // An unwinding panic would return into the caller's own frames.
        let _ = catch_unwind(AssertUnwindSafe(|| self.guard()));
        sys::exit(0)
    }

    fn guard(self) {
        let _ = rustix::thread::set_name(c"vproc-guardian");
        // An ignored SIGCHLD, which a caller may have inherited, would make
        // statuses vanish (wait(2), "NOTES").
        let _ = sys::dispose(Signal::CHILD, Disposition::Default);
        if let Err(errno) = sys::unshare(UnshareFlags::NEWPID) {
            return Report::Failed { step: Step::UnsharePid, index: 0, errno }.send(&self.report);
        }
        let own_clock = start_clocks_at_zero();
        match self.fork_init() {
            Ok((init, link)) => {
                Report::Forked { init: init.as_raw_nonzero().get(), own_clock }.send(&self.report);
                self.watch(init, link);
            }
            Err(errno) => {
                Report::Failed { step: Step::ForkInit, index: 0, errno }.send(&self.report);
            }
        }
    }

    /// Each side of the link must live in one process only: its closing there
    /// is what tells the other.
    fn fork_init(&self) -> Result<(Pid, OwnedFd), Errno> {
        let (link, guardian) = pair(SocketType::STREAM)?;
        match sys::fork()? {
            Forked::Parent(init) => Ok((init, link)),
            Forked::Child => {
                drop(link);
                init::run(&Init {
                    guardian,
                    report: &self.report,
                    files: &self.files,
                    groups: self.groups.list(),
                    argv: self.argv,
                    mask: self.mask,
                })
            }
        }
    }

    fn watch(self, init: Pid, link: OwnedFd) {
        // A session of its own keeps the guardian out of what a terminal or a
        // shell does to the caller's process group. The init stays in that
        // group, for the command to be in the terminal's foreground.
        let _ = rustix::process::setsid();
        drop(self.files);
        sys::close_all_but(&[&self.control, &self.report, &link].map(AsRawFd::as_raw_fd));
        obey(&self.control, &link, init);
        let status = retry_on_intr(|| waitpid(Some(init), WaitOptions::empty()));
        let status = status.ok().flatten().map_or(0, |(_, status)| WaitStatus::as_raw(status));
        Report::Gone { status }.send(&self.report);
        // The caller looks again, and says what could not be removed.
        let _ = self.groups.remove();
    }
}

/// Passes signals on to the init until it has ended, which shows as the end
/// of its side of the link; ends it when the caller has ended.
fn obey(control: &OwnedFd, link: &OwnedFd, init: Pid) {
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
        ];
        if retry_on_intr(|| poll(&mut fds, None)).is_err() {
            let _ = kill_process(init, Signal::KILL);
            return;
        }
        let [link, orders] = fds.map(|fd| !fd.revents().is_empty());
        if link {
            return;
        }
        if orders && !pass_on(control, init) {
            let _ = kill_process(init, Signal::KILL);
            return;
        }
    }
}

/// Whether the caller is still there.
fn pass_on(control: &OwnedFd, init: Pid) -> bool {
    let mut orders = [0; 16];
    let length = match retry_on_intr(|| recv(control, &mut orders, RecvFlags::empty())) {
        Ok((length, _)) => length,
        Err(_) => 0,
    };
    for signal in orders.iter().take(length) {
        if let Some(signal) = Signal::from_named_raw(i32::from(*signal)) {
            let _ = kill_process(init, signal);
        }
    }
    length > 0
}

/// Gives the processes to be forked clocks of their own that start at 0, so
/// that uptime, boot time and start times agree; false where the kernel or
/// the guardian's privileges do not allow it (time_namespaces(7)).
fn start_clocks_at_zero() -> bool {
    let release = rustix::system::uname();
    if !moves_start_times(&release.release().to_string_lossy()) {
        return false;
    }
    if sys::unshare(UnshareFlags::NEWTIME).is_err() {
        return false;
    }
    let offset = |name: &str, clock: ClockId| {
        let (seconds, nanoseconds) = negative(clock_gettime(clock));
        format!("{name} {seconds} {nanoseconds}\n")
    };
    let monotonic = offset("monotonic", ClockId::Monotonic);
    let boottime = offset("boottime", ClockId::Boottime);
    fs::write("/proc/self/timens_offsets", monotonic + &boottime).is_ok()
}

/// Whether a time namespace moves the start times in `/proc/PID/stat` along
/// with the clocks that tools compare them with: since Linux 5.11, while time
/// namespaces came with 5.6 (time_namespaces(7)). Before, `ps` would see
/// processes that start in the future.
fn moves_start_times(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 11),
        _ => false,
    }
}

/// The kernel takes nanoseconds between 0 and a second only.
fn negative(time: Timespec) -> (i64, i64) {
    match time.tv_nsec {
        0 => (-time.tv_sec, 0),
        nanoseconds => (-time.tv_sec - 1, 1_000_000_000 - nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times_move_since_5_11() {
        for (release, moves) in [
            ("5.10.0-35-cloud-amd64", false),
            ("5.11.0", true),
            ("6.1.0-50-cloud-amd64", true),
            ("6.18.44", true),
            ("4.19.0", false),
            ("10.0", true),
            ("unknown", false),
        ] {
            assert_eq!(moves_start_times(release), moves, "{release}");
        }
    }
}
