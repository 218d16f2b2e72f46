//! What is not believed, and what is not handed out.

use crate::stage::*;
use rustix::fd::AsFd;
use std::fs;
use vproc_linux::{Error, Host, HostPid, Identity};
use vproc_snapshot::{CgroupLayout, Content};

const EACCES: u32 = 13;
const ENOENT: u32 = 2;

#[test]
fn files_that_are_mounted_over_are_not_read() {
    let over = "mount --bind /dev/null /proc/uptime && \
                mount --bind /dev/null /sys/devices/system/cpu/online && exec \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", over, "sh"];
    if !has_private_proc() || !within("trust::files_that_are_mounted_over_are_not_read", &wrapper) {
        return;
    }
    assert_eq!(fs::read_to_string("/proc/uptime").unwrap(), "");
    let host = Host::open().unwrap();
    assert!(host.private_proc());
    assert_ne!(text(&read_for(&host, HostPid::current(), "host:/proc/uptime")[0]), "");
    let online = "host:/sys/devices/system/cpu/online";
    assert_ne!(text(&read_for(&host, HostPid::current(), online)[0]), "");

    let shared = Host::open_shared().unwrap();
    assert!(!shared.private_proc());
    let subject = shared.subject(HostPid::current(), Identity::Reader).unwrap();
    let wanted = sources(&["host:/proc/uptime"]);
    let refused = shared.read(&subject, shared.environment(Vec::new()), &wanted).unwrap_err();
    assert!(matches!(&refused, Error::Overmounted { path, .. } if path == "/proc/uptime"));
    assert!(refused.to_string().starts_with("something is mounted over /proc/uptime"));
    assert_ne!(text(&read_for(&shared, HostPid::current(), "host:/proc/meminfo")[0]), "");
}

#[test]
fn another_proc_is_not_ours() {
    let wrapper = ["unshare", "-pfm", "--kill-child"];
    if !has_private_proc() || !within("trust::another_proc_is_not_ours", &wrapper) {
        return;
    }
    // /proc is the one of the outer namespace still.
    let refused = Host::open_shared().unwrap_err();
    assert!(refused.to_string().contains("another pid namespace"), "{refused}");
    let host = Host::open().unwrap();
    let subject = host.subject(HostPid::current(), Identity::Init).unwrap();
    assert_eq!((subject.pid(), subject.init()), (HostPid::INIT, HostPid::INIT));
}

#[test]
fn a_tmpfs_is_no_proc() {
    let script = "mount -t tmpfs none /proc && exec \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", script, "sh"];
    if !has_private_proc() || !within("trust::a_tmpfs_is_no_proc", &wrapper) {
        return;
    }
    let refused = Host::open_shared().unwrap_err();
    assert_eq!(refused.to_string(), "/proc is not usable: another file system is mounted there");
    assert!(Host::open().is_ok());
}

#[test]
fn without_privileges_ones_own_container_can_be_read() {
    let wrapper = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let test = "trust::without_privileges_ones_own_container_can_be_read";
    if rustix::process::geteuid().is_root() && !within(test, &wrapper) {
        return;
    }
    let host = Host::open().unwrap();
    assert!(!host.private_proc());
    let myself = HostPid::current();
    let subject = host.subject(myself, Identity::Init).unwrap();
    assert!(text(&read(&host, &subject, "host:/proc/meminfo")[0]).starts_with("MemTotal:"));
    assert_eq!(read(&host, &subject, "host:/proc/slabinfo")[0].content, Content::Absent(EACCES));

    // Another user's process: its pid namespace cannot be opened, but its
    // numbers say that it is ours.
    let first = host.subject(HostPid::INIT, Identity::Init).unwrap();
    assert_eq!((first.pid(), first.init()), (HostPid::INIT, HostPid::INIT));
    assert_eq!(first.pid_namespace().inode(), subject.pid_namespace().inode());
}

#[test]
fn what_only_root_may_read_is_not_handed_out() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    let content = |source: &str| read_for(&host, HostPid::current(), source)[0].content.clone();
    // 0400 in every kernel, and not on the list of files that are refused.
    let private = "host:/proc/sys/kernel/cad_pid";
    if fs::metadata("/proc/sys/kernel/cad_pid").is_ok() {
        assert_eq!(content(private), Content::Absent(EACCES));
    }
    assert_eq!(content("host:/proc/no_such_file"), Content::Absent(ENOENT));
    assert!(matches!(content("host:/proc/slabinfo"), Content::Text(_) | Content::Absent(ENOENT)));
}

#[test]
fn read_asks_the_list_itself() {
    let host = Host::open().unwrap();
    let subject = host.subject(HostPid::current(), Identity::Reader).unwrap();
    let wanted = sources(&["host:/proc/meminfo", "host:/proc/kcore"]);
    let refused = host.read(&subject, host.environment(Vec::new()), &wanted).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
}

#[test]
fn the_environment_is_that_of_the_kernel() {
    let host = Host::open().unwrap();
    let environment = host.environment(Vec::new());
    assert!(environment.page_size.is_power_of_two());
    assert!((100..=1024).contains(&environment.user_hz));
    assert!(environment.huge_page_size == 0 || environment.huge_page_size.is_power_of_two());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(host.kernel_release(), release.trim());
    assert_ne!(environment.machine, "");
}

#[test]
fn the_clock_is_read_last() {
    let host = Host::open().unwrap();
    let subject = host.subject(HostPid::current(), Identity::Reader).unwrap();
    let wanted = sources(&["host:/proc/uptime"]);
    let readings = host.read(&subject, host.environment(Vec::new()), &wanted).unwrap();
    let uptime: f64 =
        text(&readings.records[0].found[0]).split(' ').next().unwrap().parse().unwrap();
    assert!(readings.now as f64 / 1e9 >= uptime);
}

#[test]
fn a_host_can_be_shared_by_threads() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    let host = Host::open().unwrap();
    is_shared(&host);
    is_shared(&host.subject(HostPid::current(), Identity::Init).unwrap());
    let in_use = host.layout() != CgroupLayout::None;
    assert_eq!(in_use, !host.hierarchies().is_empty());
    assert!(fs::File::open("/proc").unwrap().as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn addresses_are_those_that_everybody_sees() {
    if !is_root() {
        return;
    }
    let host = Host::open().unwrap();
    for path in ["/proc/iomem", "/proc/ioports", "/proc/modules"] {
        let Ok(seen_by_root) = fs::read_to_string(path) else { continue };
        let read = read_for(&host, HostPid::current(), &format!("host:{path}"));
        let text = text(&read[0]);
        let words = || text.split(|c: char| !c.is_ascii_hexdigit());
        // The name of a kernel's module or of a device is no address.
        let is_address =
            |word: &&str| word.len() >= 8 && word.contains(|c: char| c.is_ascii_digit());
        let shown: Vec<&str> = words().filter(is_address).collect();
        assert!(shown.iter().all(|word| word.bytes().all(|b| b == b'0')), "{path}: {shown:?}");
        assert_eq!(text.lines().count(), seen_by_root.lines().count(), "{path}");
    }
    let read = read_for(&host, HostPid::current(), "host:/proc/kallsyms");
    let symbols = text(&read[0]);
    assert!(symbols.lines().count() > 1000, "{} bytes", symbols.len());
    let is_nowhere = |line: &str| line.trim_start_matches('0').starts_with(' ');
    // Who allows everybody to profile the kernel shows everybody its addresses
    // (`kallsyms_show_value`); a policy takes them out all the same.
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    if paranoid.trim().parse::<i32>().unwrap() > 1 {
        assert!(symbols.lines().all(is_nowhere), "an address of a symbol");
    }
    // The thread may do again what it could before: a file of root's alone.
    assert!(fs::read_to_string("/proc/timer_list").is_ok_and(|text| !text.is_empty()));
}
