//! The size of memory is the lowest limit, wherever it stands.

use crate::disk::Disk;
use crate::driver::Driver;
use crate::shown::{Differences, Shown, host, settled};
use crate::stage::{Group, PidsGroup, Tree, Version, mib};
use vproc_tests::skip;

/// `MemTotal` that a process is shown, in KiB.
fn total(driver: &Driver) -> u64 {
    Shown::to(driver.pid()).amount("MemTotal")
}

/// A driver that has used this much sees these limits and this use.
#[track_caller]
fn sees(driver: &Driver, limit_kib: u64, used_mib: u64) {
    settled(driver.pid(), |shown, differences| {
        let driven = used_mib << 10;
        differences.exact("MemTotal", shown.amount("MemTotal"), limit_kib);
        let used = shown.amount("MemTotal") as i64 - shown.amount("MemFree") as i64;
        differences.compare("MemTotal - MemFree", used, driven as i64, driven);
        let anonymous = shown.amount("AnonPages") as i64;
        differences.compare("AnonPages", anonymous, driven as i64, driven);
    });
}

const PATH: &str = "1/2/3/4/5/6/7";

fn levels(tree: &Tree) -> Vec<Group> {
    let ends = PATH.match_indices('/').map(|(at, _)| at).chain([PATH.len()]);
    ends.map(|end| tree.group(&PATH[..end])).collect()
}

/// Seven groups, of which one after the other has the only limit.
fn at_each_level(test: &str, start: impl FnOnce(&Group) -> Driver) {
    let Some(tree) = Tree::new(test) else { return };
    let groups = levels(&tree);
    assert_eq!(groups.len(), 7);
    let mut driver = start(&groups[6]);
    driver.must("anonymous 16");
    sees(&driver, host("MemTotal"), 16);
    for (group, size) in groups.iter().zip(64..) {
        group.limit(Some(mib(size)));
        sees(&driver, size << 10, 16);
        group.limit(None);
    }
    assert_eq!(total(&driver), host("MemTotal"), "no limit again");
}

#[test]
fn each_level_counts() {
    at_each_level("limits::each_level_counts", Group::driver);
}

#[test]
fn the_lowest_of_many_counts() {
    let Some(tree) = Tree::new("limits::the_lowest_of_many_counts") else { return };
    let groups = levels(&tree);
    let driver = groups[6].driver();
    for lowest in 0..groups.len() {
        for (level, group) in groups.iter().enumerate() {
            let size = if level == lowest { 80 } else { 96 + 8 * (level as u64 ^ 5) };
            group.limit(Some(mib(size)));
        }
        assert_eq!(total(&driver), 80 << 10, "the lowest is at level {lowest}");
    }
}

#[test]
fn each_level_counts_for_a_cgroup_namespace() {
    at_each_level("limits::each_level_counts_for_a_cgroup_namespace", |group| {
        let mut driver = group.driver();
        driver.enter_cgroup_namespace();
        driver
    });
}

#[test]
fn each_level_counts_for_a_pid_namespace() {
    at_each_level("limits::each_level_counts_for_a_pid_namespace", |group| {
        let driver = Driver::start_init();
        group.take(&driver);
        driver
    });
}

/// Above the host's size, and between two pages.
#[test]
fn limits_are_what_the_kernel_makes_of_them() {
    let test = "limits::limits_are_what_the_kernel_makes_of_them";
    let Some(tree) = Tree::new(test) else { return };
    let group = tree.group("leaf");
    let driver = group.driver();
    group.limit(Some(100_000_001));
    assert_eq!(total(&driver), 100_000_001 / 4096 * 4);
    group.limit(Some((host("MemTotal") << 10) + mib(1)));
    assert_eq!(total(&driver), host("MemTotal"));
    group.limit(Some((host("MemTotal") << 10) - mib(1)));
    assert_eq!(total(&driver), host("MemTotal") - 1024);
}

/// systemd as the init of a container moves itself to a group below.
#[test]
fn init_scope_is_not_the_container() {
    let Some(tree) = Tree::new("limits::init_scope_is_not_the_container") else { return };
    let container = tree.group("container");
    let scope = tree.group("container/init.scope");
    let service = tree.group("container/service");
    container.limit(Some(mib(128)));
    scope.limit(Some(mib(64)));
    let driver = Driver::start_init();
    scope.take(&driver);
    let mut other = service.driver();
    other.must("anonymous 32");
    sees(&driver, 128 << 10, 32);
}

/// A container's group without the controller: that of its parent counts.
#[test]
fn a_leaf_without_the_controller() {
    let Some(tree) = Tree::new("limits::a_leaf_without_the_controller") else { return };
    let parent = tree.group("parent");
    parent.limit(Some(mib(128)));
    let leaf = match tree.version {
        Version::V2 => tree.group_without_controller("parent/leaf"),
        Version::V1 => parent.clone(),
    };
    let mut driver = leaf.driver();
    // On v1, each controller has groups of its own.
    let pids = PidsGroup::new();
    if let Some(pids) = &pids {
        pids.take(&driver);
    }
    driver.must("anonymous 32");
    sees(&driver, 128 << 10, 32);
    drop(driver);
}

/// The page cache goes, to make room for a lower limit.
#[test]
fn lowered_below_what_is_cached() {
    let test = "limits::lowered_below_what_is_cached";
    let Some(disk) = Disk::new(test) else { return };
    let Some(tree) = Tree::new(test) else { return };
    let file = disk.file("file", 48);
    let group = tree.group("leaf");
    group.limit(Some(mib(128)));
    let mut driver = group.driver();
    driver.must(&format!("read {file}"));
    group.limit(Some(mib(24)));
    settled(driver.pid(), |shown, differences| {
        differences.exact("MemTotal", shown.amount("MemTotal"), 24 << 10);
        let is = shown.amount("MemTotal") - shown.amount("MemFree");
        let kernel = (group.usage() >> 10) as i64;
        differences.compare("MemTotal - MemFree", is as i64, kernel, 24 << 10);
        let available = shown.amount("MemAvailable") as i64;
        differences.compare("MemAvailable", available, 24 << 10, 24 << 10);
        let free = shown.amount("MemFree") as i64;
        let cached = shown.amount("Cached") as i64;
        differences.compare("MemFree + Cached", free + cached, 24 << 10, 24 << 10);
    });
}

/// What cannot be reclaimed stays. v1 refuses the limit, v2 takes it.
#[test]
fn lowered_below_what_cannot_be_reclaimed() {
    let test = "limits::lowered_below_what_cannot_be_reclaimed";
    let Some(tree) = Tree::new(test) else { return };
    let group = tree.group("leaf");
    group.limit(Some(mib(128)));
    let mut driver = group.driver();
    driver.must("locked 48");
    if group.version == Version::V2 {
        // Else the kernel would kill it, to enforce the limit.
        if let Err(error) = driver.tell("spare") {
            return skip(test, &format!("a process cannot be spared: {error}"));
        }
        // Above its limit it could not bring back a page that was swapped out,
        // and where the kernel itself needs that page (the restartable sequences
        // of a thread that was preempted, rseq(2)), it ends with SIGSEGV.
        driver.stop();
    }
    let refused = group.try_limit(Some(mib(24)));
    match group.version {
        Version::V1 => {
            assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
            sees(&driver, 128 << 10, 48);
        }
        Version::V2 => {
            refused.unwrap();
            settled(driver.pid(), |shown, differences| {
                let amount = |label| shown.amount(label);
                differences.exact("MemTotal", amount("MemTotal"), 24 << 10);
                differences.exact("MemFree", amount("MemFree"), 0);
                let available = amount("MemAvailable") as i64;
                differences.compare("MemAvailable", available, 0, 24 << 10);
                differences.exact("AnonPages", amount("AnonPages"), 24 << 10);
            });
        }
    }
}

/// `memory.high` slows a container down, the soft limit of v1 names it for
/// reclaim: neither bounds it.
#[test]
fn soft_limits_count_on_demand() {
    let Some(tree) = Tree::new("limits::soft_limits_count_on_demand") else { return };
    let (parent, leaf) = (tree.group("parent"), tree.group("parent/leaf"));
    leaf.limit(Some(mib(128)));
    let mut driver = leaf.driver();
    driver.must("locked 32");
    let file = match tree.version {
        Version::V1 => "memory.soft_limit_in_bytes",
        Version::V2 => "memory.high",
    };
    parent.write(file, "24M").unwrap();
    sees(&driver, 128 << 10, 32);
    let shown = Shown::with(driver.pid(), &["--set", "memory-high=limit"]);
    let expected = if tree.version == Version::V1 { (128, 96) } else { (24, 0) };
    let mut differences = Differences::default();
    differences.exact("MemTotal", shown.amount("MemTotal"), expected.0 << 10);
    let free = shown.amount("MemFree") as i64;
    differences.compare("MemFree", free, expected.1 << 10, 32 << 10);
    differences.none();
}
