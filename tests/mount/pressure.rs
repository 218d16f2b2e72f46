//! `/proc/pressure`: the group's text, and triggers.

use crate::container::{Container, Group};
use crate::fixture::{Mount, eventually};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

/// 50 ms in 2 s: a window that needs no privilege (`psi_trigger_create`).
const TRIGGER: &str = "some 50000 2000000";

/// In the environment of a process that polls: a file, a trigger, and for how
/// many events.
const TASK: &str = "VPROC_TEST_POLLER";

/// Not a test, unless a test starts it.
#[test]
fn polls_in_a_container() {
    let Ok(task) = std::env::var(TASK) else { return };
    let [file, count] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("{task}") };
    let mut file = File::options().read(true).write(true).open(file).unwrap();
    file.write_all(TRIGGER.as_bytes()).unwrap();
    println!("\nset");
    for _ in 0..count.parse().unwrap() {
        let mut polled = [PollFd::new(&file, PollFlags::PRI)];
        let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
        let ready = poll(&mut polled, Some(&limit)).unwrap();
        println!("\n{ready} {:?}", polled[0].revents());
    }
    // Unlike in procfs, a write moves the position.
    std::io::Seek::rewind(&mut file).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    print!("\n{text}");
}

fn start(test: &str) -> Option<(Mount, Group, Container)> {
    let mount = Mount::start(test, &[])?;
    let group = Group::unified(test)?;
    if !mount.file("/proc/pressure/cpu").exists() {
        vproc_tests::skip(test, "there is no /proc/pressure");
        return None;
    }
    let container = Container::start(test, &group)?;
    Some((mount, group, container))
}

#[test]
fn the_text_is_the_groups() {
    let test = "the_text_is_the_groups";
    let Some((mount, group, mut container)) = start(test) else { return };
    for name in ["cpu", "memory", "io"] {
        let cat = format!("sleep 0.01; cat {}/proc/pressure/{name}", mount.point.display());
        let kernels = || fs::read_to_string(group.path.join(format!("{name}.pressure"))).unwrap();
        eventually("a moment in which the text stands still", || {
            let before = kernels();
            let ours = container.sh(&cat);
            (before == kernels() && ours == before).then_some(())
        });
    }
}

/// Runs a poller in the container and returns what it says.
fn poller(mount: &Mount, count: u32) -> String {
    let program = std::env::current_exe().unwrap();
    format!(
        "{TASK}='{}/proc/pressure/cpu {count}' {} --exact pressure::polls_in_a_container --nocapture",
        mount.point.display(),
        program.display()
    )
}

#[test]
fn triggers_fire_also_after_the_worker_was_killed() {
    let test = "triggers_fire_also_after_the_worker_was_killed";
    for (arguments, kills) in [(&[][..], 0), (&[], 2), (&["--no-resend"], 2)] {
        let Some(mount) = Mount::start(test, arguments) else { return };
        let Some((_, group, mut container)) = start(test) else { return };
        let log = mount.path("poller");
        container.sh(&format!("{} >{log} 2>&1 & poller=$!", poller(&mount, 2)));
        let said = || fs::read_to_string(&log).unwrap_or_default();
        eventually("the trigger", || said().contains("\nset").then_some(()));
        assert!(!said().contains("PRI"), "{}", said());
        for _ in 0..kills {
            mount.replace_worker();
        }
        assert!(!said().contains("ERR"), "{}", said());
        container.sh("for n in 1 2 3; do while :; do :; done & done");
        container.sh("wait $poller");
        let text = said();
        assert_eq!(text.matches("\n1 PollFlags(PRI)").count(), 2, "{text}\n{}", mount.log());
        assert!(text.contains("some avg10="), "{text}");
        drop(container);
        drop(group);
    }
}

#[test]
fn triggers_are_refused_as_by_the_kernel() {
    let test = "triggers_are_refused_as_by_the_kernel";
    let Some((mount, group, mut container)) = start(test) else { return };
    let ours = format!("{}/proc/pressure/cpu", mount.point.display());
    let kernels = group.path.join("cpu.pressure").display().to_string();
    let said = |container: &mut Container, file: &str, writes: &[&str]| {
        let writes: String =
            writes.iter().map(|text| format!("printf '{text}' | cat >&3; ")).collect();
        let said = container.sh(&format!("exec 3<>{file}; {writes} exec 3>&-"));
        said.lines().map(|line| line.rsplit(": ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for writes in [
        &[TRIGGER][..],
        &[TRIGGER, TRIGGER],
        &[TRIGGER, "some 60000 2000000"],
        &["garbage"],
        &["some 1"],
        &["some 50000 100"],
        &["some 50000 99999999999"],
        &["some 3000000 2000000"],
        &["full 0 2000000"],
        &["garbage", TRIGGER],
    ] {
        let (expected, seen) =
            (said(&mut container, &kernels, writes), said(&mut container, &ours, writes));
        assert_eq!(seen, expected, "{writes:?}");
    }
    let busy = said(&mut container, &ours, &[TRIGGER, TRIGGER]);
    assert!(busy.concat().contains("busy"), "{busy:?}");
    assert!(said(&mut container, &ours, &["garbage"]).concat().contains("Invalid"));
}

/// A second trigger is refused by the next worker as well.
#[test]
fn a_handle_has_one_trigger_across_workers() {
    let test = "a_handle_has_one_trigger_across_workers";
    let Some((mount, group, mut container)) = start(test) else { return };
    container.sh(&format!("exec 3<>{}/proc/pressure/cpu", mount.point.display()));
    assert_eq!(container.sh(&format!("printf '{TRIGGER}' >&3")), "");
    mount.replace_worker();
    let said = container.sh("printf 'some 60000 2000000' | cat >&3");
    assert!(said.contains("busy"), "{said}");
    container.sh("exec 3>&-");
    let kept = || fs::read_dir(mount.state.join("texts")).unwrap().count();
    eventually("what was kept to go", || (kept() == 0).then_some(()));
    assert!(Path::new(&group.path).exists());
}
