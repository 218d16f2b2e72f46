//! The servers that are compared, each in a group that counts its CPU time.

use crate::FILES;
use crate::container::Container;
use crate::groups::Group;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is read.
pub(crate) struct Target {
    /// For the table.
    pub(crate) name: &'static str,
    /// In names of files.
    short: &'static str,
    /// Where its files are; the host's own if there is no server.
    pub(crate) files: PathBuf,
    pub(crate) server: Option<Server>,
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    point: PathBuf,
    pub(crate) group: Group,
}

/// How much memory processes have, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// All of it, with what others share.
    pub(crate) resident: u64,
    /// Shared pages divided by those who share them.
    pub(crate) proportional: u64,
}

/// All of them, in the order of the table.
pub(crate) struct Servers {
    pub(crate) targets: Vec<Target>,
    pub(crate) lxcfs: Option<String>,
}

impl Target {
    /// Its name of one of the files, below the container's directory.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}-{name}", self.short)
    }
}

impl Servers {
    /// Starts everything, and a container in which all of it can be read.
    pub(crate) fn start_all(directory: &Path) -> (Servers, Container) {
        let files = directory.join("f");
        fs::create_dir(&files).unwrap();
        let mut targets = vec![target("the host's file", "host", "/proc".into(), None)];
        targets.push(vproc(directory, "vproc", "vproc", &[]));
        targets.push(vproc(directory, "vproc --max-age 0", "vproc0", &["--max-age", "0"]));
        let lxcfs = lxcfs_version();
        if lxcfs.is_some() {
            targets.push(start_lxcfs(directory));
        } else {
            eprintln!("mount: lxcfs is not installed, so there is nothing to compare with");
        }
        // The floor's texts are as long as those that the container sees.
        let container = Container::start("lengths", &files, &binds(&targets));
        let vproc = &targets[1];
        let lengths: Vec<_> = FILES.map(|name| (name, container.first(&vproc.file(name)).1)).into();
        drop(container);
        targets.insert(1, floor(directory, &lengths));
        let container = Container::start("readers", &files, &binds(&targets));
        (Servers { targets, lxcfs }, container)
    }

    pub(crate) fn memory(&self) -> Vec<Option<Memory>> {
        let of = |target: &Target| target.server.as_ref().map(Server::memory);
        self.targets.iter().map(of).collect()
    }
}

fn target(
    name: &'static str,
    short: &'static str,
    files: PathBuf,
    server: Option<Server>,
) -> Target {
    Target { name, short, files, server }
}

fn binds(targets: &[Target]) -> Vec<(PathBuf, String)> {
    let of = |target: &Target| FILES.map(|name| (target.files.join(name), target.file(name)));
    targets.iter().flat_map(of).collect()
}

fn floor(directory: &Path, lengths: &[(&str, u32)]) -> Target {
    let point = directory.join("floor");
    fs::create_dir(&point).unwrap();
    let ourselves = std::env::current_exe().unwrap();
    let mut command = vec![text(&ourselves), "--role".into(), "floor".into(), text(&point)];
    command.push("1".into());
    command.extend(lengths.iter().map(|(name, length)| format!("{name}={length}")));
    let server = Server::start("floor", &point, &command);
    wait_for(&point.join(FILES[0]));
    target("floor: constant bytes", "floor", point, Some(server))
}

/// `vprocctl mount`.
pub(crate) fn vproc(
    directory: &Path,
    name: &'static str,
    short: &'static str,
    options: &[&str],
) -> Target {
    let point = directory.join(short);
    let program = env!("CARGO_BIN_EXE_vprocctl");
    let mut command = vec![program.to_owned(), "mount".into(), text(&point)];
    command.extend(["--ephemeral", "--log-level", "error"].map(str::to_owned));
    command.extend(options.iter().map(|option| (*option).to_owned()));
    let server = Server::start(short, &point, &command);
    wait_for(&point.join("proc/meminfo"));
    target(name, short, point.join("proc"), Some(server))
}

pub(crate) fn lxcfs_version() -> Option<String> {
    let output = Command::new("lxcfs").arg("--version").output().ok()?;
    // Some print it where errors go.
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    output.status.success().then(|| text.trim().trim_matches('"').to_owned())
}

pub(crate) fn start_lxcfs(directory: &Path) -> Target {
    let point = directory.join("lxcfs");
    fs::create_dir(&point).unwrap();
    let pid_file = directory.join("lxcfs.pid");
    let command = ["lxcfs", "-f", "--enable-cfs", "--enable-loadavg", "-p"].map(str::to_owned);
    let command = [&command[..], &[text(&pid_file), text(&point)]].concat();
    let server = Server::start("lxcfs", &point, &command);
    wait_for(&point.join("proc/meminfo"));
    target("lxcfs", "lxcfs", point.join("proc"), Some(server))
}

impl Server {
    fn start(name: &str, point: &Path, command: &[String]) -> Self {
        let group = Group::new(name);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--role", "serve"])
            .args(group.doors())
            .arg("--")
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(if name == "lxcfs" { Stdio::null() } else { Stdio::inherit() })
            .spawn()
            .unwrap();
        Server { child, point: point.to_path_buf(), group }
    }

    /// How much memory all of its processes have.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for pid in self.group.processes() {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let number = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim().trim_end_matches(" kB").parse::<u64>().ok()
            };
            memory.resident += number("Rss:").unwrap_or(0);
            memory.proportional += number("Pss:").unwrap_or(0);
        }
        memory
    }

    /// How many descriptors its processes have at most.
    pub(crate) fn descriptors(&self) -> usize {
        let count = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.group.processes().into_iter().map(count).max().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = unmount(&self.point, UnmountFlags::DETACH);
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn wait_for(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
