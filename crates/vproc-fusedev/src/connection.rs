//! One end of a FUSE connection.

use crate::buffer::Buffer;
use crate::mount::attach;
use crate::negotiated::{Negotiated, offered};
use crate::operation::Malformed;
use crate::wire::{self, InHeader, InitIn, OutHeader};
use crate::{Error, MountOptions, Reply, Request, Unique, abort};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, read, writev};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use zerocopy::{FromBytes, IntoBytes};

/// One end of a FUSE connection, for any number of threads.
///
/// The kernel ends the connection when the last descriptor of the open device
/// is closed: a process that keeps one keeps the mount alive.
#[derive(Debug)]
pub struct Connection {
    device: OwnedFd,
    negotiated: Negotiated,
}

/// What [`Connection::receive`] got.
#[derive(Debug)]
pub enum Received<'b> {
    /// A request. Somebody waits for the answer.
    Request(Request<'b>),
    /// A request that could not be understood. It has been answered with EIO.
    Malformed(Malformed),
    /// Nobody uses the file system any more, or it was aborted.
    Unmounted,
}

impl Connection {
    /// Mounts on a directory and agrees with the kernel on how to speak.
    pub fn mount(point: &Path, options: &MountOptions) -> Result<Connection, Error> {
        let device = attach(point, options)?;
        match handshake(&device, options.resend) {
            Ok(negotiated) => {
                let mut connection = Connection { device, negotiated };
                // Linux 7.3 offers to send again, and refuses when asked to.
                // Nothing is in flight yet, so asking costs nothing.
                if negotiated.can_resend() && connection.resend().is_err() {
                    connection.negotiated = negotiated.without_resend();
                }
                Ok(connection)
            }
            Err(error) => {
                // The handshake's error says more than this one's.
                let _ = abort(point);
                Err(error)
            }
        }
    }

    /// Goes on with a connection that another process began. The processes
    /// share one open file (an inherited descriptor, or one that was passed).
    ///
    /// What a process left unanswered that served before has to be asked for:
    /// with [`resend`](Connection::resend) where that can be, else it stands in
    /// the [`Journal`](crate::Journal). Only do so when that process is gone,
    /// that is, when it has been waited for.
    pub fn resume(device: OwnedFd, negotiated: Negotiated) -> Connection {
        Connection { device, negotiated }
    }

    /// What was agreed on.
    pub fn negotiated(&self) -> Negotiated {
        self.negotiated
    }

    /// Waits for a request.
    ///
    /// A buffer of a [`Journal`](crate::Journal) that still holds a request of
    /// a former process gives that one first, without waiting. The request in
    /// the buffer before counts as answered; a server that answers later keeps
    /// the buffer until then.
    pub fn receive<'b>(&self, buffer: &'b mut Buffer) -> Result<Received<'b>, Error> {
        if buffer.holds_leftover() {
            return self.understand(buffer.take_leftover());
        }
        let length = loop {
            buffer.clear();
            match read(&self.device, buffer.bytes_mut()) {
                Ok(length) => break length,
                Err(Errno::NODEV | Errno::CONNABORTED) => return Ok(Received::Unmounted),
                // ENOENT: the process that asked was killed, or the connection
                // aborted, while the request was copied.
                Err(Errno::NOENT | Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait()?,
                Err(errno) => {
                    buffer.clear();
                    return Err(Error::Receive(errno));
                }
            }
        };
        self.understand(buffer.bytes().get(..length).unwrap_or_default())
    }

    /// The request of a former process that stands in this buffer, if any. It
    /// is for buffers that no thread will [`receive`](Connection::receive) with.
    pub fn leftover<'b>(&self, buffer: &'b mut Buffer) -> Result<Option<Received<'b>>, Error> {
        if buffer.holds_leftover() {
            return self.understand(buffer.take_leftover()).map(Some);
        }
        Ok(None)
    }

    fn understand<'b>(&self, bytes: &'b [u8]) -> Result<Received<'b>, Error> {
        match Request::parse(bytes) {
            Ok(request) => Ok(Received::Request(request)),
            Err(malformed) => {
                if let Ok((header, _)) = InHeader::read_from_prefix(bytes) {
                    self.reply(Unique(header.unique)).error(Errno::IO)?;
                }
                Ok(Received::Malformed(malformed))
            }
        }
    }

    /// Whether a request waits to be received.
    pub fn has_requests(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut device = [PollFd::new(&self.device, PollFlags::IN)];
        poll(&mut device, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// For a device that was opened with `O_NONBLOCK`.
    fn wait(&self) -> Result<(), Error> {
        match poll(&mut [PollFd::new(&self.device, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(Error::Receive(errno)),
        }
    }

    /// The answer to a request.
    pub fn reply(&self, unique: Unique) -> Reply<'_> {
        Reply { connection: self, unique }
    }

    /// Has the kernel send all requests again that were received and not
    /// answered ([`Negotiated::can_resend`]). Best before the first
    /// [`receive`](Connection::receive): it wakes one reader only.
    pub fn resend(&self) -> Result<(), Error> {
        self.notify("FUSE_NOTIFY_RESEND", wire::NOTIFY_RESEND, &[])
    }

    /// Wakes who polls with this
    /// [`kernel_handle`](crate::Operation::Poll::kernel_handle). They will ask
    /// again what is true.
    pub fn notify_poll(&self, kernel_handle: u64) -> Result<(), Error> {
        let body = wire::NotifyPollWakeupOut { kh: kernel_handle };
        self.notify("FUSE_NOTIFY_POLL", wire::NOTIFY_POLL, &[body.as_bytes()])
    }

    /// Has the kernel forget what a name means. It takes the lock of the
    /// directory: from a thread that has to answer a lookup in the same
    /// directory, it never returns.
    pub fn notify_invalidate_entry(&self, parent: u64, name: &OsStr) -> Result<(), Error> {
        let name = name.as_bytes();
        let namelen = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let body = wire::NotifyInvalEntryOut { parent, namelen, flags: 0 };
        let bodies = &[body.as_bytes(), name, b"\0"];
        self.notify("FUSE_NOTIFY_INVAL_ENTRY", wire::NOTIFY_INVAL_ENTRY, bodies)
    }

    /// Has the kernel forget a node's attributes, and its cached pages from
    /// `offset` on: `length` bytes, to the end if that is 0, none if `offset`
    /// is negative.
    pub fn notify_invalidate_inode(&self, ino: u64, off: i64, len: i64) -> Result<(), Error> {
        let body = wire::NotifyInvalInodeOut { ino, off, len };
        self.notify("FUSE_NOTIFY_INVAL_INODE", wire::NOTIFY_INVAL_INODE, &[body.as_bytes()])
    }

    fn notify(&self, what: &'static str, code: i32, bodies: &[&[u8]]) -> Result<(), Error> {
        let header = OutHeader { len: 0, error: code, unique: 0 };
        match self.write(header, bodies) {
            // The kernel does not know the node or name, so nothing is stale.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::Notify { what, errno }),
        }
    }

    /// One write(2) is one message.
    pub(crate) fn write(&self, header: OutHeader, bodies: &[&[u8]]) -> Result<(), Errno> {
        write(self.device.as_fd(), header, bodies)
    }
}

impl AsFd for Connection {
    /// For a process that is started with it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn write(device: BorrowedFd<'_>, header: OutHeader, bodies: &[&[u8]]) -> Result<(), Errno> {
    let length = bodies.iter().fold(size_of::<OutHeader>(), |sum, body| sum + body.len());
    let header = OutHeader { len: u32::try_from(length).map_err(|_| Errno::TOOBIG)?, ..header };
    let mut parts = [header.as_bytes(), &[], &[], &[]].map(IoSlice::new);
    for (part, body) in parts.iter_mut().skip(1).zip(bodies) {
        *part = IoSlice::new(body);
    }
    let parts = parts.get(..=bodies.len()).unwrap_or(&parts);
    loop {
        match writev(device, parts) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Answers FUSE_INIT, which has been waiting since mount(2) returned.
fn handshake(device: &OwnedFd, resend: bool) -> Result<Negotiated, Error> {
    let mut buffer = Buffer::new()?;
    let length = loop {
        match read(device, buffer.bytes_mut()) {
            Ok(length) => break length,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::Receive(errno)),
        }
    };
    let bytes = buffer.bytes().get(..length).unwrap_or_default();
    let (header, body) = InHeader::read_from_prefix(bytes).map_err(|_| Error::NoInit)?;
    let (init, rest) = InitIn::read_from_prefix(body).map_err(|_| Error::NoInit)?;
    if header.opcode != wire::INIT {
        return Err(Error::NoInit);
    }
    if !Negotiated::supports(&init) {
        return Err(Error::Version { major: init.major, minor: init.minor });
    }
    let upper = u32::read_from_prefix(rest).ok().map(|(upper, _)| upper);
    let (negotiated, answer) = Negotiated::agree(&init, offered(&init, upper), resend);
    let out = OutHeader { len: 0, error: 0, unique: header.unique };
    write(device.as_fd(), out, &[answer.as_bytes()]).map_err(Error::Reply)?;
    Ok(negotiated)
}
