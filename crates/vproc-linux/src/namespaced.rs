//! Files of `/proc` whose text depends on the namespaces of who reads them.
//!
//! A process of ours joins the namespaces of the container's init, or of the
//! subject where it runs in our own pid namespace, and reads the file there, in
//! our own procfs: what the container has mounted does not count. It shares
//! nothing with the container but the namespaces, and is gone when the text is
//! here. Joining needs CAP_SYS_ADMIN; who lacks it asks a
//! [`Broker`](crate::Broker).

use crate::content::CGROUP_LIMIT;
use crate::init_pid::{Messenger, PATIENCE, wait_readable};
use crate::ladder::absent;
use crate::process::Process;
use crate::sys::{self, Errand};
use crate::{Error, Host, HostPid, Subject, host_file};
use rustix::event::Timespec;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, read as read_some, retry_on_intr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::ffi::CString;
use std::time::{Duration, Instant};
use vproc_snapshot::Content;

/// How much earlier than we the first process gives up on the second one. It
/// then ends that one by itself.
const MARGIN: Duration = Duration::from_millis(200);

/// Files that show pids, or that belong to a pid namespace: a process is in
/// one from its birth, so that these cost a second process.
const OF_PID_NAMESPACE: [&str; 4] =
    ["sysvipc/", "sys/kernel/pid_max", "sys/kernel/ns_last_pid", "sys/vm/memfd_noexec"];

/// Files that show users, or that belong to a user namespace.
const OF_USER_NAMESPACE: [&str; 2] = ["sysvipc/", "sys/user/"];

/// The namespaces of which something here is, by the names of their links.
const NAMESPACES: [&str; 4] = ["uts", "ipc", "net", "user"];

/// Reads a file in the namespaces of a container.
pub(crate) fn read(host: &Host, subject: &Subject, path: &str) -> Result<Content, Error> {
    // One that shares our pid namespace has its init there, but may have a
    // hostname and a network of its own.
    let process = match subject.in_own_namespace() {
        true => subject.process(),
        false => subject.init_process(),
    };
    if subject.in_own_namespace() && has_our_namespaces(host, process) == Ok(true) {
        let (content, _) = host_file::open_and_read(host, path, &mut Default::default())?;
        return Ok(content);
    }
    let text = match host.broker() {
        Some(broker) => broker.read(process.pidfd(), path),
        None => joined(host.procfs().as_fd(), process.pidfd(), path),
    };
    match text {
        Ok(text) => Ok(text.into()),
        Err(Errno::FBIG) => Err(Error::TooLarge { path: path.to_owned(), limit: CGROUP_LIMIT }),
        Err(errno) => Ok(absent(errno)),
    }
}

/// Whether a process is in the same namespaces as we.
fn has_our_namespaces(host: &Host, process: &Process) -> Result<bool, Errno> {
    let own = Process::open(host.procfs(), HostPid::current()).map_err(|_| Errno::SRCH)?;
    for name in NAMESPACES {
        if process.namespace(host.procfs(), name)? != own.namespace(host.procfs(), name)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads a file in the namespaces of a process, which a pidfd holds.
pub(crate) fn joined(
    procfs: BorrowedFd<'_>,
    process: BorrowedFd<'_>,
    path: &str,
) -> Result<Vec<u8>, Errno> {
    let path = path.trim_start_matches("/proc/");
    let c_path = CString::new(path).map_err(|_| Errno::INVAL)?;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let reader = sys::start_reader(&Errand {
        process,
        procfs,
        path: &c_path,
        socket: theirs.as_fd(),
        in_user_namespace: OF_USER_NAMESPACE.iter().any(|known| path.starts_with(known)),
        in_pid_namespace: OF_PID_NAMESPACE.iter().any(|known| path.starts_with(known)),
        patience: Timespec::try_from(PATIENCE - MARGIN).map_err(|_| Errno::INVAL)?,
    })
    .map(Messenger)?;
    drop(theirs);
    let text = until_end(ours.as_fd(), PATIENCE)?;
    match reader.end() {
        0 => Ok(text),
        code => Err(Errno::from_raw_os_error(code)),
    }
}

/// All that comes before the other end is closed.
pub(crate) fn until_end(socket: BorrowedFd<'_>, patience: Duration) -> Result<Vec<u8>, Errno> {
    let deadline = Instant::now() + patience;
    let mut text = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if !wait_readable(socket, left)? {
            return Err(Errno::TIMEDOUT);
        }
        match retry_on_intr(|| read_some(socket, &mut buffer))? {
            0 => return Ok(text),
            length => text.extend_from_slice(buffer.get(..length).unwrap_or(&[])),
        }
        if text.len() > CGROUP_LIMIT {
            return Err(Errno::FBIG);
        }
    }
}
