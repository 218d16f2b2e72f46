//! Pid namespaces, cgroup namespaces, and who counts for whom.

use crate::stage::*;
use std::fs;
use std::time::Duration;
use vproc_linux::{Error, Host, HostPid, Identity, init_pid};
use vproc_snapshot::{CgroupLayout, Content};

const EACCES: u32 = 13;

#[test]
fn both_ways_to_process_1_agree() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    for levels in 1..=2 {
        let container = Running::start(&[], &in_pidns(levels, &["sleep", "1000"]));
        let init = container.descendant("sleep");
        let subject = host.subject(init, Identity::Reader).unwrap();
        let namespace = subject.pid_namespace();
        assert_eq!(init_pid::by_credentials(namespace, init_pid::PATIENCE), Ok(init));
        match init_pid::by_ioctl(namespace) {
            Err(init_pid::Error::Unsupported) => {
                crate::stage::skip(
                    "this kernel is older than 6.11, so there is no ioctl to agree with",
                );
            }
            answer => assert_eq!(answer, Ok(init)),
        }
        assert_eq!(init_pid::find(namespace), Ok(init));
    }
}

#[test]
fn a_messenger_is_never_left_behind() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let container = Running::start(&[], &in_pidns(1, &["sleep", "1000"]));
    let subject = host.subject(container.descendant("sleep"), Identity::Reader).unwrap();
    for timeout in [Duration::ZERO, Duration::from_micros(300), init_pid::PATIENCE] {
        for _ in 0..20 {
            match init_pid::by_credentials(subject.pid_namespace(), timeout) {
                Ok(init) => assert_eq!(init, subject.init()),
                Err(error) => assert_eq!(error, init_pid::Error::Timeout(timeout)),
            }
        }
    }
    let children = fs::read_to_string("/proc/thread-self/children").unwrap();
    assert_eq!(children.trim(), container.pid().to_string());
}

#[test]
fn a_namespace_without_processes_has_no_init() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let mut container = Running::start(&[], &in_pidns(1, &["sleep", "1000"]));
    let pid = container.descendant("sleep");
    let subject = host.subject(pid, Identity::Init).unwrap();
    container.end();
    let namespace = subject.pid_namespace();
    wait_for("the end of the namespace", || init_pid::find(namespace).err());
    assert!(init_pid::by_credentials(namespace, init_pid::PATIENCE).is_err());
    let again = host.subject(pid, Identity::Init);
    assert!(matches!(again, Err(Error::NoSuchProcess(gone)) if gone == pid), "{again:?}");
}

#[test]
fn identities_choose_whose_group_counts() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let shell = in_pidns(1, &["sh", "-c", "sleep 1000; true"]);
    let container = Running::start(&[], &shell);
    let (init, reader) = (container.descendant("sh"), container.descendant("sleep"));
    let subject = |identity| host.subject(reader, identity).unwrap();
    assert_eq!(subject(Identity::Init).pid(), init);
    assert_eq!(subject(Identity::Reader).pid(), reader);
    assert_eq!(subject(Identity::Parent).pid(), init);
    for identity in [Identity::Init, Identity::Reader, Identity::Parent] {
        assert_eq!((subject(identity).init(), subject(identity).reader()), (init, reader));
        assert!(!subject(identity).is_host());
    }
    // The container's own init has its parent outside.
    let outside = host.subject(init, Identity::Parent).unwrap();
    assert_eq!(outside.pid(), container.pid());
    let stat = read(&host, &subject(Identity::Reader), "process:init/stat");
    assert!(text(&stat[0]).starts_with(&format!("{init} (sh) ")));
    let stat = read(&host, &subject(Identity::Reader), "process:subject/stat");
    assert!(text(&stat[0]).starts_with(&format!("{reader} (sleep) ")));
}

#[test]
fn in_our_own_namespace_everybody_is_himself() {
    let host = Host::open().unwrap();
    let process = Running::sleep(&[]);
    let subject = host.subject(process.pid(), Identity::Init).unwrap();
    assert_eq!((subject.pid(), subject.init()), (process.pid(), HostPid::INIT));
    let parent = host.subject(process.pid(), Identity::Parent).unwrap();
    assert_eq!(parent.pid(), HostPid::current());
    let orphan = host.subject(HostPid::INIT, Identity::Parent);
    match orphan {
        Err(Error::NoParent(HostPid::INIT) | Error::Permission { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thread_counts_as_a_reader() {
    let host = Host::open().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let thread = HostPid::from(rustix::thread::gettid());
            assert_ne!(thread, HostPid::current());
            let subject = host.subject(thread, Identity::Reader).unwrap();
            assert_eq!(subject.pid(), thread);
            let status = read(&host, &subject, "process:subject/status");
            assert!(text(&status[0]).contains(&format!("\nPid:\t{thread}\n")));
        });
    });
}

#[test]
fn processes_that_ended_are_not_read() {
    let host = Host::open().unwrap();
    let mut process = Running::sleep(&[]);
    let pid = process.pid();
    let subject = host.subject(pid, Identity::Reader).unwrap();
    process.0.kill().unwrap();
    let read = || {
        let wanted = sources(&["host:/proc/uptime", "process:subject/stat"]);
        host.read(&subject, host.environment(Vec::new()), &wanted)
    };
    // A zombie has its files still, but no container.
    let zombie = wait_for("the end", || read().err());
    assert!(matches!(zombie, Error::NoSuchProcess(ended) if ended == pid), "{zombie:?}");
    assert!(matches!(host.subject(pid, Identity::Init), Err(Error::NoSuchProcess(_))));
    process.end();
    assert!(matches!(read(), Err(Error::NoSuchProcess(ended)) if ended == pid));
    assert!(matches!(host.subject(pid, Identity::Init), Err(Error::NoSuchProcess(_))));
}

/// A file that tells one group from another, in v1 and in v2.
struct Marked {
    controller: &'static str,
    file: &'static str,
    source: &'static str,
    mount: &'static str,
}

const MARKED: [Marked; 2] = [
    Marked {
        controller: "pids",
        file: "pids.max",
        source: "cgroup1:pids/pids.max@lineage",
        mount: "mount -t cgroup -o pids none",
    },
    Marked {
        controller: "",
        file: "cgroup.max.depth",
        source: "cgroup2:/cgroup.max.depth@lineage",
        mount: "mount -t cgroup2 none",
    },
];

impl Marked {
    /// Runs a test again within `inner`, below a group of its own, and with
    /// another process in another group.
    fn stage(&self, host: &Host, test: &str, script: &str) {
        let Some(mount) = mount_point(host, self.controller).filter(|_| is_root()) else { return };
        let (ours, other) = (Group::new(&mount), Group::new(&mount));
        let inner = ours.below("inner");
        fs::write(inner.join(self.file), "55").unwrap();
        fs::write(other.0.join(self.file), "66").unwrap();
        let process = Running::sleep(&[&other.0]);
        let script = format!("echo $$ > $0/cgroup.procs; {script}");
        let environment = [
            format!("VPROC_OTHER={}", process.pid()),
            format!("VPROC_CONTROLLER={}", self.controller),
            format!("MOUNT={}", self.mount),
            format!("POINT={}", mount.display()),
        ];
        let mut wrapper = vec!["env"];
        wrapper.extend(environment.iter().map(String::as_str));
        wrapper.extend(["sh", "-c", &script, inner.to_str().unwrap()]);
        assert!(!within(test, &wrapper));
    }

    /// Whether being in a group here makes a container: v2 without controllers,
    /// on a hybrid host, does not.
    fn distributes(&self, host: &Host) -> bool {
        !self.controller.is_empty() || host.layout() != CgroupLayout::Hybrid
    }

    /// The one that a test was run again for, and the other process.
    fn on_stage() -> Option<(&'static Self, HostPid)> {
        let controller = std::env::var("VPROC_CONTROLLER").ok()?;
        let other = std::env::var("VPROC_OTHER").ok()?.parse().ok()?;
        Some((MARKED.iter().find(|marked| marked.controller == controller)?, other))
    }
}

/// A container that sees the host's cgroup mounts from a cgroup namespace, as
/// a DaemonSet does: names on the way are `..` to it.
#[test]
fn a_cgroup_namespace_is_seen_through() {
    const SELF: &str = "namespaces::a_cgroup_namespace_is_seen_through";
    let host = Host::open().unwrap();
    let Some((marked, other)) = Marked::on_stage() else {
        return MARKED
            .iter()
            .for_each(|marked| marked.stage(&host, SELF, "exec unshare -C \"$@\""));
    };
    let subject = host.subject(HostPid::current(), Identity::Init).unwrap();
    assert!(!subject.is_host() || !marked.distributes(&host));
    let found = read(&host, &subject, marked.source);
    assert_eq!(text(&found[0]), "55\n");
    assert_eq!((found[0].level, found[0].depth), (0, 2));
    assert_eq!((found[1].level, found[1].depth), (1, 1));

    let found = read_for(&host, other, marked.source);
    assert_eq!((text(&found[0]), found[0].depth), ("66\n", 1));
}

/// Only the view from within the namespace is left: what lies outside of it
/// is there, and cannot be read.
#[test]
fn outside_of_a_cgroup_namespace_is_hidden() {
    const SELF: &str = "namespaces::outside_of_a_cgroup_namespace_is_hidden";
    let host = Host::open().unwrap();
    let Some((marked, other)) = Marked::on_stage() else {
        let script = "exec unshare -Cm sh -c 'umount $POINT && $MOUNT $POINT && exec \"$@\"' \
                      sh \"$@\"";
        return MARKED.iter().for_each(|marked| marked.stage(&host, SELF, script));
    };
    let subject = host.subject(HostPid::current(), Identity::Init).unwrap();
    assert!(!subject.is_host() || !marked.distributes(&host));
    let found = read(&host, &subject, marked.source);
    assert_eq!((found.len(), text(&found[0]), found[0].depth), (1, "55\n", 1));

    let found = read_for(&host, other, marked.source);
    assert_eq!((found.len(), &found[0].content), (1, &Content::Absent(EACCES)));
}

/// Limits may stand in a hierarchy that is not mounted here. The v2 tree of a
/// hybrid host has none.
#[test]
fn a_hierarchy_that_is_not_mounted_here_is_hidden() {
    const SELF: &str = "namespaces::a_hierarchy_that_is_not_mounted_here_is_hidden";
    let host = Host::open().unwrap();
    let points = ["pids", ""].map(|controller| mount_point(&host, controller));
    if let [Some(pids), Some(unified)] = &points {
        let points = format!("POINTS={} {}", pids.display(), unified.display());
        let script = "umount $POINTS && exec \"$@\"";
        let wrapper = ["env", &points, "unshare", "-m", "sh", "-c", script, "sh"];
        assert!(!is_root() || !within(SELF, &wrapper));
    } else if points[0].is_none() && host.layout() == CgroupLayout::V1 && is_root() {
        let found = read_for(&host, HostPid::current(), "cgroup1:pids/pids.current@leaf");
        assert_eq!((found.len(), &found[0].content), (1, &Content::Absent(EACCES)));
        assert!(read_for(&host, HostPid::current(), "cgroup2:/cpu.stat@leaf").is_empty());
        assert!(!host.subject(HostPid::current(), Identity::Init).unwrap().is_host());
    }
}

#[test]
fn files_of_namespaces_are_those_of_the_container() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let wanted = [
        "namespaced:/proc/sys/kernel/hostname",
        "namespaced:/proc/sys/kernel/msgmni",
        "namespaced:/proc/sys/user/max_user_namespaces",
        "namespaced:/proc/sys/net/ipv4/ip_forward",
        "namespaced:/proc/sysvipc/shm",
        "namespaced:/proc/sys/net/no_such_file",
    ];
    let setup = "hostname boxed; echo 77 > /proc/sys/kernel/msgmni
        echo 1234 > /proc/sys/user/max_user_namespaces; echo 1 > /proc/sys/net/ipv4/ip_forward
        ipcmk -M 4096 > /dev/null; mount -t tmpfs none /proc/sys; exec sleep 1000";
    let namespaces = ["unshare", "-Urmuinpf", "--kill-child", "--mount-proc", "sh", "-c", setup];
    let container = Running::start(&[], &namespaces);
    let subject = host.subject(container.descendant("sleep"), Identity::Init).unwrap();
    let found = |source: &str| read(&host, &subject, source)[0].content.clone();
    let texts = wanted.map(|source| match found(source) {
        Content::Text(text) => text,
        other => format!("{other:?}"),
    });
    assert_eq!(texts[..4], ["boxed\n", "77\n", "1234\n", "1\n"]);
    assert_eq!(texts[4].lines().count(), 2, "{}", texts[4]);
    assert_eq!(texts[5], format!("{:?}", Content::Absent(2)));
    // No process of ours is left.
    let children = fs::read_to_string("/proc/thread-self/children").unwrap();
    assert_eq!(children.trim(), container.pid().to_string());
    // One that shares our pid namespace has others of its own.
    let setup = "hostname shared; ipcmk -M 4096 > /dev/null; exec sleep 1000";
    let shared = Running::start(&[], &["unshare", "-uin", "sh", "-c", setup]);
    wait_for("the program", || {
        let comm = fs::read_to_string(format!("/proc/{}/comm", shared.pid())).ok()?;
        (comm == "sleep\n").then_some(())
    });
    let subject = host.subject(shared.pid(), Identity::Init).unwrap();
    let text = |source: &str| match read(&host, &subject, source)[0].content.clone() {
        Content::Text(text) => text,
        other => format!("{other:?}"),
    };
    assert_eq!(text(wanted[0]), "shared\n");
    assert_eq!(text(wanted[4]).lines().count(), 2);
    assert_eq!(text(wanted[3]), "0\n");
    // Ours are not the container's.
    let own = host.subject(HostPid::current(), Identity::Init).unwrap();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(read(&host, &own, wanted[0])[0].content, Content::Text(hostname));
}
