//! The container's group in each hierarchy, and the files in it.

use super::super::hidden;
use super::{NoInputs, content, errno, text};
use vproc_snapshot::{CgroupVersion, Content, Reading, Scope};

const MEMBERSHIP: &str = "/vproc/proc/self/cgroup";
const MOUNTS: &str = "/vproc/proc/self/mountinfo";

/// The container's group in one hierarchy.
pub(super) struct Group {
    pub(super) version: CgroupVersion,
    pub(super) controllers: Vec<String>,
    path: String,
    place: Option<Place>,
}

/// Where a group is mounted.
struct Place {
    /// The mounted group's directory.
    top: String,
    /// How far below the root of the hierarchy that one is.
    top_depth: u32,
    /// The names from there down to the container's group.
    names: Vec<String>,
}

/// All of them.
pub(super) struct Groups(Vec<Group>);

impl Groups {
    pub(super) fn open() -> Result<Self, NoInputs> {
        let mounts = text(MOUNTS)?;
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let chosen = std::env::var("VPROC_CGROUP").ok();
        if let Some(path) = &chosen
            && (!path.starts_with('/') || path.split('/').any(|name| matches!(name, "." | "..")))
        {
            let reason = "VPROC_CGROUP is not the absolute path of a group";
            return Err(NoInputs::Malformed { path: path.clone(), reason: reason.into() });
        }
        let membership = text(MEMBERSHIP)?;
        let groups: Option<Vec<Group>> =
            membership.lines().map(|line| Group::parse(line, chosen.as_deref(), &mounts)).collect();
        let groups = Groups(groups.ok_or_else(|| NoInputs::Malformed {
            path: MEMBERSHIP.into(),
            reason: "not lines of id, controllers and path".into(),
        })?);
        if groups.0.iter().all(|group| group.place.is_none()) {
            return Err(NoInputs::NoHierarchy);
        }
        // A group that is nowhere has no limits, and would be shown the host.
        if !groups.0.iter().any(|group| groups.counts(group) && group.exists()) {
            let path = groups.0.first().map(|group| group.path.clone());
            return Err(NoInputs::NoGroup(path.unwrap_or_default()));
        }
        Ok(groups)
    }

    /// Whether a hierarchy distributes something. The v2 tree of a hybrid host
    /// does not.
    fn counts(&self, group: &Group) -> bool {
        match group.version {
            CgroupVersion::V1 => group.has_controllers(),
            CgroupVersion::V2 => !self.0.iter().any(Group::has_controllers),
        }
    }

    fn v1(&self, controller: &str) -> Option<&Group> {
        self.0.iter().find(|group| group.controllers.iter().any(|word| word == controller))
    }

    fn v2(&self) -> Option<&Group> {
        self.0.iter().find(|group| group.version == CgroupVersion::V2)
    }

    /// The hierarchies in the order in which they are asked for the
    /// container's tasks: runtimes that only know v1 leave them in their own
    /// service's group of v2.
    pub(super) fn with_tasks(&self) -> impl Iterator<Item = &Group> {
        let is_v1 = |group: &&Group| group.has_controllers();
        self.0.iter().filter(is_v1).chain(self.v2())
    }

    /// What is found for a file of a group.
    pub(super) fn look(
        &self,
        version: CgroupVersion,
        controller: &str,
        name: &str,
        scope: Scope,
    ) -> Vec<Reading> {
        let group = match version {
            CgroupVersion::V1 => self.v1(controller),
            CgroupVersion::V2 => {
                let v1_name = if controller == "io" { "blkio" } else { controller };
                self.v2().filter(|_| self.v1(v1_name).is_none())
            }
        };
        let Some(group) = group else { return Vec::new() };
        // Without controllers a hierarchy holds no limits.
        if !self.counts(group) && !group.exists() {
            return Vec::new();
        }
        group.look(name, scope)
    }
}

impl Group {
    fn parse(line: &str, chosen: Option<&str>, mounts: &[Mount]) -> Option<Self> {
        let mut fields = line.splitn(3, ':');
        let id = fields.next()?;
        let controllers: Vec<String> =
            fields.next()?.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let path = chosen.unwrap_or(fields.next().filter(|path| path.starts_with('/'))?);
        let is_v2 = id == "0" && controllers.is_empty();
        let version = if is_v2 { CgroupVersion::V2 } else { CgroupVersion::V1 };
        let mut names: Vec<String> =
            path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // systemd's own scope: the limits of a container stand on its parent.
        names.pop_if(|last| last == "init.scope");
        let place = mounts
            .iter()
            .filter(|mount| mount.version == version && mount.holds(&controllers))
            .find_map(|mount| mount.place(&names));
        Some(Group { version, controllers, path: path.to_owned(), place })
    }

    fn has_controllers(&self) -> bool {
        self.controllers.iter().any(|word| !word.starts_with("name="))
    }

    /// The directory of the group or, `level` steps up, of an ancestor.
    fn directory(&self, level: usize) -> Option<String> {
        let place = self.place.as_ref()?;
        let names = place.names.get(..place.names.len().checked_sub(level)?)?;
        Some(names.iter().fold(place.top.clone(), |path, name| format!("{path}/{name}")))
    }

    /// The directory of the group, if it is not the root.
    pub(super) fn own_directory(&self) -> Option<String> {
        self.directory(0).filter(|_| self.depth(0) > 0 && self.exists())
    }

    fn exists(&self) -> bool {
        self.directory(0).is_some_and(|path| matches!(hidden::exists(&path), Ok(true)))
    }

    fn depth(&self, level: usize) -> u32 {
        let Some(place) = &self.place else { return 0 };
        let names = u32::try_from(place.names.len().saturating_sub(level)).unwrap_or(u32::MAX);
        place.top_depth.saturating_add(names)
    }

    fn reading(&self, level: usize, content: Content) -> Reading {
        Reading {
            group: None,
            level: u32::try_from(level).unwrap_or(u32::MAX),
            depth: self.depth(level),
            content,
        }
    }

    fn look(&self, name: &str, scope: Scope) -> Vec<Reading> {
        let Some(place) = &self.place else {
            // It is there, so "no such file" would be wrong.
            let mut hidden = self.reading(0, Content::Absent(errno::EACCES));
            hidden.depth = 1;
            return vec![hidden];
        };
        if !self.exists() {
            return vec![self.reading(0, Content::Absent(errno::ESTALE))];
        }
        let last = if scope == Scope::Leaf { 0 } else { place.names.len() };
        let mut found = Vec::new();
        for level in 0..=last {
            if scope == Scope::Nearest && level > 0 && self.depth(level) == 0 {
                break;
            }
            let Some(directory) = self.directory(level) else { break };
            match content(&format!("{directory}/{name}")) {
                Content::Absent(errno::ENOENT) => {}
                content => {
                    found.push(self.reading(level, content));
                    if scope == Scope::Nearest {
                        break;
                    }
                }
            }
        }
        if found.is_empty() {
            found.push(self.reading(0, Content::Absent(errno::ENOENT)));
        }
        found
    }
}

/// A mounted hierarchy: a line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
struct Mount {
    version: CgroupVersion,
    root: String,
    point: String,
    options: Vec<String>,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut filesystem = filesystem.split(' ');
        let version = match filesystem.next()? {
            "cgroup" => CgroupVersion::V1,
            "cgroup2" => CgroupVersion::V2,
            _ => return None,
        };
        let options = filesystem.nth(1)?.split(',').map(str::to_owned).collect();
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // Escaped blanks and roots outside of a cgroup namespace: not found.
        let is_plain = !root.contains('\\') && !point.contains('\\') && !root.contains("/..");
        is_plain.then(|| Mount { version, root: root.into(), point: point.into(), options })
    }

    fn holds(&self, controllers: &[String]) -> bool {
        self.version == CgroupVersion::V2
            || controllers.iter().any(|controller| self.options.contains(controller))
    }

    /// Where a group lies here, if it does and the runtime has preopened it.
    fn place(&self, path: &[String]) -> Option<Place> {
        let root: Vec<&str> = self.root.split('/').filter(|name| !name.is_empty()).collect();
        let (above, names) = path.split_at_checked(root.len())?;
        if above.iter().ne(root.iter()) {
            return None;
        }
        let top = format!("/vproc{}", self.point);
        hidden::exists(&top).ok().filter(|there| *there)?;
        let depth = u32::try_from(root.len()).unwrap_or(u32::MAX);
        // In a cgroup namespace, the root that is seen is another group.
        let is_there = |name: &str| hidden::exists(&format!("{top}/{name}"));
        let is_true_root = match self.version {
            CgroupVersion::V1 => matches!(is_there("cgroup.sane_behavior"), Ok(true)),
            CgroupVersion::V2 => matches!(is_there("cgroup.type"), Ok(false)),
        };
        let top_depth = if depth == 0 && !is_true_root { 1 } else { depth };
        Some(Place { top, top_depth, names: names.to_vec() })
    }
}
