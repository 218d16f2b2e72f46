//! What no safe wrapper offers. All unsafe code of the crate but that of the
//! sandbox, which has its own.
#![allow(unsafe_code)]

mod errand;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, IoSlice};
use rustix::mount::{MountAttrFlags, MountPropagationFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, UCred, sendmsg};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, getgid, getuid, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::mem::MaybeUninit;

pub(crate) use errand::{Errand, start_reader};

/// `NS_GET_TGID_FROM_PIDNS` of `include/uapi/linux/nsfs.h`, Linux 6.11:
/// `_IOR(0xb7, 0x7, int)`.
const NS_GET_TGID_FROM_PIDNS: libc::Ioctl = read_ioctl(0xb7, 7);

/// Whether `asm/ioctl.h` has three bits of direction, in another order.
const HAS_THREE_BITS_OF_DIRECTION: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
));

/// `_IOR(kind, number, int)` of `asm/ioctl.h`.
const fn read_ioctl(kind: u32, number: u32) -> libc::Ioctl {
    let direction: u32 = if HAS_THREE_BITS_OF_DIRECTION { 2 << 29 } else { 2 << 30 };
    (direction | (size_of::<libc::c_int>() as u32) << 16 | kind << 8 | number) as libc::Ioctl
}

/// Our number for the process that a pid namespace numbers `pid`.
pub(crate) fn tgid_from_pid_namespace(
    namespace: BorrowedFd<'_>,
    pid: libc::c_ulong,
) -> Result<Option<Pid>, Errno> {
    // SAFETY: the request takes its argument by value and writes no memory
    // (fs/nsfs.c, `ns_ioctl`); the descriptor is open for the borrow.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_TGID_FROM_PIDNS, pid) };
    if answer < 0 { Err(last_errno()) } else { Ok(Pid::from_raw(answer)) }
}

/// `NS_GET_PID_IN_PIDNS` and `NS_GET_TGID_IN_PIDNS`, Linux 6.11.
const NS_GET_PID_IN_PIDNS: libc::Ioctl = read_ioctl(0xb7, 8);
const NS_GET_TGID_IN_PIDNS: libc::Ioctl = read_ioctl(0xb7, 9);

/// `NS_GET_PARENT`: `_IO(0xb7, 0x2)`.
const NS_GET_PARENT: libc::Ioctl = {
    let direction: u32 = if HAS_THREE_BITS_OF_DIRECTION { 1 << 29 } else { 0 };
    (direction | 0xb7 << 8 | 2) as libc::Ioctl
};

/// What a pid namespace calls a task of ours; ESRCH where it has none such.
pub(crate) fn pid_in_pid_namespace(namespace: BorrowedFd<'_>, pid: u32) -> Result<u32, Errno> {
    number_in_pid_namespace(namespace, NS_GET_PID_IN_PIDNS, pid)
}

/// The same for the process of a task of ours.
pub(crate) fn tgid_in_pid_namespace(namespace: BorrowedFd<'_>, pid: u32) -> Result<u32, Errno> {
    number_in_pid_namespace(namespace, NS_GET_TGID_IN_PIDNS, pid)
}

fn number_in_pid_namespace(
    namespace: BorrowedFd<'_>,
    request: libc::Ioctl,
    pid: u32,
) -> Result<u32, Errno> {
    // SAFETY: as for `tgid_from_pid_namespace`.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), request, libc::c_ulong::from(pid)) };
    u32::try_from(answer).map_err(|_| last_errno())
}

/// The namespace above another one, if we may see it.
pub(crate) fn parent_namespace(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: the request takes no argument and answers with a descriptor.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT) };
    if answer < 0 {
        return Err(last_errno());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

/// Gives this thread a root and a working directory of its own, as `setns`
/// wants before it changes the mount namespace.
pub(crate) fn unshare_root() -> Result<(), Errno> {
    // SAFETY: the file table, which safe code relies on being shared between
    // threads, is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }
}

/// `mount_setattr(2)`, Linux 5.12: adds attributes to a mount.
pub(crate) fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: MountAttrFlags,
    propagation: MountPropagationFlags,
) -> Result<(), Errno> {
    let request = libc::mount_attr {
        attr_set: attributes.bits().into(),
        attr_clr: 0,
        propagation: propagation.bits().into(),
        userns_fd: 0,
    };
    // SAFETY: the path is a string, `request` is valid for reads of the size
    // that is passed with it, and the descriptor is open for the borrow.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    };
    if answer < 0 { Err(last_errno()) } else { Ok(()) }
}

/// `PIDFD_GET_PID_NAMESPACE` of `include/uapi/linux/pidfd.h`, Linux 6.11:
/// `_IO(0xff, 5)`. MIPS, PowerPC and SPARC mark what has no argument, too.
const PIDFD_GET_PID_NAMESPACE: libc::Ioctl = {
    let direction: u32 = if HAS_THREE_BITS_OF_DIRECTION { 1 << 29 } else { 0 };
    (direction | 0xff << 8 | 5) as libc::Ioctl
};

/// The pid namespace of the process or thread that a pidfd is of.
pub(crate) fn pid_namespace_of(pidfd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let none: libc::c_ulong = 0;
    // SAFETY: the request has no argument that would be read or written
    // (fs/pidfs.c, `pidfd_ioctl`); the descriptor is open for the borrow.
    let answer = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_PID_NAMESPACE, none) };
    if answer < 0 {
        return Err(last_errno());
    }
    // SAFETY: the kernel has opened it for this call, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(answer) })
}

fn last_errno() -> Errno {
    let code = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(code.filter(|code| *code > 0).unwrap_or(libc::EIO))
}

/// Waits for children that send no signal at their end, too.
pub(crate) const ANY_CHILD: WaitOptions = WaitOptions::from_bits_retain(libc::__WALL as u32);

/// Starts a process that has a second one, within the pid namespace, send a
/// message with the credentials of the namespace's process 1, and that exits
/// with 0 or an errno.
///
/// The caller waits for it, with [`ANY_CHILD`]. Its end raises no SIGCHLD, so
/// neither handlers nor other threads' `wait` see it, and its id stays its own
/// until then.
pub(crate) fn start_messenger(
    namespace: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
) -> Result<Pid, Errno> {
    // SAFETY: the child calls only `messenger`, which makes raw system calls
    // and returns a number, and then leaves without running a destructor.
    unsafe { fork(|| messenger(namespace, socket)) }
}

/// Forks, with all signals blocked in the child, so that no handler of this
/// program runs there.
///
/// # Safety
///
/// Another thread may hold any lock at this moment, and nobody will release
/// it in the child: `child` must not allocate, panic, or call what takes a
/// lock.
unsafe fn fork(child: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid for writes, and `all` is filled before use.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    // SAFETY: without CLONE_VM the child has its own copy of all memory and
    // goes on with the same stack, as after fork(2).
    let answer = unsafe { raw_clone() };
    if answer == 0 {
        let mut exit = Exit(libc::ECANCELED);
        exit.0 = child();
        drop(exit);
    }
    // Read before another call changes it, and only where there is one: an
    // `Errno` of 0 does not exist.
    let failure = if answer < 0 { last_errno() } else { Errno::SRCH };
    // SAFETY: `before` was filled by the call above.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    match i32::try_from(answer) {
        Ok(pid) if pid > 0 => Pid::from_raw(pid).ok_or(failure),
        _ => Err(failure),
    }
}

/// Ends the process when it is dropped, so that not even a panic takes a
/// forked child back into its parent's code.
struct Exit(i32);

impl Drop for Exit {
    fn drop(&mut self) {
        // SAFETY: ends the process; nothing of it is used afterwards.
        unsafe { libc::_exit(self.0) }
    }
}

/// `clone(2)` without flags and without a signal at the end: the C library's
/// `fork` would run handlers that other libraries have registered.
///
/// # Safety
///
/// As for [`fork`].
unsafe fn raw_clone() -> libc::c_long {
    // On s390 the stack comes before the flags; both are 0.
    let zero: libc::c_ulong = 0;
    // SAFETY: all arguments are 0: no new stack, nothing to write.
    unsafe { libc::syscall(libc::SYS_clone, zero, zero, zero, zero, zero) }
}

fn messenger(namespace: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> i32 {
    // The second process is visible in the container. A process there may
    // have CAP_SYS_PTRACE; this bars the ones that have it by their uid alone.
    let prepared = set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| move_into_link_name_space(namespace, Some(LinkNameSpaceType::ProcessID)));
    if let Err(errno) = prepared {
        return errno.raw_os_error();
    }
    // SAFETY: `introduce_init` makes raw system calls and returns a number.
    match unsafe { fork(|| introduce_init(socket)) } {
        Ok(child) => loop {
            match waitpid(Some(child), ANY_CHILD) {
                Err(Errno::INTR) => {}
                Err(errno) => return errno.raw_os_error(),
                Ok(end) => return end.and_then(exit_code).unwrap_or(libc::EINTR),
            }
        },
        Err(errno) => errno.raw_os_error(),
    }
}

fn exit_code((_, status): (Pid, WaitStatus)) -> Option<i32> {
    status.exit_status()
}

/// Within the pid namespace: sends the credentials of its process 1. The
/// kernel translates the number for whoever receives them (unix(7)).
fn introduce_init(socket: BorrowedFd<'_>) -> i32 {
    let credentials = UCred { pid: Pid::INIT, uid: getuid(), gid: getgid() };
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmCredentials(credentials));
    let sent = set_parent_process_death_signal(Some(Signal::KILL))
        .and_then(|()| sendmsg(socket, &[IoSlice::new(b"1")], &mut control, SendFlags::NOSIGNAL));
    sent.map_or_else(Errno::raw_os_error, |_| 0)
}
