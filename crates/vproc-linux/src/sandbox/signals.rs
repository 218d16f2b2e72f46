//! The caller's signals while a command runs.

use super::sys::{self, Action, Disposition};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Until it is dropped, what ends a terminal's foreground job is left to the
/// command, which gets it from the terminal too, and what is sent to the
/// caller alone is noted, to be passed on. What was ignored stays ignored.
pub(super) struct Signals {
    noted: OwnedFd,
    before: Vec<(Signal, Action)>,
    pipe_before: RawFd,
    /// What the handler writes to; the handlers go before it closes.
    _pipe: OwnedFd,
}

impl Signals {
    pub(super) fn take_over() -> Result<Self, Errno> {
        let (noted, pipe) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let pipe_before = sys::set_signal_pipe(pipe.as_raw_fd());
        let mut signals = Signals { noted, before: Vec::new(), pipe_before, _pipe: pipe };
        for (signal, disposition) in [
            (Signal::INT, Disposition::Ignore),
            (Signal::QUIT, Disposition::Ignore),
            (Signal::TERM, Disposition::Note),
            (Signal::HUP, Disposition::Note),
        ] {
            let before = sys::dispose(signal, disposition)?;
            if before.ignores() {
                sys::restore_action(signal, &before);
            }
            signals.before.push((signal, before));
        }
        Ok(signals)
    }

    /// What becomes readable when a signal is noted.
    pub(super) fn noted(&self) -> BorrowedFd<'_> {
        self.noted.as_fd()
    }

    /// The noted signals.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut numbers = [0; 16];
        let read = rustix::io::read(&self.noted, &mut numbers).unwrap_or(0);
        numbers.into_iter().take(read).collect()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, action) in self.before.drain(..).rev() {
            sys::restore_action(signal, &action);
        }
        sys::set_signal_pipe(self.pipe_before);
    }
}
