//! Files that are kept open and read again.

use crate::content::Unread;
use rustix::buffer::spare_capacity;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, pread, retry_on_intr};
use rustix::process::{Resource, getrlimit};
use vproc_snapshot::Content;

/// How many of the last descriptors are never kept, so that there are some
/// for opening and closing.
const RESERVE: u64 = 64;

/// Keeps a descriptor unless few are left. The kernel hands out the lowest
/// number that is free, so a number says how many are in use.
pub(crate) fn keep(file: OwnedFd) -> Option<OwnedFd> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let number = u64::try_from(file.as_raw_fd()).unwrap_or(u64::MAX);
    (number < limit.saturating_sub(RESERVE)).then_some(file)
}

/// How the end of a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By a read that does not fill the buffer. So it is with what the kernel
    /// prints in one piece: `seq_read_iter` makes its buffer large enough for
    /// one record. All cgroup files but lists of tasks, and those of
    /// `/proc/PID` that may be named, are one record.
    ShortRead,
    /// By a read that returns nothing.
    EmptyRead,
}

/// Reads a file again from its start. The kernel prints it anew for a read at
/// 0 (`seq_read_iter`), and goes on with the same text behind that.
pub(crate) fn read_again(
    fd: BorrowedFd<'_>,
    bytes: &mut Vec<u8>,
    limit: usize,
    end: End,
) -> Result<(), Unread> {
    const LEAST: usize = 64;
    bytes.clear();
    loop {
        if bytes.len() > limit {
            return Err(Unread::TooLarge);
        }
        if bytes.capacity() - bytes.len() < LEAST {
            bytes.reserve(bytes.capacity().max(4 * LEAST));
        }
        let room = bytes.capacity() - bytes.len();
        let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let read = retry_on_intr(|| pread(fd, spare_capacity(bytes), offset))?;
        if read == 0 || (end == End::ShortRead && read < room) {
            return Ok(());
        }
    }
}

/// Reads a file again into the memory of what it was before.
pub(crate) fn refill(
    content: &mut Content,
    fd: BorrowedFd<'_>,
    limit: usize,
    end: End,
) -> Result<(), Unread> {
    let mut bytes = match std::mem::replace(content, crate::ladder::absent(Errno::AGAIN)) {
        Content::Text(text) => text.into_bytes(),
        Content::Bytes(bytes) => bytes,
        Content::Tasks(_) | Content::Absent(_) => Vec::new(),
    };
    read_again(fd, &mut bytes, limit, end)?;
    *content = bytes.into();
    Ok(())
}

/// Copies content into the memory of what was there before.
pub(crate) fn copy(from: &Content, into: &mut Content) {
    match (from, into) {
        (Content::Text(from), Content::Text(into)) => into.clone_from(from),
        (Content::Bytes(from), Content::Bytes(into)) => into.clone_from(from),
        (from, into) => *into = from.clone(),
    }
}
