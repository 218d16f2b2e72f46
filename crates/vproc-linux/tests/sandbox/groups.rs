//! Groups and limits.

use crate::{Test, eventually};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::OnceLock;
use vproc_linux::sandbox::{Error, Groups, Limits, Sandbox, Size, Spec};
use vproc_snapshot::CgroupVersion;

pub(crate) const TESTS: &[Test] = &[
    ("groups::limits_are_set", limits_are_set),
    (
        "groups::limits_that_are_not_wanted_are_left_alone",
        limits_that_are_not_wanted_are_left_alone,
    ),
    ("groups::swap_is_added_to_memory", swap_is_added_to_memory),
    ("groups::a_refused_limit_names_file_and_reason", a_refused_limit_names_file_and_reason),
    ("groups::a_parent_may_be_named", a_parent_may_be_named),
    ("groups::frozen_processes_are_killed", frozen_processes_are_killed),
    ("groups::what_is_not_ours_or_alive_stays", what_is_not_ours_or_alive_stays),
];

/// Why there can be no groups here.
pub(crate) fn unavailable() -> Option<String> {
    Sandbox::start(&Spec::new(["true"])).err().map(|error| error.to_string())
}

/// The groups of a maker below the roots.
pub(crate) fn groups_of(maker: u32) -> Vec<PathBuf> {
    static ROOTS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let groups = create(&Limits::default());
        groups.list().iter().map(|group| group.path.parent().unwrap().to_owned()).collect()
    });
    let prefix = format!("vproc-run-{maker}-");
    roots
        .iter()
        .flat_map(|root| fs::read_dir(root).unwrap().flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

fn create(limits: &Limits) -> Groups {
    Groups::create(Path::new("/"), limits).unwrap()
}

fn read(groups: &Groups, controller: &str, v1: &str, v2: &str) -> String {
    let group = groups.of(controller).unwrap();
    let name = if group.version == CgroupVersion::V1 { v1 } else { v2 };
    fs::read_to_string(group.path.join(name)).unwrap().trim().to_owned()
}

/// A process that does nothing, and ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        // In a process group that a signal for the tests' does not reach.
        let mut command = Command::new("sleep");
        Sleeper(command.arg("1000").process_group(0).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn limits_are_set() {
    let limits = Limits {
        memory: Some(Size::Bytes(96 << 20)),
        cpus: "0.5".parse().ok(),
        cpuset: Some("0".into()),
        pids: Some(33),
        ..Limits::default()
    };
    let groups = create(&limits);
    let paths: Vec<PathBuf> = groups.list().iter().map(|group| group.path.clone()).collect();
    let memory = read(&groups, "memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, (96 << 20).to_string());
    let cpu = read(&groups, "cpu", "cpu.cfs_quota_us", "cpu.max");
    assert_eq!(cpu.split(' ').next(), Some("50000"));
    assert_eq!(read(&groups, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    assert_eq!(read(&groups, "pids", "pids.max", "pids.max"), "33");
    drop(groups);
    for path in paths {
        assert!(!path.exists(), "{}", path.display());
    }
}

fn limits_that_are_not_wanted_are_left_alone() {
    let groups = create(&Limits::default());
    let plain = groups.list().iter().map(|group| {
        let path = group.path.with_file_name(format!("vproc-test-plain-{}", id()));
        fs::create_dir(&path).unwrap();
        path
    });
    let plain: Vec<PathBuf> = plain.collect();
    for (group, plain) in groups.list().iter().zip(&plain) {
        for name in
            ["memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max", "pids.max"]
        {
            let read = |group: &Path| fs::read_to_string(group.join(name)).ok();
            assert_eq!(read(&group.path), read(plain), "{name}");
        }
        fs::remove_dir(plain).unwrap();
    }
}

fn swap_is_added_to_memory() {
    let swap = Limits { swap: Some(Size::Bytes(4 << 20)), ..Limits::default() };
    let both = Limits { memory: Some(Size::Bytes(8 << 20)), ..swap.clone() };
    let groups = match Groups::create(Path::new("/"), &both) {
        Err(Error::NoSwapAccounting(_)) => {
            return eprintln!("skipped, because swap is not accounted");
        }
        other => other.unwrap(),
    };
    if groups.of("memory").unwrap().version == CgroupVersion::V2 {
        assert_eq!(read(&groups, "memory", "", "memory.swap.max"), (4 << 20).to_string());
        return;
    }
    let sum = read(&groups, "memory", "memory.memsw.limit_in_bytes", "");
    assert_eq!(sum, (12 << 20).to_string());
    let alone = Groups::create(Path::new("/"), &swap);
    assert!(matches!(alone, Err(Error::SwapWithoutMemory)), "{alone:?}");
    let unlimited = create(&Limits { swap: Some(Size::Max), ..both });
    let sum = read(&unlimited, "memory", "memory.memsw.limit_in_bytes", "");
    assert!(sum.parse::<u64>().unwrap() > 1 << 60, "{sum}");
}

fn a_refused_limit_names_file_and_reason() {
    let limits = Limits { cpuset: Some("999".into()), ..Limits::default() };
    let error = Groups::create(Path::new("/"), &limits).unwrap_err().to_string();
    assert!(error.contains("`999`") && error.contains("cpuset.cpus"), "{error}");
    assert!(error.contains("os error"), "{error}");
    assert!(groups_of(id()).is_empty());
}

fn a_parent_may_be_named() {
    let outer = create(&Limits { memory: Some(Size::Bytes(64 << 20)), ..Limits::default() });
    let name = outer.list()[0].path.file_name().unwrap().to_owned();
    let inner = Groups::create(&Path::new("/").join(&name), &Limits::default()).unwrap();
    for (outer, inner) in outer.list().iter().zip(inner.list()) {
        assert_eq!(inner.path.parent(), Some(outer.path.as_path()));
    }
    assert_eq!(inner.list().len(), outer.list().len());
    drop(inner);
    let missing = Groups::create(Path::new("/vproc-test-missing"), &Limits::default());
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("/vproc-test-missing"), "{error}");
}

fn frozen_processes_are_killed() {
    let mut groups = create(&Limits::default());
    let mut sleeper = Sleeper::start();
    groups.join(sleeper.0.id()).unwrap();
    for group in groups.list() {
        let (v1, v2) = (group.path.join("freezer.state"), group.path.join("cgroup.freeze"));
        if v1.exists() {
            fs::write(v1, "FROZEN").unwrap();
        } else if v2.exists() {
            fs::write(v2, "1").unwrap();
        }
    }
    let nested = groups.list()[0].path.join("nested");
    fs::create_dir(&nested).unwrap();
    let paths: Vec<PathBuf> = groups.list().iter().map(|group| group.path.clone()).collect();
    // Removal waits for this process to reap: the group goes with the zombie
    // on some kernels, and before on others.
    let reaper = std::thread::spawn(move || sleeper.0.wait().unwrap());
    groups.remove().unwrap();
    assert!(!reaper.join().unwrap().success());
    assert!(paths.iter().all(|path| !path.exists()));
    eventually("the thread has left", || fs::read_dir("/proc/self/task").unwrap().count() == 1);
}

fn what_is_not_ours_or_alive_stays() {
    let own = create(&Limits::default());
    let beside = |name: &str| own.list()[0].path.with_file_name(name);
    let sleeper = Sleeper::start();
    let living = beside(&format!("vproc-run-{}-000000", sleeper.0.id()));
    let foreign = beside(&format!("vproc-test-foreign-{}", id()));
    // More than any process id can be: PID_MAX_LIMIT is 4194304.
    let stale = beside(&format!("vproc-run-{}-000000", 4_194_304 + id()));
    for path in [&living, &foreign, &stale] {
        fs::create_dir(path).unwrap();
    }
    fs::create_dir(stale.join("child")).unwrap();
    drop(create(&Limits::default()));
    assert!(living.exists() && foreign.exists() && !stale.exists());
    fs::remove_dir(&foreign).unwrap();
    drop(sleeper);
    drop(create(&Limits::default()));
    assert!(!living.exists());
}
