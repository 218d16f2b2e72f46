//! lxcfs and a container, started for the comparison and ended with it.
//!
//! lxcfs gets a mount namespace of its own, with an empty `/run`: its mount, its
//! pid file and what it keeps there are gone when it is. It and the container
//! end when this program does, whatever ends it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Files by path.
pub(super) type Text = BTreeMap<String, String>;

/// Where lxcfs is mounted in its own namespace.
const MOUNT: &str = "/run/lxcfs-compared";

const PATIENCE: Duration = Duration::from_secs(20);

/// Memory, page cache of a file, a program that is mapped, and a busy CPU.
const LOAD: &str = r#"
    set -e
    exec 3>"$1/file"
    head -c 16777216 /dev/zero >&3
    memory=$(head -c 25165824 /dev/zero | tr '\0' m)
    cp "$(command -v sh)" "$1/busy"
    "$1/busy" -c 'while :; do :; done' &
    sleep 0.3
    rm -r "$1"
    echo ready
    wait
"#;

/// Runs lxcfs where nobody else sees its mount, until the standard input ends.
///
/// Since 5.0.4 it serves nobody if it cannot read the personality of process 1,
/// which has more capabilities than root has where this runs in a sandbox.
const DAEMON: &str = r#"
    trap '' INT
    mount -t tmpfs none /run && mkdir "$0" || exit
    cat /proc/1/personality > /dev/null 2>&1 || {
        echo 00000000 > /run/personality
        mount --bind /run/personality /proc/1/personality
    }
    "$@" "$0" <&- &
    read -r _
    kill $!
    wait
"#;

/// Why there is nothing to compare.
pub(super) fn missing(lxcfs: &Path) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = |line: &str| line.split_whitespace().nth(2) == Some("0");
    if !status.lines().filter(|line| line.starts_with("Uid:")).any(root) {
        return Some("it needs root".into());
    }
    if !Path::new("/dev/fuse").exists() {
        return Some("this kernel has no FUSE (/dev/fuse)".into());
    }
    for tool in ["unshare", "nsenter", "setpriv"] {
        if output(Command::new(tool).arg("--version")).is_err() {
            return Some(format!("{tool} of util-linux is not installed"));
        }
    }
    match output(Command::new(lxcfs).arg("--version")) {
        Ok(_) => None,
        Err(reason) => Some(format!("there is no lxcfs to run: {reason}")),
    }
}

pub(super) fn version(program: &Path) -> Result<String, String> {
    let output = output(Command::new(program).arg("--version"))?;
    // Some print it where errors go.
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).trim().trim_matches('"').to_owned())
}

pub(super) fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let layout = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { 2 } else { 1 };
    format!("{}, cgroup v{layout}", release.trim())
}

fn output(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} ended with {}: {}", output.status, error.trim()))
}

/// Ends a process that was started here: asks first.
fn end(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        sleep(Duration::from_millis(10));
    }
}

/// A running lxcfs.
pub(super) struct Lxcfs {
    child: Child,
    pub(super) version: String,
    pub(super) options: Vec<&'static str>,
}

impl Drop for Lxcfs {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Lxcfs {
    pub(super) fn start(program: &Path) -> Result<Self, String> {
        let help = Command::new(program).arg("--help").output();
        let help = help.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let help = [help.stdout, help.stderr].concat();
        let help = String::from_utf8_lossy(&help);
        // All that it can do for numbers.
        let mut options = vec!["--enable-cfs", "--enable-loadavg"];
        options.retain(|option| help.contains(option));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", DAEMON, MOUNT]);
        command.arg(program).args(["-f", "-p", "/run/lxcfs.pid"]).args(&options);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start lxcfs: {error}"))?;
        let mut lxcfs = Lxcfs { child, version: version(program)?, options };
        let deadline = Instant::now() + PATIENCE;
        // Not a file: lxcfs refuses those to readers whose init it may not see.
        let inside = format!("/proc/{}/root{MOUNT}/proc", lxcfs.child.id());
        while !Path::new(&inside).exists() {
            if let Ok(Some(status)) = lxcfs.child.try_wait() {
                return Err(format!("lxcfs ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err("lxcfs does not mount".into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(lxcfs)
    }

    /// What a process in the pid namespace of `init` reads.
    pub(super) fn read(&self, init: u32, files: &[&str]) -> Result<Text, String> {
        let script = "for file in \"$@\"; do
            [ -e \"$0$file\" ] && printf '==> %s <==\n' \"$file\" && cat \"$0$file\"
        done; true";
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.child.id()));
        command.arg(format!("--pid=/proc/{init}/ns/pid"));
        command.args(["sh", "-c", script, MOUNT]).args(files);
        Ok(split(&output(&mut command)?.stdout))
    }
}

/// The texts below the headings that `head` prints above files.
fn split(output: &[u8]) -> Text {
    let mut files = Text::new();
    let mut current = None;
    for line in String::from_utf8_lossy(output).lines() {
        let heading = line.strip_prefix("==> ").and_then(|line| line.strip_suffix(" <=="));
        match (heading, current.as_mut()) {
            (Some(path), _) => {
                current = Some(path.to_owned());
                files.insert(path.to_owned(), String::new());
            }
            (None, Some(path)) => {
                if let Some(text) = files.get_mut(path) {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            (None, None) => {}
        }
    }
    files
}

/// A container under load.
pub(super) struct Container {
    child: Child,
    scratch: PathBuf,
    /// The pid of its init, as this program sees it.
    pub(super) init: u32,
}

impl Drop for Container {
    fn drop(&mut self) {
        end(&mut self.child);
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

impl Container {
    pub(super) fn start(vprocctl: &Path, limits: &[&str]) -> Result<Self, String> {
        let scratch = PathBuf::from(format!("/var/tmp/compare-lxcfs-{}", std::process::id()));
        fs::create_dir(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        // Ends when this program does.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(vprocctl);
        command.arg("run").args(limits).args(["--", "sh", "-c", LOAD, "sh"]);
        let child = command.arg(&scratch).stdout(Stdio::piped()).spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                let _ = fs::remove_dir_all(&scratch);
                return Err(format!("cannot start a container: {error}"));
            }
        };
        let mut container = Container { child, scratch, init: 0 };
        let mut line = String::new();
        if let Some(stdout) = container.child.stdout.as_mut() {
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let init = children(container.child.id()).and_then(children);
        match (line.as_str(), init) {
            ("ready\n", Some(init)) => container.init = init,
            _ => return Err("the container did not start".into()),
        }
        Ok(container)
    }

    /// What vproc shows a process of the container.
    pub(super) fn render(&self, vprocctl: &Path, files: &[&str]) -> Result<Text, String> {
        let mut command = Command::new(vprocctl);
        command.args(["render", "--pid", &self.init.to_string()]).args(files);
        Ok(split(&output(&mut command)?.stdout))
    }
}

/// The first child of a process.
fn children(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}
