//! A mount of our own, and its files in a container.

use crate::stage::{Container, Running, VPROCCTL, children, lacks_run, printed};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

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

    /// The process that serves.
    pub(crate) fn holder(&self) -> u32 {
        self.holder.0.id()
    }

    /// Puts its files into a container, which was started later: it cannot
    /// see what is mounted outside afterwards.
    pub(crate) fn attach(&self, container: &Container) {
        if lacks_run() {
            return self.bind(container.init);
        }
        let mut command = Command::new(VPROCCTL);
        let state = self.directory.path().join("state");
        command.args(["attach", "--pid", &container.init.to_string(), "--mount"]).arg(state);
        let text = printed(command, "attach");
        assert!(text.contains("/proc/stat attached"), "{text}");
    }

    /// The same with plain bind mounts, as any kernel has them.
    pub(crate) fn bind(&self, init: u32) {
        let script = "cd \"$0\" && for file in $(find proc -maxdepth 1 -type f) proc/pressure/* \
                      sys/devices/system/cpu; do \
                      if [ -e /$file ]; then mount --bind $file /$file || exit; fi; done";
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &init.to_string(), "-m", "sh", "-c", script]).arg(self.path());
        printed(nsenter, "mount --bind");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.holder.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.holder.0.wait();
    }
}

/// Kills the process that renders for a container; what holds the mount starts
/// another.
pub(crate) fn kill_worker(container: &Container) -> bool {
    let is = |pid: &u32, role: &str| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes())
    };
    let holders = match container.server() {
        Some(mount) => vec![mount.holder()],
        None => children(container.outside()).into_iter().filter(|pid| is(pid, "mount")).collect(),
    };
    let worker = holders.into_iter().flat_map(children).find(|pid| is(pid, "worker"));
    let Some(worker) = worker else { return false };
    Command::new("kill").args(["-s", "KILL", &worker.to_string()]).status().unwrap().success()
}
