//! Reads files of containers' namespaces for a process that may not join them.
//!
//! A program that runs the policies of strangers gives up its privileges. It
//! asks a broker, a process that kept CAP_SYS_ADMIN, and that does one thing:
//! it reads a file that depends on namespaces, in those of a process that is
//! held by a pidfd. A question is one message: the path, the pidfd, and the
//! socket that the answer goes to. Who asks is not trusted: see [`serve`].

use crate::content::CGROUP_LIMIT;
use crate::init_pid::PATIENCE;
use crate::namespaced::{joined, until_end};
use crate::{Host, check_sources};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, send,
    sendmsg, socketpair,
};
use std::io;
use std::mem::MaybeUninit;
use std::thread;
use std::time::{Duration, Instant};
use vproc_snapshot::Source;

/// How many files are read at once. What else is asked waits in the socket.
const AT_ONCE: usize = 4;

/// How long an asker waits: for its own file, and a little for those before it.
const WAITING: Duration = PATIENCE.saturating_add(Duration::from_secs(1));

/// The longest path that may be named, and one byte more.
const MAX_PATH: usize = 1025;

/// What an answer begins with: an errno or 0, and the length of the text, both
/// in 32 bits as the processor has them.
const HEAD: usize = 8;

/// The asker's end.
#[derive(Debug)]
pub struct Broker(OwnedFd);

/// The two ends of the socket between an asker and its broker.
pub fn pair() -> io::Result<(Broker, OwnedFd)> {
    let (asker, broker) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Broker(asker), broker))
}

impl Broker {
    /// Asks for a file in the namespaces of a process.
    pub(crate) fn read(&self, process: BorrowedFd<'_>, path: &str) -> Result<Vec<u8>, Errno> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        ask(self.0.as_fd(), path.as_bytes(), &[process, theirs.as_fd()])?;
        // Should the broker end, nobody has it, and we do not wait.
        drop(theirs);
        understand(until_end(ours.as_fd(), WAITING)?)
    }
}

fn ask(broker: BorrowedFd<'_>, path: &[u8], with: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(with)) {
        return Err(Errno::INVAL);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    retry_on_intr(|| sendmsg(broker, &[IoSlice::new(path)], &mut control, flags)).map(drop)
}

/// The text of an answer. One that is not whole is none.
fn understand(mut answer: Vec<u8>) -> Result<Vec<u8>, Errno> {
    let number = |at: usize| -> Option<[u8; 4]> { answer.get(at..at + 4)?.try_into().ok() };
    let (Some(errno), Some(length)) = (number(0), number(4)) else { return Err(Errno::IO) };
    match i32::from_ne_bytes(errno) {
        0 if usize::try_from(u32::from_ne_bytes(length)) == Ok(answer.len() - HEAD) => {
            answer.drain(..HEAD);
            Ok(answer)
        }
        code @ 1..4096 => Err(Errno::from_raw_os_error(code)),
        _ => Err(Errno::IO),
    }
}

/// Answers until the asker has closed its end.
///
/// Only files are read that [`check_sources`] lets a policy name as those of
/// namespaces, and of them only those that every user may read. Whose
/// namespaces, a pidfd says, so that it is never another process than the one
/// that the asker meant; and the kernel lets us in only where we have
/// CAP_SYS_ADMIN over the namespace.
/// A file takes at most [`PATIENCE`] and has at most a mebibyte; four are read
/// at once. A question that is not understood is dropped.
pub fn serve(host: &Host, asker: BorrowedFd<'_>) -> io::Result<()> {
    thread::scope(|scope| {
        let start = || {
            let attend = move || attend(host.procfs().as_fd(), asker);
            thread::Builder::new().name("vproc-broker".into()).spawn_scoped(scope, attend)
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| start()).collect::<Result<_, _>>()?;
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(io::Error::other("a thread has panicked")),
        })
    })
}

fn attend(procfs: BorrowedFd<'_>, asker: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        match receive(asker) {
            Ok(Received::Question(question)) => question.answer(procfs),
            Ok(Received::Nonsense) => {}
            Ok(Received::End) | Err(Errno::CONNRESET) => return Ok(()),
            Err(Errno::INTR) => {}
            // What passes.
            Err(Errno::NOMEM | Errno::NOBUFS) => thread::sleep(Duration::from_millis(50)),
            Err(errno) => return Err(errno),
        }
    }
}

enum Received {
    Question(Question),
    Nonsense,
    End,
}

struct Question {
    path: Vec<u8>,
    process: OwnedFd,
    answer: OwnedFd,
}

fn receive(asker: BorrowedFd<'_>) -> Result<Received, Errno> {
    let mut path = [0u8; MAX_PATH];
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let buffers = &mut [IoSliceMut::new(&mut path)];
    let message = recvmsg(asker, buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut with = control.drain().filter_map(|part| match part {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let mut with = with.by_ref().flatten();
    let (process, answer, more) = (with.next(), with.next(), with.next());
    if message.bytes == 0 && process.is_none() && has_hung_up(asker)? {
        return Ok(Received::End);
    }
    let is_whole = !message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
    Ok(match (process, answer, more) {
        (Some(process), Some(answer), None) if is_whole && is_local_stream(&answer) => {
            let path = path.get(..message.bytes).unwrap_or(&[]).to_vec();
            Received::Question(Question { path, process, answer })
        }
        _ => Received::Nonsense,
    })
}

/// Whether the other end was closed: a message without a byte looks the same.
fn has_hung_up(socket: BorrowedFd<'_>) -> Result<bool, Errno> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut state = [PollFd::new(&socket, PollFlags::empty())];
    retry_on_intr(|| poll(&mut state, Some(&at_once)))?;
    Ok(state.iter().any(|socket| socket.revents().contains(PollFlags::HUP)))
}

/// What is written with our rights must not be a file of the asker's choice.
fn is_local_stream(answer: &OwnedFd) -> bool {
    sockopt::socket_domain(answer) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(answer) == Ok(SocketType::STREAM)
}

impl Question {
    fn answer(&self, procfs: BorrowedFd<'_>) {
        // Nobody waits any more.
        if has_hung_up(self.answer.as_fd()) != Ok(false) {
            return;
        }
        let mut answer = vec![0; HEAD];
        let errno = match self.read(procfs) {
            Ok(text) => {
                answer.extend_from_slice(&text);
                0
            }
            Err(errno) => errno.raw_os_error(),
        };
        let length = u32::try_from(answer.len() - HEAD).unwrap_or(u32::MAX);
        let head = errno.to_ne_bytes().into_iter().chain(length.to_ne_bytes());
        answer.iter_mut().zip(head).for_each(|(place, byte)| *place = byte);
        let _ = self.send(&answer);
    }

    fn read(&self, procfs: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
        let path = std::str::from_utf8(&self.path).map_err(|_| Errno::INVAL)?;
        check_sources(&[Source::Namespaced(path.to_owned())]).map_err(|_| Errno::ACCESS)?;
        let text = joined(procfs, self.process.as_fd(), path)?;
        if text.len() > CGROUP_LIMIT - HEAD { Err(Errno::FBIG) } else { Ok(text) }
    }

    /// An asker that does not take its answer goes without.
    fn send(&self, answer: &[u8]) -> Result<(), Errno> {
        let deadline = Instant::now() + PATIENCE;
        sockopt::set_socket_timeout(&self.answer, Timeout::Send, Some(PATIENCE))?;
        let mut left = answer;
        while !left.is_empty() && Instant::now() < deadline {
            let sent = retry_on_intr(|| send(&self.answer, left, SendFlags::NOSIGNAL))?;
            left = left.get(sent..).unwrap_or(&[]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
