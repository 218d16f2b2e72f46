//! The cgroup hierarchies of this host, and where a group lies in them.

use crate::Membership;
use crate::membership::{Group, is_controller};
use crate::mountinfo::{CgroupMount, cgroup_mounts};
use crate::view::View;
use rustix::fd::BorrowedFd;
use std::path::Path;
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
        self.views.iter().map(View::mount_point)
    }

    fn holds(&self, group: &Group) -> bool {
        self.version == group.version()
            && (self.version == CgroupVersion::V2
                || self.controllers.iter().any(|word| group.controllers().contains(word)))
    }
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

/// All hierarchies that are mounted here.
#[derive(Debug, Default)]
pub(crate) struct Hierarchies {
    all: Vec<Hierarchy>,
    own: Option<Membership>,
}

impl Hierarchies {
    /// Reads them from the text of `/proc/self/mountinfo`.
    pub(crate) fn from_mountinfo(text: &[u8]) -> Self {
        let mut hierarchies = Hierarchies::default();
        for mount in cgroup_mounts(text) {
            hierarchies.add(&mount, View::new(&mount));
        }
        hierarchies
    }

    /// Says which groups this process is in, so that views from outside of
    /// our cgroup namespace can be used.
    pub(crate) fn set_own(&mut self, membership: Membership) {
        self.own = Some(membership);
    }

    /// Whether [`Hierarchies::set_own`] makes a difference.
    pub(crate) fn reach_outside(&self) -> bool {
        self.all.iter().flat_map(|hierarchy| &hierarchy.views).any(View::reaches_outside)
    }

    fn add(&mut self, mount: &CgroupMount, view: View) {
        let known = self.all.iter_mut().find(|hierarchy| {
            hierarchy.version == mount.version && hierarchy.controllers == mount.controllers
        });
        match known {
            Some(hierarchy) => hierarchy.views.push(view),
            None => self.all.push(Hierarchy {
                version: mount.version,
                controllers: mount.controllers.clone(),
                views: vec![view],
            }),
        }
    }

    /// A hierarchy of ordinary directories.
    #[cfg(test)]
    pub(crate) fn mount_fake(&mut self, mount: &CgroupMount, directory: std::os::fd::OwnedFd) {
        self.add(mount, View::fake(mount, directory));
    }

    pub(crate) fn all(&self) -> &[Hierarchy] {
        &self.all
    }

    /// Which interfaces are mounted. A v1 hierarchy without controllers, as
    /// elogind mounts one, does not make a v2 host hybrid.
    pub(crate) fn layout(&self) -> CgroupLayout {
        let has_v2 = self.all.iter().any(|hierarchy| hierarchy.version == CgroupVersion::V2);
        let is_v1 = |hierarchy: &&Hierarchy| hierarchy.version == CgroupVersion::V1;
        let has_v1 = self.all.iter().any(|hierarchy| is_v1(&hierarchy));
        let distributes = self
            .all
            .iter()
            .filter(is_v1)
            .any(|hierarchy| hierarchy.controllers.iter().any(|word| is_controller(word)));
        match (has_v2, has_v1, distributes) {
            (true, _, true) => CgroupLayout::Hybrid,
            (true, _, false) => CgroupLayout::V2,
            (false, true, _) => CgroupLayout::V1,
            (false, false, _) => CgroupLayout::None,
        }
    }

    /// Whether the hierarchy of a group is mounted here at all.
    pub(crate) fn is_mounted(&self, group: &Group) -> bool {
        self.all.iter().any(|hierarchy| hierarchy.holds(group))
    }

    /// Finds a group through the mount that shows most of its ancestors.
    /// `None` where no mount shows it.
    pub(crate) fn locate(&self, group: &Group) -> Option<Spot<'_>> {
        let path = group.components();
        let hierarchy = self.all.iter().find(|hierarchy| hierarchy.holds(group))?;
        let own = self
            .own
            .as_ref()
            .and_then(|own| own.groups().iter().find(|candidate| hierarchy.holds(candidate)));
        let mut ways: Vec<(&View, Vec<Vec<u8>>)> = hierarchy
            .views
            .iter()
            .filter_map(|view| Some((view, view.names_to(&path, own)?)))
            .collect();
        ways.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
        ways.into_iter().find_map(|(view, names)| {
            let directory = view.directory().ok()?;
            Some(Spot { directory, top: view.top(), top_depth: view.top_depth(directory), names })
        })
    }

    /// Whether a process is in the root group of every hierarchy that
    /// distributes something.
    pub(crate) fn is_root_everywhere(&self, membership: &Membership) -> bool {
        // Names tell without a look at any mount. A cgroup namespace prints
        // the root as `/..`, as often as it is deep.
        let may_be_root = |group: &Group| group.components().iter().all(|name| *name == b"..");
        membership.with_controllers().all(may_be_root)
            && membership
                .with_controllers()
                .all(|group| self.locate(group).is_some_and(|spot| spot.depth() == 0))
    }
}
