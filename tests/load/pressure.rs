//! `/proc/pressure`: the text of the container's own v2 group.

use crate::Test;
use crate::roles::ROLE;
use crate::stage::{Container, myself, printed};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[("pressure::byte_for_byte_the_kernels", byte_for_byte)];

fn byte_for_byte(test: &str) {
    let container = Container::start(&["--cpus", "0.2", "--memory", "128M"], &["sleep", "1000"]);
    let Some(group) = container.groups.get("").filter(|group| group.join("cpu.pressure").exists())
    else {
        return vproc_tests::skip(test, "this kernel counts no pressure of groups");
    };
    let program = myself();
    let spin = container.spawn(&[&program, ROLE, "spin", "3", "0", "0"]);
    sleep(Duration::from_secs(3));
    drop(spin);
    for resource in ["cpu", "memory", "io"] {
        let kernels = || fs::read_to_string(group.join(format!("{resource}.pressure"))).unwrap();
        let mut compared = 0;
        for _ in 0..15 {
            let before = kernels();
            // In no group of the container, so that nobody waits there.
            let cat = ["cat".to_owned(), format!("/proc/pressure/{resource}")];
            let ours = printed(container.exec_in([], &cat.each_ref().map(String::as_str)), "cat");
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
    let cpu = fs::read_to_string(group.join("cpu.pressure")).unwrap();
    assert!(!cpu.lines().next().unwrap().ends_with("total=0"), "there was none: {cpu}");
}
