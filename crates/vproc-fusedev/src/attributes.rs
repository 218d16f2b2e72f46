//! What the kernel wants to know about nodes.

use crate::wire;
use std::time::Duration;

/// What stat(2) shows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The inode number. It need not be the node that requests name.
    pub node: u64,
    /// The length in bytes.
    pub size: u64,
    /// Type and permission bits, as `st_mode`.
    pub mode: u32,
    /// Hard links.
    pub nlink: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// For devices.
    pub rdev: u32,
    /// The preferred size of I/O; 0 for the kernel's default.
    pub block_size: u32,
    /// Last access, since 1970.
    pub accessed: Duration,
    /// Last change of content.
    pub modified: Duration,
    /// Last change of attributes.
    pub changed: Duration,
}

impl From<&Attributes> for wire::Attr {
    fn from(attributes: &Attributes) -> Self {
        wire::Attr {
            ino: attributes.node,
            size: attributes.size,
            blocks: attributes.size.div_ceil(512),
            atime: attributes.accessed.as_secs(),
            mtime: attributes.modified.as_secs(),
            ctime: attributes.changed.as_secs(),
            atimensec: attributes.accessed.subsec_nanos(),
            mtimensec: attributes.modified.subsec_nanos(),
            ctimensec: attributes.changed.subsec_nanos(),
            mode: attributes.mode,
            nlink: attributes.nlink,
            uid: attributes.uid,
            gid: attributes.gid,
            rdev: attributes.rdev,
            blksize: attributes.block_size,
            flags: 0,
        }
    }
}

/// A name's node, and for how long the kernel may believe in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// What later requests name. 0: there is no such file, and the kernel may
    /// remember that for `entry_valid`.
    pub node: u64,
    /// Tells nodes apart that have the same number one after the other.
    pub generation: u64,
    /// What stat(2) shows.
    pub attributes: Attributes,
    /// How long the name means this node.
    pub entry_valid: Duration,
    /// How long the attributes hold.
    pub attributes_valid: Duration,
}

impl From<&Entry> for wire::EntryOut {
    fn from(entry: &Entry) -> Self {
        wire::EntryOut {
            nodeid: entry.node,
            generation: entry.generation,
            entry_valid: entry.entry_valid.as_secs(),
            attr_valid: entry.attributes_valid.as_secs(),
            entry_valid_nsec: entry.entry_valid.subsec_nanos(),
            attr_valid_nsec: entry.attributes_valid.subsec_nanos(),
            attr: (&entry.attributes).into(),
        }
    }
}

/// What statfs(2) shows, in blocks of `block_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// All blocks.
    pub blocks: u64,
    /// Free ones.
    pub free: u64,
    /// Free ones for users.
    pub available: u64,
    /// All inodes.
    pub files: u64,
    /// Free ones.
    pub free_files: u64,
    /// The size of a block in bytes.
    pub block_size: u32,
    /// The longest name.
    pub name_length: u32,
}

impl From<&Statistics> for wire::StatfsOut {
    fn from(statistics: &Statistics) -> Self {
        wire::StatfsOut {
            blocks: statistics.blocks,
            bfree: statistics.free,
            bavail: statistics.available,
            files: statistics.files,
            ffree: statistics.free_files,
            bsize: statistics.block_size,
            namelen: statistics.name_length,
            frsize: statistics.block_size,
            ..wire::StatfsOut::default()
        }
    }
}
