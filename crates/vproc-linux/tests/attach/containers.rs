//! Containers of several kinds.

use crate::runtimes::build_root;
use crate::stage::*;
use std::fs;
use std::process::Command;
use vproc_linux::HostPid;
use vproc_linux::attach::{Error, Life, Mounted, Outcome, Removal, Skip};

const BOTH: [&str; 2] = [MEMINFO, ONLINE];

/// Attaches, reads, attaches again, detaches, reads.
fn goes_in_and_out(ours: &Ours, pid: HostPid, cat: impl Fn(&str) -> String) {
    let host = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    assert!(cat(MEMINFO).starts_with("MemTotal:"));
    let before = mounts_at(pid, MEMINFO);
    assert_eq!(ours.attach(pid, &BOTH), [new(), new()]);
    assert_eq!(BOTH.map(&cat), BOTH.map(|path| format!("ours: {path}\n")));
    assert!(fs::read_to_string(MEMINFO).unwrap().starts_with("MemTotal:"), "the host's own");
    assert_eq!(fs::read_to_string(ONLINE).unwrap(), host);

    let again = [Outcome::AlreadyThere, Outcome::AlreadyThere];
    assert_eq!(ours.attach(pid, &BOTH), again);
    assert_eq!(mounts_at(pid, MEMINFO), before + 1);
    let alive = |target: &str| Mounted { target: target.to_owned(), life: Life::Alive };
    assert_eq!(ours.attached(pid), BOTH.map(alive));

    assert_eq!(ours.detach(pid, MEMINFO), Removal::Removed);
    assert_eq!(ours.detach(pid, MEMINFO), Removal::NotThere);
    assert!(cat(MEMINFO).starts_with("MemTotal:"));
    let rest = ours.detach_all(pid);
    assert_eq!((rest.len(), rest[0].target.as_str()), (1, ONLINE));
    assert_eq!(rest[0].outcome, Removal::Removed);
    assert_eq!(cat(ONLINE), host);
    assert_eq!(ours.attached(pid), []);
    assert_eq!(mounts_at(pid, MEMINFO), before);
}

fn nsenter(pid: HostPid, path: &str) -> String {
    let pid = pid.to_string();
    let output = Command::new("nsenter")
        .args(["-t", &pid, "--mount", "--pid", "--root", "cat", path])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_container_reads_our_text_until_it_is_detached() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    goes_in_and_out(&Ours::new(), pid, |path| nsenter(pid, path));
}

#[test]
fn a_container_of_another_user_namespace() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&["-U", "-r"], "");
    goes_in_and_out(&Ours::new(), pid, |path| nsenter(pid, path));
}

#[test]
fn a_container_in_a_chroot() {
    if !can_attach() {
        return;
    }
    if crate::runtimes::busybox().is_none() {
        return skip("busybox is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    build_root(&root).unwrap();
    let root = root.to_str().unwrap();
    let script = format!(
        "mount -t proc proc {root}/proc; mount -t sysfs -o ro sysfs {root}/sys; \
         exec chroot {root} /bin/sleep 1000"
    );
    let (_container, pid) = container(&[], &script);
    goes_in_and_out(&Ours::new(), pid, |path| nsenter(pid, path));
    // What lies outside of the chroot is not the container's.
    assert_eq!(mounts_at(pid, "/proc/meminfo"), 0);
}

#[test]
fn a_proc_that_is_read_only_and_hides_processes() {
    if !can_attach() {
        return;
    }
    let script = "mount -o remount,ro,hidepid=2 /proc";
    let (_container, pid) = container(&[], script);
    goes_in_and_out(&Ours::new(), pid, |path| read(pid, path).unwrap());
}

#[test]
fn a_directory_is_attached_as_a_whole() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let ours = Ours::new();
    let within = "/proc/pressure/cpu";
    assert_eq!(ours.attach(pid, &[PRESSURE]), [new()]);
    assert_eq!(read(pid, within).unwrap(), format!("ours: {within}\n"));
    let skipped = ours.attach(pid, &[within]);
    let covered = matches!(&skipped[0], Outcome::Skipped(Skip::NotTheKernels { directory, .. })
        if directory == PRESSURE);
    assert!(covered, "{skipped:?}");
    assert_eq!(ours.detach(pid, PRESSURE), Removal::Removed);
    assert!(read(pid, within).unwrap().starts_with("some "));
}

#[test]
fn read_only_is_up_to_the_caller() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let mut ours = Ours::new();
    let write = || fs::File::options().write(true).open(format!("/proc/{pid}/root{MEMINFO}"));
    ours.attach(pid, &[MEMINFO]);
    assert!(write().is_ok());
    ours.detach(pid, MEMINFO);
    ours.options.read_only = true;
    ours.attach(pid, &[MEMINFO]);
    assert_eq!(write().unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let line = mounts.lines().find(|line| line.contains(" /proc/meminfo ")).unwrap();
    assert!(line.contains(" ro,nosuid,nodev,noexec"), "{line}");
    assert!(!line.contains("shared:") && !line.contains("master:"), "{line}");
}

#[test]
fn a_newer_mount_replaces_an_older_one() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let ours = Ours::new();
    ours.attach(pid, &BOTH);
    let newer = ours.another();
    assert_eq!(newer.attach(pid, &BOTH), [Outcome::Replaced, Outcome::Replaced]);
    assert_eq!(read(pid, MEMINFO).unwrap(), "other: /proc/meminfo\n");
    assert_eq!(mounts_at(pid, MEMINFO), 1);
    // Several, as a tool without our care would leave them.
    within(pid, || rustix::mount::mount_bind(ONLINE, MEMINFO)).unwrap();
    assert_eq!(mounts_at(pid, MEMINFO), 2);
    assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::Replaced]);
    assert_eq!(read(pid, MEMINFO).unwrap(), "ours: /proc/meminfo\n");
    assert_eq!(mounts_at(pid, MEMINFO), 1);
}

#[test]
fn what_cannot_be_attached_is_told_apart() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "umount /sys/fs/cgroup -R 2>/dev/null; true");
    let ours = Ours::new();
    let paths = ["/proc/absent", "/proc/vmstat", "/proc/mounts", MEMINFO];
    fs::remove_file(ours.file(MEMINFO)).unwrap();
    fs::create_dir(ours.file(MEMINFO)).unwrap();
    let expected =
        [Skip::Missing, Skip::NotServed, Skip::Symlink, Skip::OtherKind { directory: false }];
    assert_eq!(ours.attach(pid, &paths), expected.map(Outcome::Skipped));
    for path in ["meminfo", "/etc/passwd", "/proc/../etc", "/proc//meminfo", "/proc", "/proc/a\0"] {
        let refused = ours.try_attach(pid, &[path]);
        assert!(matches!(&refused, Err(Error::Path(named)) if named == path), "{refused:?}");
    }
}

#[test]
fn a_container_without_proc() {
    if !can_attach() {
        return;
    }
    let ours = Ours::new();
    let is_foreign = |outcomes: &[Outcome]| {
        let [Outcome::Skipped(Skip::NotTheKernels { directory, wanted, .. })] = outcomes else {
            panic!("{outcomes:?}");
        };
        assert_eq!((directory.as_str(), *wanted), ("/proc", "procfs"));
    };
    let (_container, pid) = container(&[], "umount -l /proc; umount -l /proc; true");
    is_foreign(&ours.attach(pid, &[MEMINFO]));
    // A file that only looks like it.
    let (_container, pid) = container(&[], "mount -t tmpfs x /proc; echo 1 > /proc/meminfo");
    is_foreign(&ours.attach(pid, &[MEMINFO]));
    assert_eq!(read(pid, MEMINFO).unwrap(), "1\n");
    // The kernel's, but without its files.
    let script = "mount -t proc -o subset=pid proc /proc";
    let (_container, pid) = container(&[], script);
    assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::Skipped(Skip::Missing)]);
}

#[test]
fn the_host_is_never_attached_to() {
    if !can_attach() {
        return;
    }
    let ours = Ours::new();
    let neighbour = Running::sleep(&[]);
    for pid in [HostPid::INIT, HostPid::current(), neighbour.pid()] {
        match ours.try_attach(pid, &[MEMINFO]) {
            Err(Error::HostNamespace(named)) => assert_eq!(named, pid),
            // Not even root may look at an init that has more capabilities.
            Err(error) => assert!(pid == HostPid::INIT && error.is_permission(), "{error:?}"),
            Ok(outcomes) => panic!("{outcomes:?}"),
        }
    }
}

#[test]
fn a_container_that_ended_is_no_container() {
    if !can_attach() {
        return;
    }
    let ours = Ours::new();
    // On its way out it has no mounts for a moment, and is still there.
    for _ in 0..10 {
        let (mut running, pid) = container(&[], "");
        running.end();
        let gone = wait_for("its end", || ours.try_attach(pid, &[MEMINFO]).err());
        assert!(matches!(gone, Error::NoSuchProcess(named) if named == pid), "{gone:?}");
    }
}

/// Whenever it ends, the answer is one of two, and the host is left as it was.
#[test]
fn a_container_may_end_at_any_moment() {
    if !can_attach() {
        return;
    }
    let ours = Ours::new();
    let mounts = || {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let source = ours.options.ours.source.clone().unwrap();
        text.lines().filter(|line| line.contains(&source)).count()
    };
    let before = mounts();
    for delay in [0, 50, 100, 200, 400, 800] {
        let (mut running, pid) = container(&[], "");
        let killer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_micros(delay));
            running.end();
        });
        match ours.try_attach(pid, &[MEMINFO, ONLINE, PRESSURE]) {
            Ok(attachments) => assert_eq!(attachments.len(), 3),
            Err(Error::NoSuchProcess(named)) => assert_eq!(named, pid),
            other => panic!("{other:?}"),
        }
        killer.join().unwrap();
    }
    assert_eq!(mounts(), before);
}
