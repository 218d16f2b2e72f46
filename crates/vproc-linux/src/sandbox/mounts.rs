//! Where the cgroup hierarchies are mounted.

use super::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use vproc_snapshot::CgroupVersion;

/// One hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// The mount point.
    pub(super) path: PathBuf,
    pub(super) version: CgroupVersion,
    /// The v1 controllers, in the order of the mount's options.
    pub(super) controllers: Vec<String>,
}

/// The hierarchies that are mounted, each once.
pub(super) fn hierarchies() -> Result<Vec<Mounted>, Error> {
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(path).map_err(|error| Error::file("read", path, &error))?;
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((device, mounted)) = parse(line) else { continue };
        if !seen.contains(&device) {
            seen.push(device);
            found.push(mounted);
        }
    }
    Ok(found)
}

fn parse(line: &str) -> Option<(&str, Mounted)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    let device = mount.nth(2)?;
    let path = PathBuf::from(mount.nth(1)?);
    let mut filesystem = filesystem.split(' ');
    let version = match filesystem.next()? {
        "cgroup" => CgroupVersion::V1,
        "cgroup2" => {
            return Some((
                device,
                Mounted { path, version: CgroupVersion::V2, controllers: Vec::new() },
            ));
        }
        _ => return None,
    };
    let controllers = filesystem.nth(1)?.split(',').map(str::to_owned).collect();
    Some((device, Mounted { path, version, controllers }))
}
