//! Unmodified programs on live files: no error, no warning, our values.

use crate::Test;
use crate::roles::ROLE;
use crate::stage::{Container, has, myself, printed, wait_for};
use std::fs;
use std::process::Command;

pub(crate) const TESTS: &[Test] = &[
    ("clients::uptime_and_w", uptime_and_w),
    ("clients::sar", sar),
    ("clients::htop", htop),
    ("clients::slabtop", slabtop),
    ("clients::busybox", busybox),
];

/// What both cost at most is a part of a gigabyte: no number of the host.
const LIMITS: [&str; 4] = ["--memory", "128M", "--cpuset", "0"];

fn container() -> Container {
    Container::start(&LIMITS, &["sleep", "1000"])
}

#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} in:\n{text}"))
}

/// MiB of the host's memory.
fn hosts_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    line(&text, "MemTotal:").split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn uptime_and_w(test: &str) {
    if !has(test, "uptime") || !has(test, "w") {
        return;
    }
    let text = container().script("uptime; w");
    assert_eq!(text.matches("load average: 0.00, 0.00, 0.00").count(), 2, "{text}");
    assert_eq!(text.matches(" up 0 min").count(), 2, "{text}");
}

/// Its heading counts CPUs in sysfs' directories, which are the host's.
fn sar(test: &str) {
    if !has(test, "sar") {
        return;
    }
    let container = container();
    let spin = container.spawn(&[&myself(), ROLE, "spin", "1", "0", "0"]);
    let text = container.script("sar 1 2; sar -r 1 1; sar -q 1 1");
    drop(spin);
    let average: Vec<&str> = line(&text, "Average:        all").split_whitespace().collect();
    let idle: f64 = average.last().unwrap().parse().unwrap();
    assert!((0.0..=100.0).contains(&idle), "{text}");
    let column = |name: &str| {
        let mut lines = text.lines().skip_while(|line| !line.contains(name));
        let place = lines.next().unwrap().split_whitespace().position(|word| word == name);
        let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        row[place.unwrap()].parse::<f64>().unwrap()
    };
    let free = column("kbmemfree");
    assert!(free > 0.0 && free <= 128.0 * 1024.0, "{text}");
    assert!(column("plist-sz") <= 10.0, "tasks of the container: {text}");
}

/// A server of tmux of our own, which ends with the test.
struct Tmux {
    socket: String,
    _directory: tempfile::TempDir,
}

impl Tmux {
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket, "-f", "/dev/null"]).args(arguments);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        printed(command, "tmux")
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-S", &self.socket, "kill-server"]).output();
    }
}

fn htop(test: &str) {
    if !has(test, "htop") || !has(test, "tmux") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket").to_str().unwrap().to_owned();
    let tmux = Tmux { socket, _directory: directory };
    let home = tempfile::tempdir().unwrap();
    let run = format!(
        "env HOME={} TERM=screen {} run {} -- htop 2>{}/error",
        home.path().display(),
        crate::stage::VPROCCTL,
        LIMITS.join(" "),
        home.path().display()
    );
    tmux.run(&["new-session", "-d", "-x", "150", "-y", "40", &run]);
    let text = wait_for("htop", || {
        let text = tmux.run(&["capture-pane", "-p"]);
        // In its first second it calls the uptime unknown.
        (text.contains("Load average:") && text.contains("Uptime: 00:00:")).then_some(text)
    });
    // Its bars have the values at their ends.
    assert!(line(&text, "Mem[").contains("/128M]"), "{text}");
    let swap = line(&text, "Swp[");
    let host = fs::read_to_string("/proc/swaps").unwrap();
    assert!(host.lines().count() > 1 || swap.contains("0K/0K]"), "{text}");
    // Where it starts slowly, the first sample may meet it running.
    let load = line(&text, "Load average: ").split_once("Load average: ").unwrap().1.trim();
    assert!(["0.00 0.00 0.00", "1.00 1.00 1.00"].contains(&load), "{text}");
    assert!(line(&text, "Tasks: ").contains("Tasks: 2"), "init and htop: {text}");
    assert_eq!(fs::read_to_string(home.path().join("error")).unwrap(), "");
    tmux.run(&["send-keys", "q"]);
}

/// Not among the files that are served: root of a container sees the host's
/// caches, as without us.
fn slabtop(test: &str) {
    if !has(test, "slabtop") {
        return;
    }
    let container = container();
    if !std::path::Path::new("/proc/slabinfo").exists() {
        return vproc_tests::skip(test, "this kernel has no /proc/slabinfo");
    }
    let text = container.script("slabtop -o; grep ^Slab: /proc/meminfo");
    assert!(line(&text, "Active / Total Objects").contains('%'), "{text}");
    // The container's kernel memory, in K or M, and not the machine's.
    let size = line(&text, "Active / Total Size").rsplit(" / ").next().unwrap();
    let size = size.split_whitespace().next().unwrap();
    let (number, unit) = size.split_at(size.len() - 1);
    let number: f64 = number.parse().unwrap();
    let shown = if unit == "M" { number * 1024.0 } else { number };
    let slab: f64 = line(&text, "Slab:").split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((shown - slab).abs() <= slab / 4.0 + 256.0, "{shown} of {slab}: {text}");
}

/// The negative control: totals of `free`, and `uptime`, are of sysinfo(2),
/// which no file can change.
fn busybox(test: &str) {
    if !has(test, "busybox") {
        return;
    }
    let container = container();
    let free = container.script("busybox free -m");
    let row = |label: &str| -> Vec<u64> {
        let words = line(&free, label).split_whitespace().skip(1);
        words.map(|word| word.parse().unwrap()).collect()
    };
    let memory = row("Mem:");
    assert!(memory[0].abs_diff(hosts_memory()) <= 1, "the host's, by sysinfo: {free}");
    // It takes what is available from /proc/meminfo.
    assert!(memory[5] <= 128, "ours: {free}");
    let top = container.script("busybox top -b -n1");
    let words: Vec<&str> = line(&top, "Mem: ").split_whitespace().collect();
    let kib = |word: &str| word.trim_end_matches(['K', ',']).parse::<u64>().unwrap();
    assert_eq!((kib(words[1]) + kib(words[3])) / 1024, 128, "used and free: {top}");
    assert!(line(&top, "Load average:").contains("Load average: 0.00 0.00 0.00"), "{top}");
    let cpu = line(&top, "CPU: ");
    assert!(cpu.contains("% idle") && !cpu.contains('-'), "{top}");
    let uptime = container.script("busybox uptime");
    // The time namespace moves sysinfo's uptime, and nothing its load.
    let load = uptime.split_once("load average: ").unwrap().1;
    let host = fs::read_to_string("/proc/loadavg").unwrap();
    let first = |text: &str| text.split([' ', ',']).next().unwrap().parse::<f64>().unwrap();
    assert!((first(load) - first(&host)).abs() <= 0.5, "the host's, by sysinfo: {uptime}");
}
