//! The few calls of the sandbox that the compiler cannot check.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;
use std::ffi::{CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// Which side of a fork this is.
pub(super) enum Forked {
    Parent(Pid),
    Child,
}

/// Forks, unless the process has other threads: whatever lock one of them
/// holds would stay locked in the child (fork(2), "NOTES").
pub(super) fn fork() -> Result<Forked, Errno> {
    if threads() != Some(1) {
        return Err(Errno::DEADLK);
    }
    // SAFETY: the only thread of the process makes the call, so that the child
    // starts with every lock and every allocation in a consistent state.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Forked::Child),
        _ => Pid::from_raw(pid.max(0)).map(Forked::Parent).ok_or_else(last_errno),
    }
}

/// How many threads the process has, where `/proc` tells.
pub(super) fn threads() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Ends the process without running anything that its parent has registered
/// for its own end, and without unwinding into the parent's frames.
pub(super) fn exit(code: u8) -> ! {
    // SAFETY: `_exit` takes any status and does not return.
    unsafe { libc::_exit(c_int::from(code)) }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Unshares namespaces.
pub(super) fn unshare(namespaces: UnshareFlags) -> Result<(), Errno> {
    let namespaces = namespaces - (UnshareFlags::FILES | UnshareFlags::FS);
    // SAFETY: the file table, the one thing that safe code relies on being
    // shared between threads, has just been taken out of the flags.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }
}

/// A command in the shape that exec wants, made before any fork.
pub(super) struct Argv {
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Argv {
    pub(super) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Argv { strings, pointers }
    }

    /// Becomes the command, found through `PATH`; comes back only to say why
    /// it could not.
    pub(super) fn execute(&self) -> Errno {
        let Some(file) = self.strings.first() else { return Errno::NOENT };
        // SAFETY: `file` and every pointer before the final null are strings
        // that `self` owns and that nothing changes.
        unsafe { libc::execvp(file.as_ptr(), self.pointers.as_ptr()) };
        last_errno()
    }
}

/// The signals that a thread keeps waiting.
pub(super) struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// Makes every signal wait and returns what waited before.
    pub(super) fn block_all() -> Self {
        let mut all = MaybeUninit::uninit();
        // SAFETY: `sigfillset` initialises the set behind a valid pointer.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            all.assume_init()
        };
        SignalMask(exchange_mask(&all))
    }

    /// Goes back to this mask.
    pub(super) fn restore(&self) {
        exchange_mask(&self.0);
    }
}

fn exchange_mask(new: &libc::sigset_t) -> libc::sigset_t {
    let mut old = MaybeUninit::zeroed();
    // SAFETY: both pointers are valid, and a zeroed set is the empty set, so
    // that `old` is initialised even if the call could fail, which it cannot
    // with a valid `how`.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, new, old.as_mut_ptr());
        old.assume_init()
    }
}

/// Takes the next of `signals`, which must be blocked, as it comes.
pub(super) fn next_signal(signals: &[Signal]) -> Result<c_int, Errno> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set; `sigaddset` changes it;
    // `sigwaitinfo` may be told to store nothing.
    let signal = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
        }
        libc::sigwaitinfo(set.as_ptr(), ptr::null_mut())
    };
    if signal > 0 { Ok(signal) } else { Err(last_errno()) }
}

/// What a process does with a signal.
#[derive(Clone, Copy)]
pub(super) enum Disposition {
    /// What the kernel does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// Write its number to the pipe of [`set_signal_pipe`].
    Note,
}

/// A disposition as it was.
pub(super) struct Action(libc::sigaction);

impl Action {
    /// Whether the signal was ignored.
    pub(super) fn ignores(&self) -> bool {
        self.0.sa_sigaction == libc::SIG_IGN
    }
}

/// Sets what happens on `signal` and returns what happened before.
pub(super) fn dispose(signal: Signal, disposition: Disposition) -> Result<Action, Errno> {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Note => note as *const () as libc::sighandler_t,
    };
    // SAFETY: all zeroes is a valid `sigaction`: default, no flags, no mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    exchange_action(signal, &action)
}

/// Goes back to an earlier disposition.
pub(super) fn restore_action(signal: Signal, action: &Action) {
    // With a valid signal and an action that the kernel itself gave out, the
    // call has no way to fail.
    let _ = exchange_action(signal, &action.0);
}

fn exchange_action(signal: Signal, new: &libc::sigaction) -> Result<Action, Errno> {
    // SAFETY: as in `dispose`.
    let mut old: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: the pointers are valid; the handler is one of the kernel's two,
    // `note`, which only makes calls that signal-safety(7) lists, or one that
    // was installed before.
    let result = unsafe { libc::sigaction(signal.as_raw(), new, &raw mut old) };
    if result == 0 { Ok(Action(old)) } else { Err(last_errno()) }
}

static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Names the pipe for noted signals, -1 for none, and returns the one before.
/// It must not block, and stay open as long as it is named.
pub(super) fn set_signal_pipe(pipe: RawFd) -> RawFd {
    SIGNAL_PIPE.swap(pipe, Ordering::SeqCst)
}

extern "C" fn note(signal: c_int) {
    let byte = u8::try_from(signal).unwrap_or(0);
    // SAFETY: write(2) is safe in a handler, `byte` is one valid byte, and a
    // wrong descriptor is an error. The interrupted code must find the errno
    // that it left.
    unsafe {
        let errno = libc::__errno_location();
        let kept = *errno;
        libc::write(SIGNAL_PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
        *errno = kept;
    }
}

/// Closes every descriptor but standard ones and those to keep. Only for a
/// process that was forked and uses no other.
pub(super) fn close_all_but(keep: &[RawFd]) {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|fd| *fd > 2 && !keep.contains(fd)) {
        // SAFETY: nothing that this process still runs owns the descriptor,
        // by the rule above. The listing's own is closed by now: an error.
        unsafe { libc::close(descriptor) };
    }
}
