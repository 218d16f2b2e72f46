//! Programs of other languages, and what they need, installed once below
//! cargo's target directory.

#![allow(dead_code)] // no target uses all of it

pub(crate) mod native;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use vproc_runtime::Digest;

/// The project's own directory.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The directory in which `install` ran beside a copy of these files of
/// `sources`. It runs again when one of them changed. An error says why it
/// cannot be had.
pub(crate) fn installed(
    sources: &Path,
    files: &[&str],
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let name = format!("embed-{}", sources.file_name().unwrap().display());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
    let lock = File::create(directory.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let read = |file: &&str| fs::read(sources.join(file)).unwrap();
    let wanted = Digest::of(&files.iter().flat_map(read).collect::<Vec<_>>()).to_string();
    let stamp = directory.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(directory);
    }
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{name}: {error}"),
        _ => fs::create_dir(&directory).unwrap(),
    }
    for file in files {
        fs::copy(sources.join(file), directory.join(file)).unwrap();
    }
    install(&directory)?;
    fs::write(stamp, wanted).unwrap();
    Ok(directory)
}

/// What npm, pip, venv, cargo and pkg-config say where a package, or what it takes to get it,
/// cannot be had on this machine. Any other failure of theirs is one of ours.
const UNAVAILABLE: &[&str] = &[
    // No network.
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "ConnectTimeoutError",
    "NewConnectionError",
    "ProxyError",
    "ReadTimeoutError",
    "Could not resolve host",
    "Could not connect to server",
    "Timeout was reached",
    // The registry does not have it.
    "E404",
    "ETARGET",
    "No matching distribution found",
    // Too old a Node; a Python that was packaged without venv.
    "EBADENGINE",
    "ensurepip is not available",
    // No library to build with.
    "was not found in the pkg-config search path",
];

/// Runs a step of an installation. An error says why it cannot work here.
pub(crate) fn available(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("there is no {program}"));
        }
        output => output.unwrap(),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let telling = |line: &&str| UNAVAILABLE.iter().any(|sign| line.contains(sign));
    match said.lines().rev().find(telling) {
        Some(line) => Err(format!("{program} says: {}", line.trim())),
        None => panic!("{command:?}: {}\n{said}", output.status),
    }
}

pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    output
}

// ------------------------------------------------------------------------ npm

/// What a lock names, below a directory of its own.
fn packages(sources: &Path) -> Result<PathBuf, String> {
    let install = |directory: &Path| {
        available(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--no-fund"])
                .args(["--fetch-retries=1", "--fetch-timeout=60000"])
                .current_dir(directory),
        )
    };
    available(Command::new("node").arg("--version"))?;
    installed(sources, &["package.json", "package-lock.json"], install)
}

/// The tools that build the package and the page, as `embed/package-lock.json`
/// has them.
pub(crate) fn tools() -> Result<PathBuf, String> {
    packages(&root().join("embed"))
}

/// A directory in which, and below which, Node finds what makes components of scripts.
pub(crate) fn componentize_js() -> Result<PathBuf, String> {
    packages(&example("policy-js"))
}

/// The program that makes components of Python.
pub(crate) fn componentize_py() -> Result<PathBuf, String> {
    let tools = environment(&example("policy-py"), "requirements.txt")?;
    Ok(tools.join("venv/bin/componentize-py"))
}

/// A directory of `examples/`.
pub(crate) fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// Runs `embed/build.mjs` from a copy below the tools, because Node looks for
/// packages in the directories above a module.
pub(crate) fn build(what: &str, target: &Path) -> Result<(), String> {
    let stage = TempDir::new_in(tools()?).unwrap();
    copy(&root().join("embed"), stage.path());
    let component = stage.path().join("policy.wasm");
    fs::write(&component, vproc_default::COMPONENT).unwrap();
    let mut node = Command::new("node");
    let node = node.arg("build.mjs").arg(what).arg(root()).arg(component).arg(target);
    let examples = stage.path().join("examples");
    fs::create_dir(&examples).unwrap();
    for (name, component) in vproc_tests::EXAMPLES {
        fs::write(examples.join(format!("{name}.wasm")), component).unwrap();
    }
    succeed(node.arg(examples).current_dir(stage.path()));
    Ok(())
}

/// The tarball of the package, from `npm pack`.
pub(crate) struct Package {
    directory: TempDir,
}

pub(crate) fn package() -> Result<Package, String> {
    let directory = TempDir::new_in(tools()?).unwrap();
    build("npm", &directory.path().join("npm"))?;
    let mut npm = Command::new("npm");
    let npm = npm.args(["pack", "--ignore-scripts", "--pack-destination"]).arg(directory.path());
    succeed(npm.current_dir(directory.path().join("npm")));
    Ok(Package { directory })
}

impl Package {
    pub(crate) fn tarball(&self) -> PathBuf {
        let files = fs::read_dir(self.directory.path()).unwrap().map(|file| file.unwrap().path());
        let mut tarballs = files.filter(|file| file.extension().is_some_and(|e| e == "tgz"));
        tarballs.next().expect("npm packs one")
    }
}

/// An empty project into which the package was installed without a network, with
/// these files of `embed/`. It is not below the tools, which would be found.
pub(crate) fn project(package: &Package, files: &[&str]) -> TempDir {
    let project = TempDir::new().unwrap();
    fs::write(project.path().join("package.json"), r#"{ "type": "module" }"#).unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"]);
    succeed(npm.arg(package.tarball()).current_dir(project.path()));
    for file in files {
        let file = root().join("embed").join(file);
        fs::copy(&file, project.path().join(file.file_name().unwrap())).unwrap();
    }
    project
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap()) {
        let target = to.join(file.file_name());
        if !file.file_type().unwrap().is_dir() {
            fs::copy(file.path(), target).unwrap();
        } else if file.file_name() != "node_modules" {
            fs::create_dir(&target).unwrap();
            copy(&file.path(), &target);
        }
    }
}

// --------------------------------------------------------------------- Python

/// A directory with an environment of Python, `venv`, that has what `file` of
/// `sources` names.
pub(crate) fn environment(sources: &Path, file: &str) -> Result<PathBuf, String> {
    available(Command::new("python3").arg("--version"))?;
    installed(sources, &[file], |directory| set_up(directory, file))
}

fn set_up(directory: &Path, file: &str) -> Result<(), String> {
    available(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(directory))?;
    let mut pip = pip(&directory.join("venv"), "install");
    available(pip.arg("--requirement").arg(file).current_dir(directory))
}

fn pip(environment: &Path, command: &str) -> Command {
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", command, "--disable-pip-version-check", "--no-input"]);
    pip.args(["--retries=1", "--only-binary=:all:"]);
    pip
}

/// A directory with what builds and checks the wheel in `venv`, and in `wheels`
/// what it needs, in the version that it is tested with.
pub(crate) fn wheel_tools() -> Result<PathBuf, String> {
    available(Command::new("python3").arg("--version"))?;
    let files = ["build-requirements.txt", "requirements.txt"];
    installed(&root().join("embed/python"), &files, |directory| {
        set_up(directory, files[0])?;
        let mut pip = pip(&directory.join("venv"), "download");
        pip.args(["--requirement", files[1], "--dest", "wheels"]);
        available(pip.current_dir(directory))
    })
}

/// A fresh environment into which the wheel was installed without a network.
pub(crate) struct Wheel {
    pub(crate) directory: TempDir,
}

pub(crate) fn wheel() -> Result<Wheel, String> {
    let tools = wheel_tools()?;
    let directory = TempDir::new().unwrap();
    let component = directory.path().join("policy.wasm");
    fs::write(&component, vproc_default::COMPONENT).unwrap();
    let wheels = directory.path().join("wheels");
    let mut python = Command::new(tools.join("venv/bin/python"));
    python.arg(root().join("embed/python/build.py")).args([root(), component]).arg(&wheels);
    succeed(&mut python);
    let venv = directory.path().join("venv");
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let mut pip = pip(&venv, "install");
    pip.arg("--no-index")
        .arg("--find-links")
        .arg(wheels)
        .arg("--find-links")
        .arg(tools.join("wheels"));
    succeed(pip.arg("vproc"));
    Ok(Wheel { directory })
}

impl Wheel {
    pub(crate) fn python(&self) -> Command {
        let mut python = Command::new(self.directory.path().join("venv/bin/python"));
        python.current_dir(self.directory.path());
        python
    }
}

/// The first block of code of a language in a page of documentation.
pub(crate) fn block<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("a block of code");
    let end = rest.find("```").expect("its end");
    &rest[..end]
}
