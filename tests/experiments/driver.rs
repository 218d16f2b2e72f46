//! A process that uses memory on demand, and is gone when a test ends.

use crate::stage::wait_for;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// Set for a driver.
pub(crate) const TASK: &str = "VPROC_EXPERIMENT_DRIVER";

/// How an answer begins.
pub(crate) const ANSWER: &str = "driver: ";

/// A driver that waits for what it is told.
pub(crate) struct Driver {
    child: Child,
    pid: u32,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Driver {
    /// What makes this program a driver, together with [`TASK`].
    pub(crate) const ARGUMENTS: [&str; 4] =
        ["--exact", "drive::drive", "--nocapture", "--test-threads=1"];

    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        Driver::of(Command::new(program).args(Driver::ARGUMENTS))
    }

    /// A driver that is the init of a container: of a pid namespace.
    pub(crate) fn start_init() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        let mut driver =
            Driver::of(unshare.arg(std::env::current_exe().unwrap()).args(Driver::ARGUMENTS));
        driver.must("sparse 0");
        let path = format!("/proc/{0}/task/{0}/children", driver.pid);
        driver.pid = std::fs::read_to_string(path).unwrap().trim().parse().unwrap();
        driver
    }

    fn of(command: &mut Command) -> Self {
        let command = command.env(TASK, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Driver { pid: child.id(), orders: child.stdin.take(), answers, child }
    }

    /// The process that obeys.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives an order, and waits until it is carried out.
    pub(crate) fn tell(&mut self, order: &str) -> Result<(), String> {
        let orders = self.orders.as_mut().ok_or("the driver has ended")?;
        writeln!(orders, "{order}").map_err(|error| error.to_string())?;
        for line in self.answers.by_ref().lines() {
            let line = line.map_err(|error| error.to_string())?;
            match line.strip_prefix(ANSWER) {
                Some("done") => return Ok(()),
                Some(error) => return Err(error.to_owned()),
                None => {}
            }
        }
        Err(format!("{order}: the driver was killed"))
    }

    /// Orders what cannot fail.
    #[track_caller]
    pub(crate) fn must(&mut self, order: &str) {
        if let Err(error) = self.tell(order) {
            panic!("{error}");
        }
    }

    /// Enters a cgroup namespace whose root is the group that it is in.
    pub(crate) fn enter_cgroup_namespace(&mut self) {
        let before = self.cgroup_namespace().unwrap();
        writeln!(self.orders.as_mut().unwrap(), "cgroup-namespace").unwrap();
        // Another order would be read by the program that is replaced.
        wait_for("a cgroup namespace", || (self.cgroup_namespace()? != before).then_some(()));
        self.must("sparse 0");
    }

    /// `None` while another program is started.
    fn cgroup_namespace(&self) -> Option<std::path::PathBuf> {
        std::fs::read_link(format!("/proc/{}/ns/cgroup", self.pid())).ok()
    }

    /// An amount of its `/proc/PID/status`, in KiB: the kernel's count for one
    /// process, not for a group.
    pub(crate) fn status(&self, label: &str) -> i64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{label}:"))).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Stops it for good: not one instruction more, until it is killed.
    pub(crate) fn stop(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        wait_for("a stopped driver", || {
            let stat =
                std::fs::read_to_string(format!("/proc/{0}/task/{0}/stat", self.pid)).unwrap();
            stat.rsplit(')').next()?.trim_start().starts_with('T').then_some(())
        });
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        drop(self.orders.take());
        self.child.wait().unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
