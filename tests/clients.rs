//! Programs that people use, unmodified, read what we render. They must
//! neither fail nor warn, and tell the limits that were set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;
#[path = "clients/exporter.rs"]
mod exporter;

use command::{VPROCCTL, printed};
use std::process::Command;
use std::time::Instant;
use vproc_tests::skip;

/// A container of 96 MiB with swap and disk I/O, on cgroup v2.
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v2-6.12-run-96m.json");

/// One on a kernel that counts more.
const NEWER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v2-7.3-box-96m.json");

/// What a command prints in a container of 256 MiB and one CPU.
fn contained(test: &str, script: &str) -> Option<String> {
    let program = script.split_whitespace().next().unwrap();
    let limits = ["--memory", "256M", "--cpuset", "0"];
    command::contained(test, &[program], &limits, script)
}

/// The line that has `part` in it.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} in:\n{text}"))
}

#[test]
fn top() {
    let Some(text) = contained("top", "top -b -n1") else { return };
    assert!(text.starts_with("top - ") && text.contains(" up 0 min"), "{text}");
    assert!(line(&text, "%Cpu(s):").contains(" id") && !text.contains("nan"), "{text}");
    assert!(line(&text, "MiB Mem :").contains(" 256.0 total"), "{text}");
    assert!(line(&text, "vproc-i").split_whitespace().next() == Some("1"), "{text}");
}

#[test]
fn vmstat() {
    let Some(text) = contained("vmstat", "vmstat -s; vmstat; vmstat -d") else { return };
    assert!(line(&text, "total memory").trim_start().starts_with("262144 K"), "{text}");
    assert!(
        line(&text, "used memory").trim_start().split(' ').next().unwrap().len() <= 5,
        "{text}"
    );
}

#[test]
fn uptime_w_and_ps() {
    let began = Instant::now();
    let Some(text) =
        contained("uptime_w_and_ps", "uptime; w; ps aux; ps -eo pid,etimes,pcpu,stime")
    else {
        return;
    };
    assert!(text.contains("up 0 min"), "{text}");
    // Nothing but these programs, one at a time, for as long as it took.
    let loads = line(&text, "load average: ").rsplit(": ").next().unwrap();
    let busiest = 1.0 - (-began.elapsed().as_secs_f64() / 60.0).exp();
    for load in loads.split(", ").map(|load| load.parse::<f64>().unwrap()) {
        assert!(load <= 2.0 * busiest + 0.01, "{load} in {text}");
    }
}

#[test]
fn swapon() {
    let Some(text) = contained("swapon", "swapon --show") else { return };
    // A group without a limit for swap may use what the host has.
    let host = std::fs::read_to_string("/proc/swaps").unwrap();
    match host.lines().count() {
        1 => assert_eq!(text, "", "the host has no swap"),
        _ => assert_eq!(text.lines().count(), 2, "a heading and one device: {text}"),
    }
}

#[test]
fn lscpu() {
    let Some(text) = contained("lscpu", "lscpu") else { return };
    let value = |label| line(&text, label).rsplit(' ').next().unwrap().to_owned();
    assert_eq!(value("On-line CPU(s) list:"), "0", "{text}");
}

#[test]
fn mpstat() {
    let Some(text) = contained("mpstat", "mpstat") else { return };
    let all: Vec<&str> = line(&text, " all ").split_whitespace().collect();
    let idle: f64 = all.last().unwrap().parse().unwrap();
    assert!((0.0..=100.0).contains(&idle), "{text}");
}

/// A directory with `proc` and `sys` as the container of a capture sees them.
fn tree(capture: &str) -> tempfile::TempDir {
    // What the capture holds of sysfs: the lists, and a directory for each CPU.
    let cpus = "/sys/devices/system/cpu";
    let [online, possible, directories] =
        ["online", "possible", "cpu*"].map(|name| format!("{cpus}/{name}"));
    let paths = ["/proc", &online, &possible, &directories];
    let render = [&["render", "--json", "--from", capture][..], &paths].concat();
    let files: serde_json::Value = serde_json::from_str(&printed(&render)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for file in files.as_array().unwrap() {
        let path = file["path"].as_str().unwrap().trim_start_matches('/');
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file["text"].as_str().unwrap()).unwrap();
    }
    directory
}

const PSUTIL: &str = "
import sys, warnings
warnings.simplefilter('error')
import psutil
psutil.PROCFS_PATH = sys.argv[1]
memory, swap = psutil.virtual_memory(), psutil.swap_memory()
assert memory.total == 96 << 20, memory
assert 0 <= memory.available <= memory.total and memory.used <= memory.total, memory
assert swap.total == 64 << 20 and 0 < swap.used <= swap.total, swap
cpus = psutil.cpu_times(percpu=True)
assert len(cpus) == 2, cpus
times = psutil.cpu_times()
assert abs(times.user - sum(cpu.user for cpu in cpus)) < 0.011 * len(cpus), times
assert times.user > 1 and times.idle > 1, times
disks = psutil.disk_io_counters(perdisk=True, nowrap=False)
assert disks['vdb'].read_bytes == 12 << 20 and disks['vdb'].write_bytes == 7 << 20, disks
assert psutil.boot_time() > 1.7e9
print('read')
";

/// A Python that has psutil.
fn python(test: &str) -> Option<&'static str> {
    let has_psutil = |python: &&str| {
        let import = Command::new(python).args(["-c", "import psutil"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_psutil);
    if found.is_none() {
        skip(test, "no python3 has psutil");
    }
    found
}

#[test]
fn psutil() {
    let Some(python) = python("psutil") else { return };
    let tree = tree(CAPTURE);
    let proc = tree.path().join("proc");
    let output = Command::new(python).args(["-c", PSUTIL]).arg(proc).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "read\n", "{error}");
}

/// What it shows must move by what this process uses, as the kernel tells it.
const PSUTIL_LIVE: &str = "
import os, time, warnings
warnings.simplefilter('error')
import psutil
assert psutil.virtual_memory().total == 256 << 20, psutil.virtual_memory()
assert psutil.cpu_count() == 1 and len(psutil.cpu_times(percpu=True)) == 1, psutil.cpu_times()
before = psutil.virtual_memory()
held = bytearray(os.urandom(1 << 20)) * 64
after = psutil.virtual_memory()
driven, shown = 64 << 20, after.used - before.used
assert abs(shown - driven) < driven / 20 + (1 << 20), (before, after)
assert abs(before.available - after.available - driven) < driven / 20 + (1 << 20), (before, after)
assert after.used + after.free <= after.total and after.available <= after.total, after
times, own = psutil.cpu_times(), time.process_time()
while time.process_time() < own + 1: pass
later, used = psutil.cpu_times(), time.process_time() - own
shown = later.user + later.system - times.user - times.system
assert abs(shown - used) < used / 10 + 0.03, (times, later, used)
assert later.idle >= times.idle, (times, later)
with open('/proc/uptime') as file: uptime = float(file.read().split()[0])
assert abs(time.time() - psutil.boot_time() - uptime) < 2, (psutil.boot_time(), uptime)
print('read')
";

#[test]
fn psutil_in_a_container() {
    let test = "psutil_in_a_container";
    let Some(python) = python(test) else { return };
    let limits = ["--memory", "256M", "--cpuset", "0"];
    let mut command = Command::new(VPROCCTL);
    command.arg("run").args(limits).args(["--", python, "-c", PSUTIL_LIVE]);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if matches!(output.status.code(), Some(4 | 7)) {
        return skip(test, &format!("no container can be started here: {}", error.trim()));
    }
    assert_eq!((&*String::from_utf8_lossy(&output.stdout), &*error), ("read\n", ""));
}
