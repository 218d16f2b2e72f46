//! File systems that do not answer, dead ones, and mounts that reach further
//! than they should.

use crate::stage::*;
use std::fs;
use std::time::{Duration, Instant};
use vproc_linux::attach::{Error, Life, Marks, Outcome, Removal, Skip, attach, attached, detach};

/// As in real life: `fuse.vproc`, whatever its source.
fn real_marks() -> Marks {
    assert_eq!(Marks::default().fs, "fuse.vproc");
    Marks::default()
}

/// ENOTCONN, and ECONNREFUSED on Linux 7.3.
fn is_dead(errno: Option<i32>) -> bool {
    use rustix::io::Errno;
    [Errno::NOTCONN, Errno::CONNREFUSED].map(Errno::raw_os_error).map(Some).contains(&errno)
}

#[test]
fn a_dead_mount_is_found_and_removed() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let mut ours = Ours::new();
    ours.options.ours = real_marks();
    let Some(served) = Fuse::mount(pid, "fuse.vproc", MEMINFO, REGULAR) else { return };
    drop(served);
    let dead = read(pid, MEMINFO).unwrap_err();
    assert!(is_dead(dead.raw_os_error()), "{dead}");
    let list = attached(&ours.host, pid, &ours.options).unwrap();
    assert_eq!((list[0].target.as_str(), &list[0].life), (MEMINFO, &Life::Dead));
    let removed = detach(&ours.host, pid, None, &ours.options).unwrap();
    assert_eq!(removed[0].outcome, Removal::Removed);
    assert!(read(pid, MEMINFO).unwrap().starts_with("MemTotal:"));
}

/// lxcfs stands for our own server, because it is one that can be killed.
#[test]
fn a_dead_mount_is_replaced() {
    if !can_attach() {
        return;
    }
    let mut ours = Ours::new();
    ours.options.ours = Marks { fs: "fuse.lxcfs".to_owned(), source: None };
    let Some(mut first) = Lxcfs::start() else { return };
    let (_container, pid) = container(&[], "");
    let paths = [MEMINFO.to_owned(), ONLINE.to_owned()];
    let go = |lxcfs: &Lxcfs| {
        attach(&ours.host, pid, &lxcfs.path(), &paths, &ours.options)
            .map(|all| all.into_iter().map(|one| one.outcome).collect::<Vec<_>>())
    };
    assert_eq!(go(&first).unwrap(), [new(), new()]);
    assert!(read(pid, MEMINFO).unwrap().starts_with("MemTotal:"));
    first.kill();
    let dead = |path: &str| read(pid, path).unwrap_err().raw_os_error();
    assert!(is_dead(dead(MEMINFO)), "{:?}", dead(MEMINFO));
    assert!(ours.attached(pid).iter().all(|one| one.life == Life::Dead));
    let refused = go(&first);
    assert!(matches!(refused, Err(Error::DeadMount(_))), "{refused:?}");

    let second = Lxcfs::start().unwrap();
    assert_eq!(go(&second).unwrap(), [Outcome::Replaced, Outcome::Replaced]);
    assert!(read(pid, MEMINFO).unwrap().starts_with("MemTotal:"));
    assert_eq!((mounts_at(pid, MEMINFO), mounts_at(pid, ONLINE)), (1, 1));
    assert!(ours.attached(pid).iter().all(|one| one.life == Life::Alive));
    assert_eq!(go(&second).unwrap(), [Outcome::AlreadyThere, Outcome::AlreadyThere]);
}

/// A server that is stopped while we attach from it.
#[test]
fn a_server_of_ours_that_hangs_is_given_up() {
    if !can_attach() {
        return;
    }
    let mut ours = Ours::new();
    ours.options.ours = Marks { fs: "fuse.lxcfs".to_owned(), source: None };
    ours.options.patience = Duration::from_millis(300);
    let Some(lxcfs) = Lxcfs::start() else { return };
    let (_container, pid) = container(&[], "");
    lxcfs.stop();
    let paths = [MEMINFO.to_owned()];
    let given_up = attach(&ours.host, pid, &lxcfs.path(), &paths, &ours.options);
    let Err(Error::Timeout { path, .. }) = &given_up else { panic!("{given_up:?}") };
    assert_eq!(path, lxcfs.path().to_str().unwrap());
    drop(lxcfs);
    assert_eq!(mounts_at(pid, MEMINFO), 0);
}

/// As lxcfs leaves its files after a crash.
#[test]
fn a_dead_mount_of_others_is_covered() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let ours = Ours::new();
    let Some(served) = Fuse::mount(pid, "fuse.lxcfs", MEMINFO, REGULAR) else { return };
    drop(served);
    let over = Outcome::Attached { over: Some("fuse.lxcfs".to_owned()) };
    assert_eq!(ours.attach(pid, &[MEMINFO]), [over]);
    assert_eq!(read(pid, MEMINFO).unwrap(), "ours: /proc/meminfo\n");
}

/// A server of the container's own could keep us for ever.
#[test]
fn a_server_that_does_not_answer_is_not_asked() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let mut ours = Ours::new();
    // Less than a busy machine may need would be a test of the machine.
    ours.options.patience = Duration::from_secs(60);
    let Some(file) = Fuse::mount(pid, "fuse", MEMINFO, REGULAR) else { return };
    let directory = Fuse::mount(pid, "fuse.trap", PRESSURE, DIRECTORY).unwrap();
    let outcomes = ours.attach(pid, &[MEMINFO, "/proc/pressure/cpu"]);
    assert_eq!(outcomes[0], Outcome::Attached { over: Some("fuse".to_owned()) });
    let expected = Skip::NotTheKernels {
        directory: PRESSURE.to_owned(),
        wanted: "procfs",
        fs: "fuse.trap".to_owned(),
    };
    assert_eq!(outcomes[1], Outcome::Skipped(expected));
    let all = Fuse::mount(pid, "fuse.trap", "/proc", DIRECTORY).unwrap();
    assert!(matches!(ours.attach(pid, &[MEMINFO])[0], Outcome::Skipped(_)));
    assert!(matches!(ours.detach(pid, MEMINFO), Removal::Skipped(_)));
    assert!(matches!(ours.attached(pid)[0].life, Life::Unknown(_)));
    drop((file, directory, all));
}

#[test]
fn a_silent_server_of_ours_is_told_from_a_dead_one() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let mut ours = Ours::new();
    ours.options.ours = real_marks();
    ours.options.patience = Duration::from_millis(300);
    let Some(silent) = Fuse::mount(pid, "fuse.vproc", MEMINFO, REGULAR) else { return };
    let start = Instant::now();
    assert_eq!(ours.attached(pid)[0].life, Life::Silent);
    assert!(start.elapsed() >= ours.options.patience);
    // Its removal asks nobody.
    assert_eq!(ours.detach_all(pid)[0].outcome, Removal::Removed);
    drop(silent);
}

#[test]
fn only_our_mount_is_attached_from() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let mut ours = Ours::new();
    ours.options.ours = real_marks();
    let refused = ours.try_attach(pid, &[MEMINFO]);
    assert!(matches!(&refused, Err(Error::NotOurs { fs, .. }) if fs == "tmpfs"), "{refused:?}");
    assert_eq!(mounts_at(pid, MEMINFO), 0);
}

#[test]
fn nothing_propagates_to_the_host() {
    if !can_attach() {
        return;
    }
    // A host of our own, with a shared /proc, and a container that shares it.
    let (_stand_in, outer) = container(&[], "mount --make-rshared /");
    let command = ["nsenter", "-t", &outer.to_string(), "-m", "-p"];
    let same = ["unshare", "-m", "--propagation", "unchanged", "sleep", "1000"];
    let inner = Running::start(&[], &[&command[..], &same].concat());
    let pid = inner.descendant("sleep");
    wait_for("a mount namespace of its own", || {
        let namespace = |pid| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
        (namespace(pid) != namespace(outer)).then_some(())
    });
    let ours = Ours::new();
    // That host is not ours, so the two are one container with two mount
    // namespaces, and a mount in one is one in both.
    assert_eq!(ours.attach(pid, &[MEMINFO]), [new()]);
    assert_eq!(read(outer, MEMINFO).unwrap(), "ours: /proc/meminfo\n");
    assert_eq!(ours.detach(pid, MEMINFO), Removal::Removed);
    assert_eq!(mounts_at(outer, MEMINFO), 0);
}

/// A container that has a peer of the host's /proc, as `unshare -m
/// --propagation unchanged` gives it where the host's is shared.
#[test]
fn a_proc_that_is_shared_with_the_host_is_left_alone() {
    if !can_attach() {
        return;
    }
    let test = "hostile::a_proc_that_is_shared_with_the_host_is_left_alone";
    if !alone_within(test, &["unshare", "-m", "--propagation", "shared"]) {
        return;
    }
    let unshare = ["unshare", "-m", "-f", "--kill-child", "--propagation", "unchanged"];
    let container = Running::start(&[], &[&unshare[..], &["sleep", "1000"]].concat());
    let pid = container.descendant("sleep");
    let ours = Ours::new();
    assert_eq!(ours.attach(pid, &[MEMINFO]), [Outcome::Skipped(Skip::SharedWithHost)]);
    assert!(fs::read_to_string(MEMINFO).unwrap().starts_with("MemTotal:"));
    assert_eq!(mounts_at(pid, MEMINFO), 0);
}

/// What the container mounts over our file stays in the container.
#[test]
fn our_mount_on_the_host_stays_as_it_is() {
    if !can_attach() {
        return;
    }
    let (_container, pid) = container(&[], "");
    let ours = Ours::new();
    ours.attach(pid, &[MEMINFO]);
    within(pid, || rustix::mount::mount_bind("/dev/null", MEMINFO)).unwrap();
    assert_eq!(read(pid, MEMINFO).unwrap(), "");
    assert_eq!(fs::read_to_string(ours.file(MEMINFO)).unwrap(), "ours: /proc/meminfo\n");
}
