//! Ends calls that take too long.
//!
//! wasmtime interrupts a call when the engine's epoch passes the call's
//! deadline. A thread advances the epoch while calls are under way and parks
//! when none are, so that an idle process is never woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often the epoch advances, and so how exact a limit on time is.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Ticks without a call after which the thread parks. Waking it costs a
/// system call, so a busy process should not have to.
const IDLE_TICKS: u32 = 50;

#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

/// The thread that advances the epoch. Ends with its owner.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Watchdog {
    pub(crate) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("vproc-watchdog".into())
            .spawn(move || watch(&engine, &watched))?;
        Ok(Watchdog { shared, thread: handle.thread().clone() })
    }

    /// Marks a call as under way for as long as the guard lives.
    pub(crate) fn guard(&self) -> Guard<'_> {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Guard(&self.shared)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A call under way.
pub(crate) struct Guard<'a>(&'a Shared);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

fn watch(engine: &wasmtime::Engine, shared: &Shared) {
    let mut idle = 0;
    while !shared.ended.load(Ordering::SeqCst) {
        thread::park_timeout(TICK);
        engine.increment_epoch();
        idle = if shared.calls.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
        if idle > IDLE_TICKS {
            idle = 0;
            shared.parked.store(true, Ordering::SeqCst);
            // A call that began before `parked` was set did not wake us.
            while shared.parked.load(Ordering::SeqCst)
                && shared.calls.load(Ordering::SeqCst) == 0
                && !shared.ended.load(Ordering::SeqCst)
            {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
        }
    }
}
