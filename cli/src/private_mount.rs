//! A mount for one container.

use crate::failure::Failure;
use crate::{attach, policy};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vproc_linux::attach::{Options, Outcome, Skip};
use vproc_linux::{Host, HostPid};

/// A mount that no path leads to, once its files are attached. Its processes
/// end when nothing has the files any more, which is when the container has
/// ended, whatever ended it.
pub(crate) struct PrivateMount {
    point: PathBuf,
    holder: Child,
}

impl PrivateMount {
    /// Mounts somewhere. The error is for a person.
    pub(crate) fn start(policy: &policy::Choice) -> Result<Self, String> {
        let base = PathBuf::from(format!("/run/vproc/run-{}", std::process::id()));
        let point = base.join("mount");
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .arg("mount")
            .arg(&point)
            .arg("--state")
            .arg(&base)
            .args(["--ephemeral", "--log-level", "error"])
            .args(policy.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Signals of the terminal are for the command.
            .process_group(0);
        let mut holder =
            command.spawn().map_err(|error| format!("cannot start a mount: {error}"))?;
        let mut line = String::new();
        if let Some(out) = holder.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        if line.is_empty() {
            let _ = holder.wait();
            return Err("cannot mount live files".to_owned());
        }
        Ok(PrivateMount { point, holder })
    }

    /// Puts every file into a container, and takes the mount's own path away.
    pub(crate) fn attach_to(&self, host: &Host, pid: HostPid) -> Result<(), Failure> {
        let files = attach::served(&self.point)?;
        let options = Options::default();
        for attachment in vproc_linux::attach::attach(host, pid, &self.point, &files, &options)? {
            match attachment.outcome {
                // What this kernel does not have is not missed either.
                Outcome::Skipped(Skip::Missing) => {}
                Outcome::Skipped(reason) => {
                    eprintln!("vprocctl: warning: {} is the host's: {reason}", attachment.target);
                }
                _ => {}
            }
        }
        let flags = rustix::mount::UnmountFlags::DETACH;
        rustix::mount::unmount(&self.point, flags)
            .map_err(|error| Failure::file("unmount", &self.point, &error.into()))
    }
}

impl Drop for PrivateMount {
    fn drop(&mut self) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2) {
            match self.holder.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        let pid = rustix::process::Pid::from_child(&self.holder);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.holder.wait();
    }
}
