//! What a container's cgroup says, the same for v1 and v2.
//!
//! Each module names the files that it reads beside the code that reads them,
//! so that an entry asks for `memory::NEEDS` and gets a [`memory::Memory`].

pub mod cpu;
pub mod cpuset;
pub mod cputime;
pub mod events;
pub mod hugetlb;
pub mod io;
pub mod memory;
pub mod nodes;

use crate::Error;
use crate::View;
use crate::units::Bytes;
use crate::view::Found;

/// A limit, and the group that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The lowest value over the groups that count.
    pub bytes: Bytes,
    /// How far above the leaf the deciding group is.
    pub level: u32,
}

/// A limit file's content: `max` (v2) means none.
fn limit(key: &'static str, found: &Found<'_>) -> Result<Option<Bytes>, Error> {
    match found.text.trim() {
        "max" => Ok(None),
        digits => match crate::text::number(digits) {
            Some(bytes) => Ok(Some(found.trace.read("", digits, Bytes(bytes)))),
            None => Err(Error::malformed(key, "neither a number nor `max`")),
        },
    }
}

/// The lowest limit of the leaf and all its ancestors.
fn lowest_limit(view: &View<'_>, key: &'static str) -> Result<Option<Limit>, Error> {
    let mut lowest: Option<Limit> = None;
    for found in view.lineage(key) {
        let found = found?;
        let own = limit(key, &found)?.map(|bytes| Limit { bytes, level: found.level });
        lowest = lower(lowest, own);
    }
    Ok(lowest)
}

fn lower(one: Option<Limit>, other: Option<Limit>) -> Option<Limit> {
    match (one, other) {
        (Some(a), Some(b)) => {
            let level = if b.bytes < a.bytes { b.level } else { a.level };
            Some(Limit { bytes: a.bytes.min(b.bytes), level })
        }
        (a, b) => a.or(b),
    }
}

/// A file with a single number, from a group of the container's own. The root
/// group's number is the host's: it counts only where the container is the
/// host.
fn own_bytes(view: &View<'_>, key: &'static str) -> Result<Option<Bytes>, Error> {
    let Some(found) = own_found(view, key)? else { return Ok(None) };
    match crate::text::number(found.text.trim()) {
        Some(bytes) => Ok(Some(found.trace.read("", found.text, Bytes(bytes)))),
        None => Err(Error::malformed(key, "not a number")),
    }
}

/// A file's text, from a group of the container's own.
pub fn own_text<'a>(view: &View<'a>, key: &'static str) -> Result<Option<&'a str>, Error> {
    Ok(own_found(view, key)?.map(|found| found.text))
}

/// As [`own_text`], with where it was found.
pub fn own_found<'a>(view: &View<'a>, key: &'static str) -> Result<Option<Found<'a>>, Error> {
    Ok(view.found(key)?.filter(|found| found.depth > 0 || view.is_host()))
}
