//! The doctor on the running machine, with and without privileges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use vproc_linux::doctor::{Check, Status, examine};

const NOBODY: u32 = 65534;

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check `{name}`"))
}

#[test]
fn every_lack_has_a_cost() {
    let checks = examine();
    for check in &checks {
        assert!(!check.name.is_empty() && !check.finding.is_empty(), "{check:?}");
        assert_eq!(check.status == Status::Ok, check.cost.is_empty(), "{check:?}");
        assert!(check.status != Status::Ok || check.remedy.is_empty(), "{check:?}");
        for text in [&check.finding, &check.cost, &check.remedy] {
            assert!(!text.contains('\n') && !text.ends_with('.'), "{check:?}");
        }
    }
    let names: HashSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names.len(), checks.len());
}

#[test]
fn findings_are_those_of_this_machine() {
    let checks = examine();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(find(&checks, "kernel").finding.contains(release.trim()));
    let controllers = fs::read_to_string("/proc/self/cgroup").unwrap();
    let mounted = |name: &str| {
        controllers
            .lines()
            .any(|line| line.split(':').nth(1).unwrap().split(',').any(|c| c == name))
    };
    for name in ["memory", "cpu", "cpuset", "pids"] {
        if mounted(name) {
            assert_eq!(find(&checks, &format!("controller {name}")).status, Status::Ok);
        }
    }
    let has_time = fs::exists("/proc/self/ns/time").unwrap();
    assert_eq!(find(&checks, "time namespaces").status == Status::Ok, has_time);
}

/// What an unprivileged user gets to hear; also the child's part of the test.
#[test]
fn privileges_are_not_needed() {
    const ROLE: &str = "VPROC_TEST_UNPRIVILEGED";
    if std::env::var_os(ROLE).is_some() {
        for check in examine() {
            println!("{}: {}", check.name, check.status);
        }
        return;
    }
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new("/proc/self/fd/0");
    // The user may not be able to reach the program by its path.
    child.stdin(fs::File::open(this).unwrap()).env(ROLE, "1").uid(NOBODY).gid(NOBODY);
    let output = match child.args(["--exact", "privileges_are_not_needed", "--nocapture"]).output()
    {
        Ok(output) => output,
        Err(error) => {
            use std::io::Write;
            // Not `eprintln`, which the test harness hides of tests that pass.
            let reason = format!("skipped, because no other user can be taken on: {error}");
            return writeln!(std::io::stderr(), "{reason}").unwrap();
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in ["user: limited", "CAP_SYS_ADMIN: limited", "private procfs: limited"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
