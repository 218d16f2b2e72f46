//! The mount through which each cgroup hierarchy is used.

use super::error::Error;
use crate::mountinfo::{CgroupMount, cgroup_mounts};
use std::fs;
use std::path::Path;

/// One mount of each hierarchy: the one that shows most of it.
pub(super) fn hierarchies() -> Result<Vec<CgroupMount>, Error> {
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read(path).map_err(|error| Error::file("read", path, &error))?;
    let mut mounts = cgroup_mounts(&text);
    mounts.sort_by_key(|mount| mount.root.len());
    let mut chosen: Vec<CgroupMount> = Vec::new();
    for mount in mounts {
        let same = |other: &CgroupMount| {
            other.version == mount.version && other.controllers == mount.controllers
        };
        if !chosen.iter().any(same) {
            chosen.push(mount);
        }
    }
    Ok(chosen)
}
