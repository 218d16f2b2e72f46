//! A request, as it stands in a receive buffer.

use crate::operation::Malformed;
use crate::wire::InHeader;
use crate::{Operation, wire};
use zerocopy::FromBytes;

/// What the kernel knows a request by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unique(pub(crate) u64);

impl Unique {
    /// The number, the same each time that the request is sent or found.
    pub fn number(self) -> u64 {
        self.0 & !RESENT
    }

    /// Whether the kernel has sent this request before, to a server that did
    /// not answer (`FUSE_UNIQUE_RESEND`).
    pub fn is_resent(self) -> bool {
        self.0 & RESENT != 0
    }
}

const RESENT: u64 = 1 << 63;

/// A request of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'b> {
    /// What an answer has to name.
    pub unique: Unique,
    /// The node that it is about; the root is 1. 0 where it is about none.
    pub node: u64,
    /// The user of the process that waits, as the mount's user namespace
    /// numbers it.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The thread that waits, as the pid namespace of the process that mounted
    /// numbers it. 0 if that cannot see it, or if the kernel asks for itself.
    pub pid: u32,
    /// What is asked for.
    pub operation: Operation<'b>,
}

impl<'b> Request<'b> {
    /// `bytes` are what one read(2) gave.
    pub(crate) fn parse(bytes: &'b [u8]) -> Result<Request<'b>, Malformed> {
        let length = bytes.len();
        let short = Malformed { opcode: 0, length };
        let (header, body) = InHeader::read_from_prefix(bytes).map_err(|_| short)?;
        let malformed = Malformed { opcode: header.opcode, length };
        if usize::try_from(header.len) != Ok(length) {
            return Err(malformed);
        }
        Ok(Request {
            unique: Unique(header.unique),
            node: header.nodeid,
            uid: header.uid,
            gid: header.gid,
            pid: header.pid,
            operation: Operation::parse(header.opcode, body).ok_or(malformed)?,
        })
    }
}

/// The length of the request that a slot holds, if what stands there can be
/// one. A slot may hold anything: its file outlives the process that wrote it.
pub(crate) fn length_of_leftover(slot: &[u8]) -> Option<usize> {
    let (header, _) = InHeader::read_from_prefix(slot).ok()?;
    let length = usize::try_from(header.len).ok()?;
    let fits = (size_of::<InHeader>()..=slot.len()).contains(&length);
    // FUSE_INIT is answered before there is a journal. Opcodes have stayed
    // below 100 in 20 years; CUSE's and byte-swapped ones lie far above.
    let opcode = (1..1024).contains(&header.opcode) && header.opcode != wire::INIT;
    (header.unique != 0 && fits && opcode).then_some(length)
}

#[cfg(test)]
mod tests;
