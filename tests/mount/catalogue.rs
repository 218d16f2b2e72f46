//! Which files are meant to be put over a container's own, and which are only
//! there for who asks for the whole view of a process.

use crate::container::{Container, Group};
use crate::fixture::Mount;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

fn has(directory: &Path, name: &str) -> bool {
    fs::symlink_metadata(directory.join(name)).is_ok()
}

#[test]
fn what_the_kernel_shows_right_is_not_covered() {
    let test = "what_the_kernel_shows_right_is_not_covered";
    let Some(mount) = Mount::start(test, &["--set", "/proc/swaps=deny"]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(container) = Container::start(test, &group) else { return };
    let cover = mount.point.join("proc");
    let all = mount.point.join(format!("by-pid/{}/proc", container.init()));
    // Passed and denied: of the kernel in the container, and in a whole view.
    for name in ["version", "filesystems", "tty", "kmsg", "kallsyms", "locks", "sysvipc"] {
        assert!(!has(&cover, name), "{name} is in {}", cover.display());
        assert_eq!(has(&all, name), has(Path::new("/proc"), name), "{name} in a whole view");
    }
    assert_eq!(fs::read(all.join("version")).unwrap(), fs::read("/proc/version").unwrap());
    let denied = fs::read(all.join("kmsg")).map_err(|error| error.kind());
    assert_eq!(denied, Err(ErrorKind::PermissionDenied));
    // Masked: an empty file in both, an empty directory in one.
    for directory in [&cover, &all] {
        assert_eq!(fs::read(directory.join("keys")).unwrap(), b"");
    }
    assert!(!has(&cover, "irq") && fs::read_dir(all.join("irq")).unwrap().next().is_none());
    // What the operator denies covers the kernel's.
    let denied = fs::read(cover.join("swaps")).map_err(|error| error.kind());
    assert_eq!(denied, Err(ErrorKind::PermissionDenied));
    // What this kernel does not have, nobody has.
    for name in ["keys", "mdstat", "modules", "sched_debug", "timer_stats", "scsi", "nonsense"] {
        assert!(!has(&all, name) || has(Path::new("/proc"), name), "{name}");
    }
    // A whole directory of /sys has what is passed, too.
    let cpu = mount.point.join("sys/devices/system/cpu");
    assert_eq!(has(&cpu, "kernel_max"), has(Path::new("/sys/devices/system/cpu"), "kernel_max"));
}
