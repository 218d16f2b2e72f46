//! Processes of a mount that hang, are replaced, or are killed.

use crate::command::VPROCCTL;
use crate::container::{Container, Group, total_mib};
use crate::fixture::{Mount, eventually, is_mounted, is_stopped};
use crate::reader::{Reader, one_render, read};
use rustix::process::{Signal, kill_process};
use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NOTCONN: i32 = 107;

#[test]
fn a_worker_that_hangs_is_replaced() {
    let test = "a_worker_that_hangs_is_replaced";
    let Some(mount) = Mount::start(test, &[]) else { return };
    mount.read("/proc/meminfo");
    let stopped = mount.signal_worker(Signal::STOP);
    let started = Instant::now();
    // Nobody serves, so this waits.
    assert!(total_mib(&mount.read("/proc/meminfo")) > 0);
    assert!(started.elapsed() > Duration::from_secs(2), "the worker was stopped");
    assert_ne!(mount.worker(), Some(stopped));
    assert!(mount.log().contains("the worker hangs"), "{}", mount.log());
    assert_eq!(mount.status().restarts, 1);
}

#[test]
fn an_upgrade_of_the_worker_fails_no_read() {
    let test = "an_upgrade_of_the_worker_fails_no_read";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let readers: Vec<Reader> =
        [4096, 60].iter().map(|chunk| Reader::start(&mount.point, *chunk)).collect();
    for _ in 0..5 {
        let before = mount.worker().unwrap();
        mount.signal_holder(Signal::USR2);
        mount.wait_for_another(before);
    }
    for reader in readers {
        let tally = reader.stop();
        assert!(tally.texts > 0, "{tally:?}");
    }
    assert_eq!(mount.status().restarts, 5);
}

/// A worker that tells the kernel to forget a name waits for whoever looks one
/// up in the same directory, and that one waits for a worker. If it is killed
/// then, it does not end before another one answers.
#[test]
fn a_worker_that_cannot_end_is_left_behind() {
    let test = "a_worker_that_cannot_end_is_left_behind";
    let Some(mount) = Mount::start(test, &["--threads", "1"]) else { return };
    let orders = "letter=S count=test/1 loop=/proc/vmstat path=/proc/gone";
    let policy = mount.puppet("slow.wasm", orders);
    for _ in 0..10 {
        mount.told(&["policy", "set", &policy]);
        mount.read("/proc/gone");
        mount.read("/proc/vmstat");
        // The only thread is busy for a second, and a lookup waits for it.
        let [slow, none] = ["/proc/vmstat", "/proc/none"].map(|name| mount.file(name));
        let slow = std::thread::spawn(move || fs::read_to_string(slow));
        std::thread::sleep(Duration::from_millis(100));
        let none = std::thread::spawn(move || fs::metadata(none));
        std::thread::sleep(Duration::from_millis(100));
        let reset = Command::new(VPROCCTL)
            .args(["policy", "reset", "--mount"])
            .arg(&mount.state)
            .stderr(Stdio::null())
            .spawn();
        std::thread::sleep(Duration::from_millis(300));
        mount.signal_worker(Signal::KILL);
        assert!(slow.join().unwrap().is_ok());
        assert!(none.join().unwrap().is_err_and(|it| it.kind() == std::io::ErrorKind::NotFound));
        let _ = reset.unwrap().wait();
        eventually("a worker that is asked", || {
            mount.ask(&["status"]).status.success().then_some(())
        });
        if mount.log().contains("going on without it") {
            return;
        }
    }
    panic!("no worker was held up");
}

#[test]
fn a_worker_serves_on_without_its_holder() {
    let test = "a_worker_serves_on_without_its_holder";
    for arguments in [&[][..], &["--no-resend"]] {
        let Some(mut mount) = Mount::start(test, arguments) else { return };
        let policy = mount.puppet("long.wasm", "letter=L lines=300");
        mount.told(&["policy", "set", &policy]);
        let mut file = File::open(mount.file("/proc/puppet")).unwrap();
        let mut start = vec![0; 5000];
        file.read_exact(&mut start).unwrap();
        let orphan = mount.worker().unwrap();
        let reader = Reader::start(&mount.point, 512);

        mount.signal_holder(Signal::KILL);
        mount.wait_for_holder();
        assert_eq!(one_render(&mount.read("/proc/meminfo")), Ok(()));
        assert_eq!(mount.status().worker, orphan.as_raw_nonzero().get() as u32);

        // The next holder takes the connection over.
        mount.start_again();
        let report = mount.status();
        assert_eq!(report.holder, mount.holder().as_raw_nonzero().get() as u32);
        assert_eq!((report.restarts, report.policies[0].name.as_str()), (1, "puppet"));
        assert_ne!(report.worker, orphan.as_raw_nonzero().get() as u32);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let point = mount.point.to_str().unwrap();
        assert_eq!(mounts.matches(point).count(), 1, "no mount over another");
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(one_render(&(String::from_utf8(start).unwrap() + &rest)), Ok(()));
        assert!(reader.stop().texts > 0);
        // It looks after its worker as the first one did.
        mount.replace_worker();
        assert_eq!(mount.processes().len(), 2, "{}", mount.log());
    }
}

/// Also a worker that hangs, for which a reader waits.
#[test]
fn a_holder_takes_over_from_a_worker_that_hangs() {
    let test = "a_holder_takes_over_from_a_worker_that_hangs";
    let Some(mut mount) = Mount::start(test, &[]) else { return };
    mount.signal_holder(Signal::KILL);
    let stopped = mount.status().worker;
    mount.wait_for_holder();
    let stopped = rustix::process::Pid::from_raw(stopped as i32).unwrap();
    kill_process(stopped, Signal::STOP).unwrap();
    eventually("the worker to stop", || is_stopped(stopped).then_some(()));
    let file = mount.file("/proc/meminfo");
    let waiting = std::thread::spawn(move || fs::read_to_string(file).unwrap());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    mount.start_again();
    assert!(total_mib(&waiting.join().unwrap()) > 0);
}

#[test]
fn one_holder_is_enough() {
    let test = "one_holder_is_enough";
    let Some(mut mount) = Mount::start(test, &[]) else { return };
    let other = mount.directory.path().join("other");
    let mount_at = |point: &std::path::Path| {
        let mut command = Command::new(VPROCCTL);
        command.arg("mount").arg(point).arg("--state").arg(&mount.state);
        crate::command::failure(command.stdin(Stdio::null()).output().unwrap())
    };
    let (code, line) = mount_at(&mount.point);
    assert_eq!(code, 2, "{line}");
    assert!(line.contains("is already served"), "{line}");
    // A worker without a holder is not in the way of its own mount alone.
    mount.signal_holder(Signal::KILL);
    mount.wait_for_holder();
    let mount_at = |point: &std::path::Path| {
        let mut command = Command::new(VPROCCTL);
        command.arg("mount").arg(point).arg("--state").arg(&mount.state);
        crate::command::failure(command.stdin(Stdio::null()).output().unwrap())
    };
    let (code, line) = mount_at(&other);
    assert_eq!(code, 2, "{line}");
    assert!(line.contains("still serves") && line.contains("--state"), "{line}");
    // Nor is one whose mount point is gone, while containers use it.
    let open = File::open(mount.file("/proc/meminfo")).unwrap();
    vproc_fusedev::unmount(&mount.point).unwrap();
    let (code, line) = mount_at(&mount.point);
    assert_eq!(code, 2, "{line}");
    assert!(line.contains("not at") && line.contains("--repair"), "{line}");
    assert!(total_mib(&std::io::read_to_string(&open).unwrap()) > 0, "it was left in peace");
    drop(open);
    // Containers of other tests may have got a copy of the mount, and keep it.
    for process in mount.processes() {
        let _ = rustix::process::kill_process(process, Signal::KILL);
    }
    eventually("the end of the worker", || mount.processes().is_empty().then_some(()));
    mount.start_again();
    assert!(total_mib(&mount.read("/proc/meminfo")) > 0);
}

#[test]
fn a_dead_mount_is_replaced_and_containers_repaired() {
    let test = "a_dead_mount_is_replaced_and_containers_repaired";
    let Some(mut mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) =
        Container::start_with(test, &[&group], &["--pid", "--mount", "--mount-proc"])
    else {
        return;
    };
    let init = container.init().to_string();
    mount.told(&["attach", "--pid", &init, "/proc/meminfo", "/proc/stat"]);
    assert_eq!(total_mib(&container.sh("cat /proc/meminfo")), 64);
    let open = File::open(mount.file("/proc/meminfo")).unwrap();
    let worker = mount.worker().unwrap();
    mount.signal_holder(Signal::KILL);
    mount.wait_for_holder();
    kill_process(worker, Signal::KILL).unwrap();
    let dead = |error: std::io::Error| error.raw_os_error() == Some(NOTCONN);
    let read = || fs::read(mount.file("/proc/meminfo"));
    eventually("the end of the mount", || read().is_err_and(dead).then_some(()));
    assert!(std::io::read_to_string(&open).is_err());
    assert!(container.sh("cat /proc/meminfo").contains("not connected"));

    mount.start_again();
    assert!(total_mib(&mount.read("/proc/meminfo")) > 0);
    let said = mount.told(&["attach", "--repair"]);
    assert!(said.contains("/proc/meminfo replaced"), "{said}");
    assert_eq!(total_mib(&container.sh("cat /proc/meminfo")), 64);
    assert!(container.sh("cat /proc/stat").starts_with("cpu "));
    assert_eq!(mount.told(&["attach", "--repair"]), "", "all is well");
}

#[test]
fn a_reader_that_is_killed_leaves_nothing_behind() {
    let test = "a_reader_that_is_killed_leaves_nothing_behind";
    for arguments in [&["--max-age", "0"][..], &["--max-age", "0", "--no-resend"]] {
        let Some(mount) = Mount::start(test, arguments) else { return };
        let policy = mount.puppet("long.wasm", "letter=L lines=3000");
        mount.told(&["policy", "set", &policy]);
        mount.read("/proc/meminfo");
        let texts = || fs::read_dir(mount.state.join("texts")).unwrap().count();
        let before = eventually("all files to be closed", || {
            (mount.status().handles == 0 && texts() == 0).then_some(0)
        });
        for round in 0..4 {
            // In the middle of a text, and anywhere between open and close.
            let path = mount.file("/proc/puppet");
            let script =
                "exec 3<$0; head -c 5000 <&3; while :; do head -c 9000 $0; done >/dev/null";
            let mut reader = Command::new("sh")
                .args(["-c", script])
                .arg(&path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            eventually("a reader", || (mount.status().handles > 0).then_some(()));
            let worker = mount.signal_worker(Signal::STOP);
            std::thread::sleep(Duration::from_millis(30));
            reader.kill().unwrap();
            std::thread::sleep(Duration::from_millis(30));
            // What it has begun must be answered by this worker, or the next.
            let signal = if round % 2 == 0 { Signal::CONT } else { Signal::KILL };
            kill_process(worker, signal).unwrap();
            reader.wait().unwrap();
            let after = eventually("the files to be closed", || {
                let output = mount.ask(&["status", "--json"]);
                let report: vproc_fuse::Report = serde_json::from_slice(&output.stdout).ok()?;
                (report.handles == 0 && texts() == 0).then_some(0)
            });
            assert_eq!(before, after);
        }
    }
}

/// What is kept of open files goes when they are closed, also of those that
/// were open while workers changed.
#[test]
fn files_that_outlive_workers_leave_nothing_behind() {
    let test = "files_that_outlive_workers_leave_nothing_behind";
    for arguments in [&[][..], &["--no-resend"]] {
        let Some(mount) = Mount::start(test, arguments) else { return };
        let mut open = Vec::new();
        for _ in 0..4 {
            for name in ["meminfo", "stat", "loadavg"] {
                let mut file = File::open(mount.file("/proc").join(name)).unwrap();
                file.read_exact(&mut [0; 5]).unwrap();
                open.push(file);
            }
            mount.replace_worker();
        }
        assert_eq!(mount.status().handles, open.len());
        for file in &mut open {
            let mut rest = String::new();
            file.read_to_string(&mut rest).unwrap();
            assert!(rest.ends_with('\n'), "{rest}");
        }
        drop(open);
        let texts = || fs::read_dir(mount.state.join("texts")).unwrap().count();
        eventually("the files to be closed", || {
            (mount.status().handles == 0 && texts() == 0).then_some(())
        });
    }
}

#[test]
fn the_end_of_the_holder_is_the_end_of_the_mount() {
    let test = "the_end_of_the_holder_is_the_end_of_the_mount";
    for signal in [Signal::TERM, Signal::INT] {
        let Some(mut mount) = Mount::start(test, &[]) else { return };
        mount.read("/proc/meminfo");
        mount.signal_holder(signal);
        assert_eq!(mount.wait_for_holder(), Some(0), "{}", mount.log());
        assert!(!is_mounted(&mount.point));
        assert!(mount.processes().is_empty());
        // And there may be another.
        mount.start_again();
        assert!(read(&mount.file("/proc/meminfo"), 512).is_ok());
    }
}
