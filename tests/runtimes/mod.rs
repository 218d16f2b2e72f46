//! Minimal containers of real runtimes: busybox, and nothing else.
//!
//! Needs root, `busybox-static`, and the runtime. Usable from any test with
//! `#[path]`: it depends on `tempfile` alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The group below which all groups are made. A runtime that is not told puts
/// them below its caller's own.
const PARENT_GROUP: &str = "vproc-ci";

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Runc,
    Crun,
    Lxc,
}

/// What to start.
#[derive(Debug, Default, Clone)]
pub struct Plan {
    /// Files and directories of the host, and where the container sees them,
    /// read-only.
    pub binds: Vec<(PathBuf, String)>,
    /// Paths that the runtime masks (runc and crun).
    pub masked: Vec<String>,
    pub limits: Option<Limits>,
}

/// What the runtime limits the container to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub mebibytes: u64,
    /// By a quota.
    pub cpus: u32,
}

/// A running container. It is removed when this is dropped.
#[derive(Debug)]
pub struct Container {
    runtime: Runtime,
    name: String,
    directory: tempfile::TempDir,
    init: u32,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Runtime {
    pub const ALL: [Runtime; 3] = [Runtime::Runc, Runtime::Crun, Runtime::Lxc];

    pub fn name(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
            Runtime::Lxc => "lxc-start",
        }
    }

    /// Why it cannot be used on this machine.
    pub fn lacks(self) -> Option<String> {
        let id = Command::new("id").arg("-u").output().ok()?;
        if String::from_utf8_lossy(&id.stdout).trim() != "0" {
            return Some("containers need root".to_owned());
        }
        if find_program(self.name()).is_none() {
            return Some(format!("{} is not installed", self.name()));
        }
        match busybox() {
            Some(_) => None,
            None => Some("busybox-static is not installed".to_owned()),
        }
    }

    /// Starts a container that sleeps, or says what the runtime said.
    pub fn start(self, plan: &Plan) -> Result<Container, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("vproc-test-{}-{number}", std::process::id());
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        build_root(&directory.path().join("rootfs")).map_err(|error| error.to_string())?;
        // From here, whatever the runtime left behind is removed.
        let mut container = Container { runtime: self, name, directory, init: 0 };
        match self {
            Runtime::Runc | Runtime::Crun => container.start_oci(plan)?,
            Runtime::Lxc => container.start_lxc(plan)?,
        }
        Ok(container)
    }
}

impl Container {
    /// The process id of its init, on the host.
    pub fn init(&self) -> u32 {
        self.init
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a command within the container prints; an error with what it
    /// complained about.
    pub fn run(&self, command: &[&str]) -> Result<String, String> {
        let output = match self.runtime {
            Runtime::Lxc => self.lxc("lxc-attach", &["--clear-env", "--"], command),
            _ => self.oci(&["exec", &self.name], command),
        };
        checked(output).map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `cat` within the container prints.
    pub fn read(&self, path: &str) -> Result<String, String> {
        self.run(&["/bin/cat", path])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start_oci(&mut self, plan: &Plan) -> Result<(), String> {
        let config = oci_config(&self.name, plan);
        fs::write(self.path("config.json"), config).map_err(|error| error.to_string())?;
        let (bundle, pid_file) = (self.path(""), self.path("pid"));
        let arguments = ["run", "--detach", "--bundle", text(&bundle), "--pid-file"];
        let arguments = [&arguments[..], &[text(&pid_file), &self.name]].concat();
        checked(self.oci(&arguments, &[]))?;
        let pid = fs::read_to_string(pid_file).map_err(|error| error.to_string())?;
        self.init = pid.trim().parse().map_err(|_| format!("no pid: {pid:?}"))?;
        Ok(())
    }

    fn oci(&self, arguments: &[&str], command: &[&str]) -> Command {
        let program = self.runtime.name();
        let state = self.path("state");
        // crun 1.8 refuses a cgroup2 hierarchy with controllers beside v1
        // ones; where it sees none, it uses v1.
        let script = "test ! -d /sys/fs/cgroup/unified || test $0 != crun \
                      || mount -t tmpfs -o size=4k none /sys/fs/cgroup/unified; \
                      exec \"$0\" \"$@\"";
        let mut all = Command::new("unshare");
        all.args(["--mount", "sh", "-c", script, program, "--root", text(&state)]);
        all.args(arguments).args(command);
        all
    }

    fn start_lxc(&mut self, plan: &Plan) -> Result<(), String> {
        let config = lxc_config(&self.name, &self.path("rootfs"), plan);
        fs::write(self.path("config"), config).map_err(|error| error.to_string())?;
        let (file, log) = (self.path("config"), self.path("log"));
        let options = ["--rcfile", text(&file), "--logfile", text(&log), "--daemon"];
        checked(self.lxc("lxc-start", &options, &[]))
            .map_err(|error| format!("{error}{}", fs::read_to_string(&log).unwrap_or_default()))?;
        let info = checked(self.lxc("lxc-info", &["--pid", "--no-humanize"], &[]))?;
        let pid = String::from_utf8_lossy(&info.stdout).into_owned();
        self.init = pid.trim().parse().map_err(|_| format!("no pid: {pid:?}"))?;
        // The monitor answers before the container's init is executed.
        wait_until(|| {
            fs::read_to_string(format!("/proc/{}/comm", self.init))
                .is_ok_and(|comm| comm.trim() == "sleep")
        })
    }

    fn lxc(&self, program: &str, options: &[&str], command: &[&str]) -> Command {
        let mut all = Command::new(program);
        all.args(["-n", &self.name, "-P", text(self.directory.path())]);
        all.args(options).args(command);
        all
    }

    fn stop(&self) {
        let stopped = match self.runtime {
            Runtime::Lxc => self.lxc("lxc-stop", &["--kill"], &[]),
            _ => self.oci(&["delete", "--force", &self.name], &[]),
        };
        // It may never have started.
        let _ = run(stopped);
        let _ =
            wait_until(|| self.init == 0 || !Path::new(&format!("/proc/{}", self.init)).exists());
        let _ = wait_until(|| remove_groups(&self.name));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Says why a test does not run.
pub fn skip(test: &str, reason: &str) {
    use std::io::Write;
    // Not `eprintln`, which the test harness hides of tests that pass.
    let _ = writeln!(std::io::stderr(), "{test}: skipped, because {reason}");
}

/// The runtimes that this machine has; tells of those that it lacks.
pub fn installed(test: &str) -> Vec<Runtime> {
    let is_there = |runtime: &Runtime| match runtime.lacks() {
        Some(reason) => {
            skip(test, &reason);
            false
        }
        None => true,
    };
    Runtime::ALL.into_iter().filter(is_there).collect()
}

/// A root directory with busybox: `sh`, `cat`, `sleep`, and empty mount points.
pub fn build_root(root: &Path) -> std::io::Result<()> {
    for directory in ["bin", "proc", "sys", "dev", "tmp", "etc", "run"] {
        fs::create_dir_all(root.join(directory))?;
    }
    // Also for containers whose root is another user on the host.
    if let Some(parent) = root.parent() {
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755))?;
    }
    fs::copy(busybox().unwrap_or_default(), root.join("bin/busybox"))?;
    for applet in ["sh", "cat", "sleep", "ls", "mount", "umount"] {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

/// A busybox that needs no library.
pub fn busybox() -> Option<PathBuf> {
    find_program("busybox")
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|at| at.join(name)).find(|file| file.is_file())
}

fn oci_config(name: &str, plan: &Plan) -> String {
    let bind = |(source, target): &(PathBuf, String)| {
        format!(
            r#",{{"destination":{target:?},"source":{source:?},"type":"bind","options":["bind","ro"]}}"#
        )
    };
    let binds: String = plan.binds.iter().map(bind).collect();
    let masked = &plan.masked;
    let resources = plan.limits.map_or_else(String::new, |Limits { mebibytes, cpus }| {
        let (bytes, quota) = (mebibytes << 20, cpus * 100_000);
        format!(
            r#""resources":{{"memory":{{"limit":{bytes}}},
 "cpu":{{"quota":{quota},"period":100000}}}},"#
        )
    });
    format!(
        r#"{{"ociVersion":"1.0.2",
"process":{{"terminal":false,"user":{{"uid":0,"gid":0}},"cwd":"/",
 "args":["/bin/sleep","1000"],"env":["PATH=/bin"]}},
"root":{{"path":"rootfs","readonly":false}},
"hostname":{name:?},
"mounts":[
 {{"destination":"/proc","type":"proc","source":"proc"}},
 {{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]}},
 {{"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]}}
 {binds}],
"linux":{{"cgroupsPath":"/{PARENT_GROUP}/{name}",{resources}
 "namespaces":[{{"type":"pid"}},{{"type":"mount"}},{{"type":"ipc"}},{{"type":"uts"}}],
 "maskedPaths":{masked:?},"readonlyPaths":["/proc/sys"]}}}}"#
    )
}

fn lxc_config(name: &str, root: &Path, plan: &Plan) -> String {
    let entry = |(source, target): &(PathBuf, String)| {
        let target = target.trim_start_matches('/');
        let create = if source.is_dir() { ",create=dir" } else { "" };
        format!("lxc.mount.entry = {} {target} none bind,ro{create} 0 0\n", source.display())
    };
    let entries: String = plan.binds.iter().map(entry).collect();
    let limits = plan.limits.map(lxc_limits).unwrap_or_default();
    format!(
        "lxc.rootfs.path = dir:{}
lxc.uts.name = {name}
lxc.init.cmd = /bin/sleep 1000
lxc.mount.auto = proc:mixed sys:ro
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.cgroup.dir = {PARENT_GROUP}/{name}
{limits}{entries}",
        root.display()
    )
}

fn lxc_limits(Limits { mebibytes, cpus }: Limits) -> String {
    let (bytes, quota) = (mebibytes << 20, cpus * 100_000);
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return format!("lxc.cgroup2.memory.max = {bytes}\nlxc.cgroup2.cpu.max = {quota} 100000\n");
    }
    format!(
        "lxc.cgroup.memory.limit_in_bytes = {bytes}
lxc.cgroup.cpu.cfs_period_us = 100000
lxc.cgroup.cpu.cfs_quota_us = {quota}
"
    )
}

/// Removes what a container's runtime leaves in each hierarchy; whether all
/// of it is gone.
fn remove_groups(name: &str) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| {
        let point = line.split(' ').nth(4)?;
        Some(PathBuf::from(point))
    });
    let mut all_gone = true;
    for point in points {
        let parent = point.join(PARENT_GROUP);
        all_gone &= remove_group(&parent.join(name));
        // Unless another container is in it.
        let _ = fs::remove_dir(parent);
    }
    all_gone
}

fn remove_group(group: &Path) -> bool {
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&below.path());
        }
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}

fn wait_until(mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        if Instant::now() > deadline {
            return Err("waited for 20 s".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A daemon that is started keeps the output open: a file, not a pipe.
fn run(mut command: Command) -> std::io::Result<Output> {
    let (out, err) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    command.stdin(Stdio::null()).stdout(out.reopen()?).stderr(err.reopen()?);
    let status = command.status()?;
    Ok(Output { status, stdout: fs::read(out.path())?, stderr: fs::read(err.path())? })
}

fn checked(command: Command) -> Result<Output, String> {
    let shown = format!("{command:?}");
    let output = run(command).map_err(|error| format!("{shown}: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!(
            "{shown}: {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
