//! The answer to a request for a directory's entries.

use crate::wire::{Dirent, EntryOut};
use crate::{Entry, Reply};
use rustix::fs::FileType;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use zerocopy::IntoBytes;

/// The answer to [`ReadDir`](crate::Operation::ReadDir) or
/// [`ReadDirPlus`](crate::Operation::ReadDirPlus): entries, until it is full.
/// It is sent with [`Reply::directory`]; an empty one is the end.
#[derive(Debug)]
pub struct Directory {
    bytes: Vec<u8>,
    size: usize,
}

impl Directory {
    /// One that takes the `size` bytes that the request asks for.
    pub fn new(size: u32) -> Directory {
        // The kernel asks for a page up to some pages.
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(1 << 20);
        Directory { bytes: Vec::with_capacity(size.min(4096)), size }
    }

    /// Adds an entry for `ReadDir`. `node` is what `ls -i` shows, `offset` what
    /// the next request will say to go on behind this entry: never 0.
    ///
    /// True if it did not fit: then nothing was added, and nothing will.
    #[must_use = "a full directory has not taken the entry"]
    pub fn push(&mut self, node: u64, offset: u64, kind: FileType, name: &OsStr) -> bool {
        let mode = kind.as_raw_mode();
        self.record(&[], node, offset, mode, name.as_bytes())
    }

    /// Adds an entry for `ReadDirPlus`. It counts as a lookup of the node. For
    /// `.` and `..`, and where only number and type are known, `entry.node` is
    /// 0 and the attributes hold these two.
    #[must_use = "a full directory has not taken the entry"]
    pub fn push_plus(&mut self, entry: &Entry, offset: u64, name: &OsStr) -> bool {
        let out = EntryOut::from(entry);
        let attributes = &entry.attributes;
        self.record(out.as_bytes(), attributes.node, offset, attributes.mode, name.as_bytes())
    }

    fn record(&mut self, before: &[u8], ino: u64, off: u64, mode: u32, name: &[u8]) -> bool {
        let unpadded = before.len() + size_of::<Dirent>() + name.len();
        let length = unpadded.next_multiple_of(8);
        let Ok(namelen) = u32::try_from(name.len()) else { return true };
        if self.bytes.len() + length > self.size {
            self.size = self.bytes.len();
            return true;
        }
        let dirent = Dirent { ino, off, namelen, kind: (mode & 0o170000) >> 12 };
        self.bytes.extend_from_slice(before);
        self.bytes.extend_from_slice(dirent.as_bytes());
        self.bytes.extend_from_slice(name);
        self.bytes.resize(self.bytes.len() + length - unpadded, 0);
        false
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Reply<'_> {
    /// Answers `ReadDir` and `ReadDirPlus`.
    pub fn directory(self, directory: &Directory) -> Result<(), crate::Error> {
        self.data(directory.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_padded_to_eight_bytes() {
        let mut directory = Directory::new(4096);
        assert!(!directory.push(7, 1, FileType::RegularFile, OsStr::new("uptime")));
        assert_eq!(directory.bytes().len(), 32);
        assert_eq!(directory.bytes().get(16..32), Some(&b"\x06\0\0\0\x08\0\0\0uptime\0\0"[..]));
    }

    #[test]
    fn a_full_directory_takes_nothing_more() {
        let mut directory = Directory::new(64);
        assert!(!directory.push(1, 1, FileType::RegularFile, OsStr::new("a")));
        assert!(directory.push(2, 2, FileType::RegularFile, OsStr::new("a-longer-name")));
        assert!(directory.push(3, 3, FileType::RegularFile, OsStr::new("b")), "order would change");
        assert_eq!(directory.bytes().len(), 32);
        assert!(Directory::new(150).push_plus(&Entry::default(), 1, OsStr::new("a")));
        assert!(!Directory::new(160).push_plus(&Entry::default(), 1, OsStr::new("a")));
    }
}
