//! Real containers, read by the tools that people use.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::VPROCCTL;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vproc_tests::skip;

/// What a script prints within limits.
fn contained(test: &str, limits: &[&str], script: &str) -> Option<String> {
    command::contained(test, &["free", "uptime", "ps"], limits, script)
}

/// Numbers of the line that starts with `label`.
fn row(text: &str, label: &str) -> Vec<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
    line.split_whitespace().map_while(|word| word.parse().ok()).collect()
}

#[test]
fn free_shows_the_limit() {
    let test = "free_shows_the_limit";
    let Some(text) = contained(test, &["--memory", "64M"], "free -m; free -k") else { return };
    let mib = row(&text, "Mem:");
    assert_eq!(mib[0], 64, "{text}");
    let (used, free, cache, available) = (mib[1], mib[2], mib[4], mib[5]);
    assert!(used + free + cache <= 64 && available <= 64 && available >= free, "{text}");
    assert!(used < 16, "a shell uses little: {text}");
}

#[test]
fn one_cpu_is_one_cpu_everywhere() {
    let test = "one_cpu_is_one_cpu_everywhere";
    let script = "
        grep -c ^processor /proc/cpuinfo
        grep -c '^cpu[0-9]' /proc/stat
        cat /sys/devices/system/cpu/online /sys/devices/system/cpu/possible
        getconf _NPROCESSORS_ONLN; getconf _NPROCESSORS_CONF; nproc
        cut -d' ' -f1 /proc/uptime";
    let Some(text) = contained(test, &["--cpuset", "0", "--memory", "64M"], script) else { return };
    let lines: Vec<&str> = text.lines().collect();
    let expected = ["1", "1", "0", "0", "1", "1", "1"];
    // Of configured CPUs, glibc reads `possible` since 2.35, and counted the
    // directories before. Both are ours.
    assert_eq!(lines[..7], expected, "{text}");
    assert!(lines[7].parse::<f64>().unwrap() < 60.0, "the container's own clock: {text}");
}

#[test]
fn a_fractional_quota_is_rounded_up() {
    let test = "a_fractional_quota_is_rounded_up";
    let script = "grep -c ^processor /proc/cpuinfo; cat /sys/devices/system/cpu/online";
    let Some(text) = contained(test, &["--cpus", "0.3"], script) else { return };
    assert_eq!(text, "1\n0\n");
}

#[test]
fn uptime_and_ps_tell_one_time() {
    let test = "uptime_and_ps_tell_one_time";
    if !Path::new("/proc/self/ns/time").exists() {
        return skip(test, "this kernel has no time namespaces");
    }
    let script = "sleep 1.2; uptime; cat /proc/loadavg; ps -eo etimes=,pid=,comm=";
    let Some(text) = contained(test, &["--memory", "64M"], script) else { return };
    let mut lines = text.lines();
    let uptime = lines.next().unwrap();
    assert!(uptime.contains("up 0 min"), "{uptime}");
    let loadavg: Vec<&str> = lines.next().unwrap().split(' ').collect();
    assert_eq!(loadavg.len(), 5);
    for process in lines {
        let elapsed = process.split_whitespace().next().unwrap().parse::<u64>().unwrap();
        assert!(elapsed < 60, "{process}");
    }
}

#[test]
fn btime_is_the_containers_own_start() {
    let test = "btime_is_the_containers_own_start";
    let script = "awk '$1 == \"btime\" { print $2 }' /proc/stat; date +%s";
    let Some(text) = contained(test, &["--memory", "64M"], script) else { return };
    let times: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    if Path::new("/proc/self/ns/time").exists() {
        assert!(times[1].abs_diff(times[0]) <= 5, "{text}");
    }
}

#[test]
fn a_capture_of_a_container_needs_no_container() {
    let test = "a_capture_of_a_container_needs_no_container";
    let limits = ["--memory", "96M", "--cpus", "1"];
    let Some(mut sandbox) = start(test, &limits) else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("capture.json");
    let pid = sandbox.child.id().to_string();
    let init = sandbox.init(&pid);
    let run = |arguments: &[&str]| {
        let output = Command::new(VPROCCTL).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["capture", "--pid", &init, "-o", file.to_str().unwrap()]);
    let live = run(&["render", "--pid", &init, "/proc/meminfo"]);
    assert!(live.starts_with("MemTotal:          98304 kB\n"), "{live}");
    // Any process of the container is shown the same view as its init.
    let child = run(&["render", "--pid", &sandbox.command(&init), "/proc/cpuinfo"]);
    assert_eq!(child, run(&["render", "--pid", &init, "/proc/cpuinfo"]));
    drop(sandbox);
    let replayed = run(&["render", "--from", file.to_str().unwrap(), "/proc/meminfo"]);
    assert!(replayed.starts_with("MemTotal:          98304 kB\n"), "{replayed}");
    let everything = run(&["render", "--from", file.to_str().unwrap(), "/"]);
    for path in ["meminfo", "pressure/io", "cmdline", "cgroups", "filesystems", "keys"] {
        assert!(everything.contains(&format!("==> /proc/{path} <==")), "{path}: {everything}");
    }
    // One CPU; which other files there are is up to the kernel.
    let cpu = "==> /sys/devices/system/cpu/cpu";
    assert_eq!(everything.matches(cpu).count(), 14, "{everything}");
    assert_eq!(everything.matches(&format!("{cpu}0/")).count(), 14, "{everything}");
}

/// The kernel tells who has privileges more: addresses, or anything at all. We
/// have them all; what we show is what nobody's reader would get.
#[test]
fn all_privileges_show_no_more_than_none() {
    let test = "all_privileges_show_no_more_than_none";
    let limits = ["--memory", "64M"];
    let Some(mut sandbox) = start(test, &limits) else { return };
    let pid = sandbox.child.id().to_string();
    let init = sandbox.init(&pid);
    let listed = Command::new(VPROCCTL).args(["ls", "--json", "--pid", &init]).output().unwrap();
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let path_of = |entry: &serde_json::Value| entry["path"].as_str().unwrap().to_owned();
    let entries: Vec<_> = listed
        .iter()
        .filter(|entry| entry["kind"] == "file" && Path::new(&path_of(entry)).exists())
        .collect();
    // Copies of what nobody's reader gets; none where it gets an error.
    let copies = tempfile::tempdir().unwrap();
    std::fs::set_permissions(copies.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let name = |path: &str| copies.path().join(path.replace('/', "_"));
    let script = "cd $0 && for file; do copy=$(echo $file | tr / _)
        cat $file >$copy 2>/dev/null || rm $copy; done";
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
    let mut reader = Command::new("setpriv");
    reader.args(nobody).args(["--inh-caps=-all", "sh", "-c", script]).arg(copies.path());
    reader.args(entries.iter().map(|entry| path_of(entry))).status().unwrap();
    if !name("/proc/version").exists() {
        return skip(test, "setpriv of util-linux cannot drop privileges here");
    }
    let mut open = Vec::new();
    for entry in &entries {
        let (path, class) = (path_of(entry), entry["class"].as_str().unwrap());
        let is_as_the_hosts = class == "passed" || path == "/proc/iomem" || path == "/proc/ioports";
        if !name(&path).exists() {
            let hides = ["denied", "masked", "virtual", "constant"].contains(&class);
            assert!(hides, "{path} is {class}, and nobody may read it");
        } else if entry["needs"][0]["source"] == format!("host:{path}") && is_as_the_hosts {
            open.push(path);
        }
    }
    assert!(open.len() > 50, "{open:?}");
    let mut render = Command::new(VPROCCTL);
    let ours = render.args(["render", "--json", "--pid", &init]).args(&open).output().unwrap();
    assert!(ours.status.success(), "{}", String::from_utf8_lossy(&ours.stderr));
    let ours: Vec<serde_json::Value> = serde_json::from_slice(&ours.stdout).unwrap();
    for (path, ours) in open.iter().zip(&ours) {
        let nobodys = std::fs::read(name(path)).unwrap();
        assert_eq!(ours["text"], String::from_utf8_lossy(&nobodys).into_owned(), "{path}");
    }
    // That it could have been otherwise: root reads addresses.
    let root = std::fs::read("/proc/iomem").unwrap();
    assert!(root != std::fs::read(name("/proc/iomem")).unwrap(), "no privileges here");
}

/// What `top` computes from two reads by two processes, beside what the kernel
/// counts for the only process that is busy.
#[test]
fn two_reads_show_the_load_between_them() {
    let test = "two_reads_show_the_load_between_them";
    for (limits, script) in [
        (&["--cpuset", "0"][..], "while :; do :; done"),
        (&["--cpuset", "0", "--cpus", "0.4"], "while :; do :; done"),
        (&["--cpus", "1"], "exec dd if=/dev/zero of=/dev/null bs=64k"),
    ] {
        let Some(mut sandbox) = start_command(test, limits, &["sh", "-c", script]) else { return };
        let init = sandbox.init(&sandbox.child.id().to_string());
        let command = sandbox.command(&init);
        std::thread::sleep(Duration::from_millis(300));
        let (before, spent_before, start) = (cpu_line(&init), spent(&command), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        let (after, spent_after, wall) = (cpu_line(&init), spent(&command), start.elapsed());
        let delta: Vec<u64> = after
            .iter()
            .zip(&before)
            .map(|(after, before)| after.checked_sub(*before).expect("no counter falls"))
            .collect();
        // user, nice, system, idle: the rest is 0 in a container.
        let busy = (delta[0] + delta[1] + delta[2]) as f64;
        let total = busy + delta[3] as f64;
        let shown = 100.0 * busy / total;
        let driven = (spent_after - spent_before) as f64 / wall.as_secs_f64();
        assert!((shown - driven).abs() < 10.0, "{limits:?}: {shown:.1} % for {driven:.1} %");
        assert!(
            (total / wall.as_secs_f64() - 100.0).abs() < 10.0,
            "one CPU: {delta:?} in {wall:?}"
        );
    }
}

/// The numbers of the `cpu` line that a process of the container reads.
fn cpu_line(pid: &str) -> Vec<u64> {
    let output = Command::new(VPROCCTL).args(["render", "--pid", pid, "/proc/stat"]).output();
    row(&String::from_utf8(output.unwrap().stdout).unwrap(), "cpu ")
}

/// Hundredths of a second that a process has spent, from its own `stat`.
fn spent(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let number = |index| fields.split_whitespace().nth(index).unwrap().parse::<u64>().unwrap();
    number(11) + number(12)
}

struct Running {
    child: std::process::Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(test: &str, limits: &[&str]) -> Option<Running> {
    start_command(test, limits, &["sleep", "900"])
}

fn start_command(test: &str, limits: &[&str], command: &[&str]) -> Option<Running> {
    contained(test, limits, "true")?;
    let mut run = Command::new(VPROCCTL);
    run.arg("run").args(limits).arg("--").args(command).stderr(Stdio::null());
    Some(Running { child: run.spawn().unwrap() })
}

impl Running {
    /// The container's init: a grandchild of the process that was started.
    fn init(&mut self, pid: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let init = children(pid).iter().flat_map(|guardian| children(guardian)).next();
            if let Some(init) = init
                && !children(&init).is_empty()
            {
                return init;
            }
            assert!(Instant::now() < end, "the container did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn command(&self, init: &str) -> String {
        children(init).remove(0)
    }
}

fn children(pid: &str) -> Vec<String> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}
