//! Which process is number 1 in a pid namespace: two ways that agree.

use crate::{HostPid, sys};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SocketFlags,
    SocketType, recvmsg, socketpair, sockopt,
};
use rustix::process::{Pid, Signal, WaitStatus, kill_process, waitpid};
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// How long a process within the namespace may take to answer. It takes a
/// quarter of a millisecond where nothing else runs.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Why process 1 was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel has no such ioctl: it is older than 6.11.
    #[error("this kernel has no NS_GET_TGID_FROM_PIDNS (Linux 6.11)")]
    Unsupported,
    /// The namespace has no process 1 any more.
    #[error("the pid namespace has no process 1")]
    Gone,
    /// A system call failed.
    #[error("{call}: {errno}")]
    System {
        /// Which.
        call: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// The process within the namespace did not answer.
    #[error("a process in the pid namespace did not answer within {0:?}")]
    Timeout(Duration),
}

/// Asks the ioctl, and a process within the namespace where there is none.
pub fn find(namespace: impl AsFd) -> Result<HostPid, Error> {
    match by_ioctl(&namespace) {
        Err(Error::Unsupported) => by_credentials(&namespace, PATIENCE),
        answer => answer,
    }
}

/// Asks the namespace: `NS_GET_TGID_FROM_PIDNS`, Linux 6.11.
pub fn by_ioctl(namespace: impl AsFd) -> Result<HostPid, Error> {
    match sys::tgid_from_pid_namespace(namespace.as_fd(), 1) {
        Ok(Some(pid)) => Ok(pid.into()),
        Ok(None) | Err(Errno::SRCH) => Err(Error::Gone),
        // nsfs said EINVAL to what it does not know in some kernels.
        Err(Errno::NOTTY | Errno::INVAL) => Err(Error::Unsupported),
        Err(errno) => Err(Error::System { call: "ioctl(NS_GET_TGID_FROM_PIDNS)", errno }),
    }
}

/// Starts a process within the namespace that sends us the credentials of
/// process 1, which the kernel translates on their way. Works on every kernel
/// with pid namespaces, and needs CAP_SYS_ADMIN. The processes are gone when
/// this returns.
pub fn by_credentials(namespace: impl AsFd, timeout: Duration) -> Result<HostPid, Error> {
    let failed = |call| move |errno| Error::System { call, errno };
    // A stream or packet socket tells when the other end is closed; one for
    // datagrams leaves us waiting.
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(failed("socketpair"))?;
    sockopt::set_socket_passcred(&ours, true).map_err(failed("setsockopt(SO_PASSCRED)"))?;
    let messenger = sys::start_messenger(namespace.as_fd(), theirs.as_fd())
        .map(Messenger)
        .map_err(failed("clone"))?;
    drop(theirs);
    if !wait_readable(ours.as_fd(), timeout).map_err(failed("poll"))? {
        return Err(Error::Timeout(timeout));
    }
    match receive(ours.as_fd()).map_err(failed("recvmsg"))? {
        Some(pid) => Ok(pid.into()),
        None => Err(messenger.failure()),
    }
}

pub(crate) fn wait_readable(socket: BorrowedFd<'_>, timeout: Duration) -> Result<bool, Errno> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

/// The pid in the credentials of a message, or `None` where the other end was
/// closed without one.
fn receive(socket: BorrowedFd<'_>) -> Result<Option<Pid>, Errno> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    if message.bytes == 0 || message.flags.contains(ReturnFlags::CTRUNC) {
        return Ok(None);
    }
    // The kernel says pid 0 for a process that we cannot see, but `setns`
    // enters no other namespaces than those below our own.
    Ok(control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
        _ => None,
    }))
}

/// A child that does not outlive this value.
pub(crate) struct Messenger(pub(crate) Pid);

impl Messenger {
    /// Why it sent nothing: its exit status is an errno.
    fn failure(self) -> Error {
        let code = self.end();
        Error::System {
            call: "setns and clone in the pid namespace",
            errno: Errno::from_raw_os_error(if code == 0 { libc::EIO } else { code }),
        }
    }

    /// Waits for its end: 0, or an errno.
    pub(crate) fn end(self) -> i32 {
        let code = self.wait().and_then(|status| status.exit_status()).unwrap_or(libc::ECHILD);
        std::mem::forget(self);
        code
    }

    fn wait(&self) -> Option<WaitStatus> {
        loop {
            match waitpid(Some(self.0), sys::ANY_CHILD) {
                Err(Errno::INTR) => {}
                end => return end.ok().flatten().map(|(_, status)| status),
            }
        }
    }
}

impl Drop for Messenger {
    fn drop(&mut self) {
        // Its own child dies with it (PR_SET_PDEATHSIG). Where the message
        // came, both are ending already.
        let _ = kill_process(self.0, Signal::KILL);
        self.wait();
    }
}
