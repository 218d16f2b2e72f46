//! Counting the tasks of a container.

use crate::stage::*;
use std::fs;
use vproc_linux::{Host, HostPid, Identity};
use vproc_snapshot::{Content, TaskCounts};

fn count(host: &Host, pid: HostPid) -> TaskCounts {
    let subject = host.subject(pid, Identity::Init).unwrap();
    match read(host, &subject, "tasks")[..] {
        [ref one] => match one.content {
            Content::Tasks(counts) => counts,
            ref other => panic!("{other:?}"),
        },
        ref other => panic!("{other:?}"),
    }
}

/// The highest id that the children of a container's init have within. Before
/// Linux 6.11 whoever looks for the init takes ids, so it may be any.
fn newest(init: HostPid) -> u32 {
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    let within = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
        ids.split_whitespace().last().unwrap().parse::<u32>().unwrap()
    };
    children.split_whitespace().map(within).max().unwrap()
}

#[test]
fn groups_below_count_too_and_ids_are_the_containers() {
    let host = Host::open().unwrap();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let below = group.below("service");
    let script = "sleep 1000 & while :; do :; done & sleep 1000 & exec sleep 1000";
    let container = Running::start(&[&group.0], &in_pidns(1, &["sh", "-c", script]));
    // The first that is called so may be a child of the shell that becomes one.
    let sleep = container.descendant("sleep");
    let init = host.subject(sleep, Identity::Init).unwrap().init();
    // Three in the background, their parent, and `unshare`, from outside.
    let five = wait_for("five tasks", || {
        Some(count(&host, init)).filter(|counts| counts.total == 5 && counts.running >= 1)
    });
    assert_eq!(five.last_pid, newest(init));
    assert_eq!(five.blocked, 0);

    let moved = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    for pid in moved.split_whitespace() {
        fs::write(below.join("cgroup.procs"), pid).unwrap();
    }
    assert_eq!(count(&host, init).total, 5);
    assert_eq!(count(&host, init).last_pid, newest(init));
}

#[test]
fn threads_count() {
    let host = Host::open().unwrap();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    const SELF: &str = "tasks::threads_count";
    if std::env::var("VPROC_LIVE_STAGE").is_err() {
        let group = Group::new(&pids);
        let script = "echo $$ > $0/cgroup.procs; exec \"$@\"";
        let _ = within(SELF, &["sh", "-c", script, group.0.to_str().unwrap()]);
        return;
    }
    let before = count(&host, HostPid::current()).total;
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || receive.recv());
    let after = wait_for("a thread", || {
        Some(count(&host, HostPid::current())).filter(|counts| counts.total == before + 1)
    });
    assert!(after.running >= 1);
    assert!(after.last_pid > std::process::id());
    drop(send);
    assert!(thread.join().unwrap().is_err());
}

#[test]
fn a_container_in_the_hosts_groups_is_counted_by_its_namespace() {
    let host = Host::open().unwrap();
    if !is_root() {
        return;
    }
    let mounts: Vec<_> =
        host.hierarchies().iter().flat_map(|one| one.mount_points()).map(Into::into).collect();
    let mounts: Vec<&std::path::Path> = mounts.iter().map(std::path::PathBuf::as_path).collect();
    let script = in_pidns(1, &["sh", "-c", "sleep 1000 & sleep 1000; true"]);
    let container = Running::start(&mounts, &script);
    let init = container.descendant("sh");
    let quiet = |counts: &TaskCounts| counts.total == 3 && counts.running == 0;
    let three = wait_for("three tasks", || Some(count(&host, init)).filter(quiet));
    assert_eq!(three.last_pid, newest(init));
    // The host counts everything.
    assert!(count(&host, container.pid()).total > 3);
}
