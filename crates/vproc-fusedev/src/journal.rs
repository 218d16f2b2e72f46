//! Requests in flight, in a file that outlives the process that serves.

use crate::{Buffer, Error};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;

/// Receive buffers that stand in a file, for kernels that cannot
/// [`resend`](crate::Connection::resend) (before Linux 6.9).
///
/// The kernel itself puts a request into the file, within the read(2) that
/// takes it from the queue. So there is no moment at which a process that dies
/// takes a request with it:
///
/// 1. The slot's `unique` is zeroed: it holds no request.
/// 2. read(2) takes a request and copies it, the header first. If it fails,
///    the kernel has answered the request (with EIO) or nobody waits for it;
///    the slot is cleared, and if the process dies before that, an answer to
///    what stands there gets ENOENT.
/// 3. The request is answered.
/// 4. The slot's `unique` is zeroed. If the process dies before, the request is
///    answered once more, which gets ENOENT.
///
/// Between 2 and 4 the slot is a *leftover* for the next process, and its
/// buffer gives that one first. So requests may be handled twice.
///
/// The file must stay as long as it is, which [`Journal::create`] has the
/// kernel enforce. It should be on a tmpfs: a file that is written back to a
/// disk becomes read-only for a moment each time, and a process that is
/// killed then loses a request.
#[derive(Debug)]
pub struct Journal {
    buffers: Vec<Buffer>,
}

impl Journal {
    /// More would be a file that is none of ours.
    const MOST_SLOTS: usize = 1024;

    /// A new file for [`Journal::open`], without a name, for a process that
    /// starts others with it.
    pub fn create() -> Result<OwnedFd, Error> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("fuse-journal", flags).map_err(failed("create"))?;
        fcntl_add_seals(&file, SealFlags::SHRINK).map_err(failed("seal"))?;
        Ok(file)
    }

    /// Opens a file, which may be empty, for this many threads. Only one
    /// process may have it open, and the one before must be gone.
    ///
    /// What stands in the file and cannot be a request is ignored.
    pub fn open(file: impl AsFd, slots: usize) -> Result<Journal, Error> {
        let file = file.as_fd();
        let length = fstat(file).map_err(failed("examine"))?.st_size;
        let length = usize::try_from(length).unwrap_or(0);
        let slots = slots.max(length / Buffer::SIZE).min(Journal::MOST_SLOTS);
        let needed = slots * Buffer::SIZE;
        if length < needed {
            let needed = u64::try_from(needed).unwrap_or(u64::MAX);
            ftruncate(file, needed).map_err(failed("extend"))?;
        }
        let buffers = Buffer::of_file(file, slots).map_err(failed("map"))?;
        Ok(Journal { buffers })
    }

    /// How many requests a former process did not answer.
    pub fn unanswered(&self) -> usize {
        self.buffers.iter().filter(|buffer| buffer.holds_leftover()).count()
    }

    /// The buffers, at least as many as were asked for. If a former process
    /// had more threads, more: what those hold is given out by
    /// [`Connection::leftover`](crate::Connection::leftover).
    pub fn into_buffers(self) -> Vec<Buffer> {
        self.buffers
    }
}

fn failed(action: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Journal { action, errno }
}
