//! Groups of our own, in every hierarchy that counts, gone when a test ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where each v1 controller is mounted, and v2 as "".
pub(crate) fn hierarchies() -> BTreeMap<String, PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found = BTreeMap::new();
    for line in mounts.lines() {
        let (place, kind) = line.split_once(" - ").unwrap();
        let point = PathBuf::from(place.split(' ').nth(4).unwrap());
        let kind: Vec<&str> = kind.split(' ').collect();
        match kind[0] {
            "cgroup2" => drop(found.entry(String::new()).or_insert(point)),
            "cgroup" => kind[2].split(',').for_each(|controller| {
                found.entry(controller.to_owned()).or_insert_with(|| point.clone());
            }),
            _ => {}
        }
    }
    found
}

/// The groups of a process: the directory for each v1 controller, and for v2
/// as "".
pub(crate) fn groups_of(pid: u32) -> BTreeMap<String, PathBuf> {
    let points = hierarchies();
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut groups = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap(), parts.next().unwrap());
        for controller in controllers.split(',') {
            if let Some(point) = points.get(controller) {
                groups.insert(controller.to_owned(), point.join(path.trim_start_matches('/')));
            }
        }
    }
    groups
}

/// The hierarchies that a container has groups in; v2 is "".
const COUNTED: [&str; 7] = ["", "blkio", "cpu", "cpuacct", "cpuset", "memory", "pids"];

/// Groups at one path in each hierarchy, one below the other.
pub(crate) struct Groups {
    /// In the order in which they were made: `Drop` goes back.
    made: Vec<PathBuf>,
    /// For each level the directory in each hierarchy.
    levels: Vec<BTreeMap<String, PathBuf>>,
}

impl Groups {
    /// One level for each name, below the root or a group of this name there.
    pub(crate) fn new(parent: &str, names: &[&str]) -> Self {
        let mut points = hierarchies();
        points.retain(|controller, _| COUNTED.contains(&controller.as_str()));
        points.values_mut().for_each(|point| point.push(parent.trim_start_matches('/')));
        points.retain(|_, point| point.is_dir());
        let mut groups = Groups { made: Vec::new(), levels: Vec::new() };
        for name in names {
            points.values().for_each(|point| pass_on(point));
            points.values_mut().for_each(|point| point.push(name));
            groups.make(&points);
            groups.levels.push(points.clone());
        }
        groups
    }

    /// A further group beside others, which is no level.
    pub(crate) fn beside(&mut self, level: usize, name: &str) -> BTreeMap<String, PathBuf> {
        let mut points = self.levels[level].clone();
        points.values_mut().for_each(|point| point.push(name));
        self.make(&points);
        points
    }

    fn make(&mut self, points: &BTreeMap<String, PathBuf>) {
        for point in points.values() {
            // Controllers of v1 may share a hierarchy.
            if self.made.contains(point) {
                continue;
            }
            fs::create_dir(point).unwrap();
            self.made.push(point.clone());
        }
        if let Some(group) = points.get("memory") {
            // Before 5.11 it may be off. Since then there is nothing else.
            let _ = fs::write(group.join("memory.use_hierarchy"), "1");
        }
        let Some(set) = points.get("cpuset") else { return };
        // A new v1 cpuset takes no process before it has some of both.
        for name in ["cpuset.cpus", "cpuset.mems"] {
            let parents = fs::read(set.parent().unwrap().join(name)).unwrap();
            fs::write(set.join(name), parents).unwrap();
        }
    }

    pub(crate) fn level(&self, level: usize) -> &BTreeMap<String, PathBuf> {
        &self.levels[level]
    }

    pub(crate) fn last(&self) -> &BTreeMap<String, PathBuf> {
        self.levels.last().unwrap()
    }

    /// Sets a limit as the option of `vprocctl run` would.
    pub(crate) fn limit(&self, level: usize, option: &str, value: &str) {
        let quota = || ((value.parse::<f64>().unwrap() * 1e5) as u64).to_string();
        let (controller, v1, v2, value) = match option {
            "--memory" => ("memory", "memory.limit_in_bytes", "memory.max", value.to_owned()),
            "--cpuset" => ("cpuset", "cpuset.cpus", "cpuset.cpus", value.to_owned()),
            "--cpus" => ("cpu", "cpu.cfs_quota_us", "cpu.max", quota()),
            other => panic!("what is {other}?"),
        };
        // The CPUs of a v1 group must hold those of the groups below.
        if option == "--cpuset" {
            let below = self.levels[level..].iter().rev().filter_map(|it| it.get(controller));
            below.for_each(|group| fs::write(group.join(v1), &value).unwrap());
        }
        let groups = self.level(level);
        match groups.get(controller) {
            Some(group) => fs::write(group.join(v1), value).unwrap(),
            None => fs::write(groups[""].join(v2), value).unwrap(),
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.made.iter().rev().filter(|group| group.exists()).for_each(|group| remove_soon(group));
    }
}

/// Gives the v2 groups below this one all controllers that it has.
pub(crate) fn pass_on(group: &Path) {
    let has = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let counted = ["cpu", "cpuset", "io", "memory", "pids"];
    for controller in has.split_whitespace().filter(|name| counted.contains(name)) {
        // One that is not to be had is missed where its file is written.
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// A group with a limit of memory, where memory is counted.
pub(crate) struct MemoryGroup(pub(crate) PathBuf);

impl MemoryGroup {
    pub(crate) fn new(name: &str, limit: u64) -> Self {
        let points = hierarchies();
        let parent = points.get("memory").or_else(|| points.get("")).unwrap();
        MemoryGroup::below(parent, name, limit)
    }

    pub(crate) fn below(parent: &Path, name: &str, limit: u64) -> Self {
        let path = parent.join(format!("vproc-load-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let group = MemoryGroup(path);
        let v1 = group.0.join("memory.limit_in_bytes");
        let file = if v1.exists() { v1 } else { group.0.join("memory.max") };
        // A v2 group below one with processes gets no controller.
        if file.exists() {
            fs::write(file, limit.to_string()).unwrap();
        }
        group
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        remove_soon(&self.0);
    }
}

/// Removes a group and those below it as soon as their processes are gone.
pub(crate) fn remove_soon(group: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while remove(group).is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
