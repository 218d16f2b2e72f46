//! Triggers: a reader writes a threshold to a file of `/proc/pressure` and
//! polls it.
//!
//! The kernel watches; each trigger is a file of the container's group in
//! which the reader's text was written (`psi_write` in `kernel/sched/psi.c`).
//! One thread waits for all of them. What the kernel hands out once per event
//! (`psi_trigger_poll` swaps the event for none), that thread takes, notes, and
//! wakes the reader, who then asks.

use crate::container::lock;
use rustix::event::epoll;
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};
use vproc_fusedev::Connection;

/// `DEFAULT_POLLMASK` of `include/linux/poll.h`: what every file of procfs
/// says. One of `/proc/pressure` adds `POLLPRI` where something happened, and
/// both others where no trigger was set (`psi_trigger_poll`).
pub(crate) const READY: u32 = 0x145;

/// `POLLPRI` and `POLLERR` of poll(2).
pub(crate) const PRI: u32 = 0x2;
pub(crate) const ERR: u32 = 0x8;

/// A trigger that was written to a handle.
pub(crate) struct Trigger(Arc<Watched>);

struct Watched {
    file: File,
    text: Vec<u8>,
    state: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Set once the kernel reported an event that the reader has not seen.
    events: u32,
    /// The reader's poll, in the kernel's numbering.
    kernel_handle: Option<u64>,
}

/// All triggers.
pub(crate) struct Triggers {
    epoll: rustix::fd::OwnedFd,
    watched: Mutex<HashMap<u64, std::sync::Weak<Watched>>>,
    connection: Arc<Connection>,
}

impl Triggers {
    /// Starts the thread that waits.
    pub(crate) fn start(connection: Arc<Connection>) -> std::io::Result<Arc<Self>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let triggers = Arc::new(Triggers { epoll, watched: Mutex::default(), connection });
        let waiting = Arc::clone(&triggers);
        std::thread::Builder::new().name("vproc-psi".into()).spawn(move || waiting.wait())?;
        Ok(triggers)
    }

    /// Sets a trigger for a handle: `text` is what the reader wrote, `file`
    /// the group's pressure file.
    pub(crate) fn set(&self, handle: u64, mut file: File, text: &[u8]) -> Result<Trigger, Errno> {
        file.write_all(text).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let watched = Arc::new(Watched { file, text: text.to_vec(), state: Mutex::default() });
        lock(&self.watched).insert(handle, Arc::downgrade(&watched));
        let flags = epoll::EventFlags::PRI | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &watched.file, epoll::EventData::new_u64(handle), flags)?;
        Ok(Trigger(watched))
    }

    fn wait(&self) {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return tracing::error!(%error, "cannot wait for pressure"),
            }
            for event in events.drain(..) {
                let (handle, flags) = (event.data.u64(), event.flags);
                let watched = lock(&self.watched).get(&handle).and_then(std::sync::Weak::upgrade);
                match watched {
                    Some(watched) => self.wake(&watched, flags.bits()),
                    None => _ = lock(&self.watched).remove(&handle),
                }
            }
        }
    }

    fn wake(&self, watched: &Watched, events: u32) {
        let mut state = lock(&watched.state);
        state.events |= events & (PRI | ERR);
        if let Some(kernel_handle) = state.kernel_handle {
            // The reader may have closed the file meanwhile.
            let _ = self.connection.notify_poll(kernel_handle);
        }
    }
}

impl Trigger {
    /// What the reader wrote.
    pub(crate) fn text(&self) -> &[u8] {
        &self.0.text
    }

    /// Answers a poll: what happened since the last one. `kernel_handle` is
    /// whom to wake when something does.
    pub(crate) fn poll(&self, kernel_handle: Option<u64>) -> u32 {
        let mut state = lock(&self.0.state);
        if kernel_handle.is_some() {
            state.kernel_handle = kernel_handle;
        }
        let events = state.events;
        // A trigger whose group is gone stays so.
        state.events &= ERR;
        events
    }
}
