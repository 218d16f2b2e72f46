//! Unmodified programs on live files: no error, no warning, our values.

use crate::Test;
use crate::busy::Table;
use crate::counters::Sampler;
use crate::roles::{ROLE, now};
use crate::stage::{Container, has, have_clocks, myself, printed, wait_for};
use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) const TESTS: &[Test] = &[
    ("clients::uptime_and_w", uptime_and_w),
    ("clients::one_cpu_by_a_cpuset_or_a_quota", one_cpu),
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
    let up = if have_clocks() { " up 0 min" } else { " up " };
    assert_eq!(text.matches(up).count(), 2, "{text}");
}

/// Headings count CPUs in the directories of sysfs, which are ours, too. What asks the
/// kernel is as a limit is: `sched_getaffinity(2)` knows of a cpuset and not of a
/// quota (`nproc`), and `sysinfo(2)` of neither (getloadavg(3) of glibc).
fn one_cpu(test: &str) {
    if !["mpstat", "sar", "lscpu"].iter().all(|program| has(test, program)) {
        return;
    }
    let machine = std::thread::available_parallelism().unwrap().get();
    for (limit, of_affinity) in [(["--cpuset", "0"], 1), (["--cpus", "1"], machine)] {
        let container = Container::start(&limit, &["sleep", "1000"]);
        let text = container.script(
            "getconf _NPROCESSORS_CONF; getconf _NPROCESSORS_ONLN; \
             lscpu | sed -n 's/^CPU(s): *//p'; nproc; nproc --all; mpstat; sar 1 1",
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["1", "1", "1"], "{limit:?}: {text}");
        let affinity = of_affinity.to_string();
        assert_eq!(lines[3..5], [affinity.as_str(), &affinity], "{limit:?}: {text}");
        let headings: Vec<&&str> = lines.iter().filter(|line| line.ends_with("CPU)")).collect();
        assert_eq!(headings.len(), 2, "{text}");
        assert!(headings.iter().all(|line| line.ends_with("(1 CPU)")), "{limit:?}: {text}");
        host_load_by_system_call(&container);
    }
}

/// The negative control: a container that does nothing, on a machine that does.
fn host_load_by_system_call(container: &Container) {
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        Command::new(python).args(["-c", ""]).status().is_ok_and(|status| status.success())
    }) else {
        return;
    };
    let script =
        "import os\nprint(os.getloadavg()[0], os.cpu_count(), open('/proc/loadavg').read())";
    let text = printed(container.exec(&[python, "-c", script]), "python3");
    let words: Vec<&str> = text.split_whitespace().collect();
    let host = fs::read_to_string("/proc/loadavg").unwrap();
    let [by_call, host] =
        [words[0], host.split(' ').next().unwrap()].map(|word| word.parse::<f64>().unwrap());
    assert!((by_call - host).abs() <= 0.5, "the host's, by sysinfo: {text}");
    assert_eq!(words[1], "1", "the number of CPUs is that of the file: {text}");
}

/// What it shows of a busy container is in `busy.rs`.
fn sar(test: &str) {
    if !has(test, "sar") {
        return;
    }
    let container = container();
    let text = container.script("sar -r 1 1; sar -q 1 1");
    let column = |name: &str| Table::new(&text).value(name);
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
    let created = std::time::Instant::now();
    let container = Container::start(&LIMITS, &[&myself(), ROLE, "spin", "1", "0", "0"]);
    let home = home.path().to_str().unwrap();
    let shell = format!("HOME={home} TERM=screen exec htop 2>{home}/error");
    // In no group of the container, whose load is that of the task alone then.
    let command = container.exec_in([], &["sh", "-c", &shell]);
    let sampler = Sampler::start(&container);
    let start = now();
    tmux.run(&["new-session", "-d", "-x", "150", "-y", "40", &as_shell_takes_it(&command)]);
    let (text, bar) = wait_for("htop", || {
        let text = tmux.run(&["capture-pane", "-p"]);
        // In its first second it calls the uptime unknown, and knows no shares. On a
        // machine that is busy with other work it takes a while until there is one.
        let is_ready = text.contains("Load average:") && text.contains("Uptime: 00:");
        let share = busy_bar(&text).filter(|share| is_ready && *share > 5.0)?;
        Some((text, share))
    });
    let (when, samples) = ((start, now()), sampler.stop());
    // It looks each 1.5 s, and the first time sooner.
    let (least, most) = samples.bounds(when, 0.5, |it| 100.0 * it.total);
    println!("{test}: {bar:.1} % busy, counted {least:.1} to {most:.1}");
    assert!((least - 5.0..=most + 5.0).contains(&bar), "{least}, {most}: {text}");
    // Its bars have the values at their ends.
    assert!(line(&text, "Mem[").contains("/128M]"), "{text}");
    let swap = line(&text, "Swp[");
    let host = fs::read_to_string("/proc/swaps").unwrap();
    assert!(host.lines().count() > 1 || swap.contains("0K/0K]"), "{text}");
    // One task spins, and init may still run when the first sample is taken. The
    // average rises since the container started, some seconds ago.
    let load = line(&text, "Load average: ").split_once("Load average: ").unwrap().1.trim();
    let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
    let minutes = created.elapsed().as_secs_f64() / 60.0;
    assert!(load <= 2.0 * (1.0 - (-minutes).exp()) + 0.05, "{minutes} minutes: {text}");
    assert!(line(&text, "Tasks: ").contains("Tasks: 3"), "init, the task and htop: {text}");
    assert_eq!(fs::read_to_string(Path::new(home).join("error")).unwrap(), "");
    tmux.run(&["send-keys", "q"]);
}

/// The share at the end of the bar of the only CPU.
fn busy_bar(text: &str) -> Option<f64> {
    let bars: Vec<&str> = text.lines().filter(|line| line.contains("%] ")).collect();
    assert!(bars.len() <= 1, "one bar for one CPU: {text}");
    let (bar, _) = bars.first()?.split_once("%] ")?;
    bar.rsplit(['|', ' ', '[']).next()?.parse().ok()
}

/// A command with its environment as a line of the shell.
fn as_shell_takes_it(command: &Command) -> String {
    let quoted =
        |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''"));
    let environment = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, quoted(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    environment.chain(words).collect::<Vec<_>>().join(" ")
}

/// Its caches are those of the container's kernel memory, of which `/proc/meminfo` has
/// the sum.
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
