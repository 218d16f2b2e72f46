//! `vprocctl` as a person and a script meet it: what it prints, where, and
//! with which exit code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vproc_snapshot::Capture;
use vproc_tests::{HOSTILE, skip};

/// The program, as cargo built it for this test.
const VPROCCTL: &str = env!("CARGO_BIN_EXE_vprocctl");

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1-run-256m.json");

fn run(arguments: &[&str]) -> Output {
    Command::new(VPROCCTL).args(arguments).output().unwrap()
}

/// Standard output of a command that must succeed and say nothing else.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code and the single line of a command that must fail.
fn failed(arguments: &[&str]) -> (i32, String) {
    failure(run(arguments))
}

fn failure(output: Output) -> (i32, String) {
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    assert!(error.starts_with("vprocctl: "), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code().unwrap(), error)
}

#[track_caller]
fn assert_failure((code, line): (i32, String), expected: i32, parts: &[&str]) {
    assert_eq!(code, expected, "{line}");
    for part in parts {
        assert!(line.contains(part), "`{part}` in: {line}");
    }
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn path(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

fn hostile(directory: &tempfile::TempDir) -> String {
    let file = path(directory, "hostile.wasm");
    std::fs::write(&file, HOSTILE).unwrap();
    file
}

#[test]
fn one_file_is_printed_byte_for_byte() {
    let text = printed(&["render", "--from", FIXTURE, "/proc/meminfo"]);
    assert!(text.starts_with("MemTotal:         262144 kB\nMemFree:  "), "{text}");
    assert!(text.ends_with(" kB\n"));
}

#[test]
fn several_files_and_directories_have_headers_as_in_head() {
    let text = printed(&["render", "--from", FIXTURE, "/proc/uptime", "/proc/pressure/"]);
    let headers: Vec<&str> = text.lines().filter(|line| line.starts_with("==>")).collect();
    let expected = [
        "==> /proc/uptime <==",
        "==> /proc/pressure/cpu <==",
        "==> /proc/pressure/memory <==",
        "==> /proc/pressure/io <==",
    ];
    assert_eq!(headers, expected);
    assert_eq!(text.matches("\n\n==>").count(), 3, "a blank line between two files");
    // `/` is everything.
    let all = printed(&["render", "--from", FIXTURE, "/"]);
    assert!(
        all.contains("==> /proc/stat <==")
            && all.contains("==> /sys/devices/system/cpu/online <==")
    );
}

#[test]
fn json_is_for_scripts() {
    let json = printed(&["render", "--json", "--from", FIXTURE, "/proc/swaps", "/proc/loadavg"]);
    let files: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(files[0]["path"], "/proc/swaps");
    assert_eq!(files[1]["text"], printed(&["render", "--from", FIXTURE, "/proc/loadavg"]));
}

#[test]
fn self_is_a_process() {
    assert!(printed(&["render", "--pid", "self", "/proc/meminfo"]).starts_with("MemTotal:"));
    for identity in ["init", "reader", "parent"] {
        printed(&["render", "--pid", "self", "--identity", identity, "/proc/cpuinfo"]);
    }
}

#[test]
fn a_capture_replays_to_the_text_of_its_moment() {
    let directory = temporary();
    let file = path(&directory, "self.json");
    assert_eq!(printed(&["capture", "--pid", "self", "--note", "a note", "-o", &file]), "");
    let json = std::fs::read_to_string(&file).unwrap();
    let capture = Capture::from_json(&json).unwrap();
    assert_eq!(capture.origin.note, "a note");
    assert_eq!(capture.origin.policy.sha256.len(), 64);
    assert!(json.contains("\"text\": \"MemTotal:"), "text is readable as text");
    // What does not change between two reads is the same as live.
    for stable in ["/proc/cpuinfo", "/sys/devices/system/cpu", "/proc/partitions"] {
        let flags = ["--set", "/proc/cpuinfo=mask"];
        let live = printed(&[&["render", "--pid", "self"], &flags[..], &[stable]].concat());
        let replayed = printed(&[&["render", "--from", &file], &flags[..], &[stable]].concat());
        assert_eq!(live, replayed);
    }
    // To standard output as well, and restricted to some files.
    let json = printed(&["capture", "--pid", "self", "/proc/uptime"]);
    assert!(json.contains("host:/proc/uptime") && !json.contains("host:/proc/meminfo"));
    std::fs::write(&file, json).unwrap();
    assert_failure(
        failed(&["render", "--from", &file, "/proc/meminfo"]),
        1,
        &["/proc/meminfo needs host:/proc/meminfo, which was not recorded", "capture it again"],
    );
}

#[test]
fn a_redacted_capture_has_no_names() {
    let json = printed(&["capture", "--pid", "self", "--redact"]);
    assert!(json.contains("\"redacted\": true"));
    let capture = Capture::from_json(&json).unwrap();
    let groups = capture.readings.records.iter().flat_map(|record| &record.found);
    for group in groups.filter_map(|reading| reading.group.as_deref()) {
        assert!(group.split('/').all(|part| part.is_empty() || part == "redacted"), "{group}");
    }
}

#[test]
fn ls_lists_what_is_served() {
    let text = printed(&["ls"]);
    assert!(text.contains("-r--r--r-- virtual   /proc/meminfo\n"), "{text}");
    assert!(text.contains("    < cgroup2:memory/memory.max@lineage\n"));
    let json: serde_json::Value = serde_json::from_str(&printed(&["ls", "--json"])).unwrap();
    let meminfo = &json[0];
    assert_eq!(meminfo["path"], "/proc/meminfo");
    assert_eq!((&meminfo["kind"], &meminfo["class"]), (&"file".into(), &"virtual".into()));
    assert_eq!(meminfo["mode"], 0o444);
    assert_eq!(meminfo["needs"][0]["source"], "host:/proc/meminfo");
    assert!(meminfo["size"].is_null());
    let sized: serde_json::Value =
        serde_json::from_str(&printed(&["ls", "--pid", "self", "--json", "/proc/meminfo"]))
            .unwrap();
    assert!(sized[0]["size"].as_u64().unwrap() > 500);
    assert!(printed(&["ls", "--knobs"]).contains("cpus=cpuset | quota | shares\n"));
}

#[test]
fn settings_change_what_is_shown() {
    let render =
        |setting: &str, path: &str| run(&["render", "--from", FIXTURE, "--set", setting, path]);
    assert_eq!(render("/proc/meminfo=mask", "/proc/meminfo").stdout, b"");
    let host = render("/proc/meminfo=pass", "/proc/meminfo").stdout;
    assert!(!host.starts_with(b"MemTotal:         262144 kB"));
    assert_failure(
        failure(render("/proc/meminfo=deny", "/proc/meminfo")),
        5,
        &["/proc/meminfo", "the settings deny this path"],
    );
    assert_failure(
        failure(render("cpus=many", "/proc/stat")),
        2,
        &["cpus", "cpuset | quota | shares", "vprocctl ls --knobs"],
    );
    assert_failure(failure(render("cpu=quota", "/proc/stat")), 2, &["no such knob", "cpus"]);
}

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
    assert_failure(from("/proc/kcore"), 5, &["does not serve /proc/kcore", "`vprocctl ls`"]);
    assert_failure(from("/etc/passwd"), 5, &["does not serve /etc/passwd"]);
    assert_failure(from("meminfo"), 5, &["did you mean /proc/meminfo?"]);
    assert_failure(from("/proc/cpu"), 5, &["did you mean"]);
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
    let output = run(&["render", "--from", FIXTURE, "--set", "/proc/stat=deny", "/proc"]);
    assert_eq!(output.status.code(), Some(5));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("==> /proc/uptime <=="), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("/proc/stat"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let shell = format!("{} render --from {FIXTURE} / | head -1", VPROCCTL);
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &shell]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = printed(&["--help"]);
    for part in ["Examples:", "Exit codes:", "vprocctl run --memory 256M", "render", "doctor"] {
        assert!(help.contains(part), "{part}");
    }
    for command in ["render", "ls", "capture", "run", "doctor"] {
        assert!(printed(&[command, "-h"]).contains("Usage: vprocctl"));
    }
    assert_eq!(printed(&["--version"]), concat!("vprocctl ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn doctor_speaks_to_people_and_scripts() {
    let text = printed(&["doctor"]);
    assert!(text.contains("kernel"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&printed(&["doctor", "--json"])).unwrap();
    let checks = json.as_array().unwrap();
    assert!(checks.len() > 10);
    for check in checks {
        assert!(["ok", "limited", "missing"].contains(&check["status"].as_str().unwrap()));
        if check["status"] != "ok" {
            assert_ne!(check["cost"], "", "{check}: a lack has a cost");
        }
    }
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
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&program)
        .args(arguments)
        .env("HOME", "/nonexistent")
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
