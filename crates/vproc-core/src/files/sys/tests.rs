#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::WriteError;
use crate::contract::{Class, Content, Input, Source};
use crate::testing::{cgroup, host, snapshot, tasks};
use alloc::string::String;
use alloc::{format, vec};

fn text(path: &str, inputs: Vec<Input<'_>>) -> Result<String, Error> {
    crate::render(&format!("/proc/sys/{path}"), &snapshot(inputs)).map(|rendered| rendered.text)
}

#[test]
fn each_file_is_there_once_and_is_made_from_itself() {
    for entry in TABLE {
        assert_eq!(TABLE.iter().filter(|other| other.path == entry.path).count(), 1);
        assert!(!entry.reason.is_empty() && !entry.summary.is_empty());
        let first = entry.needs.first().and_then(|needs| needs.first());
        match first.map(|need| need.source) {
            Some(Source::Host(path) | Source::Namespaced(path)) => assert_eq!(path, entry.path),
            Some(other) => panic!("{}: {other:?}", entry.path),
            None => assert_eq!(entry.class, Class::Denied),
        }
    }
}

#[test]
fn what_the_kernel_sizes_is_sized_by_the_container() {
    let inputs = |own: &'static str, others: &[Input<'static>]| {
        let mut inputs = vec![
            host(ITSELF, own),
            host("meminfo", "MemTotal: 16000000 kB\n"),
            cgroup("memory.max", 0, 2, "1073741824\n"),
        ];
        inputs.extend_from_slice(others);
        inputs
    };
    assert_eq!(text("kernel/threads-max", inputs("124000\n", &[])).unwrap(), "8192\n");
    assert_eq!(text("kernel/threads-max", inputs("500\n", &[])).unwrap(), "500\n");
    let limits = [cgroup("pids.max", 0, 2, "max\n"), cgroup("pids.max", 1, 1, "64\n")];
    assert_eq!(text("kernel/threads-max", inputs("124000\n", &limits)).unwrap(), "64\n");
    let pids = |version| {
        text("kernel/pid_max", inputs("32768\n", &[host("version", version), host("own", "500\n")]))
    };
    assert_eq!(pids("Linux version 6.12.94+deb13-amd64 (x@y) #1 SMP").unwrap(), "4194304\n");
    assert_eq!(pids("Linux version 6.14.0 (x@y) #1 SMP").unwrap(), "500\n");
    assert_eq!(pids("Linux version 7.0-rc1 (x@y) #1 SMP").unwrap(), "500\n");
    assert_eq!(pids("something else").unwrap(), "4194304\n");
    assert_eq!(text("vm/min_free_kbytes", inputs("67584\n", &[])).unwrap(), "4096\n");
    assert_eq!(text("vm/user_reserve_kbytes", inputs("131072\n", &[])).unwrap(), "32768\n");
    let swappiness = [cgroup("memory.swappiness", 0, 2, "10\n")];
    assert_eq!(text("vm/swappiness", inputs("60\n", &swappiness)).unwrap(), "10\n");
    assert_eq!(text("vm/swappiness", inputs("60\n", &[])).unwrap(), "60\n");
}

#[test]
fn constants_are_not_the_hosts_but_for_the_host() {
    let own = || vec![host(ITSELF, "|/usr/lib/systemd/systemd-coredump %P\n")];
    assert_eq!(text("kernel/core_pattern", own()).unwrap(), "core\n");
    assert_eq!(text("kernel/modprobe", own()).unwrap(), "\n");
    let mut snapshot = snapshot(own());
    snapshot.is_host = true;
    let rendered = crate::render("/proc/sys/kernel/core_pattern", &snapshot).unwrap();
    assert_eq!(rendered.text, "|/usr/lib/systemd/systemd-coredump %P\n");
    assert_eq!(text("kernel/random/uuid", own()), Err(Error::Denied));
    assert_eq!(text("kernel/unheard_of", own()), Err(Error::UnsupportedPath));
}

#[test]
fn pids_are_the_containers() {
    let refused = Input { key: ITSELF, level: 0, depth: 0, content: Content::Absent(1) };
    let inputs = vec![host(ITSELF, "99999\n"), tasks(3, 1, 0, 17)];
    assert_eq!(text("kernel/ns_last_pid", inputs).unwrap(), "17\n");
    assert_eq!(text("kernel/hostname", vec![refused]), Err(Error::MissingInput(ITSELF)));
    assert_eq!(text("kernel/hostname", vec![host(ITSELF, "box\n")]).unwrap(), "box\n");
}

#[test]
fn a_boot_is_a_containers_run() {
    let id = |boot: &'static str, pid: u32, start: u32| {
        let stat =
            format!("{pid} (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {start} 1 2 3\n");
        text("kernel/random/boot_id", vec![host(ITSELF, boot), host("init-stat", &stat)])
    };
    const BOOT: &str = "8f7cdfa3-ce77-41e6-b972-9be4e123030d\n";
    let own = id(BOOT, 4242, 90000).unwrap();
    assert_eq!(own, id(BOOT, 4242, 90000).unwrap());
    let others = [
        id(BOOT, 4242, 90001),
        id(BOOT, 4243, 90000),
        id("8f7cdfa3-ce77-41e6-b972-9be4e123030e\n", 4242, 90000),
        Ok(BOOT.into()),
    ];
    for other in others {
        assert_ne!(own, other.unwrap());
    }
    let parts: Vec<&str> = own.trim_end().split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{own}");
    for boot in ["", "8f7cdfa3\n", "8f7cdfa3-ce77-41e6-b972-9be4e123030g\n"] {
        let error = id(boot, 1, 1).unwrap_err();
        assert!(matches!(error, Error::MalformedInput { key: ITSELF, .. }), "{boot}");
    }
}

fn write(path: &str, inputs: Vec<Input<'_>>, written: &[u8]) -> Result<String, WriteError> {
    let path = format!("/proc/sys/{path}");
    let mut snapshot = snapshot(inputs);
    let state = crate::accept(&path, &snapshot, written)?;
    snapshot.state = Some(&state);
    Ok(crate::render(&path, &snapshot)?.text)
}

#[test]
fn what_a_container_writes_it_reads_as_the_kernel_prints_it() {
    let printk = || vec![host(ITSELF, "7\t4\t1\t7\n")];
    assert_eq!(write("kernel/printk", printk(), b"3 4  1 3\n").unwrap(), "3\t4\t1\t3\n");
    assert_eq!(write("kernel/printk", printk(), b"8").unwrap(), "8\t4\t1\t7\n");
    assert_eq!(write("kernel/printk", printk(), b"-0x10\n").unwrap(), "-16\t4\t1\t7\n");
    let one = |text: &'static str| vec![host(ITSELF, text)];
    assert_eq!(write("fs/file-max", one("1\n"), b"5000000000\n\0").unwrap(), "5000000000\n");
    assert_eq!(write("vm/swappiness", one("60\n"), b"10").unwrap(), "10\n");
    let pattern = b"/cores/%e.%p\nrest";
    assert_eq!(write("kernel/core_pattern", one("|x\n"), pattern).unwrap(), "/cores/%e.%p\n");
    assert_eq!(write("kernel/modprobe", one("/sbin/modprobe\n"), b"").unwrap(), "\n");
}

#[test]
fn what_the_kernel_would_not_take_is_refused() {
    let invalid = Err(WriteError::Invalid);
    let values: [&[u8]; 11] = [
        b"",
        b"\n",
        b"x",
        b"1 x",
        b"1 2 3 4 5",
        b"2147483648",
        b"--1",
        b"-",
        b"0x",
        b"0x-1",
        b"\xff",
    ];
    for written in values {
        let own = vec![host(ITSELF, "7\t4\t1\t7\n")];
        assert_eq!(write("kernel/printk", own, written), invalid, "{written:?}");
    }
    let own = || vec![host(ITSELF, "60\n")];
    assert_eq!(write("vm/swappiness", own(), b"-1"), invalid);
    assert_eq!(write("vm/swappiness", own(), b"9223372036854775808"), invalid);
    assert_eq!(write("kernel/core_pattern", own(), &[b'a'; 256]), invalid);
    let denied = Err(WriteError::Refused(Error::Denied));
    // Not the container's own, or not to be written to.
    for path in ["vm/overcommit_memory", "kernel/hostname", "kernel/random/boot_id", "fs/file-nr"] {
        assert_eq!(write(path, own(), b"1"), denied, "{path}");
    }
    assert_eq!(write("x", own(), b"1"), Err(WriteError::Refused(Error::UnsupportedPath)));
    let mut of_host = snapshot(own());
    of_host.is_host = true;
    assert_eq!(crate::accept("/proc/sys/vm/swappiness", &of_host, b"1"), Err(Error::Denied.into()));
    of_host.state = Some(b"1\n");
    assert_eq!(crate::render("/proc/sys/vm/swappiness", &of_host).unwrap().text, "60\n");
}

#[test]
fn one_may_write_to_what_has_a_w_and_is_constant_or_a_number() {
    for entry in TABLE {
        let takes = entry.history.is_some_and(|history| history.accept.is_some());
        let may = entry.mode & 0o222 != 0
            && matches!(entry.class, Class::Constant | Class::Virtual)
            && !["/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/watchdog_cpumask"]
                .contains(&entry.path);
        assert_eq!(takes, may, "{}", entry.path);
    }
}
