//! A group in every hierarchy that counts, from its making to its removal.

use super::apply;
use super::error::{Error, errno};
use super::limits::Limits;
use super::mounts;
use crate::mountinfo::CgroupMount;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use vproc_snapshot::CgroupVersion;

/// How long removal kills and waits before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What the names of groups start with; the maker's pid follows.
const PREFIX: &str = "vproc-run-";

/// The controllers of v1 that account something a rendered file shows, and
/// the freezer, without which nothing could stop the processes in between.
const V1_CONTROLLERS: [&str; 8] =
    ["memory", "cpu", "cpuacct", "cpuset", "blkio", "pids", "freezer", "hugetlb"];

/// One group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its directory.
    pub path: PathBuf,
    /// Which interface its files have.
    pub version: CgroupVersion,
    /// The v1 controllers of its hierarchy; those a v2 group was given.
    pub controllers: Vec<String>,
}

/// One new group of the same name in every hierarchy that counts. Removed,
/// with every process that is still in it, when it is dropped.
#[derive(Debug)]
pub struct Groups {
    list: Vec<Group>,
}

impl Groups {
    /// Makes the groups below `parent`, a path as in `/proc/PID/cgroup`, and
    /// sets the limits. What earlier, killed makers left there goes first.
    pub fn create(parent: &Path, limits: &Limits) -> Result<Self, Error> {
        let below = components(parent).ok_or_else(|| Error::Parent(parent.to_owned()))?;
        let mut hierarchies = mounts::hierarchies()?;
        hierarchies.retain(counts);
        if hierarchies.is_empty() {
            return Err(Error::NoCgroups);
        }
        let name = new_name();
        let mut groups = Groups { list: Vec::new() };
        for hierarchy in hierarchies {
            let parent = Path::new(OsStr::from_bytes(&hierarchy.point)).join(&below);
            sweep(&parent);
            groups.list.push(make(hierarchy, &parent, &name, limits)?);
        }
        apply::set(&groups.list, limits)?;
        Ok(groups)
    }

    /// The groups, one per hierarchy.
    pub fn list(&self) -> &[Group] {
        &self.list
    }

    /// The group whose files a controller has, by its name in v2 or v1.
    pub fn of(&self, controller: &str) -> Option<&Group> {
        self.list.iter().find(|group| group.controllers.iter().any(|name| name == controller))
    }

    /// Moves a process into every group.
    pub fn join(&self, pid: u32) -> Result<(), Error> {
        self.list
            .iter()
            .try_for_each(|group| apply::write(&group.path.join("cgroup.procs"), &pid.to_string()))
    }

    /// Kills what is left in the groups and removes them, children first.
    pub fn remove(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            let mut refusal = None;
            self.list.retain(|group| match remove_empty(&group.path) {
                Ok(()) => false,
                Err(error) => {
                    refusal = Some((group.path.clone(), error));
                    true
                }
            });
            let Some((path, error)) = refusal else { return Ok(()) };
            if errno(&error) != Errno::BUSY {
                return Err(Error::file("remove the group", &path, &error));
            }
            if Instant::now() >= deadline {
                return Err(Error::StillPopulated { path, seconds: PATIENCE.as_secs() });
            }
            self.kill_all();
            sleep(pause);
            // The dead leave their groups when they are reaped; most are at once.
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// What is frozen in one hierarchy cannot die in another.
    fn kill_all(&self) {
        self.list.iter().for_each(|group| thaw(&group.path));
        self.list.iter().for_each(|group| kill_all(&group.path));
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sandbox sweeps.
        let _ = self.remove();
    }
}

fn counts(hierarchy: &CgroupMount) -> bool {
    hierarchy.version == CgroupVersion::V2
        || hierarchy.controllers.iter().any(|name| V1_CONTROLLERS.contains(&name.as_str()))
}

/// The path's components without its leading `/`, if it is absolute and
/// leads only downwards.
fn components(parent: &Path) -> Option<PathBuf> {
    let mut components = parent.components();
    let absolute = components.next() == Some(Component::RootDir);
    let rest = components.as_path();
    let down = rest.components().all(|part| matches!(part, Component::Normal(_)));
    (absolute && down).then(|| rest.to_owned())
}

fn new_name() -> String {
    // The hasher's keys are the standard library's source of randomness.
    let random = RandomState::new().build_hasher().finish() & 0xff_ffff;
    format!("{PREFIX}{}-{random:06x}", std::process::id())
}

fn make(
    hierarchy: CgroupMount,
    parent: &Path,
    name: &str,
    limits: &Limits,
) -> Result<Group, Error> {
    let path = parent.join(name);
    let refused = |error| Error::file(super::error::MAKE_GROUP, &path, &error);
    // Before a file of the parent is read, which would be named instead.
    fs::metadata(parent).map_err(refused)?;
    let controllers = match hierarchy.version {
        CgroupVersion::V1 => hierarchy.controllers,
        CgroupVersion::V2 => apply::delegate(parent, limits)?,
    };
    fs::create_dir(&path).map_err(refused)?;
    let group = Group { path, version: hierarchy.version, controllers };
    if group.version == CgroupVersion::V1 && group.controllers.iter().any(|name| name == "cpuset") {
        let inherited = apply::inherit_cpuset(parent, &group.path);
        if inherited.is_err() {
            let _ = fs::remove_dir(&group.path);
        }
        inherited?;
    }
    Ok(group)
}

/// Removes groups whose maker was killed together with its guardian. A group
/// with processes in it refuses to go, whoever it belongs to.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(maker);
        let alive = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
        if maker.is_some_and(|pid| !alive(pid)) {
            let _ = remove_empty(&entry.path());
        }
    }
}

/// The pid in a group's name.
fn maker(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

/// Removes a group and its children, as far as they are empty.
fn remove_empty(path: &Path) -> io::Result<()> {
    for child in children(path) {
        remove_empty(&child)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn children(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Thaws a group and what is below it. A process that v1 froze dies only
/// afterwards (cgroup-v1/freezer-subsystem.rst).
fn thaw(path: &Path) {
    for (name, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let file = path.join(name);
        if file.exists() {
            let _ = fs::write(file, value);
        }
    }
    children(path).iter().for_each(|child| thaw(child));
}

/// Kills whatever is in a group or below it: with `cgroup.kill` (v2 since
/// Linux 5.14), and one by one.
fn kill_all(path: &Path) {
    let kill = path.join("cgroup.kill");
    if kill.exists() {
        let _ = fs::write(kill, "1");
    }
    let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        // 0 stands for a process of another pid namespace, which cannot be
        // named from here; `Pid` has no 0.
        let Some(pid) = Pid::from_raw(pid) else { continue };
        if pid != rustix::process::getpid() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    for child in children(path) {
        kill_all(&child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_leads_downwards() {
        assert_eq!(components(Path::new("/")), Some(PathBuf::new()));
        assert_eq!(components(Path::new("/a/b")), Some(PathBuf::from("a/b")));
        for parent in ["", "a", "/a/../b", ".."] {
            assert_eq!(components(Path::new(parent)), None, "{parent}");
        }
    }

    #[test]
    fn names_tell_their_maker() {
        assert_eq!(maker(&new_name()), Some(std::process::id()));
        for name in ["vproc-run-", "vproc-run-12", "vproc-run-x-1", "docker-12-1"] {
            assert_eq!(maker(name), None, "{name}");
        }
    }
}
