//! A mount that is gone when a test ends, however it ends.

use crate::command::VPROCCTL;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use vproc_fuse::Report;
use vproc_tests::skip;

/// How long a test may take. After that its mount is aborted, so that whoever
/// waits for an answer gets an error.
const LIMIT: Duration = Duration::from_secs(120);

/// A mount of the program under test.
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    pub(crate) state: PathBuf,
    /// For the test's own files.
    pub(crate) directory: tempfile::TempDir,
    arguments: Vec<String>,
    holder: Child,
    timed_out: Arc<AtomicBool>,
    _done: mpsc::Sender<()>,
}

impl Mount {
    /// Mounts; `None` where that cannot be done here.
    pub(crate) fn start(test: &str, arguments: &[&str]) -> Option<Mount> {
        Mount::start_for(test, LIMIT, arguments, |_| {})
    }

    /// Mounts for a test that takes longer, or needs the command to be started
    /// in some way.
    pub(crate) fn start_for(
        test: &str,
        limit: Duration,
        arguments: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Option<Mount> {
        if !can_mount(test) {
            return None;
        }
        // The state belongs on a tmpfs.
        let directory = tempfile::Builder::new().prefix("vproc-test").tempdir_in("/dev/shm");
        let directory = directory.unwrap();
        let point = directory.path().join("mount");
        let state = directory.path().join("state");
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        prepare(directory.path());
        let holder = spawn(directory.path(), &point, &state, &arguments);
        let timed_out = Arc::new(AtomicBool::new(false));
        let done = watch(limit, point.clone(), state.clone(), Arc::clone(&timed_out));
        let mut mount =
            Mount { point, state, directory, arguments, holder, timed_out, _done: done };
        mount.wait_until_served();
        Some(mount)
    }

    fn wait_until_served(&mut self) {
        let out = self.holder.stdout.take().unwrap();
        let (sender, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(out).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = line.recv_timeout(Duration::from_secs(60)).unwrap_or_default();
        assert_eq!(line.trim_end(), self.point.to_str().unwrap(), "{}", self.log());
    }

    /// Starts `vprocctl mount` again, and waits until it serves.
    pub(crate) fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    pub(crate) fn start_again_with(&mut self, more: &[&str]) {
        let mut arguments = self.arguments.clone();
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        self.holder = spawn(self.directory.path(), &self.point, &self.state, &arguments);
        self.wait_until_served();
    }

    /// A file of the view that everybody sees.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.point.join(name.trim_start_matches('/'))
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let file = self.file(name);
        fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}\n{}", file.display(), self.log());
        })
    }

    /// A file of the test's own.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A policy that does what `orders` say.
    pub(crate) fn puppet(&self, name: &str, orders: &str) -> String {
        self.write(name, &vproc_tests::puppet(orders))
    }

    /// A subcommand that asks this mount.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(VPROCCTL);
        command.args(arguments).arg("--mount").arg(&self.state);
        command.env("XDG_CACHE_HOME", self.directory.path()).output().unwrap()
    }

    /// Standard output of one that must succeed.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn status(&self) -> Report {
        serde_json::from_str(&self.told(&["status", "--json"])).unwrap()
    }

    pub(crate) fn holder(&self) -> Pid {
        Pid::from_child(&self.holder)
    }

    /// The worker as the kernel knows it, without asking it.
    pub(crate) fn worker(&self) -> Option<Pid> {
        let parent = self.holder.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let first = children.unwrap_or_default().split_whitespace().next()?.parse().ok()?;
        Pid::from_raw(first)
    }

    /// Sends the worker a signal. Between two workers, the next one gets it.
    pub(crate) fn signal_worker(&self, signal: Signal) -> Pid {
        let worker = eventually("a worker", || self.worker());
        kill_process(worker, signal).unwrap();
        if signal == Signal::STOP {
            eventually("the worker to stop", || is_stopped(worker).then_some(()));
        }
        worker
    }

    /// Kills the worker and waits for the next one to answer.
    pub(crate) fn replace_worker(&self) {
        let before = self.signal_worker(Signal::KILL);
        self.wait_for_another(before);
    }

    pub(crate) fn wait_for_another(&self, before: Pid) {
        let before = u32::try_from(before.as_raw_nonzero().get()).unwrap();
        eventually("another worker", || {
            let output = self.ask(&["status", "--json"]);
            let report: Option<Report> = serde_json::from_slice(&output.stdout).ok();
            report.filter(|report| report.worker != before).map(drop)
        });
    }

    pub(crate) fn signal_holder(&self, signal: Signal) {
        kill_process(self.holder(), signal).unwrap();
    }

    /// The exit code of the holder, once it has ended.
    pub(crate) fn wait_for_holder(&mut self) -> Option<i32> {
        let holder = &mut self.holder;
        eventually("the end of the holder", || holder.try_wait().unwrap()).code()
    }

    pub(crate) fn log(&self) -> String {
        let text = fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Every process that serves this mount, or did before its holder died.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        processes(&self.state)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = kill_process(self.holder(), Signal::CONT);
        let _ = kill_process(self.holder(), Signal::TERM);
        let end = Instant::now() + Duration::from_secs(15);
        while matches!(self.holder.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        end_all(&self.point, &self.state);
        let _ = self.holder.wait();
        let timed_out = self.timed_out.load(Ordering::Relaxed);
        assert!(!timed_out || std::thread::panicking(), "the test took too long");
    }
}

/// Aborts the connection, by its mount and by the end of its processes.
fn end_all(point: &Path, state: &Path) {
    while is_mounted(point) {
        if vproc_fusedev::abort(point).is_err() {
            break;
        }
    }
    for process in processes(state) {
        let _ = kill_process(process, Signal::KILL);
    }
}

fn watch(
    limit: Duration,
    point: PathBuf,
    state: PathBuf,
    timed_out: Arc<AtomicBool>,
) -> mpsc::Sender<()> {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            timed_out.store(true, Ordering::Relaxed);
            end_all(&point, &state);
        }
    });
    done
}

fn spawn(directory: &Path, point: &Path, state: &Path, arguments: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let mut command = Command::new(VPROCCTL);
    command.arg("mount").arg(point).arg("--state").arg(state).args(arguments);
    // Compiled policies are kept for as long as the test takes.
    command.env("XDG_CACHE_HOME", directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().unwrap()
}

fn processes(state: &Path) -> Vec<Pid> {
    let state = state.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        let serves = ["mount", "worker"].contains(&command.split('\0').nth(1).unwrap_or_default());
        if serves && command.contains(state) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}

/// Whether all threads of a process have stopped.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap();
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

/// Whether something is mounted, without looking at it.
pub(crate) fn is_mounted(point: &Path) -> bool {
    let point = point.to_str().unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(point))
}

/// Whether a file system can be mounted here.
pub(crate) fn can_mount(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        skip(test, "it needs root");
        return false;
    }
    if File::options().read(true).write(true).open("/dev/fuse").is_err() {
        skip(test, "there is no /dev/fuse");
        return false;
    }
    true
}

/// Waits for something that comes soon.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
