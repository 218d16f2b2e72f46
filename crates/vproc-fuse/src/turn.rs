//! One thread at a time receives requests.
//!
//! Left to itself, the kernel gives each request to the thread that has waited
//! for longest (`prepare_to_wait_exclusive` adds at the end). A reader who waits
//! for each answer then wakes another thread for each request, often on another
//! CPU, which takes longer than most answers. So the thread that has its turn
//! goes on receiving, and answers by itself what takes a few microseconds. It
//! gives its turn up before anything that may take longer: to render, or to
//! wait for one who renders.

use crate::container::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// Whose turn it is.
#[derive(Default)]
pub(crate) struct Turn {
    owner: Mutex<Option<ThreadId>>,
    free: Condvar,
}

impl Turn {
    /// Waits until this thread has its turn; nothing if it has it.
    pub(crate) fn take(&self) {
        let me = thread::current().id();
        let mut owner = lock(&self.owner);
        if *owner == Some(me) {
            return;
        }
        while owner.is_some() {
            owner = self.free.wait(owner).unwrap_or_else(PoisonError::into_inner);
        }
        *owner = Some(me);
    }

    /// Lets another thread receive; nothing if it is not this one's turn.
    pub(crate) fn give_up(&self) {
        let mut owner = lock(&self.owner);
        if *owner == Some(thread::current().id()) {
            *owner = None;
            drop(owner);
            self.free.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn it_is_one_threads_turn() {
        let turn = Turn::default();
        let (sender, received) = channel();
        thread::scope(|scope| {
            turn.take();
            turn.take();
            scope.spawn(|| {
                // Not its own.
                turn.give_up();
                turn.take();
                sender.send("the other").unwrap();
                turn.give_up();
            });
            thread::sleep(std::time::Duration::from_millis(20));
            assert!(received.try_recv().is_err());
            turn.give_up();
            assert_eq!(received.recv().unwrap(), "the other");
            turn.take();
        });
    }
}
