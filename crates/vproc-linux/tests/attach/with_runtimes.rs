//! Containers of runc, crun and LXC.

use crate::runtimes::{Plan, installed};
use crate::stage::*;
use std::fs;
use vproc_linux::HostPid;
use vproc_linux::attach::{Outcome, Removal};

const PATHS: [&str; 2] = [MEMINFO, ONLINE];

#[test]
fn running_containers_are_attached_to() {
    if !can_attach() {
        return;
    }
    for runtime in installed("running_containers_are_attached_to") {
        let container = runtime.start(&Plan::default()).unwrap();
        let pid = HostPid::new(container.init()).unwrap();
        let ours = Ours::new();
        let kernels = PATHS.map(|path| container.read(path).unwrap());
        assert!(kernels[0].starts_with("MemTotal:"), "{runtime:?}: {kernels:?}");
        assert_eq!(ours.attach(pid, &PATHS), [new(), new()], "{runtime:?}");
        for path in PATHS {
            assert_eq!(container.read(path).unwrap(), format!("ours: {path}\n"), "{runtime:?}");
        }
        let again = [Outcome::AlreadyThere, Outcome::AlreadyThere];
        assert_eq!(ours.attach(pid, &PATHS), again, "{runtime:?}");
        assert!(fs::read_to_string(MEMINFO).unwrap().starts_with("MemTotal:"));
        let removed = ours.detach_all(pid);
        assert!(removed.iter().all(|one| one.outcome == Removal::Removed), "{removed:?}");
        assert_eq!(container.read(ONLINE).unwrap(), kernels[1], "{runtime:?}");
        assert!(container.read(MEMINFO).unwrap().starts_with("MemTotal:"), "{runtime:?}");
    }
}

#[test]
fn masks_of_runtimes_are_covered_if_asked_for() {
    if !can_attach() {
        return;
    }
    for runtime in installed("masks_of_runtimes_are_covered_if_asked_for") {
        let masked = vec![MEMINFO.to_owned(), PRESSURE.to_owned()];
        let container = runtime.start(&Plan { masked, ..Plan::default() }).unwrap();
        if container.read(MEMINFO).unwrap().starts_with("MemTotal:") {
            // LXC has no masks.
            continue;
        }
        let pid = HostPid::new(container.init()).unwrap();
        let mut ours = Ours::new();
        let outcomes = ours.attach(pid, &[MEMINFO, PRESSURE]);
        assert!(matches!(outcomes[..], [Outcome::Skipped(_), Outcome::Skipped(_)]), "{outcomes:?}");
        ours.options.cover_masks = true;
        let outcomes = ours.attach(pid, &[MEMINFO, PRESSURE]);
        let covered = |outcome: &Outcome| matches!(outcome, Outcome::Attached { over: Some(_) });
        assert!(outcomes.iter().all(covered), "{runtime:?}: {outcomes:?}");
        assert_eq!(container.read("/proc/pressure/cpu").unwrap(), "ours: /proc/pressure/cpu\n");
    }
}

#[test]
fn containers_start_with_our_file() {
    if !can_attach() {
        return;
    }
    for runtime in installed("containers_start_with_our_file") {
        let ours = Ours::new();
        let binds = vec![(ours.file(MEMINFO), MEMINFO.to_owned())];
        let container = runtime.start(&Plan { binds, ..Plan::default() }).unwrap();
        let pid = HostPid::new(container.init()).unwrap();
        assert_eq!(container.read(MEMINFO).unwrap(), "ours: /proc/meminfo\n", "{runtime:?}");
        // That mount is known as ours.
        assert_eq!(ours.attached(pid)[0].target, MEMINFO);
        assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::AlreadyThere], "{runtime:?}");
        assert_eq!(ours.another().attach(pid, &[MEMINFO]), [Outcome::Replaced], "{runtime:?}");
        assert_eq!(container.read(MEMINFO).unwrap(), "other: /proc/meminfo\n", "{runtime:?}");
    }
}
