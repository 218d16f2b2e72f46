//! A mount of a cgroup hierarchy, and which groups it shows.

use crate::membership::{Group, components};
use crate::mountinfo::CgroupMount;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FsWord, Mode, OFlags, fstatfs, open, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use vproc_snapshot::CgroupVersion;

mod search;

/// One mount of a hierarchy: the whole of it, or what is below one group.
#[derive(Debug)]
pub(crate) struct View {
    version: CgroupVersion,
    root: Vec<Vec<u8>>,
    point: Vec<u8>,
    directory: OnceLock<OwnedFd>,
    top_depth: OnceLock<u32>,
    way: OnceLock<Option<Vec<Vec<u8>>>>,
}

impl View {
    pub(crate) fn new(mount: &CgroupMount) -> Self {
        View {
            version: mount.version,
            root: components(&mount.root).map(<[u8]>::to_vec).collect(),
            point: mount.point.clone(),
            directory: OnceLock::new(),
            top_depth: OnceLock::new(),
            way: OnceLock::new(),
        }
    }

    /// A view of ordinary directories.
    #[cfg(test)]
    pub(crate) fn fake(mount: &CgroupMount, directory: OwnedFd) -> Self {
        View { directory: OnceLock::from(directory), ..View::new(mount) }
    }

    pub(crate) fn mount_point(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.point))
    }

    /// The path of the mounted group, for people. Where it lies above our
    /// cgroup namespace, it is taken for the root.
    pub(crate) fn top(&self) -> String {
        let named = self.root.iter().skip_while(|name| *name == b"..");
        named.map(|name| format!("/{}", String::from_utf8_lossy(name))).collect()
    }

    /// Whether the mount was made outside of our cgroup namespace and shows
    /// more than lies in it: a container with the host's `/sys/fs/cgroup`.
    pub(crate) fn reaches_outside(&self) -> bool {
        !self.root.is_empty() && self.root.iter().all(|name| name == b"..")
    }

    /// The names from the mounted group to another. `None` where none of the
    /// mount's directories is that group.
    ///
    /// Outside of our cgroup namespace the kernel says `..` for names
    /// (`kernfs_path_from_node`), and the names that we need are those of our
    /// own way down: `own` is the group of this process.
    pub(crate) fn names_to(&self, path: &[&[u8]], own: Option<&Group>) -> Option<Vec<Vec<u8>>> {
        let root: Vec<&[u8]> = self.root.iter().map(Vec::as_slice).collect();
        if let Some(names) = path.strip_prefix(root.as_slice()).and_then(only_names) {
            return Some(names);
        }
        let steps_up = path.iter().take_while(|name| **name == b"..").count();
        if !self.reaches_outside() {
            return None;
        }
        let kept = self.root.len().checked_sub(steps_up)?;
        let mut names = self.way_to_namespace(own?)?.get(..kept)?.to_vec();
        names.extend(only_names(path.get(steps_up..)?)?);
        Some(names)
    }

    /// The names from the mounted group to the root of our cgroup namespace,
    /// which is as many groups below it as the mount's root has `..`.
    fn way_to_namespace(&self, own: &Group) -> Option<&[Vec<u8>]> {
        let find = || {
            let directory = self.directory().ok()?;
            let below: Vec<&[u8]> = components(own.raw_path()).collect();
            only_names(&below)?;
            search::way_to_own_group(directory, self.root.len(), &below.join(&b'/'))
        };
        self.way.get_or_init(find).as_deref()
    }

    /// The mounted group's directory.
    pub(crate) fn directory(&self) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(fd) = self.directory.get() {
            return Ok(fd.as_fd());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(self.point.as_slice(), flags, Mode::empty())?;
        if fstatfs(&fd)?.f_type != magic(self.version) {
            return Err(Errno::NODEV);
        }
        Ok(self.directory.get_or_init(|| fd).as_fd())
    }

    /// How far below the real root of the hierarchy the mounted group is.
    /// Within a cgroup namespace this cannot be known, and is 1 or more.
    pub(crate) fn top_depth(&self, directory: BorrowedFd<'_>) -> u32 {
        *self.top_depth.get_or_init(|| {
            let names = self.root.iter().filter(|name| *name != b"..").count();
            match u32::try_from(names) {
                Ok(0) if is_real_root(directory, self.version) => 0,
                Ok(names) => names.max(1),
                Err(_) => u32::MAX,
            }
        })
    }
}

/// Whether a directory is the root of its hierarchy. A cgroup namespace makes
/// any group look like it in `/proc/PID/cgroup` and in mountinfo, but not in
/// its files: `release_agent` is on the root of a v1 hierarchy only, and
/// `cgroup.events` on every v2 group but the root (`CFTYPE_ONLY_ON_ROOT` and
/// `CFTYPE_NOT_ON_ROOT` in kernel/cgroup).
fn is_real_root(directory: BorrowedFd<'_>, version: CgroupVersion) -> bool {
    let look = |name| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    match version {
        CgroupVersion::V1 => look("release_agent").is_ok(),
        CgroupVersion::V2 => {
            // A removed group has no files at all.
            look("cgroup.procs").is_ok() && matches!(look("cgroup.events"), Err(Errno::NOENT))
        }
    }
}

/// `CGROUP_SUPER_MAGIC` and `CGROUP2_SUPER_MAGIC` of
/// `include/uapi/linux/magic.h`.
fn magic(version: CgroupVersion) -> FsWord {
    match version {
        CgroupVersion::V1 => 0x0027_e0eb,
        CgroupVersion::V2 => 0x6367_7270,
    }
}

fn only_names(path: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let is_name = |name: &&[u8]| !matches!(*name, b".." | b".");
    path.iter().all(is_name).then(|| path.iter().map(|name| name.to_vec()).collect())
}
