//! Readers that are known.

use crate::stage::*;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use vproc_linux::{Error, Freshness, Host, HostPid, Identity, Readers};

fn strict() -> Host {
    Host::open().unwrap().with_freshness(Freshness::ALWAYS)
}

#[test]
fn readers_of_a_container_share_its_subject() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let readers = Readers::new(Identity::Init);
    let shell = in_pidns(1, &["sh", "-c", "sleep 1000; true"]);
    let (one, other) = (Running::start(&[], &shell), Running::start(&[], &shell));
    let (init, child) = (one.descendant("sh"), one.descendant("sleep"));
    let subject = readers.find(&host, child).unwrap();
    assert_eq!((subject.pid(), subject.init()), (init, init));
    for reader in [init, child, init, child] {
        assert!(Arc::ptr_eq(&subject, &readers.find(&host, reader).unwrap()));
    }
    let stranger = readers.find(&host, other.descendant("sleep")).unwrap();
    assert_eq!(stranger.pid(), other.descendant("sh"));
    assert_ne!(stranger.key(), subject.key());
    // A key is the container's, not that of the one who asks.
    assert_eq!(host.subject(child, Identity::Init).unwrap().key(), subject.key());
    assert_eq!(host.subject(init, Identity::Init).unwrap().key(), subject.key());
}

#[test]
fn a_recycled_container_is_another() {
    let host = Host::open().unwrap();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let readers = Readers::new(Identity::Init);
    let (mut keys, mut inodes) = (Vec::new(), Vec::new());
    // Until an inode is used again, which the kernel may take a second for.
    for _ in 0..60 {
        let mut container = Running::start(&[&group.0], &in_pidns(1, &["sleep", "1000"]));
        let init = container.descendant("sleep");
        let subject = readers.find(&host, init).unwrap();
        assert_eq!(subject.pid(), init);
        assert!(!keys.contains(&subject.key().to_owned()), "{keys:?}");
        keys.push(subject.key().to_owned());
        container.end();
        let gone = wait_for("its end", || readers.find(&host, init).err());
        assert!(matches!(gone, Error::NoSuchProcess(pid) if pid == init), "{gone:?}");
        let inode = subject.pid_namespace().inode();
        if inodes.contains(&inode) {
            break;
        }
        inodes.push(inode);
        drop(subject);
        readers.forget_ended();
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_counts_for_himself_shares_with_his_group() {
    let host = strict();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let (here, there) = (Group::new(&pids), Group::new(&pids));
    let (mut first, second) = (Running::sleep(&[&here.0]), Running::sleep(&[&here.0]));
    for identity in [Identity::Init, Identity::Reader] {
        let readers = Readers::new(identity);
        let find = |process: &Running| readers.find(&host, process.pid()).unwrap();
        let shared = find(&first);
        assert_eq!(shared.pid(), first.pid());
        assert!(Arc::ptr_eq(&shared, &find(&second)));

        // The one whose subject it is goes away, and comes back.
        let join = |group: &Group, process: &Running| {
            fs::write(group.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
        };
        join(&there, &first);
        assert_eq!((find(&second).pid(), find(&first).pid()), (second.pid(), first.pid()));
        assert_eq!(find(&second).key(), shared.key());
        assert_ne!(find(&first).key(), shared.key());
        join(&here, &first);
        assert!(Arc::ptr_eq(&find(&first), &find(&second)));
        assert_eq!(find(&first).key(), shared.key());
    }
    let readers = Readers::new(Identity::Reader);
    let shared = readers.find(&host, first.pid()).unwrap();
    assert!(Arc::ptr_eq(&shared, &readers.find(&host, second.pid()).unwrap()));
    let ended = first.pid();
    first.end();
    assert_eq!(readers.find(&host, second.pid()).unwrap().pid(), second.pid());
    assert!(matches!(readers.find(&host, ended), Err(Error::NoSuchProcess(_))));
}

#[test]
fn equal_groups_in_other_namespaces_are_not_shared() {
    let host = strict();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let start = || Running::start(&[&group.0], &in_pidns(1, &["sleep", "1000"]));
    let (one, other) = (start(), start());
    let readers = Readers::new(Identity::Reader);
    let find = |of: &Running| readers.find(&host, of.descendant("sleep")).unwrap();
    assert_eq!(find(&one).init(), one.descendant("sleep"));
    assert_eq!(find(&other).init(), other.descendant("sleep"));
    assert_ne!(find(&one).key(), find(&other).key());
}

#[test]
fn a_recreated_group_has_another_key() {
    let host = strict();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let process = Running::sleep(&[&group.0]);
    let key =
        |process: &Running| host.subject(process.pid(), Identity::Init).unwrap().key().to_owned();
    let before = key(&process);
    fs::write(pids.join("cgroup.procs"), process.pid().to_string()).unwrap();
    fs::remove_dir(&group.0).unwrap();
    fs::create_dir(&group.0).unwrap();
    fs::write(group.0.join("cgroup.procs"), process.pid().to_string()).unwrap();
    assert_ne!(key(&process), before);
}

#[test]
fn parents_count_for_their_children() {
    let host = strict();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let group = Group::new(&pids);
    let container = Running::start(&[], &in_pidns(1, &["sh", "-c", "sleep 1000; true"]));
    let (init, child) = (container.descendant("sh"), container.descendant("sleep"));
    let readers = Readers::new(Identity::Parent);
    let subject = readers.find(&host, child).unwrap();
    assert_eq!(subject.pid(), init);
    assert!(Arc::ptr_eq(&subject, &readers.find(&host, child).unwrap()));
    fs::write(group.0.join("cgroup.procs"), init.to_string()).unwrap();
    let moved = readers.find(&host, child).unwrap();
    assert_eq!(moved.pid(), init);
    assert_ne!(moved.key(), subject.key());
}

#[test]
fn threads_are_known_until_they_end() {
    let host = Host::open().unwrap();
    let readers = Readers::new(Identity::Init);
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.send(HostPid::from(rustix::thread::gettid())).unwrap();
        receive.recv()
    });
    let id = told.recv().unwrap();
    let subject = readers.find(&host, id).unwrap();
    assert!(Arc::ptr_eq(&subject, &readers.find(&host, id).unwrap()));
    drop(send);
    assert!(thread.join().unwrap().is_err());
    let gone = wait_for("its end", || readers.find(&host, id).err());
    assert!(matches!(gone, Error::NoSuchProcess(ended) if ended == id), "{gone:?}");
}
