//! Limits as the files of groups want them.

use super::error::{Error, errno};
use super::groups::Group;
use super::limits::{Cpus, Limits, Size};
use std::fs;
use std::io;
use std::path::Path;
use vproc_snapshot::CgroupVersion;

/// The controllers of v2 that account something a rendered file shows.
const V2_CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// Has a v2 parent pass on the controllers that rendered files show, as far
/// as it has them; returns those that its children get. A refusal is an error
/// only where a limit needs the controller.
pub(super) fn delegate(parent: &Path, limits: &Limits) -> Result<Vec<String>, Error> {
    let path = parent.join("cgroup.subtree_control");
    let available = read_words(&parent.join("cgroup.controllers"))?;
    let mut passed_on = read_words(&path)?;
    for controller in V2_CONTROLLERS {
        let has = |list: &[String]| list.iter().any(|name| name == controller);
        if !has(&available) || has(&passed_on) {
            continue;
        }
        match write_file(&path, &format!("+{controller}")) {
            Ok(()) => passed_on.push(controller.to_owned()),
            Err(error) if need(limits, controller) => {
                return Err(Error::Delegate { controller, path, errno: errno(&error) });
            }
            Err(_) => {}
        }
    }
    Ok(passed_on)
}

fn need(limits: &Limits, controller: &str) -> bool {
    match controller {
        "memory" => limits.memory.is_some() || limits.swap.is_some(),
        "cpu" => limits.cpus.is_some(),
        "cpuset" => limits.cpuset.is_some(),
        "pids" => limits.pids.is_some(),
        _ => false,
    }
}

/// Gives a new v1 cpuset its parent's CPUs and memory nodes: it starts with
/// none, and takes no process before it has some (cgroup-v1/cpusets.rst).
pub(super) fn inherit_cpuset(parent: &Path, group: &Path) -> Result<(), Error> {
    for (own, effective) in
        [("cpuset.cpus", "cpuset.effective_cpus"), ("cpuset.mems", "cpuset.effective_mems")]
    {
        let mut value = read(&parent.join(own))?;
        if value.trim().is_empty() {
            value = read(&parent.join(effective))?;
        }
        write(&group.join(own), value.trim())?;
    }
    Ok(())
}

/// Sets the limits.
pub(super) fn set(groups: &[Group], limits: &Limits) -> Result<(), Error> {
    if let Some(memory) = limits.memory {
        set_memory(find(groups, "memory", "memory")?, memory)?;
    }
    if let Some(swap) = limits.swap {
        set_swap(find(groups, "swap", "memory")?, limits.memory, swap)?;
    }
    if let Some(cpus) = limits.cpus {
        set_cpus(find(groups, "CPU time", "cpu")?, cpus)?;
    }
    if let Some(cpus) = limits.cpuset.as_deref().map(str::trim) {
        let group = find(groups, "the set of CPUs", "cpuset")?;
        if cpus.is_empty() {
            return Err(Error::NoCpus);
        }
        write(&group.path.join("cpuset.cpus"), cpus)?;
    }
    if let Some(pids) = limits.pids {
        write(&find(groups, "processes", "pids")?.path.join("pids.max"), &pids.to_string())?;
    }
    Ok(())
}

fn find<'a>(
    groups: &'a [Group],
    limit: &'static str,
    controller: &'static str,
) -> Result<&'a Group, Error> {
    groups
        .iter()
        .find(|group| group.controllers.iter().any(|name| name == controller))
        .ok_or(Error::NoController { limit, controller })
}

fn set_memory(group: &Group, memory: Size) -> Result<(), Error> {
    match group.version {
        CgroupVersion::V2 => write(&group.path.join("memory.max"), &memory.to_string()),
        CgroupVersion::V1 => write(&group.path.join("memory.limit_in_bytes"), &in_v1(memory)),
    }
}

/// v1 limits the sum of memory and swap, and refuses a sum below the limit
/// for memory, so that the latter comes first.
fn set_swap(group: &Group, memory: Option<Size>, swap: Size) -> Result<(), Error> {
    let (file, value) = match (group.version, memory, swap) {
        (CgroupVersion::V2, _, swap) => ("memory.swap.max", swap.to_string()),
        (CgroupVersion::V1, None, _) | (CgroupVersion::V1, Some(Size::Max), Size::Bytes(_)) => {
            return Err(Error::SwapWithoutMemory);
        }
        (CgroupVersion::V1, Some(Size::Bytes(memory)), Size::Bytes(swap)) => {
            ("memory.memsw.limit_in_bytes", in_v1(Size::Bytes(memory.saturating_add(swap))))
        }
        (CgroupVersion::V1, Some(_), _) => ("memory.memsw.limit_in_bytes", in_v1(Size::Max)),
    };
    let path = group.path.join(file);
    if !path.exists() {
        return Err(Error::NoSwapAccounting(path));
    }
    write(&path, &value)
}

/// v1 writes "no limit" as -1.
fn in_v1(size: Size) -> String {
    match size {
        Size::Bytes(bytes) => bytes.to_string(),
        Size::Max => "-1".to_owned(),
    }
}

fn set_cpus(group: &Group, cpus: Cpus) -> Result<(), Error> {
    let (quota, period) = (cpus.quota(), Cpus::PERIOD);
    match group.version {
        CgroupVersion::V2 => write(&group.path.join("cpu.max"), &format!("{quota} {period}")),
        CgroupVersion::V1 => {
            write(&group.path.join("cpu.cfs_period_us"), &period.to_string())?;
            write(&group.path.join("cpu.cfs_quota_us"), &quota.to_string())
        }
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::file("read", path, &error))
}

fn read_words(path: &Path) -> Result<Vec<String>, Error> {
    Ok(read(path)?.split_whitespace().map(str::to_owned).collect())
}

/// Writes a file that exists, all at once: the kernel takes each write as a
/// value of its own.
fn write_file(path: &Path, value: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    io::Write::write_all(&mut file, value.as_bytes())
}

pub(super) fn write(path: &Path, value: &str) -> Result<(), Error> {
    write_file(path, value).map_err(|error| Error::Write {
        value: value.to_owned(),
        path: path.to_owned(),
        errno: errno(&error),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tempfile::TempDir;

    fn parent(available: &str, passed_on: &str) -> TempDir {
        let parent = TempDir::new().unwrap();
        fs::write(parent.path().join("cgroup.controllers"), available).unwrap();
        fs::write(parent.path().join("cgroup.subtree_control"), passed_on).unwrap();
        parent
    }

    fn group(version: CgroupVersion, files: &[&str]) -> (TempDir, Group) {
        let directory = TempDir::new().unwrap();
        for file in files {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let controllers = ["cpu", "cpuset", "memory", "pids"].map(str::to_owned).to_vec();
        let group = Group { path: directory.path().to_owned(), version, controllers };
        (directory, group)
    }

    fn all() -> Limits {
        Limits {
            memory: Some(Size::Bytes(8192)),
            swap: Some(Size::Bytes(4096)),
            cpus: "1.5".parse().ok(),
            cpuset: Some("0-1".to_owned()),
            pids: Some(9),
        }
    }

    #[test]
    fn only_what_files_need_is_passed_on() {
        let parent = parent("cpu io hugetlb rdma\n", "cpu\n");
        assert_eq!(delegate(parent.path(), &Limits::default()).unwrap(), ["cpu", "io"]);
    }

    #[test]
    fn a_refusal_counts_where_a_limit_needs_the_controller() {
        let parent = parent("memory pids\n", "pids\n");
        let control = parent.path().join("cgroup.subtree_control");
        fs::remove_file(&control).unwrap();
        std::os::unix::fs::symlink("/proc/version", &control).unwrap();
        let passed_on = delegate(parent.path(), &Limits::default()).unwrap();
        assert!(!passed_on.contains(&"memory".to_owned()));
        let refused = delegate(parent.path(), &all());
        assert!(matches!(refused, Err(Error::Delegate { controller: "memory", .. })));
    }

    #[test]
    fn limits_in_v2() {
        let files = ["memory.max", "memory.swap.max", "cpu.max", "cpuset.cpus", "pids.max"];
        let (directory, group) = group(CgroupVersion::V2, &files);
        set(&[group], &all()).unwrap();
        let values = files.map(|file| fs::read_to_string(directory.path().join(file)).unwrap());
        assert_eq!(values, ["8192", "4096", "150000 100000", "0-1", "9"]);
    }

    #[test]
    fn limits_without_their_files_are_errors() {
        let (_directory, group) = group(CgroupVersion::V2, &["memory.max"]);
        let swap = set(std::slice::from_ref(&group), &all());
        assert!(matches!(swap, Err(Error::NoSwapAccounting(_))), "{swap:?}");
        let none = set(&[], &all());
        assert!(matches!(none, Err(Error::NoController { controller: "memory", .. })), "{none:?}");
        let cpuset = Limits { cpuset: Some(" ".into()), ..Limits::default() };
        assert!(matches!(set(&[group], &cpuset), Err(Error::NoCpus)));
    }
}
