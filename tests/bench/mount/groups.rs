//! Cgroups of the benchmark's own, in every hierarchy that this host has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CONTROLLERS: [&str; 6] = ["memory", "cpu", "cpuacct", "cpuset", "blkio", "pids"];

/// A group, by the same name in each hierarchy. It is removed when this is
/// dropped; nothing may be in it then.
#[derive(Debug)]
pub(crate) struct Group {
    directories: Vec<PathBuf>,
}

impl Group {
    /// A group below the roots.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("vproc-bench-{}-{name}", std::process::id());
        Group::below(&roots(), &name)
    }

    /// A group in this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        for directory in &self.directories {
            enable(directory);
        }
        Group::below(&self.directories, name)
    }

    fn below(parents: &[PathBuf], name: &str) -> Self {
        let make = |parent: &PathBuf| {
            let directory = parent.join(name);
            fs::create_dir(&directory).unwrap();
            // v1 lets nobody in before these are set.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if let Ok(value) = fs::read_to_string(parent.join(file)) {
                    let _ = fs::write(directory.join(file), value);
                }
            }
            directory
        };
        Group { directories: parents.iter().map(make).collect() }
    }

    /// Limits as of `docker run --memory 256m --cpus 2 --cpuset-cpus 0-1`.
    pub(crate) fn limit(&self, mebibytes: u64) {
        let bytes = (mebibytes << 20).to_string();
        self.set("memory.limit_in_bytes", &bytes);
        self.set("memory.max", &bytes);
        self.set("cpu.cfs_period_us", "100000");
        self.set("cpu.cfs_quota_us", "200000");
        self.set("cpu.max", "200000 100000");
        self.set("cpuset.cpus", "0-1");
    }

    fn set(&self, file: &str, value: &str) {
        let files = self.directories.iter().map(|directory| directory.join(file));
        for file in files.filter(|file| file.exists()) {
            fs::write(&file, value).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    /// The lists to which a process writes itself.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.join("cgroup.procs")).collect()
    }

    /// The processes in it, in our numbering.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(&self.doors()[0]).unwrap();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The CPU time that its processes used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let read = |file: &str| {
            let mut files = self.directories.iter().map(|directory| directory.join(file));
            files.find_map(|file| fs::read_to_string(file).ok())
        };
        if let Some(nanos) = read("cpuacct.usage") {
            return Duration::from_nanos(nanos.trim().parse().unwrap());
        }
        let stat = read("cpu.stat").unwrap_or_default();
        let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
        Duration::from_micros(micros.unwrap().parse().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        for directory in &self.directories {
            // What was killed leaves a moment later.
            while fs::remove_dir(directory).is_err() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

fn enable(directory: &Path) {
    let Ok(text) = fs::read_to_string(directory.join("cgroup.controllers")) else { return };
    for controller in text.split_whitespace().filter(|one| CONTROLLERS.contains(one)) {
        let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// The roots of the hierarchies with controllers that matter here.
fn roots() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut roots = Vec::new();
    let mut unified = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let point = PathBuf::from(left.split(' ').nth(4).unwrap());
        let options = right.split(' ').nth(2).unwrap_or_default();
        match right.split(' ').next() {
            Some("cgroup") if options.split(',').any(|one| CONTROLLERS.contains(&one)) => {
                roots.push(point);
            }
            Some("cgroup2") => unified = Some(point),
            _ => {}
        }
    }
    match (roots.is_empty(), unified) {
        (true, Some(unified)) => {
            enable(&unified);
            vec![unified]
        }
        _ => roots,
    }
}
