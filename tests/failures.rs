//! What `vprocctl` says, and with which exit code, when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vproc_tests::skip;

#[test]
fn a_wrong_command_line_is_code_2() {
    for arguments in [
        &["render"][..],
        &["render", "/proc/stat", "--pid", "0"],
        &["render", "/proc/stat", "--pid", "-1"],
        &["render", "/proc/stat", "--pid", "one"],
        &["render", "/proc/stat", "--pid", "99999999999999999999"],
        &["render", "/proc/stat", "--pid", "1", "--from", "x.json"],
        &["render", "/proc/stat", "--pid", "1", "--identity", "nobody"],
        &["render", "/proc/stat", "--pid", "1", "--set", "cpus"],
        &["run", "--memory", "much", "--", "true"],
        &["run", "--cpus", "0", "--", "true"],
        &["run"],
        &["frobnicate"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    assert_failure(failed(&["render", "/proc/stat"]), 2, &["--pid PID, --pid self, or --from"]);
}

#[test]
fn limits_that_the_machine_cannot_have_are_code_2() {
    let test = "limits_that_the_machine_cannot_have_are_code_2";
    let attempt = run(&["run", "--memory", "64M", "--", "true"]);
    if !attempt.status.success() {
        return skip(test, "no container can be started here");
    }
    let refused = |limit: &str, value: &str| failed(&["run", limit, value, "--", "true"]);
    assert_failure(refused("--cpuset", "60000"), 2, &["60000", "cpuset.cpus"]);
    assert_failure(refused("--cpuset", "x"), 2, &["`x`", "cpuset.cpus"]);
    assert_failure(refused("--cgroup-parent", "not/absolute"), 2, &["absolute path"]);
    let parts = ["/vproc-nowhere", "No such file", "--cgroup-parent must name a group"];
    assert_failure(refused("--cgroup-parent", "/vproc-nowhere"), 2, &parts);
}

#[test]
fn a_process_that_does_not_exist_is_code_3() {
    assert_failure(
        failed(&["render", "--pid", "4194304", "/proc/meminfo"]),
        3,
        &["no process 4194304", "has ended or never was"],
    );
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id().to_string();
    child.wait().unwrap();
    assert_failure(failed(&["capture", "--pid", &pid]), 3, &["no process", &pid]);
}

#[test]
fn a_path_that_is_not_served_is_code_5() {
    let from = |path| failed(&["render", "--from", FIXTURE, path]);
    assert_failure(from("/proc/1/mem"), 5, &["denies /proc/1/mem: the process's memory itself"]);
    assert_failure(from("/proc/1/none"), 5, &["does not serve /proc/1/none; `vprocctl ls`"]);
    assert_failure(from("/proc/1/environ"), 1, &["needs processes", "not recorded", "capture"]);
    let denied = ["denies /proc/key-users: its users depend on the reader's user namespace"];
    assert_failure(from("/proc/key-users"), 5, &denied);
    assert_failure(from("/proc/dynamic_debug/"), 5, &["denies /proc/dynamic_debug"]);
    assert_failure(from("/etc/passwd"), 5, &["does not serve /etc/passwd"]);
    assert_failure(from("meminfo"), 5, &["did you mean /proc/meminfo?"]);
    assert_failure(from("/proc/cpu"), 5, &["did you mean"]);
    assert_failure(from("/proc/memnfo"), 5, &["did you mean /proc/meminfo?"]);
    assert_failure(from("/proc/7/statsu"), 5, &["did you mean /proc/*/status?"]);
    assert_failure(from(""), 5, &["does not serve"]);
}

#[test]
fn a_policy_that_fails_is_code_6() {
    let directory = temporary();
    let policy = hostile(&directory);
    let render = |path| {
        let output = Command::new(VPROCCTL)
            .args(["render", "--from", FIXTURE, "--policy", &policy, path])
            .env("XDG_CACHE_HOME", directory.path())
            .output();
        output.unwrap()
    };
    assert_eq!(render("/honest").stdout, b"honest\n");
    let cached = directory.path().join("vproc");
    assert_eq!(std::fs::read_dir(cached).unwrap().count(), 1, "compiled once and kept");
    assert_failure(failure(render("/trap")), 6, &["hostile.wasm", "/trap", "unreachable"]);
    assert_failure(failure(render("/loop")), 6, &["ran longer than 2s and was stopped"]);
    assert_failure(failure(render("/allocate")), 6, &["more than 67108864 bytes of memory"]);
    let asks = |source: &str| {
        let setting = format!("ask={source}");
        failed(&["render", "--pid", "self", "--policy", &policy, "--set", &setting, "/honest"])
    };
    for secret in ["/etc/shadow", "/proc/kcore", "/proc/1/environ", "/proc/../etc/shadow"] {
        assert_failure(asks(secret), 6, &["cannot use the policy", secret]);
    }
    let garbage = path(&directory, "garbage.wasm");
    std::fs::write(&garbage, "MemTotal: 1 kB").unwrap();
    let load = |file: &str| failed(&["ls", "--policy", file]);
    assert_failure(load(&garbage), 6, &["garbage.wasm", "not a WebAssembly component"]);
    assert_failure(load("/nowhere.wasm"), 1, &["cannot read /nowhere.wasm", "No such file"]);
}

#[test]
fn a_capture_that_is_none_is_code_1() {
    let directory = temporary();
    let file = path(&directory, "capture.json");
    let replay = |content: &str| {
        std::fs::write(&file, content).unwrap();
        failed(&["render", "--from", &file, "/proc/stat"])
    };
    assert_failure(replay("MemTotal: 1 kB"), 1, &["capture.json", "not a capture"]);
    assert_failure(replay("{}"), 1, &["not a capture", "vproc-capture"]);
    assert_failure(replay("{\"vproc-capture\": 99}"), 1, &["format 99", "up to format 1"]);
    assert_failure(failed(&["render", "--from", "/nowhere", "/proc"]), 1, &["No such file"]);
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let directory = temporary();
    let json = std::fs::read_to_string(FIXTURE).unwrap();
    let mut capture = vproc_snapshot::Capture::from_json(&json).unwrap();
    for record in &mut capture.readings.records {
        if record.source.to_string() == "host:/proc/stat" {
            record.found[0].content = vproc_snapshot::Content::Absent(13);
        }
    }
    let file = path(&directory, "unreadable.json");
    std::fs::write(&file, capture.to_json().unwrap()).unwrap();
    let output = run(&["render", "--from", &file, "/proc"]);
    assert_eq!(output.status.code(), Some(7));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("==> /proc/uptime <=="), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("/proc/stat"));
    // What is denied is not missed there.
    let rest = printed(&["render", "--from", FIXTURE, "--set", "/proc/stat=deny", "/proc"]);
    assert!(rest.contains("==> /proc/uptime <==") && !rest.contains("==> /proc/stat <=="));
}

/// Runs vprocctl as `nobody`, from a place that nobody can reach.
fn as_nobody(arguments: &[&str]) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let directory = tempfile::Builder::new().prefix("vproc").tempdir_in("/tmp").unwrap();
    open_to_all(directory.path());
    let program: PathBuf = directory.path().join("vprocctl");
    std::fs::copy(VPROCCTL, &program).unwrap();
    std::fs::copy(FIXTURE, directory.path().join("capture.json")).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&program)
        .args(arguments)
        .env("HOME", "/nonexistent")
        .current_dir(directory.path())
        .output();
    Some(output.unwrap())
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_root_one_sees_oneself_and_is_told_what_is_missing() {
    let test = "without_root_one_sees_oneself_and_is_told_what_is_missing";
    let Some(own) = as_nobody(&["render", "--pid", "self", "/proc/meminfo"]) else {
        return skip(test, "only root can become another user");
    };
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    assert!(own.stdout.starts_with(b"MemTotal:"));
    // A capture needs nothing of this machine.
    let replayed = as_nobody(&["render", "--from", "capture.json", "/proc/meminfo"]).unwrap();
    assert!(replayed.stdout.starts_with(b"MemTotal:         262144 kB\n"), "{replayed:?}");
    // Every process of the same pid namespace can be looked at.
    let first = as_nobody(&["render", "--pid", "1", "/proc/meminfo"]).unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    // Root's containers are closed: who is init in there, only root can ask.
    let mut other = Container::start();
    let output = as_nobody(&["render", "--pid", &other.pid(), "/proc/meminfo"]).unwrap();
    assert_failure(failure(output), 4, &[&other.pid(), "ermission", "root"]);
    let run = as_nobody(&["run", "--memory", "64M", "--", "true"]).unwrap();
    assert_failure(failure(run), 4, &["cannot run the command", "run as root"]);
    assert!(as_nobody(&["doctor"]).unwrap().status.success());
}

/// A process in a pid namespace of its own.
struct Container(std::process::Child);

impl Container {
    fn start() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "sleep", "60"]);
        Container(unshare.spawn().unwrap())
    }

    /// The process in the namespace.
    fn pid(&mut self) -> String {
        let unshare = self.0.id();
        let path = format!("/proc/{unshare}/task/{unshare}/children");
        loop {
            let children = std::fs::read_to_string(&path).unwrap();
            if let Some(child) = children.split_whitespace().next() {
                return child.to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script in a mount namespace of its own, where it may unmount.
fn unmounting(test: &str, script: &str) -> Option<Output> {
    let probe = Command::new("unshare").args(["--mount", "true"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        skip(test, "only root can unmount, in a mount namespace of its own");
        return None;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", script, "sh", VPROCCTL]);
    Some(unshare.output().unwrap())
}

#[test]
fn cgroups_that_are_not_mounted_are_code_7() {
    let test = "cgroups_that_are_not_mounted_are_code_7";
    let without = |arguments: &str| {
        unmounting(test, &format!("umount -R /sys/fs/cgroup && exec \"$1\" {arguments}"))
    };
    let Some(render) = without("render --pid self /proc/meminfo") else { return };
    let parts = ["cannot render /proc/meminfo: it needs cgroup", "memory", "mounted"];
    assert_failure(failure(render), 7, &parts);
    let run = without("run --memory 64M -- true").unwrap();
    assert_failure(failure(run), 7, &["no cgroup hierarchy is mounted: mount one, such as"]);
    // The machine can still be examined, and what needs no cgroup be seen.
    assert!(without("doctor").unwrap().status.success());
    let max = without("render --pid self /sys/devices/system/cpu/kernel_max").unwrap();
    assert!(max.status.success() && !max.stdout.is_empty());
}

/// A memory group that only root may enter, with a process in it.
struct Closed {
    group: PathBuf,
    process: std::process::Child,
}

impl Closed {
    fn start() -> Option<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
        let root = roots.iter().map(Path::new).find(|root| root.join("cgroup.procs").exists())?;
        let group = root.join(format!("vproc-closed-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&group).ok()?;
        let process = Command::new("sleep").arg("60").spawn().unwrap();
        let closed = Closed { group, process };
        std::fs::write(closed.group.join("cgroup.procs"), closed.process.id().to_string()).ok()?;
        Some(closed)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir(&self.group);
    }
}

#[test]
fn a_group_that_cannot_be_read_is_named() {
    let test = "a_group_that_cannot_be_read_is_named";
    let Some(closed) = Closed::start() else {
        return skip(test, "no memory group can be made here");
    };
    let pid = closed.process.id().to_string();
    let Some(output) = as_nobody(&["render", "--pid", &pid, "/proc/meminfo"]) else {
        return skip(test, "only root can become another user");
    };
    let parts = ["/proc/meminfo", "memory.", "Permission denied", "hierarchy of `memory`"];
    assert_failure(failure(output), 7, &parts);
    assert!(printed(&["render", "--pid", &pid, "/proc/meminfo"]).starts_with("MemTotal:"));
}
