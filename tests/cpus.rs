//! What programs learn of the CPUs in containers that have the whole of
//! `/sys/devices/system/cpu` from a mount.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::{VPROCCTL, temporary};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use vproc_tests::skip;

const CPUS: &str = "sys/devices/system/cpu";

/// A mount of its own, which ends with the test.
struct Mount {
    server: Child,
    directory: tempfile::TempDir,
}

impl Mount {
    /// `None` where a file system cannot be mounted.
    fn start(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
            skip(test, "it needs root and /dev/fuse");
            return None;
        }
        if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
            skip(test, "it needs two CPUs");
            return None;
        }
        let directory = temporary();
        let [point, state] = ["mount", "state"].map(|name| directory.path().join(name));
        let server = Command::new(VPROCCTL)
            .arg("mount")
            .args([&point, Path::new("--state"), &state])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut mount = Mount { server, directory };
        let end = Instant::now() + Duration::from_secs(30);
        while fs::File::open(mount.path("proc/meminfo")).is_err() {
            assert!(mount.server.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < end, "nothing is served");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(mount)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join("mount").join(below)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.server.wait();
    }
}

/// A shell in a group of its own, in pid and mount namespaces of its own.
struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    groups: Vec<PathBuf>,
}

impl Shell {
    /// `None` where no such group can be made.
    fn start(
        test: &str,
        mount: &Mount,
        name: &str,
        cpuset: &str,
        quota: Option<u32>,
    ) -> Option<Self> {
        let name = format!("vproc-cpus-{}-{name}", std::process::id());
        let groups = groups(&name, cpuset, quota).or_else(|| {
            skip(test, "no group with a cpuset and a quota can be made here");
            None
        })?;
        let enter: String = groups
            .iter()
            .map(|group| format!("echo $$ > {}/cgroup.procs; ", group.display()))
            .collect();
        let script = format!("{enter} exec unshare --fork --pid --kill-child --mount sh");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut shell = Shell { child, input, output, groups };
        let served = mount.path(CPUS);
        let cpuinfo = mount.path("proc/cpuinfo");
        shell.prints(&format!(
            "mount -t proc proc /proc && mount --bind {} /proc/cpuinfo && mount --bind {} /{CPUS}",
            cpuinfo.display(),
            served.display()
        ));
        Some(shell)
    }

    /// What a command prints, on either output.
    fn prints(&mut self, command: &str) -> String {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "( {command}\n) 2>&1; echo \"--- $?\"").unwrap();
        let mut text = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the shell ended: {text}");
            match line.strip_prefix("--- ") {
                Some(code) => {
                    assert_eq!(code.trim(), "0", "{command}: {text}");
                    return text;
                }
                None => text.push_str(&line),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
        for group in &self.groups {
            let _ = fs::remove_dir(group);
        }
    }
}

/// Groups with a cpuset, and with a quota in percent of a CPU; on v1 one in
/// each hierarchy.
fn groups(name: &str, cpuset: &str, quota: Option<u32>) -> Option<Vec<PathBuf>> {
    let root = Path::new("/sys/fs/cgroup");
    let quota = quota.map(|percent| u64::from(percent) * 1000);
    if root.join("cgroup.controllers").exists() {
        let group = root.join(name);
        fs::create_dir(&group).ok()?;
        let written = fs::write(group.join("cpuset.cpus"), cpuset).and_then(|()| match quota {
            Some(quota) => fs::write(group.join("cpu.max"), format!("{quota} 100000")),
            None => Ok(()),
        });
        if written.is_err() {
            let _ = fs::remove_dir(&group);
            return None;
        }
        return Some(vec![group]);
    }
    let mut made = Vec::new();
    let mut make = || -> std::io::Result<()> {
        let set = root.join("cpuset").join(name);
        fs::create_dir(&set)?;
        made.push(set.clone());
        fs::write(set.join("cpuset.mems"), "0")?;
        fs::write(set.join("cpuset.cpus"), cpuset)?;
        let time = root.join("cpu").join(name);
        fs::create_dir(&time)?;
        made.push(time.clone());
        match quota {
            Some(quota) => fs::write(time.join("cpu.cfs_quota_us"), quota.to_string()),
            None => Ok(()),
        }
    };
    if make().is_err() {
        made.iter().for_each(|group| _ = fs::remove_dir(group));
        return None;
    }
    Some(made)
}

/// `nproc --all` says it, too. Not of a quota of one CPU: where the C library
/// says 1, gnulib believes `sched_getaffinity` (`num_processors` in its
/// `nproc.c`), which no file changes.
#[track_caller]
fn nproc_says(shell: &mut Shell, cpus: usize) {
    assert_eq!(shell.prints("nproc --all").trim(), cpus.to_string());
}

/// Everything that reads a number of CPUs from files says the same.
#[track_caller]
fn all_say(shell: &mut Shell, cpus: usize) {
    // As lscpu prints one and two CPUs.
    let list = if cpus == 1 { "0" } else { "0,1" };
    for command in [
        "getconf _NPROCESSORS_CONF",
        "getconf _NPROCESSORS_ONLN",
        "grep -c ^processor /proc/cpuinfo",
    ] {
        assert_eq!(shell.prints(command).trim(), cpus.to_string(), "{command}");
    }
    let lscpu = shell.prints("lscpu");
    let says = |key: &str| {
        let line = lscpu.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim().to_owned()).unwrap_or_else(|| panic!("{key} in {lscpu}"))
    };
    assert_eq!(says("CPU(s):"), cpus.to_string(), "{lscpu}");
    assert_eq!(says("On-line CPU(s) list:"), list, "{lscpu}");
    let [threads, cores, sockets] = ["Thread(s) per core:", "Core(s) per socket:", "Socket(s):"]
        .map(|key| says(key).parse::<usize>().unwrap());
    assert_eq!(threads * cores * sockets, cpus, "{lscpu}");
    assert!(!lscpu.contains("Off-line"), "{lscpu}");
    let names = shell.prints(&format!("ls /{CPUS}"));
    let directories: Vec<&str> = names.lines().filter(|name| is_cpu(name)).collect();
    let expected: Vec<String> = (0..cpus).map(|cpu| format!("cpu{cpu}")).collect();
    assert_eq!(directories, expected);
    assert!(names.lines().any(|name| name == "online"), "{names}");
    let siblings = shell.prints(&format!("cat /{CPUS}/cpu{}/topology/package_cpus_list", cpus - 1));
    assert!(siblings.trim().ends_with(&(cpus - 1).to_string()), "{siblings}");
}

fn is_cpu(name: &str) -> bool {
    name.strip_prefix("cpu").is_some_and(|rest| rest.parse::<u32>().is_ok())
}

/// Two containers with other CPUs share the kernel's memory of names.
#[test]
fn containers_with_other_cpus_see_their_own_at_the_same_time() {
    let test = "containers_with_other_cpus_see_their_own_at_the_same_time";
    let Some(mount) = Mount::start(test) else { return };
    let Some(mut one) = Shell::start(test, &mount, "one", "1", None) else { return };
    let Some(mut two) = Shell::start(test, &mount, "two", "0-1", None) else { return };
    let Some(mut half) = Shell::start(test, &mount, "half", "0-1", Some(50)) else { return };
    for _ in 0..3 {
        all_say(&mut one, 1);
        all_say(&mut two, 2);
        all_say(&mut half, 1);
        nproc_says(&mut one, 1);
        nproc_says(&mut two, 2);
        // What one has just looked up is not there for the next.
        for below in ["", "/online", "/topology", "/topology/core_id"] {
            let path = format!("/{CPUS}/cpu1{below}");
            two.prints(&format!("test -e {path}"));
            one.prints(&format!("test ! -e {path} && ! stat {path} >/dev/null 2>&1"));
            half.prints(&format!("test ! -e {path}"));
            two.prints(&format!("test -e {path}"));
        }
    }
    // The same while all of them look all the time.
    let look = |cpus| {
        format!(
            "for i in $(seq 200); do set -- /{CPUS}/cpu[0-9]; \
             test $# = {cpus} && test -e /{CPUS}/cpu0/online || exit 1; \
             test $(cat /{CPUS}/cpu*/online | wc -l) = {cpus} || exit 1; done"
        )
    };
    std::thread::scope(|scope| {
        for (shell, cpus) in [(&mut one, 1), (&mut two, 2), (&mut half, 1)] {
            scope.spawn(move || shell.prints(&look(cpus)));
        }
    });
}

#[test]
fn a_changed_limit_shows_at_once() {
    let test = "a_changed_limit_shows_at_once";
    let Some(mount) = Mount::start(test) else { return };
    let Some(mut shell) = Shell::start(test, &mount, "changed", "0-1", None) else { return };
    all_say(&mut shell, 2);
    let set = shell.groups[0].join("cpuset.cpus");
    fs::write(&set, "1").unwrap();
    // Texts may be a millisecond old.
    std::thread::sleep(Duration::from_millis(20));
    all_say(&mut shell, 1);
    fs::write(&set, "0-1").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    all_say(&mut shell, 2);
}

#[test]
fn names_that_do_not_exist_are_not_remembered() {
    let test = "names_that_do_not_exist_are_not_remembered";
    let Some(mount) = Mount::start(test) else { return };
    let Some(mut shell) = Shell::start(test, &mount, "hostile", "0", None) else { return };
    let paths = mount.directory.path().join("state/paths");
    shell.prints(&format!("cat /{CPUS}/cpu0/topology/*; ls -R /{CPUS} >/dev/null"));
    let before = fs::read_to_string(&paths).unwrap();
    assert!(before.contains("/cpu0/topology/core_id\n"));
    shell.prints(&format!(
        "for i in $(seq 1 300) 00 01 '*' 65536 4294967296 -1; do \
         for below in '' /online /topology /topology/core_id; do \
         ! test -e \"/{CPUS}/cpu$i$below\" || exit 1; done; done"
    ));
    assert_eq!(fs::read_to_string(&paths).unwrap(), before);
    // What this host does not have is not there.
    let host = |name: &str| Path::new("/").join(CPUS).join("vulnerabilities").join(name).exists();
    let listed = shell.prints(&format!("ls /{CPUS}/vulnerabilities; test -d /{CPUS}/smt"));
    assert!(listed.lines().all(host), "{listed}");
    for name in ["meltdown", "tsa", "ghostwrite"].into_iter().filter(|name| !host(name)) {
        shell.prints(&format!("! cat /{CPUS}/vulnerabilities/{name} 2>/dev/null"));
    }
}
