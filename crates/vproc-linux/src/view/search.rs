//! Finding ourselves in a cgroup tree.

use crate::beneath;
use crate::content::{HOST_LIMIT, Scratch};
use rustix::fd::{AsFd, BorrowedFd};

/// How many groups are looked at: more than a host has.
const MAX_GROUPS: u32 = 65_536;

/// The names of the group, `depth` groups below `top`, below which the group
/// `own` has this process. Searched for once: a few hundred groups take some
/// milliseconds.
pub(super) fn way_to_own_group(
    top: BorrowedFd<'_>,
    depth: usize,
    own: &[u8],
) -> Option<Vec<Vec<u8>>> {
    let pid = rustix::process::getpid().as_raw_nonzero().to_string();
    let mut search = Search { own, pid: pid.as_bytes(), scratch: Scratch::default(), looked_at: 0 };
    let mut way = search.below(top, depth)?;
    way.reverse();
    Some(way)
}

struct Search<'a> {
    own: &'a [u8],
    pid: &'a [u8],
    scratch: Scratch,
    looked_at: u32,
}

impl Search<'_> {
    /// The names on the way, the last one first.
    fn below(&mut self, group: BorrowedFd<'_>, depth: usize) -> Option<Vec<Vec<u8>>> {
        self.looked_at += 1;
        if self.looked_at > MAX_GROUPS {
            return None;
        }
        let Some(depth) = depth.checked_sub(1) else {
            return self.has_us(group).then(Vec::new);
        };
        for name in beneath::directories(group).ok()? {
            let child = beneath::open_directory(group, &name);
            if let Some(mut way) = child.ok().and_then(|child| self.below(child.as_fd(), depth)) {
                way.push(name);
                return Some(way);
            }
        }
        None
    }

    fn has_us(&mut self, group: BorrowedFd<'_>) -> bool {
        let file = if self.own.is_empty() { Vec::new() } else { [self.own, b"/"].concat() };
        beneath::open_file(group, &[file.as_slice(), b"cgroup.procs"].concat())
            .ok()
            .and_then(|file| self.scratch.read(file.as_fd(), HOST_LIMIT).ok())
            .is_some_and(|text| text.split(|byte| *byte == b'\n').any(|line| line == self.pid))
    }
}
