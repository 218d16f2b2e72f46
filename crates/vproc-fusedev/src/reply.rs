//! Answers to requests.

use crate::wire::{self, OutHeader};
use crate::{Attributes, Connection, Entry, Error, Statistics, Unique};
use rustix::io::Errno;
use std::time::Duration;
use zerocopy::{Immutable, IntoBytes};

/// How the kernel treats an opened file (`FOPEN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenFlags(u32);

impl OpenFlags {
    /// None of them.
    pub const NONE: OpenFlags = OpenFlags(0);
    /// Each read(2) is a request; the page cache is not used.
    pub const DIRECT_IO: OpenFlags = OpenFlags(1 << 0);
    /// Pages that are cached stay when the file is opened.
    pub const KEEP_CACHE: OpenFlags = OpenFlags(1 << 1);
    /// lseek(2) fails.
    pub const NONSEEKABLE: OpenFlags = OpenFlags(1 << 2);
    /// The kernel keeps the entries of a directory.
    pub const CACHE_DIR: OpenFlags = OpenFlags(1 << 3);
    /// There is no position at all.
    pub const STREAM: OpenFlags = OpenFlags(1 << 4);
    /// close(2) sends no [`Flush`](crate::Operation::Flush) (Linux 5.16).
    pub const NOFLUSH: OpenFlags = OpenFlags(1 << 5);
}

impl std::ops::BitOr for OpenFlags {
    type Output = OpenFlags;

    fn bitor(self, other: OpenFlags) -> OpenFlags {
        OpenFlags(self.0 | other.0)
    }
}

/// The answer to one request, to be given once. An answer to a request that
/// nobody waits for any more counts as given.
#[derive(Debug)]
#[must_use = "somebody waits for an answer"]
pub struct Reply<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) unique: Unique,
}

impl Reply<'_> {
    /// The request fails.
    pub fn error(self, errno: Errno) -> Result<(), Error> {
        // fuse_dev_do_write takes no other, and then the request would stay.
        let code = errno.raw_os_error();
        let code = if (1..512).contains(&code) { code } else { Errno::IO.raw_os_error() };
        self.send(-code, &[])
    }

    /// It is done, and there is nothing to say.
    pub fn done(self) -> Result<(), Error> {
        self.send(0, &[])
    }

    /// These bytes. They are not copied on the way to the kernel.
    pub fn data(self, data: &[u8]) -> Result<(), Error> {
        self.send(0, data)
    }

    /// A name's node.
    pub fn entry(self, entry: &Entry) -> Result<(), Error> {
        self.structure(&wire::EntryOut::from(entry))
    }

    /// A node's attributes, which the kernel may keep for as long as `valid`.
    pub fn attributes(self, attributes: &Attributes, valid: Duration) -> Result<(), Error> {
        self.structure(&wire::AttrOut {
            attr_valid: valid.as_secs(),
            attr_valid_nsec: valid.subsec_nanos(),
            dummy: 0,
            attr: attributes.into(),
        })
    }

    /// An open file or directory. Requests that use it will name `handle`.
    /// `false` if nobody waited for it any more: then no release will come.
    pub fn opened(self, handle: u64, flags: OpenFlags) -> Result<bool, Error> {
        let body = wire::OpenOut { fh: handle, open_flags: flags.0, padding: 0 };
        self.deliver(0, body.as_bytes())
    }

    /// This many bytes were written.
    pub fn written(self, size: u32) -> Result<(), Error> {
        self.structure(&wire::WriteOut { size, padding: 0 })
    }

    /// The `POLL*` that are true now.
    pub fn poll(self, events: u32) -> Result<(), Error> {
        self.structure(&wire::PollOut { revents: events, padding: 0 })
    }

    /// The file system's size.
    pub fn statistics(self, statistics: &Statistics) -> Result<(), Error> {
        self.structure(&wire::StatfsOut::from(statistics))
    }

    /// How long the extended attribute, or the list of them, is.
    pub fn attribute_size(self, size: u32) -> Result<(), Error> {
        self.structure(&wire::GetxattrOut { size, padding: 0 })
    }

    /// Where [`LSeek`](crate::Operation::LSeek) leads.
    pub fn offset(self, offset: u64) -> Result<(), Error> {
        self.structure(&wire::LseekOut { offset })
    }

    fn structure(self, body: &(impl IntoBytes + Immutable)) -> Result<(), Error> {
        self.send(0, body.as_bytes())
    }

    fn send(self, error: i32, body: &[u8]) -> Result<(), Error> {
        self.deliver(error, body).map(drop)
    }

    fn deliver(self, error: i32, body: &[u8]) -> Result<bool, Error> {
        touch(body);
        let header = OutHeader { len: 0, error, unique: self.unique.0 };
        match self.connection.write(header, &[body]) {
            Ok(()) => Ok(true),
            // Answered before, by a process that died; or given up by the
            // process that waited.
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::Reply(errno)),
        }
    }
}

/// Has each page of the answer in memory. fuse_copy_fill would fetch it, but
/// fails when the process is killed meanwhile, and so does the request.
fn touch(body: &[u8]) {
    for byte in body.iter().step_by(4096).chain(body.last()) {
        std::hint::black_box(*byte);
    }
}
