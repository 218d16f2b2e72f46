//! `cargo xtask lxcfs-tests DIR`: lxcfs's own shell tests, against our mount.
//!
//! They are under the LGPL and stay where they are: DIR is a checkout of lxcfs.
//! Each of them takes the mount from `LXCFSDIR`.

use crate::{Done, cargo, wasm_target};
use std::env;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const USAGE: &str = "\
usage: cargo xtask lxcfs-tests DIR [--slow] [--vprocctl PATH]

DIR is a checkout of https://github.com/lxc/lxcfs.

  --slow           accept that a container is older than a second when it asks
                   for its uptime, as on emulated machines
  --vprocctl PATH  try this program and build none";

/// Where `test_proc` expects the uptime to be below a second, and what is asked
/// of it with `--slow`.
const UPTIME: [&str; 2] = ["^0.[0-9]{2} 0.[0-9]{2}$", "^[0-9]{1,2}.[0-9]{2} [0-9]+.[0-9]{2}$"];

/// A test of lxcfs.
struct Case {
    name: &'static str,
    /// Whether it runs in a pid namespace of its own.
    in_container: bool,
    /// Why it means nothing here, if so.
    lacks: fn() -> Option<&'static str>,
}

static CASES: &[Case] = &[
    Case { name: "test_proc", in_container: true, lacks: no_v2 },
    Case { name: "test_read_proc.sh", in_container: true, lacks: || None },
    Case {
        name: "test_meminfo_hierarchy.sh",
        in_container: false,
        lacks: || no_v2().or_else(no_swap),
    },
    Case {
        name: "test_cpuset_hierarchy.sh",
        in_container: false,
        lacks: || no_v2().or_else(few_cpus),
    },
    Case {
        name: "test_cpu_cfs_hierarchy.sh",
        in_container: false,
        lacks: || no_v2().or_else(few_cpus),
    },
    Case {
        name: "test-cpusetrange",
        in_container: false,
        lacks: || Some("it tests a function of lxcfs"),
    },
    Case {
        name: "test_reload.sh",
        in_container: false,
        lacks: || Some("it replaces lxcfs's library"),
    },
    Case {
        name: "test_sigusr2.sh",
        in_container: false,
        lacks: || Some("it switches lxcfs off by a signal"),
    },
    Case {
        name: "live-upgrade-test.sh",
        in_container: false,
        lacks: || Some("it replaces lxcfs's library"),
    },
];

/// What `test_proc` cannot show of us: `LIBFUSE=fuse` leaves out the pressure
/// triggers that it expects from a mock of the kernel, and the clock that it
/// wants starts with the container.
const ENVIRONMENT: [(&str, &str); 1] = [("LIBFUSE", "fuse")];
const KNOBS: [&str; 2] = ["--set", "uptime=age"];

/// As the tests look for it (`check_requirements` in `lib.sh`).
fn no_v2() -> Option<&'static str> {
    let mounts = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    let is_v2 = |line: &str| line.contains(" /sys/fs/cgroup ") && line.contains("cgroup2 cgroup2");
    let lacks = "it needs cgroup2 at /sys/fs/cgroup, and mounted by that name";
    (!mounts.lines().any(is_v2)).then_some(lacks)
}

fn no_swap() -> Option<&'static str> {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("SwapTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    (kib.unwrap_or(0) < 256 * 1024).then_some("it needs 256 MiB of swap")
}

fn few_cpus() -> Option<&'static str> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (cpus < 4).then_some("it needs 4 CPUs")
}

pub(crate) fn main(arguments: &[String]) -> Done {
    let (mut source, mut vprocctl, mut is_slow) = (None, None, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--slow" => is_slow = true,
            "--vprocctl" => vprocctl = arguments.next().map(PathBuf::from),
            _ => source = Some(argument),
        }
    }
    let source = source.ok_or(USAGE)?;
    let tests = Path::new(source).join("tests");
    if !tests.join("test_proc.in").exists() {
        return Err(format!("{source} is no checkout of lxcfs\n{USAGE}"));
    }
    File::open("/dev/fuse").map_err(|error| format!("it needs root and FUSE: {error}"))?;
    let vprocctl = match vprocctl {
        Some(vprocctl) => vprocctl,
        None => {
            wasm_target()?;
            cargo(&["build", "--release", "--workspace", "--bins"])?;
            let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
            PathBuf::from(target).join("release/vprocctl")
        }
    };
    let place = PathBuf::from(format!("/tmp/lxcfs-tests-{}", std::process::id()));
    let result = Stage::set(&tests, &place, &vprocctl, is_slow).and_then(|stage| stage.run_all());
    let _ = fs::remove_dir_all(&place);
    result
}

/// The scripts, filled in, and a running mount.
struct Stage {
    place: PathBuf,
    mount: Child,
    reads: Result<(), String>,
}

impl Stage {
    fn set(tests: &Path, place: &Path, vprocctl: &Path, is_slow: bool) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", place.display());
        fs::create_dir_all(place.join("tests")).map_err(failed)?;
        for file in fs::read_dir(tests).map_err(failed)?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(".in") else { continue };
            let text = fs::read_to_string(file.path()).map_err(failed)?;
            let text = text.replace("{{LXCFS_BUILD_ROOT}}", &place.to_string_lossy());
            let text = if is_slow { text.replace(UPTIME[0], UPTIME[1]) } else { text };
            let script = place.join("tests").join(name);
            fs::write(&script, text).map_err(failed)?;
            fs::set_permissions(&script, Permissions::from_mode(0o755)).map_err(failed)?;
        }
        let reads = compile(tests, place);
        let mut mount = Command::new(vprocctl)
            .arg("mount")
            .arg(place.join("mount"))
            .args(["--ephemeral", "--log-level", "error"])
            .args(KNOBS)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", vprocctl.display()))?;
        let mut line = String::new();
        if let Some(stdout) = mount.stdout.as_mut() {
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        if line.is_empty() {
            let _ = mount.wait();
            return Err("vprocctl mount did not begin".into());
        }
        Ok(Stage { place: place.to_path_buf(), mount, reads })
    }

    fn run_all(&self) -> Done {
        let mut failures = 0;
        for case in CASES {
            let reason = match &self.reads {
                Err(reason) if case.name == "test_read_proc.sh" => Some(reason.as_str()),
                _ => (case.lacks)(),
            };
            if let Some(reason) = reason {
                println!("{:<26} does not apply: {reason}", case.name);
                continue;
            }
            match self.run(case) {
                Ok(()) => println!("{:<26} pass", case.name),
                Err(output) => {
                    failures += 1;
                    println!("{:<26} FAIL\n{output}", case.name);
                }
            }
        }
        if failures == 0 { Ok(()) } else { Err(format!("{failures} of lxcfs's tests failed")) }
    }

    fn run(&self, case: &Case) -> Result<(), String> {
        let script = self.place.join("tests").join(case.name);
        // What a script prints and the trace of what it did, in one order.
        let shell = if case.in_container {
            "exec unshare -fmp --mount-proc \"$0\" 2>&1"
        } else {
            "exec \"$0\" 2>&1"
        };
        let output = Command::new("sh")
            .args(["-c", shell])
            .arg(script)
            .env("LXCFSDIR", self.place.join("mount"))
            .env("DEBUG", "1")
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
        Err(format!("    {}\n    {}", last.join("\n    "), output.status))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.mount.id().to_string()).status();
        let _ = self.mount.wait();
    }
}

/// The program that `test_read_proc.sh` reads with.
fn compile(tests: &Path, place: &Path) -> Result<(), String> {
    let header = place.join("config.h");
    fs::write(header, "#define _GNU_SOURCE\n").map_err(|error| error.to_string())?;
    let mut command = Command::new("cc");
    command.arg("-I").arg(place).arg("-w").arg("-o").arg(place.join("tests/test-read"));
    let output = command.arg(tests.join("test-read.c")).output();
    let output = output.map_err(|error| format!("there is no C compiler: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("its program does not compile: {}", String::from_utf8_lossy(&output.stderr)))
}
