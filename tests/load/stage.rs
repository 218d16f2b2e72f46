//! Containers, mounts and groups that are gone when a test ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, as cargo built it for this test.
pub(crate) const VPROCCTL: &str = env!("CARGO_BIN_EXE_vprocctl");

/// Why nothing here can run.
pub(crate) fn unavailable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    let limits = ["--memory", "64M", "--cpus", "1", "--cpuset", "0", "--", "true"];
    let output = Command::new(VPROCCTL).arg("run").args(limits).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(4 | 7) => Some(format!("no container can be started here: {}", error.trim())),
        _ if error.contains("the files show the start") => Some(error.trim().to_owned()),
        _ => None,
    }
}

/// Whether this machine is emulated: there everything takes twenty times as
/// long.
pub(crate) fn is_emulated() -> bool {
    fs::read_to_string("/proc/cpuinfo").unwrap().contains("QEMU Virtual CPU")
}

/// Whether a program that a test needs is installed.
pub(crate) fn has(test: &str, program: &str) -> bool {
    let look = format!("command -v {program}");
    let found = Command::new("sh").args(["-c", &look]).output().unwrap().status.success();
    if !found {
        vproc_tests::skip(test, &format!("{program} is not installed"));
    }
    found
}

/// This program, for a role in a container, which sees the same files.
pub(crate) fn myself() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: waited for 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Measures up to three times; says why each time but the last.
pub(crate) fn three_times(test: &str, measure: impl Fn() -> Result<(), String>) {
    for attempt in 1..=3 {
        match measure() {
            Ok(()) => return,
            Err(reason) if attempt < 3 => println!("{test}: again, because {reason}"),
            Err(reason) => panic!("{test}, three times: {reason}"),
        }
    }
}

/// An error unless it holds.
pub(crate) fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Where each v1 controller is mounted, and v2 as "".
pub(crate) fn hierarchies() -> BTreeMap<String, PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found = BTreeMap::new();
    for line in mounts.lines() {
        let (place, kind) = line.split_once(" - ").unwrap();
        let point = PathBuf::from(place.split(' ').nth(4).unwrap());
        let kind: Vec<&str> = kind.split(' ').collect();
        match kind[0] {
            "cgroup2" => drop(found.entry(String::new()).or_insert(point)),
            "cgroup" => kind[2].split(',').for_each(|controller| {
                found.entry(controller.to_owned()).or_insert_with(|| point.clone());
            }),
            _ => {}
        }
    }
    found
}

/// The groups of a process: the directory for each v1 controller, and for v2
/// as "".
pub(crate) fn groups_of(pid: u32) -> BTreeMap<String, PathBuf> {
    let points = hierarchies();
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut groups = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap(), parts.next().unwrap());
        for controller in controllers.split(',') {
            if let Some(point) = points.get(controller) {
                groups.insert(controller.to_owned(), point.join(path.trim_start_matches('/')));
            }
        }
    }
    groups
}

/// A process that is killed and waited for.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process in a container, which outlives the `nsenter` that started it.
pub(crate) struct Inside(Running);

impl Inside {
    pub(crate) fn new(command: &mut Command) -> Self {
        Inside(Running(command.spawn().unwrap()))
    }

    pub(crate) fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.0.0.stderr.take()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        for child in children(self.0.0.id()) {
            let child = i32::try_from(child).ok().and_then(rustix::process::Pid::from_raw);
            let kill = |pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let _ = child.map(kill);
        }
        let _ = self.0.0.wait();
    }
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// A container that runs.
pub(crate) struct Container {
    running: Running,
    /// Its process 1, as the host numbers it.
    pub(crate) init: u32,
    /// Its groups, by controller.
    pub(crate) groups: BTreeMap<String, PathBuf>,
}

impl Container {
    /// From `vprocctl run`, with live files.
    pub(crate) fn start(limits: &[&str], command: &[&str]) -> Self {
        let mut run = Command::new(VPROCCTL);
        run.arg("run").args(limits).arg("--").args(command);
        let running = Running(run.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        let pid = running.0.id();
        let init = wait_for("a container", || {
            let guardians = children(pid).into_iter();
            let inits = guardians.flat_map(children).filter(|init| is_first(*init));
            // Its files are there as soon as its command is.
            inits.into_iter().find(|init| !children(*init).is_empty())
        });
        Container { running, init, groups: groups_of(init) }
    }

    /// From `unshare` in these groups, without files of ours.
    pub(crate) fn unshare(groups: &[&Path], options: &[&str], command: &[&str]) -> Self {
        let joined: Vec<&str> = groups.iter().map(|path| path.to_str().unwrap()).collect();
        let script = "for g in $JOIN; do echo $$ > $g/cgroup.procs || exit 9; done; exec \"$@\"";
        let mut shell = Command::new("sh");
        shell.env("JOIN", joined.join(" ")).args(["-c", script, "sh"]);
        shell.args(["unshare", "-p", "-f", "--kill-child", "-m", "--mount-proc"]);
        shell.args(options).args(command).stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running(shell.spawn().unwrap());
        let pid = running.0.id();
        let executable = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
        let init = wait_for("a container of unshare", || {
            let first = children(pid).into_iter().find(|init| is_first(*init))?;
            // It was unshare itself until it is the command.
            (executable(first)? != executable(pid)?).then_some(first)
        });
        Container { running, init, groups: groups_of(init) }
    }

    /// The process that was started, outside.
    pub(crate) fn outside(&self) -> u32 {
        self.running.0.id()
    }

    /// What `vprocctl run` calls its groups.
    pub(crate) fn name(&self) -> String {
        let own = self.groups.get("memory").or(self.groups.get("")).unwrap();
        own.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// What the container runs: the first child of its init.
    pub(crate) fn command(&self) -> u32 {
        children(self.init)[0]
    }

    /// A further process in it, in all its groups and namespaces.
    pub(crate) fn exec(&self, command: &[&str]) -> Command {
        self.exec_in(self.groups.values().map(PathBuf::as_path), command)
    }

    /// The same in other groups.
    pub(crate) fn exec_in<'a>(
        &self,
        groups: impl IntoIterator<Item = &'a Path>,
        command: &[&str],
    ) -> Command {
        let joined: Vec<&str> = groups.into_iter().map(|path| path.to_str().unwrap()).collect();
        let time = if Path::new("/proc/self/ns/time").exists() { "-T" } else { "-m" };
        // It joins from within, or who waits for it outside would count, too.
        let script = "for g in $JOIN; do echo $$ > $g/cgroup.procs || exit 9; done; unset JOIN; \
                      exec \"$@\"";
        let mut shell = Command::new("nsenter");
        shell.env("JOIN", joined.join(" ")).env("LC_ALL", "C").env("TERM", "dumb").env("TZ", "UTC");
        shell.args(["-t", &self.init.to_string(), "-m", "-p", time, "--"]);
        shell.args(["sh", "-c", script, "sh"]).args(command);
        shell.stdin(Stdio::null());
        shell
    }

    /// The same, until it is dropped.
    pub(crate) fn spawn(&self, command: &[&str]) -> Inside {
        Inside::new(&mut self.exec(command))
    }

    /// What a script prints in it, which must succeed and say nothing else.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> String {
        printed(self.exec(&["sh", "-c", script]), script)
    }
}

/// Whether a process is the first of a pid namespace.
fn is_first(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1"))
}

/// What a command prints, which must succeed and say nothing else.
#[track_caller]
pub(crate) fn printed(mut command: Command, what: &str) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let error = String::from_utf8_lossy(&stderr);
    assert!(status.success() && error.is_empty(), "{what}: {status}: {error}");
    String::from_utf8(stdout).unwrap()
}

/// `vprocctl mount` at a place of its own.
pub(crate) struct Mount {
    holder: Running,
    directory: tempfile::TempDir,
}

impl Mount {
    pub(crate) fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(VPROCCTL);
        command.arg("mount").arg(directory.path().join("mount"));
        command.arg("--state").arg(directory.path().join("state")).args(options);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "nothing was mounted");
        Mount { holder: Running(child), directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    /// Puts its files into a container.
    pub(crate) fn attach(&self, container: &Container) {
        let mut command = Command::new(VPROCCTL);
        let state = self.directory.path().join("state");
        command.args(["attach", "--pid", &container.init.to_string(), "--mount"]).arg(state);
        let text = printed(command, "attach");
        assert!(text.contains("/proc/stat attached"), "{text}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.holder.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.holder.0.wait();
    }
}

/// A group with a limit of memory, where memory is counted.
pub(crate) struct MemoryGroup(pub(crate) PathBuf);

impl MemoryGroup {
    pub(crate) fn new(name: &str, limit: u64) -> Self {
        let points = hierarchies();
        let parent = points.get("memory").or_else(|| points.get("")).unwrap();
        MemoryGroup::below(parent, name, limit)
    }

    pub(crate) fn below(parent: &Path, name: &str, limit: u64) -> Self {
        let path = parent.join(format!("vproc-load-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let group = MemoryGroup(path);
        let v1 = group.0.join("memory.limit_in_bytes");
        let file = if v1.exists() { v1 } else { group.0.join("memory.max") };
        // A v2 group below one with processes gets no controller.
        if file.exists() {
            fs::write(file, limit.to_string()).unwrap();
        }
        group
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        remove_soon(&self.0);
    }
}

/// Removes a group as soon as its processes are gone.
pub(crate) fn remove_soon(group: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while fs::remove_dir(group).is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}
