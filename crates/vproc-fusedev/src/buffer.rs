//! Memory that read(2) puts requests into.
#![allow(unsafe_code)]

use crate::Error;
use crate::request::length_of_leftover;
use crate::wire::{InHeader, MIN_READ_BUFFER};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mlock, mmap, mmap_anonymous, munmap};
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::Arc;

/// Memory for one request at a time: each thread that receives has one.
///
/// All its pages are in memory from the beginning. While the kernel copies a
/// request, it would fetch a missing one; but if the process is killed
/// meanwhile, that fails, and so does the request (fuse_dev_do_read in
/// fs/fuse/dev.c). The mapping is a shared one, so that fork(2) does not make
/// its pages read-only.
#[derive(Debug)]
pub struct Buffer {
    mapping: Arc<Mapping>,
    slot: usize,
    /// The length of a request that a former process did not answer.
    leftover: Option<usize>,
}

impl Buffer {
    /// The bytes of a buffer: the least that the kernel accepts, which holds
    /// the largest request that can come ([`Negotiated::max_write`]).
    ///
    /// [`Negotiated::max_write`]: crate::Negotiated::max_write
    pub const SIZE: usize = MIN_READ_BUFFER;

    /// A buffer that ends with the process. What it holds then is lost, unless
    /// the kernel can [`resend`](crate::Connection::resend) it.
    pub fn new() -> Result<Buffer, Error> {
        let mapping = Mapping::anonymous().map_err(Error::Buffer)?;
        Ok(Buffer { mapping: Arc::new(mapping), slot: 0, leftover: None })
    }

    /// All slots of a file of this many.
    pub(crate) fn of_file(file: BorrowedFd<'_>, slots: usize) -> Result<Vec<Buffer>, Errno> {
        let mapping = Arc::new(Mapping::of_file(file, slots)?);
        let buffer = |slot| {
            let mut buffer = Buffer { mapping: Arc::clone(&mapping), slot, leftover: None };
            buffer.leftover = length_of_leftover(buffer.bytes());
            buffer
        };
        Ok((0..slots).map(buffer).collect())
    }

    /// Whether a request of a former process stands here that was not answered.
    pub fn holds_leftover(&self) -> bool {
        self.leftover.is_some()
    }

    /// It still counts as unanswered, until the buffer is cleared.
    pub(crate) fn take_leftover(&mut self) -> &[u8] {
        let length = self.leftover.take().unwrap_or(0);
        self.bytes().get(..length).unwrap_or_default()
    }

    /// From here on the slot holds no request: the one in it is answered, and
    /// if the next read(2) fails, nothing may look like one. For a thread that
    /// does not [`receive`](crate::Connection::receive) again at once: what was
    /// answered long ago must not come to the next process.
    pub fn clear(&mut self) {
        self.leftover = None;
        let unique = self.start().as_ptr().wrapping_add(offset_of!(InHeader, unique));
        // SAFETY: the field lies within the slot, which is aligned to a page.
        // Volatile, because its reader is another process.
        unsafe { unique.cast::<u64>().write_volatile(0) };
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the slot lies within the mapping, which `self` keeps. Each
        // slot has one `Buffer`, borrowed here, and only the kernel writes to
        // it, in a read(2) that borrows it mutably.
        unsafe { std::slice::from_raw_parts(self.start().as_ptr(), Buffer::SIZE) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr(), Buffer::SIZE) }
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `slot` is below the number of slots of the mapping.
        unsafe { self.mapping.start.add(self.slot * Buffer::SIZE) }
    }
}

#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it is memory, and each part of it belongs to one `Buffer`.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared `Mapping` only gives its address.
unsafe impl Sync for Mapping {}

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::POPULATE);

impl Mapping {
    fn anonymous() -> Result<Mapping, Errno> {
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), Buffer::SIZE, ACCESS, SHARED) }?;
        Mapping::new(start.cast(), Buffer::SIZE)
    }

    fn of_file(file: BorrowedFd<'_>, slots: usize) -> Result<Mapping, Errno> {
        let length = slots * Buffer::SIZE;
        // SAFETY: as above. The file is at least so long, and `Journal` asks
        // of its owner that it stays so.
        let start = unsafe { mmap(std::ptr::null_mut(), length, ACCESS, SHARED, file, 0) }?;
        Mapping::new(start.cast(), length)
    }

    fn new(start: *mut u8, length: usize) -> Result<Mapping, Errno> {
        let start = NonNull::new(start).ok_or(Errno::NOMEM)?;
        let mapping = Mapping { start, length };
        // Where the limit allows it: a page that was swapped out is a missing
        // page again.
        // SAFETY: the mapping is ours, and locking changes nothing in it.
        let _ = unsafe { mlock(start.as_ptr().cast(), length) };
        for offset in (0..length).step_by(4096) {
            // SAFETY: within the mapping. No thread knows it yet. A write of
            // what is there, because MAP_POPULATE reads shared pages only
            // (populate_vma_page_range in mm/gup.c).
            unsafe {
                let byte = start.as_ptr().add(offset);
                byte.write_volatile(byte.read_volatile());
            }
        }
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: all buffers that used it are gone.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
