//! `/proc/pressure`: the text of the container's own v2 group.

use crate::Test;
use crate::roles::ROLE;
use crate::stage::{Container, myself, printed};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[("pressure::byte_for_byte_the_kernels", byte_for_byte)];

/// What is shown is the text of this group, byte for byte.
pub(crate) fn is_the_kernels(
    test: &str,
    group: &Path,
    resource: &str,
    read: impl Fn(&str) -> String,
) {
    let kernels = || fs::read_to_string(group.join(format!("{resource}.pressure"))).unwrap();
    let mut compared = 0;
    for _ in 0..8 {
        let before = kernels();
        let ours = read(resource);
        // It moves on by itself: averages fall.
        if kernels() == before {
            assert_eq!(ours, before, "{resource}");
            compared += 1;
        }
        sleep(Duration::from_millis(20));
    }
    println!("{test}: {resource} {compared} times: {}", kernels().lines().next().unwrap());
    assert!(compared > 0, "{resource} never stood still");
}

/// For how many microseconds somebody waited, by the kernel's count.
fn waited(group: &Path, resource: &str) -> u64 {
    let text = fs::read_to_string(group.join(format!("{resource}.pressure"))).unwrap();
    text.lines().next().unwrap().rsplit_once("total=").unwrap().1.parse().unwrap()
}

fn byte_for_byte(test: &str) {
    let container = Container::start(&["--cpus", "0.2", "--memory", "16M"], &["sleep", "1000"]);
    let Some(group) = container.groups.get("").filter(|group| group.join("cpu.pressure").exists())
    else {
        return vproc_tests::skip(test, "this kernel counts no pressure of groups");
    };
    let program = myself();
    let spin = container.spawn(&[&program, ROLE, "spin", "3", "0", "0"]);
    sleep(Duration::from_secs(3));
    drop(spin);
    // A file that does not fit: each page of it displaces another, which is needed
    // again. In a temporary directory in memory it is swapped out.
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let write = format!("dd if=/dev/zero of={path} bs=256k count=192 conv=notrunc status=none");
    container.script(&write);
    printed(container.exec(&[&program, ROLE, "reread", "2", path]), "reread");
    let read = |resource: &str| {
        // In no group of the container, so that nobody waits there.
        let file = format!("/proc/pressure/{resource}");
        printed(container.exec_in([], &["cat", &file]), "cat")
    };
    for resource in ["cpu", "memory", "io"] {
        is_the_kernels(test, group, resource, read);
    }
    // Only kernels that measure the time of interrupts have it.
    if group.join("irq.pressure").exists() {
        is_the_kernels(test, group, "irq", read);
    }
    for resource in ["cpu", "memory"] {
        assert!(waited(group, resource) > 0, "nobody waited for {resource}");
    }
}
