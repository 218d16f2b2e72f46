//! Containers that read: a shell in namespaces and a group of its own.

use crate::fixture::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use vproc_tests::skip;

/// A group with a limit of memory, on v1 or v2.
pub(crate) struct Group {
    pub(crate) path: PathBuf,
    limit: &'static str,
    /// As in `/proc/PID/cgroup`.
    pub(crate) name: String,
}

const V1: &str = "/sys/fs/cgroup/memory";
const V2: &str = "/sys/fs/cgroup";

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("vproc-mount-{}-{count}", std::process::id())
}

impl Group {
    /// A group that limits memory to so many MiB.
    pub(crate) fn limited(test: &str, mib: u64) -> Option<Group> {
        let name = name();
        let (parent, limit) = if Path::new(V1).join("memory.limit_in_bytes").exists()
            || Path::new(V1).join("cgroup.procs").exists()
        {
            (V1, "memory.limit_in_bytes")
        } else {
            let _ = fs::write(Path::new(V2).join("cgroup.subtree_control"), "+memory");
            (V2, "memory.max")
        };
        let group = Group { path: Path::new(parent).join(&name), limit, name: format!("/{name}") };
        if let Err(error) = fs::create_dir(&group.path) {
            skip(test, &format!("no group can be made in {parent}: {error}"));
            return None;
        }
        group.set_limit(mib);
        Some(group)
    }

    /// A group of v2, for its pressure.
    pub(crate) fn unified(test: &str) -> Option<Group> {
        let parents = ["/sys/fs/cgroup/unified", V2].map(Path::new);
        let parent = parents.into_iter().find(|path| path.join("cgroup.controllers").exists());
        let Some(parent) = parent else {
            skip(test, "cgroup v2 is not mounted");
            return None;
        };
        let name = name();
        let group = Group { path: parent.join(&name), limit: "", name: format!("/{name}") };
        if let Err(error) = fs::create_dir(&group.path) {
            skip(test, &format!("no group can be made in {}: {error}", parent.display()));
            return None;
        }
        if !group.path.join("cpu.pressure").exists() {
            skip(test, "this kernel does not account pressure");
            return None;
        }
        Some(group)
    }

    /// A group within this one.
    pub(crate) fn inner(&self) -> Group {
        let path = self.path.join("inner");
        fs::create_dir(&path).unwrap();
        Group { path, limit: self.limit, name: format!("{}/inner", self.name) }
    }

    pub(crate) fn set_limit(&self, mib: u64) {
        fs::write(self.path.join(self.limit), (mib << 20).to_string()).unwrap();
    }

    pub(crate) fn add(&self, pid: u32) {
        fs::write(self.path.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..200 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}

/// A shell that is process 1 of its pid namespace.
pub(crate) struct Container {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

const END: &str = "-- end";

impl Container {
    /// Starts one in a group.
    pub(crate) fn start(test: &str, group: &Group) -> Option<Container> {
        Container::start_with(test, &[group], &["--pid", "--mount"])
    }

    pub(crate) fn start_with(
        test: &str,
        groups: &[&Group],
        namespaces: &[&str],
    ) -> Option<Container> {
        let procs = groups.iter().map(|group| group.path.join("cgroup.procs"));
        let enter: String = procs.map(|file| format!("echo $$ > {} && ", file.display())).collect();
        let namespaces = namespaces.join(" ");
        let shell =
            format!("while read -r line; do eval \"$line\" 2>&1; echo; echo \"{END} $?\"; done");
        let script =
            format!("{enter} exec unshare {namespaces} --fork --kill-child -- sh -c '{shell}'");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut container = Container { child, input, output: BufReader::new(output) };
        if container.run("true").is_none() {
            skip(test, "no namespaces can be made here");
            return None;
        }
        Some(container)
    }

    /// What a command prints; `None` if the container has ended.
    fn run(&mut self, command: &str) -> Option<String> {
        assert!(!command.contains('\n'), "one line: {command}");
        let input = self.input.as_mut()?;
        input.write_all(format!("{command}\n").as_bytes()).ok()?;
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.starts_with(END) {
                // The line feed that was put before it.
                text.pop();
                return Some(text);
            }
            text.push_str(&line);
        }
    }

    /// What a command prints, errors too.
    pub(crate) fn sh(&mut self, command: &str) -> String {
        self.run(command).expect("the container lives")
    }

    /// Its process 1, in the host's numbering.
    pub(crate) fn init(&self) -> u32 {
        let unshare = self.child.id();
        let file = format!("/proc/{unshare}/task/{unshare}/children");
        eventually("the container's init", || {
            fs::read_to_string(&file).ok()?.split_whitespace().next()?.parse().ok()
        })
    }

    /// The process that waits for it, outside of its pid namespace.
    pub(crate) fn outside(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let init = Pid::from_raw(i32::try_from(self.init()).unwrap()).unwrap();
        kill_process(init, signal).unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The size in a text of `/proc/meminfo`, in MiB.
#[track_caller]
pub(crate) fn total_mib(meminfo: &str) -> u64 {
    let line = meminfo.lines().next().unwrap_or_default();
    let number = line.strip_prefix("MemTotal:").map(|rest| rest.trim().trim_end_matches(" kB"));
    let kib = number.and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("no meminfo: {meminfo}")) / 1024
}
