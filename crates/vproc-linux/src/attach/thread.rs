//! A thread that may be left behind.

use super::{Error, Skip};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What the thread is about to do, and whether it still may.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    at: String,
    abandoned: bool,
}

/// The caller has given up and was told so: nothing may change any more.
#[derive(Debug)]
pub(super) struct Abandoned;

impl From<Abandoned> for Skip {
    /// For want of a better one: nobody waits for this answer.
    fn from(Abandoned: Abandoned) -> Self {
        Skip::Unsettled
    }
}

impl Progress {
    /// Notes the path that is looked at from now on.
    pub(super) fn at(&self, path: &str) {
        path.clone_into(&mut self.lock().at);
    }

    /// Changes something, unless the caller has given up. The caller does
    /// not give up in the middle.
    pub(super) fn change<T>(&self, change: impl FnOnce() -> T) -> Result<T, Abandoned> {
        let state = self.lock();
        if state.abandoned { Err(Abandoned) } else { Ok(change()) }
    }

    fn abandon(&self) -> String {
        let mut state = self.lock();
        state.abandoned = true;
        std::mem::take(&mut state.at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Both fields are valid at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` in a thread of its own, so that it can enter a mount namespace,
/// and waits for it no longer than `patience`.
///
/// A request to a FUSE server that does not answer cannot even be killed
/// (fs/fuse/dev.c, `request_wait_answer`). Then the thread stays until the
/// server answers or ends.
pub(super) fn run<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce(&Progress) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let progress = Arc::new(Progress::default());
    let theirs = Arc::clone(&progress);
    let (answer, answers) = sync_channel(1);
    let worker = thread::Builder::new()
        .name("vproc-attach".to_owned())
        .spawn(move || answer.send(work(&theirs)))
        .map_err(Error::Thread)?;
    match answers.recv_timeout(patience) {
        Ok(result) => {
            // It has nothing left to do but to leave the namespace.
            let _ = worker.join();
            result
        }
        Err(RecvTimeoutError::Timeout) => {
            let path = progress.abandon();
            // An answer that came at the last moment counts.
            answers.try_recv().unwrap_or(Err(Error::Timeout { path, patience }))
        }
        Err(RecvTimeoutError::Disconnected) => {
            Err(Error::Thread(std::io::Error::other("it has panicked")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_thread_that_hangs_changes_nothing_later() {
        let (stop, stopped) = sync_channel::<()>(0);
        let changed = Arc::new(AtomicBool::new(false));
        let (theirs, (done, is_done)) = (Arc::clone(&changed), sync_channel(1));
        let result = run(Duration::from_millis(20), move |progress| {
            progress.at("/proc/meminfo");
            let _ = stopped.recv();
            let change = progress.change(|| theirs.store(true, Ordering::SeqCst));
            done.send(change.is_err()).unwrap();
            Ok(())
        });
        assert!(
            matches!(&result, Err(Error::Timeout { path, .. }) if path == "/proc/meminfo"),
            "{result:?}"
        );
        drop(stop);
        assert!(is_done.recv().unwrap());
        assert!(!changed.load(Ordering::SeqCst));
    }
}
