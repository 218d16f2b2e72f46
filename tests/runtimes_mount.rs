//! Containers that real runtimes start with files of a mount.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;
#[allow(dead_code, unreachable_pub)] // other packages use it too
mod runtimes;

use command::{VPROCCTL, printed, temporary};
use runtimes::{Container, Limits, Plan, Runtime, installed, skip};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What runc lets somebody mount over below `/proc` (`checkProcMount` in
/// libcontainer/rootfs_linux.go).
const OF_RUNC: [&str; 7] = [
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/swaps",
    "/proc/diskstats",
];

const ONLINE: &str = "/sys/devices/system/cpu/online";
const VMSTAT: &str = "/proc/vmstat";
const LIMITS: Limits = Limits { mebibytes: 96, cpus: 1 };

/// A running `vprocctl mount`, ended when this is dropped.
struct Mount {
    holder: Child,
    _stdout: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

impl Mount {
    fn start(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || std::fs::File::open("/dev/fuse").is_err() {
            skip(test, "it needs root and /dev/fuse");
            return None;
        }
        let directory = temporary();
        let mut holder = Command::new(VPROCCTL)
            .arg("mount")
            .arg(directory.path().join("mount"))
            .arg("--state")
            .arg(directory.path().join("state"))
            .args(["--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(holder.stdout.take().unwrap());
        // It prints where, once it serves.
        stdout.read_line(&mut String::new()).unwrap();
        Some(Mount { holder, _stdout: stdout, directory })
    }

    fn point(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    fn state(&self) -> String {
        command::path(&self.directory, "state")
    }

    /// The files, bound to where the container looks for them.
    fn binds(&self, paths: &[&str]) -> Vec<(PathBuf, String)> {
        let bind = |path: &&str| (self.point().join(&path[1..]), (*path).to_owned());
        paths.iter().map(bind).collect()
    }

    fn worker(&self) -> Pid {
        let status = printed(&["status", "--mount", &self.state(), "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        Pid::from_raw(status["worker"].as_i64().unwrap().try_into().unwrap()).unwrap()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.holder), Signal::TERM);
        let _ = self.holder.wait();
    }
}

/// Directories of this machine, for programs that need libraries.
fn programs() -> Vec<(PathBuf, String)> {
    let directories =
        ["/usr", "/lib", "/lib64"].into_iter().filter(|path| Path::new(path).exists());
    directories.map(|path| (path.into(), path.to_owned())).collect()
}

/// The number on a line of `/proc/meminfo`, in KiB.
fn kib(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {meminfo:?}"));
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn assert_shows_the_limits(runtime: Runtime, container: &Container) {
    let read = |path| container.read(path).unwrap();
    assert_eq!(kib(&read("/proc/meminfo"), "MemTotal:"), LIMITS.mebibytes << 10, "{runtime:?}");
    let processors = |text: &str| text.lines().filter(|line| line.starts_with("processor")).count();
    assert_eq!(processors(&read("/proc/cpuinfo")), LIMITS.cpus as usize, "{runtime:?}");
    let cpus = |text: &str| text.lines().filter(|line| line.starts_with("cpu")).count();
    assert_eq!(cpus(&read("/proc/stat")), 1 + LIMITS.cpus as usize, "{runtime:?}");
    assert_eq!(read(ONLINE), "0\n", "{runtime:?}");
    assert_eq!(read("/proc/uptime").split_whitespace().count(), 2, "{runtime:?}");
    let loadavg = read("/proc/loadavg");
    assert_eq!(loadavg.split(' ').count(), 5, "{runtime:?}: {loadavg:?}");
}

#[test]
fn containers_that_start_with_our_files_see_their_limits() {
    let test = "containers_that_start_with_our_files_see_their_limits";
    let Some(mount) = Mount::start(test) else { return };
    for runtime in installed(test) {
        let mut paths = [&OF_RUNC[..], &[ONLINE]].concat();
        if runtime != Runtime::Runc {
            paths.push(VMSTAT);
        }
        let binds = [mount.binds(&paths), programs()].concat();
        let plan = Plan { binds, limits: Some(LIMITS), ..Plan::default() };
        let container = runtime.start(&plan).unwrap();
        assert_shows_the_limits(runtime, &container);
        if Path::new("/usr/bin/free").exists() {
            let free = container.run(&["/usr/bin/free", "-k"]).unwrap();
            let total = free.lines().nth(1).and_then(|line| line.split_whitespace().nth(1));
            assert_eq!(total.unwrap(), (LIMITS.mebibytes << 10).to_string(), "{free}");
        } else {
            skip(test, "free of procps is not installed");
        }
    }
}

#[test]
fn containers_outlive_the_worker_that_they_started_with() {
    let test = "containers_outlive_the_worker_that_they_started_with";
    let Some(mount) = Mount::start(test) else { return };
    let paths = [&OF_RUNC[..], &[ONLINE]].concat();
    for runtime in installed(test) {
        let binds = mount.binds(&paths);
        let plan = Plan { binds, limits: Some(LIMITS), ..Plan::default() };
        let container = runtime.start(&plan).unwrap();
        assert_shows_the_limits(runtime, &container);
        let first = mount.worker();
        kill_process(first, Signal::KILL).unwrap();
        assert_shows_the_limits(runtime, &container);
        assert_ne!(mount.worker(), first);
    }
}

#[test]
fn what_a_runtime_refuses_is_attached_later() {
    let test = "what_a_runtime_refuses_is_attached_later";
    let Some(mount) = Mount::start(test) else { return };
    for runtime in installed(test) {
        let mut plan =
            Plan { binds: mount.binds(&[VMSTAT]), limits: Some(LIMITS), ..Plan::default() };
        if runtime == Runtime::Runc {
            let refused = runtime.start(&plan).unwrap_err();
            assert!(refused.contains(VMSTAT), "{refused}");
        }
        plan.binds = mount.binds(&OF_RUNC);
        let container = runtime.start(&plan).unwrap();
        let pid = container.init().to_string();
        let attach = ["attach", "--mount", &mount.state(), "--pid", &pid, VMSTAT, ONLINE];
        let output = command::run(&attach);
        if String::from_utf8_lossy(&output.stderr).contains("no mount_setattr") {
            return skip(test, "this kernel has no mount_setattr");
        }
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_shows_the_limits(runtime, &container);
        let vmstat = container.read(VMSTAT).unwrap();
        let free = vmstat.lines().find_map(|line| line.strip_prefix("nr_free_pages "));
        let pages = LIMITS.mebibytes << 20 >> 12;
        assert!(free.unwrap().parse::<u64>().unwrap() <= pages, "{runtime:?}: {vmstat}");
    }
}

/// Every one of them is kept ready after it has read, up to a limit; behind
/// that, others make room.
#[test]
fn any_number_of_containers_may_read() {
    let test = "any_number_of_containers_may_read";
    let Some(mount) = Mount::start(test) else { return };
    let meminfo = mount.point().join("proc/meminfo");
    let script = "cat \"$0\" && exec sleep 60";
    // More than there are instances in the pool.
    let mut containers: Vec<Child> = (0..160)
        .map(|_| {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--kill-child", "sh", "-c", script]).arg(&meminfo);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (number, container) in containers.iter_mut().enumerate() {
        let mut line = String::new();
        let mut stdout = BufReader::new(container.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("MemTotal:"), "container {number}: {line:?}");
    }
    for container in &mut containers {
        let _ = container.kill();
        let _ = container.wait();
    }
}
