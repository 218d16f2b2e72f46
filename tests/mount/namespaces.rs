//! Files that depend on the namespaces of who reads them, in the views of
//! processes.

use crate::container::{Container, Group};
use crate::fixture::{Mount, eventually, is_stopped};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

const NAMESPACES: [&str; 5] = ["--pid", "--mount", "--uts", "--ipc", "--net"];

/// A container with a name and a shared memory segment of its own.
fn container(test: &str, group: &Group, name: &str, bytes: u32) -> Option<Container> {
    let mut container = Container::start_with(test, &[group], &NAMESPACES)?;
    assert_eq!(container.sh(&format!("hostname {name}")), "");
    let made = container.sh(&format!("ipcmk -M {bytes}"));
    assert!(made.contains("Shared memory id"), "{made}");
    Some(container)
}

fn view(mount: &Mount, container: &Container, file: &str) -> PathBuf {
    mount.point.join(format!("by-pid/{}/proc/{file}", container.init()))
}

#[track_caller]
fn read(mount: &Mount, container: &Container, file: &str) -> String {
    let path = view(mount, container, file);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), mount.log()))
}

/// The sizes of shared memory segments.
fn sizes(shm: &str) -> Vec<u32> {
    let lines = shm.lines().skip(1);
    lines.map(|line| line.split_whitespace().nth(3).unwrap().parse().unwrap()).collect()
}

/// The process beside the worker.
fn broker(mount: &Mount) -> Pid {
    eventually("a broker", || {
        let worker = mount.worker()?.as_raw_nonzero();
        let tasks = fs::read_dir(format!("/proc/{worker}/task")).ok()?.flatten();
        let children =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: String = children.collect();
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    })
}

#[test]
fn a_view_shows_files_of_the_containers_namespaces() {
    let test = "a_view_shows_files_of_the_containers_namespaces";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut boxed) = container(test, &group, "boxed", 8192) else { return };
    let Some(other) = container(test, &group, "other", 12288) else { return };
    mount.told(&["register", "box", "--pid", &boxed.init().to_string()]);
    let look = |mount: &Mount| {
        assert_eq!(read(mount, &boxed, "sys/kernel/hostname"), "boxed\n");
        assert_eq!(read(mount, &other, "sys/kernel/hostname"), "other\n");
        assert_eq!(sizes(&read(mount, &boxed, "sysvipc/shm")), [8192]);
        assert_eq!(sizes(&read(mount, &other, "sysvipc/shm")), [12288]);
        let registered = mount.point.join("containers/box/proc/sys/kernel/hostname");
        assert_eq!(fs::read_to_string(registered).unwrap(), "boxed\n");
    };
    look(&mount);
    mount.replace_worker();
    look(&mount);
    // Every file that is there can be read, and says what the container's says.
    for directory in ["sys/net/core", "sys/net/ipv4", "sys/user", "sys/fs/mqueue", "sysvipc"] {
        for entry in fs::read_dir(view(&mount, &boxed, directory)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                continue;
            }
            let file = format!("{directory}/{}", entry.file_name().to_str().unwrap());
            // Some are the host's alone, such as optmem_max before Linux 6.7.
            if boxed.sh(&format!("test -e /proc/{file} || echo none")).trim() == "none" {
                let error = fs::read(view(&mount, &boxed, &file)).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{file}: {error}");
                continue;
            }
            let own = boxed.sh(&format!("cat /proc/{file}"));
            assert_eq!(read(&mount, &boxed, &file).trim_end(), own.trim_end(), "{file}");
        }
    }
}

#[test]
fn a_container_that_has_ended_has_no_files_of_namespaces() {
    let test = "a_container_that_has_ended_has_no_files_of_namespaces";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(boxed) = container(test, &group, "boxed", 8192) else { return };
    mount.told(&["register", "box", "--pid", &boxed.init().to_string()]);
    let path = view(&mount, &boxed, "sys/kernel/hostname");
    let registered = mount.point.join("containers/box/proc/sys/kernel/hostname");
    assert_eq!(fs::read_to_string(&registered).unwrap(), "boxed\n");
    let mut held = File::open(&path).unwrap();
    let init = boxed.init();
    boxed.signal(Signal::KILL);
    drop(boxed);
    eventually("the end", || (!fs::exists(format!("/proc/{init}")).unwrap()).then_some(()));
    let mut text = String::new();
    let read = held.read_to_string(&mut text);
    assert!(read.is_err() && text.is_empty(), "{read:?}: {text}");
    for path in [path, registered] {
        assert!(fs::read_to_string(&path).is_err(), "{}", path.display());
    }
}

#[test]
fn who_reads_for_the_worker_may_die() {
    let test = "who_reads_for_the_worker_may_die";
    let Some(mut mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(boxed) = container(test, &group, "boxed", 8192) else { return };
    assert_eq!(read(&mount, &boxed, "sys/kernel/hostname"), "boxed\n");
    let worker = mount.worker();
    let before = broker(&mount);
    // One that hangs is waited for, but not for long.
    kill_process(before, Signal::STOP).unwrap();
    eventually("the broker to stop", || is_stopped(before).then_some(()));
    let failed = fs::read_to_string(view(&mount, &boxed, "sys/kernel/osrelease"));
    assert_eq!(failed.unwrap_err().raw_os_error(), Some(5));
    assert!(mount.read("/proc/meminfo").starts_with("MemTotal:"));
    kill_process(before, Signal::CONT).unwrap();
    let osrelease = view(&mount, &boxed, "sys/kernel/osrelease");
    eventually("an answer", || fs::read_to_string(&osrelease).ok());
    assert_eq!(mount.worker(), worker, "{}", mount.log());
    kill_process(before, Signal::KILL).unwrap();
    eventually("its end", || {
        (!fs::exists(format!("/proc/{}", before.as_raw_nonzero())).unwrap()).then_some(())
    });
    // An error, and never the host's text; all else is as before.
    let failed = fs::read_to_string(view(&mount, &boxed, "sys/kernel/domainname"));
    assert_eq!(failed.unwrap_err().raw_os_error(), Some(5));
    assert!(mount.read("/proc/meminfo").starts_with("MemTotal:"));
    assert_eq!(mount.worker(), worker, "{}", mount.log());
    // The next worker brings one along, and takes it along.
    mount.replace_worker();
    assert_eq!(read(&mount, &boxed, "sys/kernel/hostname"), "boxed\n");
    let second = broker(&mount);
    assert_ne!(second, before);
    mount.replace_worker();
    eventually("the end of the broker", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", second.as_raw_nonzero()));
        stat.map_or(true, |stat| stat.contains(") Z ")).then_some(())
    });
    assert_eq!(read(&mount, &boxed, "sysvipc/shm").lines().count(), 2);
    // Neither needs the holder.
    mount.signal_holder(Signal::KILL);
    mount.wait_for_holder();
    assert_eq!(read(&mount, &boxed, "sys/kernel/ostype"), "Linux\n");
    mount.start_again();
    assert_eq!(read(&mount, &boxed, "sys/kernel/hostname"), "boxed\n");
}
