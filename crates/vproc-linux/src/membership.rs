//! `/proc/PID/cgroup`: the group of a process in each hierarchy.

use std::borrow::Cow;
use vproc_snapshot::CgroupVersion;

/// The group of a process in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    version: CgroupVersion,
    controllers: Vec<String>,
    path: Vec<u8>,
}

impl Group {
    /// Which of the two interfaces the hierarchy has.
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// The controllers of a v1 hierarchy, or its name as `name=systemd`.
    /// Empty for v2.
    pub fn controllers(&self) -> &[String] {
        &self.controllers
    }

    /// The path as the kernel prints it: from the root of our cgroup
    /// namespace, with `/..` for each step out of it. What is not UTF-8 is
    /// replaced.
    pub fn path(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.path)
    }

    /// The path as the kernel prints it, with every byte.
    pub(crate) fn raw_path(&self) -> &[u8] {
        &self.path
    }

    /// The names along the path, without the `init.scope` that systemd puts
    /// itself into: the limits of a container stand on that scope's parent.
    pub(crate) fn components(&self) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = components(&self.path).collect();
        names.pop_if(|last| *last == b"init.scope");
        names
    }

    /// Whether the hierarchy distributes something. Named ones only group.
    pub(crate) fn has_controllers(&self) -> bool {
        self.controllers.iter().any(|controller| is_controller(controller))
    }
}

/// Whether a word is a controller's and not the name of a v1 hierarchy.
pub(crate) fn is_controller(word: &str) -> bool {
    !word.starts_with("name=")
}

/// The names along a path.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

/// The groups of a process, one for each hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership(Vec<Group>);

impl Membership {
    /// Reads `/proc/PID/cgroup`: lines of `id:controllers:path`. A path may
    /// contain spaces, colons and bytes that are not UTF-8, but no newline:
    /// `cgroup_mkdir` refuses those. A group that was removed has
    /// ` (deleted)` behind its path, as a living one may be called; both are
    /// left as they are, and the removed one will not be found.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(group).collect::<Option<_>>().map(Membership)
    }

    /// The groups, in the order of the kernel.
    pub fn groups(&self) -> &[Group] {
        &self.0
    }

    /// The group in the v1 hierarchy of a controller or name.
    pub(crate) fn v1(&self, controller: &str) -> Option<&Group> {
        self.0.iter().find(|group| group.controllers.iter().any(|word| word == controller))
    }

    /// The group in the v2 hierarchy.
    pub(crate) fn v2(&self) -> Option<&Group> {
        self.0.iter().find(|group| group.version == CgroupVersion::V2)
    }

    /// Whether a v1 hierarchy has taken the controller that v2 calls so.
    pub(crate) fn is_v1_controller(&self, v2_name: &str) -> bool {
        let v1_name = if v2_name == "io" { "blkio" } else { v2_name };
        self.v1(v1_name).is_some()
    }

    /// The groups in the hierarchies that distribute something: those of v1
    /// that have controllers or, where there are none, v2. The v2 tree of a
    /// hybrid host does not count, because systemd keeps services apart there
    /// whose resources are all counted in v1.
    pub(crate) fn with_controllers(&self) -> impl Iterator<Item = &Group> {
        let has_v1 = self.0.iter().any(Group::has_controllers);
        self.0.iter().filter(move |group| match group.version {
            CgroupVersion::V1 => group.has_controllers(),
            CgroupVersion::V2 => !has_v1,
        })
    }
}

fn group(line: &[u8]) -> Option<Group> {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let id = fields.next()?;
    let controllers = std::str::from_utf8(fields.next()?).ok()?;
    let path = fields.next().filter(|path| path.starts_with(b"/"))?;
    let is_v2 = id == b"0" && controllers.is_empty();
    Some(Group {
        version: if is_v2 { CgroupVersion::V2 } else { CgroupVersion::V1 },
        controllers: controllers
            .split(',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        path: path.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Membership {
        Membership::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn hybrid_hosts_have_both() {
        let groups = parse("4:cpu,cpuacct:/a\n3:blkio:/b\n1:name=systemd:/c d\n0::/e:f\n");
        assert_eq!(groups.v1("cpuacct").unwrap().path(), "/a");
        assert_eq!(groups.v1("name=systemd").unwrap().path(), "/c d");
        assert_eq!(groups.v2().unwrap().path(), "/e:f");
        assert!(groups.is_v1_controller("io") && groups.is_v1_controller("cpu"));
        assert!(!groups.is_v1_controller("memory") && groups.v1("memory").is_none());
        let counted: Vec<_> = groups.with_controllers().map(|group| group.path()).collect();
        assert_eq!(counted, ["/a", "/b"]);
    }

    #[test]
    fn without_v1_controllers_v2_counts() {
        let groups = parse("1:name=elogind:/x\n0::/y\n");
        let counted: Vec<_> = groups.with_controllers().map(|group| group.path()).collect();
        assert_eq!(counted, ["/y"]);
    }

    #[test]
    fn hostile_names_stay_what_they_are() {
        for name in ["/a:b:c", "/ ", "/x (deleted)", "/0::", "/a\\012b", "/\u{fffd}"] {
            assert_eq!(parse(&format!("0::{name}\n")).v2().unwrap().path(), name);
        }
        let raw = Membership::parse(b"0::/\xff/x\n").unwrap();
        assert_eq!(raw.v2().unwrap().components(), [&b"\xff"[..], b"x"]);
    }

    #[test]
    fn systemd_is_not_its_own_scope() {
        let names = |path: &str| {
            let groups = parse(&format!("0::{path}\n"));
            let names = groups.v2().unwrap().components();
            names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("/init.scope"), [""; 0]);
        assert_eq!(names("/lxc/c1/init.scope"), ["lxc", "c1"]);
        assert_eq!(names("/init.scope/x"), ["init.scope", "x"]);
        assert_eq!(names("/my-init.scope"), ["my-init.scope"]);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["x", "1:cpu", "0::relative", "1:\u{0}"] {
            assert_eq!(Membership::parse(text.as_bytes()), None);
        }
        assert_eq!(Membership::parse(b"").unwrap().groups(), []);
    }
}
