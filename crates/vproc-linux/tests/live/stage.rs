//! Groups and processes that are gone when a test ends, however it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vproc_linux::{Host, HostPid, Identity, Subject};
use vproc_snapshot::{CgroupVersion, Content, Reading, Source};

/// Says why a test does not run. Not with `eprintln`, which the test harness
/// hides of tests that pass.
pub(crate) fn skip(reason: &str) {
    use std::io::Write;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "{test}: skipped, because {reason}");
}

/// Whether a test that needs root can run.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("it needs root");
    }
    root
}

/// Whether a test that needs a procfs of its own can run.
pub(crate) fn has_private_proc() -> bool {
    let is_private = is_root() && Host::open().unwrap().private_proc();
    if !is_private {
        skip("no private procfs can be opened");
    }
    is_private
}

/// Where a hierarchy is mounted; an empty controller means v2.
pub(crate) fn mount_point(host: &Host, controller: &str) -> Option<PathBuf> {
    let found = host.hierarchies().iter().find(|hierarchy| match hierarchy.version() {
        CgroupVersion::V1 => hierarchy.controllers().iter().any(|word| word == controller),
        CgroupVersion::V2 => controller.is_empty(),
    });
    let point = found.and_then(|hierarchy| hierarchy.mount_points().next()).map(Path::to_owned);
    if point.is_none() {
        match controller {
            "" => skip("cgroup v2 is not mounted"),
            name => skip(&format!("no hierarchy of v1 has {name}")),
        }
    }
    point
}

/// Where groups have a controller, v1 or v2, and how its sources begin.
pub(crate) fn controller(host: &Host, name: &str) -> Option<(PathBuf, String)> {
    let v2 = host.hierarchies().iter().find(|one| one.version() == CgroupVersion::V2);
    let v2 = v2.and_then(|one| one.mount_points().next()).filter(|point| {
        let passed_on = fs::read_to_string(point.join("cgroup.subtree_control"));
        passed_on.is_ok_and(|names| names.split_whitespace().any(|word| word == name))
    });
    match v2 {
        Some(point) => Some((point.to_owned(), format!("cgroup2:{name}"))),
        None => mount_point(host, name).map(|point| (point, format!("cgroup1:{name}"))),
    }
}

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: waited for 20 s");
        std::thread::sleep(Duration::from_millis(2));
    }
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A group of our own, with the groups below it.
pub(crate) struct Group(pub(crate) PathBuf);

impl Group {
    pub(crate) fn new(hierarchy: &Path) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = hierarchy.join(format!("vproc-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Group(path)
    }

    pub(crate) fn below(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The path within the hierarchy.
    pub(crate) fn name(&self) -> String {
        format!("/{}", self.0.file_name().unwrap().to_str().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        // Killed processes leave their groups a little later.
        while remove(&self.0).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn remove(group: &Path) -> std::io::Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// A process that is killed at the end.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Starts a command within groups.
    pub(crate) fn start(groups: &[&Path], command: &[&str]) -> Self {
        let joined: Vec<&str> = groups.iter().map(|path| path.to_str().unwrap()).collect();
        let script = "for g in $GROUPS_TO_JOIN; do echo $$ > $g/cgroup.procs || exit 9; done; \
                      exec \"$@\"";
        let mut child = Command::new("sh");
        child.env("GROUPS_TO_JOIN", joined.join(" ")).args(["-c", script, "sh"]).args(command);
        let running = Running(child.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        // Not by its name: a command that starts another one may be that already. At
        // first, its memory is still ours (vfork(2)).
        let line = |of: &str| {
            let line = fs::read(format!("/proc/{of}/cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).into_owned()).filter(|line| !line.is_empty())
        };
        let ours = line("self").unwrap();
        wait_for("exec", || {
            let line = line(&running.pid().to_string())?;
            (line != ours && !line.contains("GROUPS_TO_JOIN")).then_some(())
        });
        running
    }

    pub(crate) fn sleep(groups: &[&Path]) -> Self {
        Running::start(groups, &["sleep", "1000"])
    }

    pub(crate) fn pid(&self) -> HostPid {
        HostPid::new(self.0.id()).unwrap()
    }

    pub(crate) fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// The process of this name among the descendants.
    pub(crate) fn descendant(&self, name: &str) -> HostPid {
        wait_for(name, || find_descendant(self.pid(), name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn comm(pid: HostPid) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())
}

fn find_descendant(pid: HostPid, name: &str) -> Option<HostPid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let child: HostPid = child.parse().ok()?;
        if comm(child)? == name { Some(child) } else { find_descendant(child, name) }
    })
}

/// A command in a pid namespace of its own, and in one within that.
pub(crate) const IN_PIDNS: [&str; 4] = ["unshare", "-pf", "--kill-child", "--mount-proc"];

pub(crate) fn in_pidns(levels: usize, command: &[&'static str]) -> Vec<&'static str> {
    let mut all: Vec<&str> = (0..levels).flat_map(|_| IN_PIDNS).collect();
    all.extend(command);
    all
}

pub(crate) fn sources(texts: &[&str]) -> Vec<Source> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn read(host: &Host, subject: &Subject, source: &str) -> Vec<Reading> {
    let environment = host.environment(Vec::new());
    let readings = host.read(subject, environment, &sources(&[source])).unwrap();
    readings.records.into_iter().next().unwrap().found
}

/// Reads one source for the process itself.
pub(crate) fn read_for(host: &Host, pid: HostPid, source: &str) -> Vec<Reading> {
    read(host, &host.subject(pid, Identity::Reader).unwrap(), source)
}

pub(crate) fn text(reading: &Reading) -> &str {
    match &reading.content {
        Content::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Runs a test again, alone, through a command that sets its stage: `false`
/// where it has been run, `true` within that run.
pub(crate) fn within(test: &str, wrapper: &[&str]) -> bool {
    const STAGE: &str = "VPROC_LIVE_STAGE";
    if std::env::var(STAGE).is_ok_and(|stage| stage == test) {
        return true;
    }
    // Where any user may run it. Another program writes the copy: while it is
    // open here, other tests fork, and it could not be run.
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("live");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut copy = Command::new("install");
    copy.args(["-m", "755"]).arg(std::env::current_exe().unwrap()).arg(&program);
    assert!(copy.status().unwrap().success());
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(&program)
        .args(["--exact", test, "--nocapture"])
        .env(STAGE, test)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    false
}
