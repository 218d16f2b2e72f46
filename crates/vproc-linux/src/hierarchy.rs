//! The cgroup hierarchies of this host, and where a group lies in them.

use crate::Membership;
use crate::membership::{Group, components};
use crate::mountinfo::{CgroupMount, cgroup_mounts};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FsWord, Mode, OFlags, fstatfs, open, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use vproc_snapshot::{CgroupLayout, CgroupVersion};

/// A cgroup hierarchy that is mounted here.
#[derive(Debug)]
pub struct Hierarchy {
    version: CgroupVersion,
    controllers: Vec<String>,
    views: Vec<View>,
}

impl Hierarchy {
    /// Which of the two interfaces it has.
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// The controllers of a v1 hierarchy, or its name as `name=systemd`.
    /// Empty for v2.
    pub fn controllers(&self) -> &[String] {
        &self.controllers
    }

    /// Where it is mounted.
    pub fn mount_points(&self) -> impl Iterator<Item = &Path> {
        self.views.iter().map(|view| Path::new(OsStr::from_bytes(&view.point)))
    }

    fn holds(&self, group: &Group) -> bool {
        self.version == group.version()
            && (self.version == CgroupVersion::V2
                || self.controllers.iter().any(|word| group.controllers().contains(word)))
    }
}

/// One mount of a hierarchy: the whole of it, or what is below one group.
#[derive(Debug)]
pub(crate) struct View {
    version: CgroupVersion,
    root: Vec<Vec<u8>>,
    point: Vec<u8>,
    directory: OnceLock<OwnedFd>,
    top_depth: OnceLock<u32>,
}

/// A group, as names below a mount.
#[derive(Debug)]
pub(crate) struct Spot<'h> {
    pub(crate) directory: BorrowedFd<'h>,
    /// The path of the mounted group, for people.
    pub(crate) top: String,
    /// How far below the root of the hierarchy the mounted group is.
    pub(crate) top_depth: u32,
    pub(crate) names: Vec<Vec<u8>>,
}

impl Spot<'_> {
    /// How far below the root of the hierarchy the group is.
    pub(crate) fn depth(&self) -> u32 {
        self.top_depth.saturating_add(u32::try_from(self.names.len()).unwrap_or(u32::MAX))
    }
}

impl View {
    fn new(mount: &CgroupMount) -> Self {
        View {
            version: mount.version,
            root: components(&mount.root).map(<[u8]>::to_vec).collect(),
            point: mount.point.clone(),
            directory: OnceLock::new(),
            top_depth: OnceLock::new(),
        }
    }

    /// The names from the mounted group to another. `None` where none of the
    /// mount's directories is that group: it lies elsewhere in the tree, or
    /// outside our cgroup namespace, where the kernel says `..` for names.
    fn names_to(&self, path: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        let rest =
            path.strip_prefix(self.root.iter().map(Vec::as_slice).collect::<Vec<_>>().as_slice())?;
        let is_name = |name: &&[u8]| !matches!(*name, b".." | b".");
        rest.iter().all(is_name).then(|| rest.iter().map(|name| name.to_vec()).collect())
    }

    fn directory(&self) -> Result<BorrowedFd<'_>, Errno> {
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
    fn top_depth(&self, directory: BorrowedFd<'_>) -> u32 {
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

/// All hierarchies that are mounted here.
#[derive(Debug, Default)]
pub(crate) struct Hierarchies(Vec<Hierarchy>);

impl Hierarchies {
    /// Reads them from the text of `/proc/self/mountinfo`.
    pub(crate) fn from_mountinfo(text: &[u8]) -> Self {
        let mut hierarchies = Hierarchies::default();
        for mount in cgroup_mounts(text) {
            hierarchies.add(&mount, View::new(&mount));
        }
        hierarchies
    }

    fn add(&mut self, mount: &CgroupMount, view: View) {
        let known = self.0.iter_mut().find(|hierarchy| {
            hierarchy.version == mount.version && hierarchy.controllers == mount.controllers
        });
        match known {
            Some(hierarchy) => hierarchy.views.push(view),
            None => self.0.push(Hierarchy {
                version: mount.version,
                controllers: mount.controllers.clone(),
                views: vec![view],
            }),
        }
    }

    /// A hierarchy of ordinary directories.
    #[cfg(test)]
    pub(crate) fn mount_fake(&mut self, mount: &CgroupMount, directory: OwnedFd) {
        let view = View { directory: OnceLock::from(directory), ..View::new(mount) };
        self.add(mount, view);
    }

    pub(crate) fn all(&self) -> &[Hierarchy] {
        &self.0
    }

    /// Which interfaces are mounted. A v1 hierarchy without controllers, as
    /// elogind mounts one, does not make a v2 host hybrid.
    pub(crate) fn layout(&self) -> CgroupLayout {
        let has_v2 = self.0.iter().any(|hierarchy| hierarchy.version == CgroupVersion::V2);
        let is_v1 = |hierarchy: &&Hierarchy| hierarchy.version == CgroupVersion::V1;
        let has_v1 = self.0.iter().any(|hierarchy| is_v1(&hierarchy));
        let distributes = self.0.iter().filter(is_v1).any(|hierarchy| {
            hierarchy.controllers.iter().any(|word| crate::membership::is_controller(word))
        });
        match (has_v2, has_v1, distributes) {
            (true, _, true) => CgroupLayout::Hybrid,
            (true, _, false) => CgroupLayout::V2,
            (false, true, _) => CgroupLayout::V1,
            (false, false, _) => CgroupLayout::None,
        }
    }

    /// Whether the hierarchy of a group is mounted here at all.
    pub(crate) fn is_mounted(&self, group: &Group) -> bool {
        self.0.iter().any(|hierarchy| hierarchy.holds(group))
    }

    /// Finds a group through the mount that shows most of its ancestors.
    /// `None` where no mount shows it.
    pub(crate) fn locate(&self, group: &Group) -> Option<Spot<'_>> {
        let path = group.components();
        let hierarchy = self.0.iter().find(|hierarchy| hierarchy.holds(group))?;
        let mut ways: Vec<(&View, Vec<Vec<u8>>)> =
            hierarchy.views.iter().filter_map(|view| Some((view, view.names_to(&path)?))).collect();
        ways.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        ways.into_iter().find_map(|(view, names)| {
            let directory = view.directory().ok()?;
            let top = view.root.iter().map(|name| format!("/{}", String::from_utf8_lossy(name)));
            Some(Spot {
                directory,
                top: top.collect(),
                top_depth: view.top_depth(directory),
                names,
            })
        })
    }

    /// Whether a process is in the root group of every hierarchy that
    /// distributes something.
    pub(crate) fn is_root_everywhere(&self, membership: &Membership) -> bool {
        let is_empty = |group: &Group| group.components().is_empty();
        membership.with_controllers().all(is_empty)
            && membership
                .with_controllers()
                .all(|group| self.locate(group).is_some_and(|spot| spot.depth() == 0))
    }
}
