//! Noticing that a process was moved to another group.

use crate::content::{CGROUP_LIMIT, Unread};
use crate::freshness::Moment;
use crate::kept::{End, keep, read_again};
use crate::process::Process;
use crate::{Error, Host};
use rustix::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// The text of `/proc/PID/cgroup` as it was, to be compared with what it is.
#[derive(Debug)]
pub(crate) struct Watch(Mutex<State>);

#[derive(Debug)]
struct State {
    file: Option<OwnedFd>,
    text: Vec<u8>,
    /// Where the next text is read to.
    next: Vec<u8>,
    read_at: Option<Moment>,
    moves: u64,
}

impl Watch {
    /// Watches a process whose file said this.
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Watch(Mutex::new(State { file: None, text, next: Vec::new(), read_at: None, moves: 0 }))
    }

    /// How often the text was seen to have changed.
    pub(crate) fn moves(&self, host: &Host, process: &Process, now: Moment) -> Result<u64, Error> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = host.freshness().membership;
        if state.read_at.is_none_or(|read_at| read_at.is_stale(now, limit)) {
            state.read(host, process)?;
            state.read_at = Some(now);
        }
        Ok(state.moves)
    }

    /// The text that was read last.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }
}

impl State {
    fn read(&mut self, host: &Host, process: &Process) -> Result<(), Error> {
        let name = "cgroup";
        let failed = |unread| match unread {
            Unread::Errno(errno) => process.error(host.procfs(), name, errno),
            Unread::TooLarge => Error::TooLarge { path: process.path(name), limit: CGROUP_LIMIT },
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => process
                .open_file(host.procfs(), name)
                .map_err(|errno| failed(Unread::Errno(errno)))?,
        };
        read_again(file.as_fd(), &mut self.next, CGROUP_LIMIT, End::ShortRead).map_err(failed)?;
        self.file = keep(file);
        if self.next != self.text {
            std::mem::swap(&mut self.next, &mut self.text);
            self.moves += 1;
        }
        Ok(())
    }
}
