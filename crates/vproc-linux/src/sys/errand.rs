//! A process that reads a file in the namespaces of another one.
//!
//! Its child is among the container's processes for a moment, where one with
//! CAP_SYS_PTRACE can take it over. So by then it has no capability, no
//! descriptor but those that it needs, no system call but those that it makes,
//! and may open nothing but files below its procfs, to read them.

use super::{ANY_CHILD, exit_code, fork, last_errno};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior, set_parent_process_death_signal, waitpid,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::ffi::CStr;
use std::sync::OnceLock;

/// What a process reads on the way into a container's namespaces.
pub(crate) struct Errand<'f> {
    /// Whose namespaces.
    pub(crate) process: BorrowedFd<'f>,
    /// Where the path starts.
    pub(crate) procfs: BorrowedFd<'f>,
    pub(crate) path: &'f CStr,
    /// Where the text goes.
    pub(crate) socket: BorrowedFd<'f>,
    /// Whether the reader must be in the user namespace.
    pub(crate) in_user_namespace: bool,
    /// Whether the reader must be in the pid namespace, which a process is
    /// only from its birth (setns(2)).
    pub(crate) in_pid_namespace: bool,
    /// How long a process in the pid namespace may take. Processes there may
    /// stop it, and the death of its parent means nothing to it before it
    /// has run.
    pub(crate) patience: Timespec,
}

/// Starts a process that joins the namespaces of another, reads a file there,
/// and exits with 0 or an errno. To be waited for as
/// [`start_messenger`](super::start_messenger)'s.
pub(crate) fn start_reader(errand: &Errand<'_>) -> Result<Pid, Errno> {
    let calls = filter();
    let run = || join_and_read(errand, calls).map_or_else(Errno::raw_os_error, |()| 0);
    // SAFETY: the child calls only `join_and_read`, which makes raw system
    // calls and returns a number, and then leaves without running a destructor.
    unsafe { fork(run) }
}

/// What is called from when all rights are given up.
const CALLED: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_openat2,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_read,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_statx,
    libc::SYS_wait4,
    libc::SYS_write,
];

/// The filter that lets these pass, for processors that the library knows.
fn filter() -> Option<&'static BpfProgram> {
    static FILTER: OnceLock<Option<BpfProgram>> = OnceLock::new();
    let compile = || {
        let target = TargetArch::try_from(std::env::consts::ARCH).ok()?;
        let rules = CALLED.iter().map(|call| (*call, Vec::new())).collect();
        let denied = SeccompAction::Errno(libc::EPERM as u32);
        let filter = SeccompFilter::new(rules, denied, SeccompAction::Allow, target).ok()?;
        filter.try_into().ok()
    };
    FILTER.get_or_init(compile).as_ref()
}

fn join_and_read(errand: &Errand<'_>, calls: Option<&BpfProgram>) -> Result<(), Errno> {
    close_others([errand.process, errand.procfs, errand.socket]);
    let with = |wanted: bool, namespace: libc::c_int| if wanted { namespace } else { 0 };
    let own = libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWNET
        | with(errand.in_pid_namespace, libc::CLONE_NEWPID);
    let user = with(errand.in_user_namespace, libc::CLONE_NEWUSER);
    // Root of the container must not look into this copy of our memory: it may
    // not while this is not dumpable, because the memory belongs to our user
    // namespace (`ptrace_may_access`).
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // A process cannot enter the user namespace that it is in (setns(2)).
    match enter(errand.process, own | user) {
        Err(Errno::INVAL) if errand.in_user_namespace => enter(errand.process, own)?,
        entered => entered?,
    }
    // Entering a user namespace resets both (`commit_creds` in kernel/cred.c).
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    open_nothing_but_files_below(errand.procfs)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    if let Some(calls) = calls {
        // Makes two system calls, and allocates nothing.
        seccompiler::apply_filter(calls).map_err(|_| Errno::CANCELED)?;
    }
    if errand.in_pid_namespace { read_as_child(errand) } else { copy_file(errand) }
}

fn read_as_child(errand: &Errand<'_>) -> Result<(), Errno> {
    // SAFETY: the child makes raw system calls and returns a number.
    let child = unsafe {
        fork(|| {
            set_parent_process_death_signal(Some(Signal::KILL))
                .and_then(|()| copy_file(errand))
                .map_or_else(Errno::raw_os_error, |()| 0)
        })
    }?;
    let held = pidfd_open(child, PidfdFlags::empty())?;
    let mut ended = [PollFd::new(&held, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut ended, Some(&errand.patience)))? == 0 {
        pidfd_send_signal(&held, Signal::KILL)?;
        return Err(Errno::TIMEDOUT);
    }
    let end = retry_on_intr(|| waitpid(Some(child), ANY_CHILD))?;
    match end.and_then(exit_code) {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw_os_error(code)),
        None => Err(Errno::INTR),
    }
}

/// Closes what is open besides, `close_range(2)`, Linux 5.9. What other threads
/// of our parent had open is not this errand's, and nobody should wait for its
/// end because this process has it, too.
fn close_others(kept: [BorrowedFd<'_>; 3]) {
    let mut kept = kept.map(|fd| fd.as_raw_fd().unsigned_abs());
    kept.sort_unstable();
    let mut first = 0;
    for fd in kept {
        if fd > first {
            close_range(first, fd - 1);
        }
        first = fd + 1;
    }
    close_range(first, libc::c_uint::MAX);
}

fn close_range(first: libc::c_uint, last: libc::c_uint) {
    // SAFETY: three numbers. This process is a copy of which nothing runs but
    // this errand, and that uses the descriptors that are left.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0 as libc::c_uint) };
}

/// `setns(2)` by a pidfd, Linux 5.8.
fn enter(process: BorrowedFd<'_>, namespaces: libc::c_int) -> Result<(), Errno> {
    // SAFETY: both arguments are numbers; the descriptor is open for the
    // borrow. The caller's process has a single thread.
    let answer = unsafe { libc::setns(process.as_raw_fd(), namespaces) };
    if answer < 0 { Err(last_errno()) } else { Ok(()) }
}

/// `struct landlock_ruleset_attr` and `landlock_path_beneath_attr` of
/// `include/uapi/linux/landlock.h`, as of Linux 5.13.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: libc::c_int,
}

/// `LANDLOCK_ACCESS_FS_READ_FILE`, and all 13 kinds of access that the first
/// version knows.
const READ_FILE: u64 = 1 << 2;
const EVERY_ACCESS: u64 = (1 << 13) - 1;
const RULE_PATH_BENEATH: libc::c_int = 1;

/// Landlock, Linux 5.13. Without it, all files of the host stay open to a
/// process that has none of its capabilities, but its user.
fn open_nothing_but_files_below(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = Ruleset { handled_access_fs: EVERY_ACCESS };
    // SAFETY: `attributes` is valid for reads of the size that is passed.
    let ruleset = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<Ruleset>(),
            0 as libc::c_uint,
        )
    };
    if ruleset < 0 {
        return match last_errno() {
            // Too old, switched off, or closed by a filter of ours.
            Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM => Ok(()),
            errno => Err(errno),
        };
    }
    // SAFETY: the kernel has opened it for this call, and nobody else has it.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as libc::c_int) };
    let rule = PathBeneath { allowed_access: READ_FILE, parent_fd: directory.as_raw_fd() };
    // SAFETY: `rule` is what the kind of rule says, and valid for reads.
    let added = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0 as libc::c_uint,
        )
    };
    if added < 0 {
        return Err(last_errno());
    }
    // SAFETY: two numbers.
    let restricted = unsafe {
        libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0 as libc::c_uint)
    };
    if restricted < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Copies a file that everybody may read, without allocating.
fn copy_file(errand: &Errand<'_>) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let file = openat2(errand.procfs.as_fd(), errand.path, flags, Mode::empty(), within)?;
    if !Mode::from_raw_mode(fstat(&file)?.st_mode).contains(Mode::ROTH) {
        return Err(Errno::ACCESS);
    }
    let mut buffer = [0u8; 4096];
    loop {
        let length = retry_on_intr(|| read(&file, &mut buffer))?;
        let mut text = buffer.get(..length).unwrap_or(&[]);
        if text.is_empty() {
            return Ok(());
        }
        while !text.is_empty() {
            let written = retry_on_intr(|| write(errand.socket, text))?;
            text = text.get(written..).unwrap_or(&[]);
        }
    }
}
