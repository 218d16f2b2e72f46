//! Reading a file as a whole.

use rustix::buffer::spare_capacity;
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, read, retry_on_intr};

/// The longest host file that is read. `/proc/interrupts` of a machine with
/// 1152 CPUs takes 13 MB.
pub(crate) const HOST_LIMIT: usize = 32 << 20;

/// The longest cgroup or process file that is read.
pub(crate) const CGROUP_LIMIT: usize = 1 << 20;

/// What fits into one read: all of `/proc` and cgroupfs but for machines with
/// very many CPUs.
const TYPICAL: usize = 64 << 10;

/// The largest buffer that another file is read into. The kernel makes one as
/// large for each read of a file in `/proc/sys`, and refuses reads of 4 MiB with
/// ENOMEM (`proc_sys_call_handler` in `fs/proc/proc_sysctl.c`).
const KEPT: usize = 1 << 20;

/// Why a file could not be read as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The kernel's reason.
    Errno(Errno),
    /// It is longer than the limit.
    TooLarge,
}

impl From<Errno> for Unread {
    fn from(errno: Errno) -> Self {
        Unread::Errno(errno)
    }
}

/// A buffer that is kept from file to file.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    /// Reads all of an open file. The bytes stay until the next read.
    pub(crate) fn read(&mut self, fd: BorrowedFd<'_>, limit: usize) -> Result<&[u8], Unread> {
        self.0.clear();
        self.0.shrink_to(KEPT);
        self.0.reserve(TYPICAL);
        loop {
            if self.0.len() > limit {
                return Err(Unread::TooLarge);
            }
            if self.0.capacity() - self.0.len() < TYPICAL / 16 {
                self.0.reserve(self.0.capacity());
            }
            if retry_on_intr(|| read(fd, spare_capacity(&mut self.0)))? == 0 {
                return Ok(&self.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, File) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        File::create(&path).unwrap().write_all(bytes).unwrap();
        (directory, File::open(path).unwrap())
    }

    #[test]
    fn a_long_file_does_not_spoil_those_after_it() {
        let (_directory, long) = file(&vec![b'x'; 9 << 20]);
        let sysctl = File::open("/proc/sys/kernel/ostype").unwrap();
        let mut scratch = Scratch::default();
        assert_eq!(scratch.read(long.as_fd(), HOST_LIMIT).unwrap().len(), 9 << 20);
        assert_eq!(scratch.read(sysctl.as_fd(), HOST_LIMIT), Ok(&b"Linux\n"[..]));
    }

    #[test]
    fn long_files_are_read_whole() {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let (_directory, long) = file(&bytes);
        let (_other, short) = file(b"7\n");
        let mut scratch = Scratch::default();
        assert_eq!(scratch.read(long.as_fd(), HOST_LIMIT).unwrap(), bytes);
        assert_eq!(scratch.read(short.as_fd(), HOST_LIMIT).unwrap(), b"7\n");
    }

    #[test]
    fn the_limit_itself_still_fits() {
        let (_directory, fits) = file(&vec![b'x'; CGROUP_LIMIT]);
        let (_other, exceeds) = file(&vec![b'x'; CGROUP_LIMIT + 1]);
        let mut scratch = Scratch::default();
        assert_eq!(scratch.read(fits.as_fd(), CGROUP_LIMIT).unwrap().len(), CGROUP_LIMIT);
        assert_eq!(scratch.read(exceeds.as_fd(), CGROUP_LIMIT), Err(Unread::TooLarge));
    }
}
