//! Counting tasks again and again.

use crate::stage::*;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use vproc_linux::{Hierarchy, Host, Identity, TaskSampler};

#[test]
fn a_sampler_sees_what_starts_to_run_and_what_ends() {
    let host = Host::open().unwrap();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    // CPU time of a group tells only where both are of the same name.
    let group = Group::new(&pids);
    let charges = |one: &&Hierarchy| one.controllers().iter().any(|word| word == "cpuacct");
    let cpuacct = host.hierarchies().iter().find(charges).and_then(|one| one.mount_points().next());
    let charged = cpuacct.map(|point| {
        let charged = Group(point.join(group.0.file_name().unwrap()));
        fs::create_dir(&charged.0).unwrap();
        charged
    });
    let directory = tempfile::tempdir().unwrap();
    let signal = directory.path().join("go");
    assert!(Command::new("mkfifo").arg(&signal).status().unwrap().success());
    let script = format!("read x < {}; while :; do :; done", signal.display());
    let mut groups = vec![group.0.as_path()];
    groups.extend(charged.as_ref().map(|charged| charged.0.as_path()));
    let mut process = Running::start(&groups, &["sh", "-c", &script]);
    let sleep = Running::sleep(&groups);
    let subject = Arc::new(host.subject(sleep.pid(), Identity::Init).unwrap());
    let mut sampler = TaskSampler::new(subject);
    let mut sample = || sampler.sample(&host).unwrap();

    // For a while: a shell that starts sleeps now and then, for its pages.
    wait_for("two that sleep", || {
        let sleeps = (0..50).all(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let counts = sample();
            counts.total == 2 && counts.running == 0 && counts.blocked == 0
        });
        sleeps.then_some(())
    });
    for _ in 0..100 {
        assert_eq!((sample().total, sample().running), (2, 0));
    }
    fs::write(&signal, "\n").unwrap();
    wait_for("one that runs", || (sample().running == 1).then_some(()));
    for _ in 0..10 {
        assert_eq!(sample().running, 1);
    }
    process.end();
    wait_for("one that sleeps", || {
        let counts = sample();
        (counts.total == 1 && counts.running == 0).then_some(())
    });
    drop(sleep);
    assert!(sampler.sample(&host).is_err());
}

#[test]
fn a_sampler_follows_its_subject() {
    let host = Host::open().unwrap();
    let Some((pids, _)) = controller(&host, "pids").filter(|_| is_root()) else { return };
    let (before, after) = (Group::new(&pids), Group::new(&pids));
    let (first, second) = (Running::sleep(&[&before.0]), Running::sleep(&[&after.0]));
    let subject = Arc::new(host.subject(first.pid(), Identity::Init).unwrap());
    let mut sampler = TaskSampler::new(subject);
    assert_eq!(sampler.sample(&host).unwrap().total, 1);
    fs::write(after.0.join("cgroup.procs"), first.pid().to_string()).unwrap();
    wait_for("both", || (sampler.sample(&host).unwrap().total == 2).then_some(()));
    drop(second);
}
