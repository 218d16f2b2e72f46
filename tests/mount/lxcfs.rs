//! What lxcfs's mount gets wrong, got right. What it shows wrong in a file is in
//! `crates/vproc-core/tests/lxcfs`.

use crate::command::VPROCCTL;
use crate::container::{Container, Group, total_mib};
use crate::fixture::{Mount, can_mount};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use vproc_tests::skip;

/// lxcfs serves `/proc/slabinfo` with mode 0444, so that uid 65534 of a container
/// reads the host's slab table. The kernel's is 0400.
#[test]
fn only_root_reads_slabinfo() {
    let test = "only_root_reads_slabinfo";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    // The way to the mount, so that it is the file that refuses.
    fs::set_permissions(mount.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = |name: &str| mount.file(name).display().to_string();
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups cat";
    assert_eq!(total_mib(&container.sh(&format!("{nobody} {}", file("/proc/meminfo")))), 64);
    if !Path::new("/proc/slabinfo").exists() {
        return skip(test, "this kernel has no /proc/slabinfo");
    }
    let refused = container.sh(&format!("{nobody} {}", file("/proc/slabinfo")));
    assert!(refused.contains("Permission denied") && refused.lines().count() == 1, "{refused}");
    let table = container.sh(&format!("cat {}", file("/proc/slabinfo")));
    let rows: Vec<&str> = table.lines().skip(2).filter_map(|row| row.split(' ').next()).collect();
    assert!(table.starts_with("slabinfo - version: "), "{table}");
    assert!(rows.iter().all(|name| name.starts_with("slab_")), "no cache of the host: {table}");
}

/// lxcfs lists `.` and `..` twice.
#[test]
fn a_directory_lists_each_name_once() {
    let test = "a_directory_lists_each_name_once";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let mut waiting: Vec<_> =
        ["", "proc", "sys", "by-pid"].map(|name| mount.point.join(name)).into();
    let mut seen = 0;
    while let Some(directory) = waiting.pop() {
        let opened = rustix::fs::open(&directory, OFlags::RDONLY, Mode::empty()).unwrap();
        let entries = Dir::new(opened).unwrap().map(|entry| entry.unwrap());
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = entry.file_name().to_str().unwrap().to_owned();
            let is_directory = entry.file_type() == rustix::fs::FileType::Directory;
            let below_proc = directory.starts_with(mount.point.join("proc"))
                || directory.starts_with(mount.point.join("sys"));
            if is_directory && below_proc && !name.starts_with('.') {
                waiting.push(directory.join(&name));
            }
            assert!(names.insert(name.clone()), "{name} twice in {}", directory.display());
        }
        assert!(names.contains(".") && names.contains(".."), "{}: {names:?}", directory.display());
        seen += 1;
    }
    assert!(seen > 6, "{seen} directories");
}

/// `vprocctl mount`, in a mount namespace of its own.
struct Apart(Child);

impl Drop for Apart {
    fn drop(&mut self) {
        // It unmounts, and ends.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// lxcfs since 5.0.4 answers every read of every file with EACCES where it may
/// not read `/proc/1/personality`, as under Yama's `ptrace_scope` 3 or in a
/// sandbox: lxc/lxcfs#636.
#[test]
fn a_host_that_hides_the_personality_of_process_1_is_served() {
    let test = "a_host_that_hides_the_personality_of_process_1_is_served";
    if !can_mount(test) {
        return;
    }
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let directory = tempfile::Builder::new().prefix("vproc-test").tempdir_in("/dev/shm").unwrap();
    // Not even root opens a device of a file system that has none.
    let script = r#"
        set -e
        mkdir "$1/hidden"
        mount -t tmpfs -o nodev none "$1/hidden"
        mknod "$1/hidden/device" c 1 3
        mount --bind "$1/hidden/device" /proc/1/personality
        if cat /proc/1/personality 2> /dev/null; then exit 1; fi
        exec "$2" mount "$1/mount" --state "$1/state" --log-level error"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(directory.path()).arg(VPROCCTL).env("XDG_CACHE_HOME", directory.path());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut mount = Apart(child);
    let mut line = String::new();
    BufReader::new(mount.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with("/mount\n"), "it does not serve: {line}");

    let point = format!("/proc/{}/root{}/mount", mount.0.id(), directory.path().display());
    let meminfo = container.sh(&format!("cat {point}/proc/meminfo"));
    assert_eq!(total_mib(&meminfo), 64);
    let refused = container.sh(&format!(
        "for file in {point}/proc/* {point}/proc/pressure/* {point}/sys/devices/system/cpu/*; do \
         [ -d $file ] || cat $file 2>&1 > /dev/null; done | grep -i permission"
    ));
    assert_eq!(refused, "");
}

/// lxcfs shows the host's files from one SIGUSR2 to the next, and SIGUSR1 makes
/// it forget what it has counted.
#[test]
fn no_signal_shows_the_host_or_forgets_a_counter() {
    let test = "no_signal_shows_the_host_or_forgets_a_counter";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let point = mount.point.display().to_string();
    let ticks = |container: &mut Container| -> u64 {
        let stat = container.sh(&format!("cat {point}/proc/stat"));
        let words = stat.lines().next().unwrap().split_whitespace().skip(1);
        words.map(|word| word.parse::<u64>().unwrap()).sum()
    };
    let mut before = ticks(&mut container);
    for signal in [Signal::USR2, Signal::HUP, Signal::USR2] {
        let worker = mount.worker().unwrap();
        mount.signal_holder(signal);
        if signal == Signal::USR2 {
            mount.wait_for_another(worker);
        }
        let meminfo = container.sh(&format!("cat {point}/proc/meminfo"));
        assert_eq!(total_mib(&meminfo), 64, "after {signal:?}");
        let after = ticks(&mut container);
        assert!(before > 0 && after >= before, "after {signal:?}: {before} to {after}");
        before = after;
    }
}
