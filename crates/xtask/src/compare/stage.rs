//! lxcfs, vproc and a container, started for the comparison and ended with it.
//!
//! The two get a mount namespace of their own, with an empty `/run`: their
//! mounts, pid files and what they keep there are gone when they are. The
//! container starts in that namespace, so that its processes see both. All
//! end when this program does, whatever ends it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Files by path.
pub(super) type Text = BTreeMap<String, String>;

/// Where each of the two is mounted.
const MOUNTS: [&str; 2] = ["/run/compared/lxcfs", "/run/compared/vproc"];

/// More than any of the files has.
const LONGEST: &str = "16777216";

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

/// Runs both where nobody else sees their mounts, until the standard input ends.
///
/// Since 5.0.4 lxcfs serves nobody if it cannot read the personality of process 1,
/// which has more capabilities than root has where this runs in a sandbox.
const SERVERS: &str = r#"
    trap '' INT
    theirs=$1 ours=$2 vprocctl=$3
    shift 3
    mount -t tmpfs none /run && mkdir -p "$theirs" "$ours" || exit
    cat /proc/1/personality > /dev/null 2>&1 || {
        echo 00000000 > /run/personality
        mount --bind /run/personality /proc/1/personality
    }
    "$vprocctl" mount "$ours" --log-level error <&- &
    vproc=$!
    "$@" "$theirs" <&- 2> /dev/null &
    lxcfs=$!
    read -r _
    kill $lxcfs $vproc
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

/// lxcfs and vproc, mounted side by side.
pub(super) struct Servers {
    child: Child,
    pub(super) version: String,
    pub(super) options: Vec<&'static str>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Servers {
    pub(super) fn start(lxcfs: &Path, vprocctl: &Path) -> Result<Self, String> {
        let help = Command::new(lxcfs).arg("--help").output();
        let help = help.map_err(|error| format!("cannot run {}: {error}", lxcfs.display()))?;
        let help = [help.stdout, help.stderr].concat();
        let help = String::from_utf8_lossy(&help);
        // All that it can do for numbers.
        let mut options = vec!["--enable-cfs", "--enable-loadavg"];
        options.retain(|option| help.contains(option));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SERVERS, "sh"]);
        command.args(MOUNTS).arg(vprocctl);
        command.arg(lxcfs).args(["-f", "-p", "/run/lxcfs.pid"]).args(&options);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start lxcfs: {error}"))?;
        let mut servers = Servers { child, version: version(lxcfs)?, options };
        let deadline = Instant::now() + PATIENCE;
        // Not a file: lxcfs refuses those to readers whose init it may not see.
        let inside = |mount| format!("/proc/{}/root{mount}/proc", servers.child.id());
        let inside = MOUNTS.map(inside);
        while !inside.iter().all(|path| Path::new(path).exists()) {
            if let Ok(Some(status)) = servers.child.try_wait() {
                return Err(format!("lxcfs ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err("lxcfs or vproc does not mount".into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(servers)
    }
}

/// The texts below the headings that `head -v` prints above files.
fn split(output: &[u8]) -> Text {
    let mut files = Text::new();
    let mut current: Option<(String, String)> = None;
    for line in String::from_utf8_lossy(output).lines() {
        let heading = line.strip_prefix("==> ").and_then(|line| line.strip_suffix(" <=="));
        match (heading, current.as_mut()) {
            (Some(path), _) => {
                if let Some((path, mut text)) = current.replace((path.to_owned(), String::new())) {
                    // An empty line comes before each heading but the first.
                    text.pop();
                    files.insert(path, text);
                }
            }
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    files.extend(current);
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
    pub(super) fn start(
        servers: &Servers,
        vprocctl: &Path,
        limits: &[&str],
    ) -> Result<Self, String> {
        let scratch = PathBuf::from(format!("/var/tmp/compare-lxcfs-{}", std::process::id()));
        fs::create_dir(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", servers.child.id()));
        // Ends when this program does.
        command.args(["setpriv", "--pdeathsig", "TERM"]).arg(vprocctl);
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

    /// What one process in the container's namespaces reads of lxcfs and of
    /// vproc, of each file from both before the next file.
    ///
    /// It is in none of the container's groups, where it would add to what is
    /// measured.
    pub(super) fn read(&self, files: &[&str]) -> Result<[Text; 2], String> {
        let script = r#"
            theirs=$1 ours=$2 longest=$3
            shift 3
            list=
            for file; do
                for mount in "$theirs" "$ours"; do
                    [ -e "$mount$file" ] && list="$list $mount$file"
                done
            done
            exec head -v -c "$longest" $list"#;
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid"]);
        command.args(["sh", "-c", script, "sh"]).args(MOUNTS).arg(LONGEST).args(files);
        // It fails where one of them cannot read a file, and goes on.
        let output = command.output().map_err(|error| format!("cannot run nsenter: {error}"))?;
        let texts = split(&output.stdout);
        if texts.is_empty() {
            return Err(format!("nothing to read: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(MOUNTS.map(|mount| {
            let of = |(path, text): (&String, &String)| {
                Some((path.strip_prefix(mount)?.to_owned(), text.clone()))
            };
            texts.iter().filter_map(of).collect()
        }))
    }
}

/// A swap area, for as long as it is needed.
pub(super) struct SwapArea(PathBuf);

impl SwapArea {
    /// Adds one of so many MiB.
    pub(super) fn add(mib: usize) -> Result<Self, String> {
        let path = PathBuf::from(format!("/var/tmp/compare-lxcfs-{}.swap", std::process::id()));
        let area = SwapArea(path);
        // A sparse file is none that the kernel would swap to.
        fs::write(&area.0, vec![0; mib << 20])
            .and_then(|()| fs::set_permissions(&area.0, fs::Permissions::from_mode(0o600)))
            .map_err(|error| format!("{}: {error}", area.0.display()))?;
        output(Command::new("mkswap").arg("-q").arg(&area.0))?;
        output(Command::new("swapon").args(["-p", "1000"]).arg(&area.0))?;
        Ok(area)
    }
}

impl Drop for SwapArea {
    fn drop(&mut self) {
        let _ = output(Command::new("swapoff").arg(&self.0));
        let _ = fs::remove_file(&self.0);
    }
}

/// The first child of a process.
fn children(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_is_below_the_headings() {
        let printed = b"==> /a <==\nMem: 1\n\n==> /empty <==\n\n==> /b <==\nx\n\ny\n";
        let texts = split(printed);
        let expected = [("/a", "Mem: 1\n"), ("/b", "x\n\ny\n"), ("/empty", "")];
        let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(texts, Text::from(expected));
    }
}
