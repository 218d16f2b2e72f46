//! Groups of the memory controller, on whichever version has it, that are gone
//! when a test ends.

use crate::driver::Driver;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vproc_tests::skip;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Bytes of so many MiB.
pub(crate) const fn mib(amount: u64) -> u64 {
    amount << 20
}

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: waited for 20 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A group of our own, which has the test's groups below it.
pub(crate) struct Tree {
    pub(crate) version: Version,
    base: PathBuf,
}

impl Tree {
    /// `None`, and said why, where no group of the memory controller can be
    /// made.
    pub(crate) fn new(test: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            skip(test, "it needs root");
            return None;
        }
        let Some((version, hierarchy)) = hierarchy("memory") else {
            skip(test, "no hierarchy of cgroups has the memory controller");
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let base = hierarchy.join(format!("vproc-experiment-{}-{number}", std::process::id()));
        fs::create_dir(&base).unwrap();
        if version == Version::V1 && fs::write(base.join("memory.use_hierarchy"), "1").is_err() {
            // Since 5.11 there is nothing else.
            let is_so = fs::read_to_string(base.join("memory.use_hierarchy"));
            assert!(is_so.is_ok_and(|text| text.trim() == "1"));
        }
        Some(Tree { version, base })
    }

    /// The group with this path below ours. It and those on the way have the
    /// memory controller.
    pub(crate) fn group(&self, path: &str) -> Group {
        let group = self.group_without_controller(path);
        if self.version == Version::V2 {
            pass_on(group.path.parent().unwrap());
        }
        group
    }

    /// The same, but on v2 the last one has no files of the memory controller.
    pub(crate) fn group_without_controller(&self, path: &str) -> Group {
        let mut group = Group { version: self.version, path: self.base.clone() };
        for name in path.split('/') {
            if group.path != self.base && self.version == Version::V2 {
                pass_on(group.path.parent().unwrap());
            }
            group.path.push(name);
            fs::create_dir_all(&group.path).unwrap();
        }
        group
    }
}

/// Gives the groups below this one the memory controller.
fn pass_on(group: &Path) {
    fs::write(group.join("cgroup.subtree_control"), "+memory").unwrap();
}

impl Drop for Tree {
    fn drop(&mut self) {
        remove(&self.base);
    }
}

/// Removes a group with those below, when the processes that were killed in it
/// have left.
fn remove(group: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while try_remove(group).is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn try_remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            try_remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// Where groups have a controller: v1, if it has taken it, or v2.
fn hierarchy(controller: &str) -> Option<(Version, PathBuf)> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut v2 = None;
    for mount in mounts.lines() {
        let (place, kind) = mount.split_once(" - ").unwrap();
        let point = PathBuf::from(place.split(' ').nth(4).unwrap());
        let kind: Vec<&str> = kind.split(' ').collect();
        if kind[0] == "cgroup" && kind[2].split(',').any(|word| word == controller) {
            return Some((Version::V1, point));
        }
        let passed_on = || fs::read_to_string(point.join("cgroup.subtree_control"));
        if kind[0] == "cgroup2"
            && passed_on().is_ok_and(|names| names.split_whitespace().any(|it| it == controller))
        {
            v2 = Some((Version::V2, point));
        }
    }
    v2
}

/// A group of pids alone, where v1 has a hierarchy for them.
pub(crate) struct PidsGroup(PathBuf);

impl PidsGroup {
    pub(crate) fn new() -> Option<Self> {
        let (version, hierarchy) = hierarchy("pids")?;
        let path = hierarchy.join(format!("vproc-experiment-{}-pids", std::process::id()));
        if version == Version::V2 {
            return None;
        }
        fs::create_dir(&path).unwrap();
        Some(PidsGroup(path))
    }

    pub(crate) fn take(&self, driver: &Driver) {
        fs::write(self.0.join("cgroup.procs"), driver.pid().to_string()).unwrap();
    }
}

impl Drop for PidsGroup {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// One group.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) version: Version,
    path: PathBuf,
}

impl Group {
    /// A new driver in this group.
    pub(crate) fn driver(&self) -> Driver {
        let driver = Driver::start();
        self.take(&driver);
        driver
    }

    /// Takes a driver in, before it has used anything.
    pub(crate) fn take(&self, driver: &Driver) {
        self.write("cgroup.procs", &driver.pid().to_string()).unwrap();
    }

    pub(crate) fn write(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.path.join(file), value)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).unwrap()
    }

    /// The number in a file, or that of a line in it.
    pub(crate) fn number(&self, file: &str, key: Option<&str>) -> u64 {
        let text = self.read(file);
        let number = match key {
            None => text.trim(),
            Some(key) => text.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim(),
        };
        number.parse().unwrap()
    }

    pub(crate) fn try_limit(&self, bytes: Option<u64>) -> io::Result<()> {
        let (file, none) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "-1"),
            Version::V2 => ("memory.max", "max"),
        };
        self.write(file, &bytes.map_or(none.to_owned(), |bytes| bytes.to_string()))
    }

    /// Limits memory.
    #[track_caller]
    pub(crate) fn limit(&self, bytes: Option<u64>) {
        self.try_limit(bytes).unwrap();
    }

    /// Limits swap; v1 limits memory and swap together, so `memory` is what
    /// memory is limited to.
    #[track_caller]
    pub(crate) fn limit_swap(&self, memory: u64, swap: Option<u64>) {
        self.try_limit_swap(memory, swap).unwrap();
    }

    pub(crate) fn try_limit_swap(&self, memory: u64, swap: Option<u64>) -> io::Result<()> {
        let bytes = |amount: Option<u64>, none: &str| {
            amount.map_or(none.to_owned(), |bytes| bytes.to_string())
        };
        match self.version {
            Version::V1 => self
                .write("memory.memsw.limit_in_bytes", &bytes(swap.map(|swap| memory + swap), "-1")),
            Version::V2 => self.write("memory.swap.max", &bytes(swap, "max")),
        }
    }

    pub(crate) fn accounts_swap(&self) -> bool {
        let file = match self.version {
            Version::V1 => "memory.memsw.limit_in_bytes",
            Version::V2 => "memory.swap.max",
        };
        self.path.join(file).exists()
    }

    /// What the kernel says that the group uses, in bytes.
    pub(crate) fn usage(&self) -> u64 {
        match self.version {
            Version::V1 => self.number("memory.usage_in_bytes", None),
            Version::V2 => self.number("memory.current", None),
        }
    }

    /// What the kernel says that the group has swapped out, in bytes.
    pub(crate) fn swapped(&self) -> u64 {
        match self.version {
            Version::V1 => self.number("memory.stat", Some("total_swap ")),
            Version::V2 => self.number("memory.swap.current", None),
        }
    }
}
