//! Containers of namespaces, and readers in them.

use crate::roles::ROLE;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Where groups are made, of those that exist.
const GROUPS: [&str; 5] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/pids",
    "/sys/fs/cgroup/memory",
    "/sys/fs/cgroup/freezer",
];

/// A running container.
pub(crate) struct Container {
    outer: Child,
    /// Holds the user namespace until the container is in it.
    holder: Option<Child>,
    groups: Vec<PathBuf>,
    /// The host's number of its process 1.
    pub(crate) init: u32,
}

/// The first id outside that a container with a user namespace has.
const FIRST_ID: u32 = 100_000;

impl Container {
    /// Starts a container with pid, mount, uts and cgroup namespaces, and
    /// perhaps a user namespace; `None` where that is not allowed.
    pub(crate) fn start(test: &str, with_users: bool) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            vproc_tests::skip(test, "it needs root");
            return None;
        }
        let groups = make_groups();
        let mut enter = String::new();
        for group in &groups {
            enter.push_str(&format!("echo $$ > {}/cgroup.procs && ", group.display()));
        }
        let mut holder = None;
        let mut users = String::new();
        if with_users {
            let child = Command::new("unshare").args(["--user", "sleep", "1000"]).spawn().unwrap();
            let pid = child.id();
            holder = Some(child);
            let is_in = || {
                let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/user")).ok();
                link(&pid.to_string()).is_some_and(|own| Some(own) != link("self"))
            };
            if !within(Duration::from_secs(5), is_in) {
                vproc_tests::skip(test, "there are no user namespaces");
                return None;
            }
            for map in ["uid_map", "gid_map"] {
                let map = format!("/proc/{pid}/{map}");
                fs::write(map, format!("0 {FIRST_ID} 65536")).unwrap();
            }
            users = format!("nsenter --target {pid} --user --setuid 0 --setgid 0 -- ");
        }
        let exe = std::env::current_exe().unwrap();
        let script = format!(
            "{enter} exec {users}unshare --pid --mount --uts --cgroup --fork --kill-child \
             --mount-proc {} {ROLE} init",
            exe.display()
        );
        let mut outer = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(outer.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut container = Container { outer, holder, groups, init: 0 };
        if line != "started\n" {
            let mut error = String::new();
            let _ = container.outer.kill();
            container.outer.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            vproc_tests::skip(test, &format!("no container can be started: {}", error.trim()));
            return None;
        }
        container.init = child_of(container.outer.id()).unwrap();
        container.settle();
        Some(container)
    }

    /// Waits until nobody starts any more, and gives some a group below.
    fn settle(&self) {
        let tasks = || {
            let threads = |pid: u32| fs::read_dir(format!("/proc/{pid}/task")).map(Iterator::count);
            let is_quiet = |pid: &u32| {
                let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
                let end = stat.iter().rposition(|byte| *byte == b')').unwrap_or(0);
                matches!(stat.get(end + 2), Some(b'S' | b'Z'))
            };
            let all = descendants(self.init);
            let quiet = all.iter().all(is_quiet);
            (quiet, all.iter().map(|pid| threads(*pid).unwrap_or(0)).sum::<usize>())
        };
        let (mut before, mut since) = (tasks(), Instant::now());
        let quiet = Duration::from_millis(500);
        assert!(
            within(Duration::from_secs(20), || {
                let now = tasks();
                if now != before || !now.0 {
                    (before, since) = (now, Instant::now());
                }
                since.elapsed() > quiet
            }),
            "the container does not come to rest"
        );
        for (place, pid) in descendants(self.init).into_iter().enumerate() {
            for group in self.groups.iter().filter(|_| place % 7 == 3) {
                let below = group.join("below (deleted)");
                let _ = fs::create_dir(&below);
                let _ = fs::write(below.join("cgroup.procs"), pid.to_string());
            }
        }
    }

    /// A command within.
    pub(crate) fn command(&self, program: &str, ids: Option<u32>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--pid", "--mount", "--uts", "--cgroup"]);
        if self.holder.is_some() {
            command.arg("--user");
        }
        let id = ids.unwrap_or(0).to_string();
        command.args(["--setuid", &id, "--setgid", &id, "--", program]);
        command
    }

    /// Somebody within who reads.
    pub(crate) fn reader(&self, user: Option<u32>) -> Reader {
        let exe = std::env::current_exe().unwrap();
        let mut command = self.command(exe.to_str().unwrap(), user);
        command.args([ROLE, "reader"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Reader { child, input, output }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Process 1 ends when its input does, and all others with it.
        drop(self.outer.stdin.take());
        let _ = self.outer.wait();
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
        for group in &self.groups {
            within(Duration::from_secs(5), || {
                let _ = fs::remove_dir(group.join("below (deleted)"));
                fs::remove_dir(group).is_ok()
            });
        }
    }
}

fn make_groups() -> Vec<PathBuf> {
    let name = format!("vproc-processes-{}", std::process::id());
    let makes = |parent: &&&str| {
        Path::new(parent).join("cgroup.procs").exists()
            && fs::create_dir(Path::new(parent).join(&name)).is_ok()
    };
    GROUPS.iter().filter(makes).map(|parent| Path::new(parent).join(&name)).collect()
}

/// Waits for a condition.
pub(crate) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect()
}

fn child_of(pid: u32) -> Option<u32> {
    children(pid).first().copied()
}

/// A process and all below it.
fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(children(pid));
        next += 1;
    }
    all
}

/// A process of a container that reads files for us.
pub(crate) struct Reader {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Reader {
    /// What is at a path: text, target or names.
    pub(crate) fn read(&mut self, path: &str) -> Result<Vec<u8>, i32> {
        writeln!(self.input, "{path}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        match line.trim_end().split_once(' ').unwrap() {
            ("ok", length) => {
                let mut bytes = vec![0; length.parse().unwrap()];
                self.output.read_exact(&mut bytes).unwrap();
                Ok(bytes)
            }
            (_, errno) => Err(errno.parse().unwrap()),
        }
    }

    /// The names in a directory that are numbers, in order.
    pub(crate) fn numbers(&mut self, path: &str) -> Vec<u32> {
        let names = self.read(path).unwrap();
        let names = String::from_utf8_lossy(&names).into_owned();
        let mut numbers: Vec<u32> = names.lines().flat_map(str::parse).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
