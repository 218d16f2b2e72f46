//! What the kernel asks for.

use crate::Unique;
use crate::wire::{self, ForgetOne};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A request that does not have the form of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("request {opcode} of {length} bytes is malformed")]
pub struct Malformed {
    /// The `FUSE_*` number of the operation, or 0 where not even that is known.
    pub opcode: u32,
    /// How many bytes came.
    pub length: usize,
}

/// What the kernel asks for. `handle` is what the answer to
/// [`Open`](Operation::Open) or [`OpenDir`](Operation::OpenDir) gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation<'b> {
    /// Which node has this name in this directory? [`entry`](crate::Reply::entry)
    Lookup {
        /// The name, without slashes.
        name: &'b OsStr,
    },
    /// The kernel dropped this many references to the node. No answer.
    Forget {
        /// How many lookups are undone.
        lookups: u64,
    },
    /// The same for several nodes. No answer.
    BatchForget(Forgets<'b>),
    /// stat(2). [`attributes`](crate::Reply::attributes)
    GetAttr {
        /// Where it was fstat(2) of an open file.
        handle: Option<u64>,
    },
    /// chmod(2), chown(2), truncate(2), utimensat(2).
    /// [`attributes`](crate::Reply::attributes)
    SetAttr(SetAttributes),
    /// [`data`](crate::Reply::data)
    ReadLink,
    /// [`opened`](crate::Reply::opened)
    Open {
        /// `O_*`.
        flags: u32,
    },
    /// [`data`](crate::Reply::data), shorter than `size` only at the end of
    /// the file (or where the file is opened with
    /// [`DIRECT_IO`](crate::OpenFlags::DIRECT_IO)).
    Read {
        /// Of the open file.
        handle: u64,
        /// Where to begin.
        offset: u64,
        /// The most bytes of the answer.
        size: u32,
        /// Whether what is answered goes into the page cache of the node, for
        /// all its readers, also where the file is opened with
        /// [`DIRECT_IO`](crate::OpenFlags::DIRECT_IO): for mmap(2), and since
        /// Linux 6.5 for sendfile(2) (`fuse_splice_read` in fs/fuse/file.c).
        is_cached: bool,
    },
    /// [`written`](crate::Reply::written)
    Write {
        /// Of the open file.
        handle: u64,
        /// Where to begin.
        offset: u64,
        /// What to write.
        data: &'b [u8],
    },
    /// [`statistics`](crate::Reply::statistics)
    StatFs,
    /// The last reference to an open file is gone. [`done`](crate::Reply::done)
    Release {
        /// Of the file.
        handle: u64,
    },
    /// close(2), perhaps of one of several descriptors.
    /// [`done`](crate::Reply::done), or once ENOSYS, after which the kernel
    /// sends it no more.
    Flush {
        /// Of the open file.
        handle: u64,
    },
    /// fsync(2) of a file or a directory. [`done`](crate::Reply::done)
    FSync {
        /// Of the open file.
        handle: u64,
    },
    /// [`opened`](crate::Reply::opened)
    OpenDir {
        /// `O_*`.
        flags: u32,
    },
    /// [`data`](crate::Reply::data) of a [`Directory`](crate::Directory)
    ReadDir {
        /// Of the open directory.
        handle: u64,
        /// The offset that stood with the last entry that the kernel has, or 0.
        offset: u64,
        /// The most bytes of the answer.
        size: u32,
    },
    /// The same, with [`push_plus`](crate::Directory::push_plus). The kernel
    /// chooses which of the two it sends; a server has to know both.
    ReadDirPlus {
        /// Of the open directory.
        handle: u64,
        /// The offset that stood with the last entry that the kernel has, or 0.
        offset: u64,
        /// The most bytes of the answer.
        size: u32,
    },
    /// [`done`](crate::Reply::done)
    ReleaseDir {
        /// Of the directory.
        handle: u64,
    },
    /// The process that waits for this request got a signal. No answer to
    /// this; the other request may be answered with EINTR.
    Interrupt {
        /// The other request.
        unique: Unique,
    },
    /// [`poll`](crate::Reply::poll)
    Poll {
        /// Of the open file.
        handle: u64,
        /// For [`notify_poll`](crate::Connection::notify_poll).
        kernel_handle: u64,
        /// `POLL*` that the process waits for.
        events: u32,
        /// Whether somebody waits for a notification.
        schedule_notify: bool,
    },
    /// access(2), chdir(2). [`done`](crate::Reply::done)
    Access {
        /// `R_OK`, `W_OK`, `X_OK`.
        mask: u32,
    },
    /// [`data`](crate::Reply::data), or
    /// [`attribute_size`](crate::Reply::attribute_size) if `size` is 0
    GetXAttr {
        /// The name with its namespace.
        name: &'b OsStr,
        /// The most bytes of the answer, 0 for a question for the size.
        size: u32,
    },
    /// As `GetXAttr`: names, each with a NUL.
    ListXAttr {
        /// The most bytes of the answer, 0 for a question for the size.
        size: u32,
    },
    /// `SEEK_DATA` and `SEEK_HOLE`. [`offset`](crate::Reply::offset)
    LSeek {
        /// Of the open file.
        handle: u64,
        /// Where to begin.
        offset: u64,
        /// `SEEK_*`.
        whence: u32,
    },
    /// ioctl(2). This crate has no answer to it but an error (ENOTTY).
    Ioctl {
        /// Of the open file.
        handle: u64,
        /// The request number.
        command: u32,
    },
    /// The file system is gone. [`done`](crate::Reply::done). Only some
    /// mounts send it (`fuseblk`).
    Destroy,
    /// Another operation, by its `FUSE_*` number. ENOSYS is the answer that
    /// makes the kernel do without.
    Other(u32),
}

/// What [`Operation::SetAttr`] sets. Times are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttributes {
    /// Where it is for an open file.
    pub handle: Option<u64>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The length to truncate or extend to.
    pub size: Option<u64>,
}

/// The nodes of [`Operation::BatchForget`], each with the lookups undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgets<'b>(&'b [u8]);

impl<'b> Iterator for Forgets<'b> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        let (one, rest) = ForgetOne::read_from_prefix(self.0).ok()?;
        self.0 = rest;
        Some((one.nodeid, one.nlookup))
    }
}

impl<'b> Operation<'b> {
    /// `None` if the body is too short for the operation.
    pub(crate) fn parse(opcode: u32, body: &'b [u8]) -> Option<Operation<'b>> {
        Some(match opcode {
            wire::LOOKUP => Operation::Lookup { name: name(body)? },
            wire::FORGET | wire::BATCH_FORGET | wire::INTERRUPT => unanswered(opcode, body)?,
            wire::GETATTR => {
                let (get, _) = prefix::<wire::GetattrIn>(body)?;
                let open = get.getattr_flags & wire::GETATTR_FH != 0;
                Operation::GetAttr { handle: open.then_some(get.fh) }
            }
            wire::SETATTR => Operation::SetAttr(prefix::<wire::SetattrIn>(body)?.0.into()),
            wire::READLINK => Operation::ReadLink,
            wire::STATFS => Operation::StatFs,
            wire::ACCESS => Operation::Access { mask: prefix::<wire::AccessIn>(body)?.0.mask },
            wire::OPEN => Operation::Open { flags: prefix::<wire::OpenIn>(body)?.0.flags },
            wire::OPENDIR => Operation::OpenDir { flags: prefix::<wire::OpenIn>(body)?.0.flags },
            wire::GETXATTR => {
                let (get, rest) = prefix::<wire::GetxattrIn>(body)?;
                Operation::GetXAttr { name: name(rest)?, size: get.size }
            }
            wire::LISTXATTR => {
                Operation::ListXAttr { size: prefix::<wire::GetxattrIn>(body)?.0.size }
            }
            wire::DESTROY => Operation::Destroy,
            _ => return on_handle(opcode, body),
        })
    }
}

fn unanswered(opcode: u32, body: &[u8]) -> Option<Operation<'_>> {
    Some(match opcode {
        wire::FORGET => Operation::Forget { lookups: prefix::<wire::ForgetIn>(body)?.0.nlookup },
        wire::BATCH_FORGET => {
            let (batch, rest) = prefix::<wire::BatchForgetIn>(body)?;
            let length = usize::try_from(batch.count).ok()?.checked_mul(size_of::<ForgetOne>())?;
            Operation::BatchForget(Forgets(rest.get(..length)?))
        }
        _ => Operation::Interrupt { unique: Unique(prefix::<wire::InterruptIn>(body)?.0.unique) },
    })
}

fn on_handle(opcode: u32, body: &[u8]) -> Option<Operation<'_>> {
    Some(match opcode {
        wire::READ | wire::READDIR | wire::READDIRPLUS => {
            let (wire::ReadIn { fh: handle, offset, size, read_flags, .. }, _) = prefix(body)?;
            match opcode {
                // Only a reader that waits for its own bytes has an owner
                // (`fuse_send_read` in fs/fuse/file.c).
                wire::READ => {
                    let is_cached = read_flags & wire::READ_LOCKOWNER == 0;
                    Operation::Read { handle, offset, size, is_cached }
                }
                wire::READDIR => Operation::ReadDir { handle, offset, size },
                _ => Operation::ReadDirPlus { handle, offset, size },
            }
        }
        wire::WRITE => {
            let (write, data) = prefix::<wire::WriteIn>(body)?;
            let data = data.get(..usize::try_from(write.size).ok()?)?;
            Operation::Write { handle: write.fh, offset: write.offset, data }
        }
        wire::RELEASE => Operation::Release { handle: prefix::<wire::ReleaseIn>(body)?.0.fh },
        wire::RELEASEDIR => Operation::ReleaseDir { handle: prefix::<wire::ReleaseIn>(body)?.0.fh },
        wire::FLUSH => Operation::Flush { handle: prefix::<wire::FlushIn>(body)?.0.fh },
        wire::FSYNC | wire::FSYNCDIR => {
            Operation::FSync { handle: prefix::<wire::FsyncIn>(body)?.0.fh }
        }
        wire::POLL => {
            let (poll, _) = prefix::<wire::PollIn>(body)?;
            Operation::Poll {
                handle: poll.fh,
                kernel_handle: poll.kh,
                events: poll.events,
                schedule_notify: poll.flags & wire::POLL_SCHEDULE_NOTIFY != 0,
            }
        }
        wire::LSEEK => {
            let (wire::LseekIn { fh: handle, offset, whence, .. }, _) = prefix(body)?;
            Operation::LSeek { handle, offset, whence }
        }
        wire::IOCTL => {
            let (wire::IoctlIn { fh: handle, cmd: command, .. }, _) = prefix(body)?;
            Operation::Ioctl { handle, command }
        }
        other => Operation::Other(other),
    })
}

impl From<wire::SetattrIn> for SetAttributes {
    fn from(set: wire::SetattrIn) -> Self {
        let has = |flag| set.valid & flag != 0;
        SetAttributes {
            handle: has(wire::FATTR_FH).then_some(set.fh),
            mode: has(wire::FATTR_MODE).then_some(set.mode),
            uid: has(wire::FATTR_UID).then_some(set.uid),
            gid: has(wire::FATTR_GID).then_some(set.gid),
            size: has(wire::FATTR_SIZE).then_some(set.size),
        }
    }
}

fn prefix<T: FromBytes + KnownLayout + Immutable>(body: &[u8]) -> Option<(T, &[u8])> {
    T::read_from_prefix(body).ok()
}

/// Newer kernels may append extensions behind the name.
fn name(body: &[u8]) -> Option<&OsStr> {
    let name = CStr::from_bytes_until_nul(body).ok()?;
    (!name.is_empty()).then(|| OsStr::from_bytes(name.to_bytes()))
}
