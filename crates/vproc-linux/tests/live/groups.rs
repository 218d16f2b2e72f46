//! Files of groups.

use crate::stage::*;
use std::fs;
use vproc_linux::{Error, Host, Identity};
use vproc_snapshot::{CgroupLayout, Content};

const ENOENT: u32 = 2;

#[test]
fn limits_are_read_from_the_leaf_up_to_the_root() {
    let host = Host::open().unwrap();
    let Some((memory, source)) = controller(&host, "memory").filter(|_| is_root()) else { return };
    let is_v2 = source.starts_with("cgroup2");
    let (limit, usage) = match is_v2 {
        true => ("memory.max", "memory.current"),
        false => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    };
    let outer = Group::new(&memory);
    if is_v2 {
        fs::write(outer.0.join("cgroup.subtree_control"), "+memory").unwrap();
    }
    let inner = outer.below("inner");
    fs::write(inner.join(limit), "67108864").unwrap();
    let process = Running::sleep(&[&inner]);

    let found = read_for(&host, process.pid(), &format!("{source}/{limit}@lineage"));
    let places: Vec<(u32, u32)> = found.iter().map(|one| (one.level, one.depth)).collect();
    // The root of v2 has no limits.
    let levels = if is_v2 { 2 } else { 3 };
    assert_eq!(places, [(0, 2), (1, 1), (2, 0)][..levels]);
    assert_eq!(text(&found[0]), "67108864\n");
    let names: Vec<_> = found.iter().map(|one| one.group.clone().unwrap()).collect();
    let expected = [format!("{}/inner", outer.name()), outer.name(), "/".to_owned()];
    assert_eq!(names, expected[..levels]);

    let leaf = read_for(&host, process.pid(), &format!("{source}/{usage}@leaf"));
    assert_eq!((leaf.len(), leaf[0].level, leaf[0].depth), (1, 0, 2));
    let nearest = read_for(&host, process.pid(), &format!("{source}/memory.stat@nearest"));
    assert_eq!((nearest.len(), nearest[0].level), (1, 0));
    let part = if is_v2 { "anon " } else { "hierarchical_memory_limit 67108864\n" };
    assert!(text(&nearest[0]).contains(part));
}

#[test]
fn a_file_that_nobody_has_is_absent_at_the_leaf() {
    let host = Host::open().unwrap();
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let process = Running::sleep(&[&group.0]);
    for scope in ["leaf", "nearest", "lineage"] {
        let found = read_for(&host, process.pid(), &format!("{source}/pids.no_such@{scope}"));
        assert_eq!(found.len(), 1, "{scope}");
        assert_eq!((found[0].level, found[0].depth), (0, 1));
        assert_eq!(found[0].content, Content::Absent(ENOENT));
    }
}

#[test]
fn a_controller_is_asked_for_where_it_is_bound() {
    let host = Host::open().unwrap();
    let Some(unified) = mount_point(&host, "").filter(|_| is_root()) else { return };
    if host.layout() != CgroupLayout::Hybrid || mount_point(&host, "memory").is_none() {
        return crate::stage::skip("this host is not hybrid");
    }
    let group = Group::new(&unified);
    let process = Running::sleep(&[&group.0]);
    let found = |source| read_for(&host, process.pid(), source);
    assert!(found("cgroup2:memory/memory.max@lineage").is_empty());
    assert!(found("cgroup2:io/io.stat@leaf").is_empty() || mount_point(&host, "blkio").is_none());
    assert!(found("cgroup1:no_such/x@leaf").is_empty());
    // A file that every v2 group has is there on a hybrid host, too.
    let stat = found("cgroup2:/cpu.stat@nearest");
    assert!(text(&stat[0]).starts_with("usage_usec "));
    assert_eq!((stat[0].level, stat[0].depth), (0, 1));
    assert_eq!(stat[0].group.as_deref(), Some(group.name().as_str()));
}

#[test]
fn the_root_of_v2_is_no_nearest_group() {
    let host = Host::open().unwrap();
    let Some(unified) = mount_point(&host, "").filter(|_| is_root()) else { return };
    let group = Group::new(&unified);
    let inner = group.below("inner");
    let process = Running::sleep(&[&inner]);
    let found = |scope| read_for(&host, process.pid(), &format!("cgroup2:/cpu.stat@{scope}"));
    let places: Vec<_> = found("lineage").iter().map(|one| (one.level, one.depth)).collect();
    assert!(places.starts_with(&[(0, 2), (1, 1)]), "{places:?}");

    fs::write(group.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
    // Only the root has no `cgroup.type`, and only v1's root `release_agent`.
    let kinds = read_for(&host, process.pid(), "cgroup2:/cgroup.type@lineage");
    assert_eq!((kinds.len(), text(&kinds[0])), (1, "domain\n"));
    fs::write(unified.join("cgroup.procs"), process.pid().to_string()).unwrap();
    let root = read_for(&host, process.pid(), "cgroup2:/cgroup.type@nearest");
    assert_eq!(root[0].content, Content::Absent(ENOENT));
    assert_eq!((root[0].level, root[0].depth, root[0].group.as_deref()), (0, 0, Some("/")));
}

#[test]
fn a_subject_that_moved_is_read_where_it_is_now() {
    let host = Host::open().unwrap();
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let (before, after) = (Group::new(&pids), Group::new(&pids));
    fs::write(after.0.join("pids.max"), "77").unwrap();
    let process = Running::sleep(&[&before.0]);
    let subject = host.subject(process.pid(), Identity::Reader).unwrap();
    fs::write(after.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
    let gone = before.0.clone();
    drop(before);
    assert!(!gone.exists());

    let found = read(&host, &subject, &format!("{source}/pids.max@leaf"));
    assert_eq!(text(&found[0]), "77\n");
    assert_eq!(found[0].group.as_deref(), Some(after.name().as_str()));
}

#[test]
fn a_subject_that_ended_with_its_group_is_no_process() {
    let host = Host::open().unwrap();
    let Some((pids, source)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let mut process = Running::sleep(&[&group.0]);
    let pid = process.pid();
    let subject = host.subject(pid, Identity::Reader).unwrap();
    process.end();
    drop(group);
    let wanted = sources(&[&format!("{source}/pids.max@leaf")]);
    let read = host.read(&subject, host.environment(Vec::new()), &wanted);
    assert!(matches!(read, Err(Error::NoSuchProcess(ended)) if ended == pid), "{read:?}");
}

#[test]
fn only_the_root_of_every_hierarchy_is_the_host() {
    let host = Host::open().unwrap();
    if !is_root() || host.layout() == CgroupLayout::None {
        return;
    }
    let mounts: Vec<_> =
        host.hierarchies().iter().flat_map(|one| one.mount_points()).map(Into::into).collect();
    let mounts: Vec<&std::path::Path> = mounts.iter().map(std::path::PathBuf::as_path).collect();
    let Some((pids, _)) = controller(&host, "pids") else { return };
    let group = Group::new(&pids);
    let process = Running::sleep(&mounts);
    assert!(host.subject(process.pid(), Identity::Init).unwrap().is_host());

    fs::write(group.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
    assert!(!host.subject(process.pid(), Identity::Init).unwrap().is_host());
}
