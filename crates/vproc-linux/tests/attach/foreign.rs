//! Mounts of others: masks, lxcfs, nested containers.

use crate::stage::*;
use vproc_linux::attach::{Life, Outcome, Removal, Skip};

#[test]
fn a_masked_file_is_covered_if_asked_for() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "mount --bind /dev/null /proc/meminfo");
    let mut ours = Ours::new();
    let skipped = ours.attach(pid, &[MEMINFO]);
    let Outcome::Skipped(Skip::Covered(mask)) = &skipped[0] else { panic!("{skipped:?}") };
    assert_eq!(read(pid, MEMINFO).unwrap(), "");

    ours.options.cover_masks = true;
    let over = Outcome::Attached { over: Some(mask.clone()) };
    assert_eq!(ours.attach(pid, &[MEMINFO]), [over]);
    assert_eq!(read(pid, MEMINFO).unwrap(), "ours: /proc/meminfo\n");
    assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::AlreadyThere]);
    assert_eq!(mounts_at(pid, MEMINFO), 2);
    // The mask is not ours, and stays.
    assert_eq!(ours.detach(pid, MEMINFO), Removal::Removed);
    assert_eq!(ours.detach(pid, MEMINFO), Removal::NotThere);
    assert_eq!(read(pid, MEMINFO).unwrap(), "");
}

#[test]
fn a_mount_over_ours_is_left_alone() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let ours = Ours::new();
    ours.attach(pid, &[MEMINFO]);
    within(pid, || rustix::mount::mount_bind("/dev/null", MEMINFO)).unwrap();
    let removal = ours.detach(pid, MEMINFO);
    let Removal::Skipped(Skip::Covered(mask)) = &removal else { panic!("{removal:?}") };
    assert_eq!(ours.attached(pid)[0].life, Life::Covered(mask.clone()));
    assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::Skipped(Skip::Covered(mask.clone()))]);
    assert_eq!(mounts_at(pid, MEMINFO), 2);
}

#[test]
fn files_that_a_runtime_made_read_only_are_the_kernels() {
    if !can_attach() {
        return;
    }
    let script = "mount --bind /proc/meminfo /proc/meminfo; mount -o remount,bind,ro /proc/meminfo";
    let (_container, pid) = container(&[], script);
    let ours = Ours::new();
    assert_eq!(ours.attach(pid, &[MEMINFO]), [new()]);
    assert_eq!(ours.detach(pid, MEMINFO), Removal::Removed);
    assert_eq!(mounts_at(pid, MEMINFO), 1);
}

#[test]
fn a_file_of_lxcfs_is_covered_and_named() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let ours = Ours::new();
    let Some(lxcfs) = Fuse::mount(pid, "fuse.lxcfs", MEMINFO, REGULAR) else { return };
    let over = Outcome::Attached { over: Some("fuse.lxcfs".to_owned()) };
    assert_eq!(ours.attach(pid, &[MEMINFO]), [over]);
    assert_eq!(read(pid, MEMINFO).unwrap(), "ours: /proc/meminfo\n");
    assert_eq!(ours.detach(pid, MEMINFO), Removal::Removed);
    assert_eq!((ours.detach(pid, MEMINFO), mounts_at(pid, MEMINFO)), (Removal::NotThere, 1));
    drop(lxcfs);
}

/// The mounts that a container inherits across user namespaces are locked.
#[test]
fn locked_mounts_are_covered_once() {
    if !can_attach() {
        return;
    }
    let (_outer, outer_pid) = container(&[], "");
    let ours = Ours::new();
    ours.attach(outer_pid, &[MEMINFO]);
    let outer = outer_pid.to_string();
    let command =
        ["nsenter", "-t", &outer, "-m", "-p", "unshare", "-U", "-r", "-m", "sleep", "1000"];
    let inner = Running::start(&[], &command);
    let pid = inner.descendant("sleep");
    wait_for("a mount namespace of its own", || (mounts_at(pid, MEMINFO) == 1).then_some(()));

    assert_eq!(ours.detach(pid, MEMINFO), Removal::Skipped(Skip::Locked));
    let newer = ours.another();
    assert_eq!(newer.attach(pid, &[MEMINFO]), [Outcome::Replaced]);
    assert_eq!(read(pid, MEMINFO).unwrap(), "other: /proc/meminfo\n");
    assert_eq!(newer.attach(pid, &[MEMINFO]), [Outcome::AlreadyThere]);
    assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::Replaced]);
    assert!(mounts_at(pid, MEMINFO) <= 2, "{}", mounts_at(pid, MEMINFO));
    assert_eq!(read(outer_pid, MEMINFO).unwrap(), "ours: /proc/meminfo\n");
}
