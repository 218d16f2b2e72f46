//! The processes of a container, by the container's numbers.

use crate::stage::*;
use std::path::Path;
use vproc_linux::{Host, HostPid, Identity, Subject};
use vproc_snapshot::Content;

const ENOENT: u32 = 2;

/// A container that starts two sleepers.
const TWO: [&str; 3] = ["sh", "-c", "sleep 1000 & sleep 1000 & wait"];

/// Numbers outside and inside of all processes.
fn processes(host: &Host, subject: &Subject) -> Vec<(u32, u32)> {
    let list = read(host, subject, "processes");
    let rows = text(&list[0]).lines().filter(|line| line.ends_with(" process"));
    let numbers = rows.map(|row| row.split(' ').take(2).map(|word| word.parse().unwrap()));
    numbers.map(|row| row.collect::<Vec<u32>>()).map(|row| (row[0], row[1])).collect()
}

fn content(host: &Host, subject: &Subject, source: &str) -> Content {
    read(host, subject, source)[0].content.clone()
}

#[test]
fn numbers_are_those_inside_and_nobody_elses() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let other = Running::start(&[], &in_pidns(1, &["sh", "-c", "sleep 1000 & exec sleep 1001"]));
    let other = other.descendant("sleep");
    for levels in 1..=2 {
        let mut container = Running::start(&[], &in_pidns(levels, &TWO));
        let init = container.descendant("sh");
        let subject = host.subject(init, Identity::Init).unwrap();
        let rows = wait_for("three processes", || {
            subject.forget_processes();
            Some(processes(&host, &subject)).filter(|rows| rows.len() == 3)
        });
        // Before Linux 6.11, looking for process 1 uses up a number.
        let inside = |outside: u32| {
            let status = std::fs::read_to_string(format!("/proc/{outside}/status")).unwrap();
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap();
            numbers.split_whitespace().last().unwrap().parse::<u32>().unwrap()
        };
        assert!(rows.iter().all(|row| row.1 == inside(row.0)), "{rows:?}");
        assert_eq!(rows[0].1, 1);
        assert_eq!(rows[0].0, init.get());
        for (outside, inside) in &rows {
            let Content::Text(stat) = content(&host, &subject, &format!("process:{inside}/stat"))
            else {
                panic!("{inside} is there");
            };
            assert!(stat.starts_with(&format!("{outside} (")), "{stat}");
            let thread = format!("process:{inside}/task/{inside}/status");
            assert!(matches!(content(&host, &subject, &thread), Content::Text(_)));
        }
        // Neither a number that nobody has inside, nor one of the host's.
        for number in [4_000_000, other.get(), init.get()] {
            let source = format!("process:{number}/stat");
            assert_eq!(content(&host, &subject, &source), Content::Absent(ENOENT), "{number}");
        }
        let thread = format!("process:{}/task/{}/status", rows[1].1, rows[2].1);
        assert_eq!(content(&host, &subject, &thread), Content::Absent(ENOENT), "of another");
        container.end();
        wait_for("the container's end", || {
            let sources = sources(&["process:1/stat"]);
            host.read(&subject, host.environment(Vec::new()), &sources).err()
        });
    }
}

#[test]
fn a_container_sees_those_of_the_namespaces_below() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let container = Running::start(&[], &in_pidns(2, &["sleep", "1000"]));
    let inner = container.descendant("sleep");
    // The command that started the inner namespace is process 1 of the outer.
    let outer = wait_for("the outer init", || {
        let status = std::fs::read_to_string(format!("/proc/{inner}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"))?;
        parent.parse::<HostPid>().ok()
    });
    let subject = host.subject(outer, Identity::Init).unwrap();
    assert_eq!(processes(&host, &subject), [(outer.get(), 1), (inner.get(), 2)]);
    let subject = host.subject(inner, Identity::Init).unwrap();
    assert_eq!(processes(&host, &subject), [(inner.get(), 1)]);
}

#[test]
fn without_a_namespace_the_group_tells() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let hierarchies = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(Path::new);
    let hierarchy = hierarchies.into_iter().find(|path| path.join("cgroup.procs").exists());
    let Some(hierarchy) = hierarchy else {
        return crate::stage::skip("there is no hierarchy of cgroups");
    };
    let group = Group::new(hierarchy);
    let container = Running::start(&[&group.0], &TWO);
    let subject = host.subject(container.pid(), Identity::Init).unwrap();
    let rows = wait_for("three processes", || {
        subject.forget_processes();
        Some(processes(&host, &subject)).filter(|rows| rows.len() == 3)
    });
    assert!(rows.iter().all(|(outside, inside)| outside == inside), "{rows:?}");
    assert!(rows.iter().any(|row| row.0 == container.pid().get()));
    for stranger in [1, std::process::id()] {
        let source = format!("process:{stranger}/stat");
        assert_eq!(content(&host, &subject, &source), Content::Absent(ENOENT));
    }
    // Its sleepers outlive the shell.
    rows.iter().filter_map(|row| HostPid::new(row.0)).for_each(end);
}

fn end(pid: HostPid) {
    let pid = rustix::process::Pid::from_raw(pid.get().cast_signed());
    let _ = rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL);
}

#[test]
fn links_tell_their_mount() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let container = Running::start(&[], &in_pidns(1, &["sleep", "1000"]));
    let init = container.descendant("sleep");
    let subject = host.subject(init, Identity::Init).unwrap();
    let Content::Text(root) = content(&host, &subject, "process:1/root") else { panic!() };
    let mounts = std::fs::read_to_string(format!("/proc/{init}/mountinfo")).unwrap();
    let (mount, path) = root.split_once(' ').unwrap();
    assert_eq!(path, "/");
    // Linux 5.8.
    assert!(mount == "-" || mounts.lines().any(|line| line.starts_with(&format!("{mount} "))));
    let Content::Text(namespace) = content(&host, &subject, "process:1/ns/pid") else { panic!() };
    assert!(namespace.starts_with("- pid:["), "{namespace}");
    let Content::Text(files) = content(&host, &subject, "process:1/fd/") else { panic!() };
    assert!(files.starts_with("0\n1\n2\n"), "{files}");
}
