//! Who is in the foreground of the terminal.

use super::sys::{self, Disposition};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, test_kill_process_group};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::os::fd::OwnedFd;

/// The foreground of the controlling terminal, which the caller has and wants
/// back. An interactive shell makes itself the foreground and on its end
/// cannot give it back: in its pid namespace the caller's process group has
/// no number (`tcgetpgrp` gives 0).
pub(super) struct Foreground(OwnedFd);

impl Foreground {
    pub(super) fn remember() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open("/dev/tty", flags, Mode::empty()).ok()?;
        (tcgetpgrp(&terminal).ok()? == getpgrp()).then_some(Foreground(terminal))
    }

    /// Takes the foreground back from a process group that is gone; one that
    /// lives was put there by a shell, which knows better.
    fn take_back(&self) -> Result<(), Errno> {
        let current = tcgetpgrp(&self.0)?;
        if current == getpgrp() || test_kill_process_group(current) != Err(Errno::SRCH) {
            return Ok(());
        }
        // To a process that ignores SIGTTOU the kernel grants it from the
        // background (tcsetpgrp(3)).
        let before = sys::dispose(Signal::TTOU, Disposition::Ignore)?;
        let result = tcsetpgrp(&self.0, getpgrp());
        sys::restore_action(Signal::TTOU, &before);
        result
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        // Without a foreground the next reader of the terminal says so.
        let _ = self.take_back();
    }
}
