//! Containers, mounts and groups that are gone when a test ends.

use crate::groups::{Groups, groups_of};
use crate::mounted::Mount;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The program, as cargo built it for this test.
pub(crate) const VPROCCTL: &str = env!("CARGO_BIN_EXE_vprocctl");

/// Why nothing here can run.
pub(crate) fn unavailable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".to_owned());
    }
    if lacks_run() {
        let fuse = Path::new("/dev/fuse").exists();
        return (!fuse).then(|| "it needs /dev/fuse".to_owned());
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

/// Whether containers are made of `unshare` and bind mounts, since this kernel
/// lacks what `vprocctl run` needs (`mount_setattr`, Linux 5.12), or since
/// `VPROC_CONTAINERS=unshare` says so.
pub(crate) fn lacks_run() -> bool {
    is_old() || std::env::var("VPROC_CONTAINERS").is_ok_and(|kind| kind == "unshare")
}

fn is_old() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|word| word.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) < (5, 12)
}

/// Whether containers have a clock of their own. Linux 5.10 moves the uptime of a
/// time namespace, but not the start of processes in `/proc/PID/stat`: with its own
/// files, too, they started in the future there.
pub(crate) fn have_clocks() -> bool {
    Path::new("/proc/self/ns/time").exists() && !is_old()
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

/// A container that runs. Its fields are dropped in this order.
pub(crate) struct Container {
    running: Running,
    /// Whose files it has, unless `vprocctl run` serves it.
    server: Option<Mount>,
    /// Groups that the test made.
    pub(crate) own: Option<Groups>,
    /// Its process 1, as the host numbers it.
    pub(crate) init: u32,
    /// Its groups, by controller.
    pub(crate) groups: BTreeMap<String, PathBuf>,
}

impl Container {
    /// From `vprocctl run`, with live files.
    pub(crate) fn start(limits: &[&str], command: &[&str]) -> Self {
        if lacks_run() {
            return Container::bound(limits, command);
        }
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
        Container { running, server: None, own: None, init, groups: groups_of(init) }
    }

    /// The same as `vprocctl run` makes, of `unshare` and bind mounts.
    fn bound(limits: &[&str], command: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let limits = limits.chunks(2).map(|limit| (limit[0], limit[1]));
        let parent = limits.clone().find(|(option, _)| *option == "--cgroup-parent");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("vproc-load-{}-bound-{number}", std::process::id());
        let own = Groups::new(parent.map_or("/", |(_, path)| path), &[&name]);
        for (option, value) in limits.filter(|(option, _)| *option != "--cgroup-parent") {
            own.limit(0, option, value);
        }
        let init = ["sh", "-c", "\"$@\" & wait", "sh"];
        Container::served(own, &[&init[..], command].concat(), &[])
    }

    /// With an init in the last of these groups, a clock of its own where the
    /// kernel has that, and the files of a mount.
    pub(crate) fn served(own: Groups, init: &[&str], options: &[&str]) -> Self {
        let server = Mount::start(&[]);
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let ago = format!("-{}", uptime.split('.').next().unwrap());
        let mut options = options.to_vec();
        if have_clocks() {
            options.extend(["-T", "--boottime", &ago]);
        }
        let mut groups: Vec<&Path> = own.last().values().map(PathBuf::as_path).collect();
        groups.dedup();
        let mut container = Container::unshare(&groups, &options, init);
        // It waits outside, and is no task of the container.
        let outside = container.outside().to_string();
        for group in groups_of(std::process::id()).values() {
            fs::write(group.join("cgroup.procs"), &outside).unwrap();
        }
        let child_runs = |pid: u32| {
            let executable = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
            let child = *children(pid).first()?;
            (executable(child)? != executable(pid)?).then_some(())
        };
        wait_for("the command of a container", || child_runs(container.init));
        server.bind(container.init);
        container.server = Some(server);
        container.own = Some(own);
        container
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
        Container { running, server: None, own: None, init, groups: groups_of(init) }
    }

    pub(crate) fn server(&self) -> Option<&Mount> {
        self.server.as_ref()
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
