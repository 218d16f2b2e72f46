//! Whose view a reader gets. Groups are told apart by their limits.

use crate::Test;
use crate::groups::{MemoryGroup, groups_of, hierarchies};
use crate::mounted::Mount;
use crate::stage::{Container, printed};
use std::path::Path;
use std::process::Command;

pub(crate) const TESTS: &[Test] = &[
    ("identity::in_the_hosts_pid_namespace", in_the_hosts_pid_namespace),
    ("identity::in_a_nested_pid_namespace", in_a_nested_pid_namespace),
    ("identity::in_a_group_below_inits", in_a_group_below_inits),
    ("identity::an_init_outside_the_limited_group", an_init_outside_the_limited_group),
    ("identity::two_containers_in_one_pid_namespace", two_containers_in_one_pid_namespace),
];

const MIB: u64 = 1 << 20;

/// MiB of `MemTotal`.
fn total(meminfo: &str) -> u64 {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// What a process of a container reads, in this group besides.
fn read(container: &Container, group: Option<&Path>) -> u64 {
    total(&printed(container.exec_in(group, &["cat", "/proc/meminfo"]), "cat"))
}

fn of_the_host() -> u64 {
    total(&std::fs::read_to_string("/proc/meminfo").unwrap())
}

/// The reader counts for itself, through the mount's own path.
fn in_the_hosts_pid_namespace(_: &str) {
    let mount = Mount::start(&[]);
    let file = mount.path().join("proc/meminfo");
    let group = MemoryGroup::new("host", 64 * MIB);
    let script = "[ -z \"$1\" ] || echo $$ > $1/cgroup.procs; exec cat $0";
    let read = |group: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, file.to_str().unwrap(), group]);
        total(&printed(shell, "sh"))
    };
    assert_eq!(read(group.0.to_str().unwrap()), 64);
    let root = hierarchies().get("memory").or(hierarchies().get("")).unwrap().clone();
    assert_eq!(read(root.to_str().unwrap()), of_the_host());
}

/// Each pid namespace has an init of its own.
fn in_a_nested_pid_namespace(_: &str) {
    let mount = Mount::start(&[]);
    let [outer, inner] =
        [("outer", 96), ("inner", 48)].map(|(name, mib)| MemoryGroup::new(name, mib * MIB));
    let container = Container::unshare(&[&outer.0], &[], &["sleep", "1000"]);
    mount.attach(&container);
    assert_eq!(read(&container, Some(&outer.0)), 96);
    let nested = ["unshare", "-p", "-f", "cat", "/proc/meminfo"];
    let read = |group: &Path| total(&printed(container.exec_in([group], &nested), "unshare"));
    assert_eq!(read(&inner.0), 48, "the inner init counts");
    assert_eq!(read(&outer.0), 96);
}

/// A process that the container put into a group below.
fn in_a_group_below_inits(_: &str) {
    let mount = Mount::start(&[]);
    let outer = MemoryGroup::new("upper", 96 * MIB);
    let below = MemoryGroup::below(&outer.0, "lower", 32 * MIB);
    let container = Container::unshare(&[&outer.0], &[], &["sleep", "1000"]);
    mount.attach(&container);
    assert_eq!(read(&container, Some(&below.0)), 96, "init counts");
    drop(container);
    drop(below);
}

/// As where a supervisor of the host's group starts limited processes.
fn an_init_outside_the_limited_group(_: &str) {
    let group = MemoryGroup::new("limited", 64 * MIB);
    for (identity, expected) in [("reader", 64), ("init", of_the_host())] {
        let mount = Mount::start(&["--identity", identity]);
        let memory = hierarchies().get("memory").or(hierarchies().get("")).unwrap().clone();
        let container = Container::unshare(&[&memory], &[], &["sleep", "1000"]);
        mount.attach(&container);
        let groups = groups_of(container.init);
        let outside = groups.get("memory").or(groups.get("")).unwrap();
        assert_eq!(read(&container, Some(&group.0)), expected, "{identity}");
        assert_eq!(read(&container, Some(outside)), of_the_host(), "{identity}, without a limit");
    }
}

/// As in a pod whose containers share a pid namespace.
fn two_containers_in_one_pid_namespace(_: &str) {
    let groups = [("pause", 200), ("one", 64), ("two", 80)];
    let [pause, one, two] = groups.map(|(name, mib)| MemoryGroup::new(name, mib * MIB));
    for (identity, expected) in [("reader", [64, 80]), ("init", [200, 200])] {
        let mount = Mount::start(&["--identity", identity]);
        let container = Container::unshare(&[&pause.0], &[], &["sleep", "1000"]);
        mount.attach(&container);
        let seen = [&one, &two].map(|group| read(&container, Some(&group.0)));
        assert_eq!(seen, expected, "{identity}");
        // In turns, because a mount remembers what it knows of a reader.
        let again = [&two, &one].map(|group| read(&container, Some(&group.0)));
        assert_eq!([again[1], again[0]], expected, "{identity}");
    }
}
