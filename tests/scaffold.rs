//! `vprocctl policy new`: what it makes can be built, checked and used.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod install;

use install::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vproc_tests::skip;

const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn vprocctl(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vprocctl"));
    command.args(arguments).current_dir(directory).env_remove("VPROC_SDK").output().unwrap()
}

fn new(directory: &Path, arguments: &[&str]) -> Output {
    vprocctl(directory, &[&["policy", "new"], arguments].concat())
}

fn cargo(directory: &Path, arguments: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    // As a person has it who knows nothing of this workspace.
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    let output = cargo.args(arguments).arg("--offline").current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_new_policy_is_built_tested_checked_and_used() {
    let home = tempfile::tempdir().unwrap();
    let output = new(home.path(), &["my-policy", "--sdk", CHECKOUT]);
    assert!(output.status.success(), "{output:?}");
    let next = String::from_utf8(output.stdout).unwrap();
    let commands: Vec<&str> = next.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let component = "target/wasm32-wasip2/release/my_policy.wasm";
    assert_eq!(
        commands[..3],
        ["cd my-policy", "cargo test", "cargo build --release --target wasm32-wasip2"]
    );
    assert_eq!(commands[3], format!("vprocctl policy check {component}"));

    let project = home.path().join("my-policy");
    // What does not change is compiled once for all runs of this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold");
    fs::create_dir_all(&target).unwrap();
    std::os::unix::fs::symlink(&target, project.join("target")).unwrap();
    cargo(&project, &["test"]);
    cargo(&project, &["build", "--release", "--target", "wasm32-wasip2"]);
    is_fit(&project, component);
    assert_eq!(rendered(&project, component, "/sys/devices/system/cpu/online"), "0\n");
    assert!(rendered(&project, component, "/proc/uptime").ends_with(".00\n"));
    let meminfo = rendered(&project, component, "/proc/meminfo");
    assert!(meminfo.starts_with("MemTotal:          98304 kB\n"));
}

#[test]
fn a_new_policy_in_javascript_is_built_tested_checked_and_used() {
    let tools = match componentize_js() {
        Ok(tools) => tools,
        Err(reason) => return skip("scaffold: javascript", &reason),
    };
    // Node looks for packages in the directories above a module.
    let home = tempfile::tempdir_in(tools).unwrap();
    let (project, commands) = made(home.path(), "js");
    assert_eq!(commands[..3], ["npm install --ignore-scripts", "npm run build", "npm test"]);
    assert_eq!(commands[3], "vprocctl policy check my-policy.wasm");
    // What is installed here for all tests is what the first command installs.
    let packages = |directory: &Path| -> Value {
        let text = fs::read_to_string(directory.join("package.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let (own, known) = (packages(&project), packages(&example("policy-js")));
    for key in ["engines", "devDependencies", "overrides"] {
        assert_eq!(own[key], known[key], "{key}");
    }
    let npm = |arguments: &[&str]| {
        let mut npm = Command::new("npm");
        let output = succeed(npm.args(arguments).current_dir(&project).env("PATH", path()));
        String::from_utf8(output.stdout).unwrap()
    };
    npm(&["run", "build"]);
    let tested = npm(&["test"]);
    assert!(tested.ends_with("1 files as expected, 0 not\n"), "{tested}");
    is_over_the_default_policy(&project);
}

#[test]
fn a_new_policy_in_python_is_built_tested_checked_and_used() {
    let program = match componentize_py() {
        Ok(program) => program,
        Err(reason) => return skip("scaffold: python", &reason),
    };
    let home = tempfile::tempdir().unwrap();
    let (project, commands) = made(home.path(), "python");
    let required =
        |directory: &Path| fs::read_to_string(directory.join("requirements.txt")).unwrap();
    assert_eq!(required(&project), required(&example("policy-py")));
    let build = commands[1].strip_prefix("venv/bin/componentize-py ").unwrap();
    succeed(Command::new(program).args(build.split(' ')).current_dir(&project));
    let test: Vec<&str> = commands[2].split(' ').skip(1).collect();
    let tested = vprocctl(&project, &test);
    let tested = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.ends_with("1 files as expected, 0 not\n"), "{tested}");
    is_over_the_default_policy(&project);
}

/// A new policy, `my-policy`, and what to do next in its directory.
fn made(home: &Path, language: &str) -> (PathBuf, Vec<String>) {
    let output = new(home, &["my-policy", "--lang", language]);
    assert!(output.status.success(), "{output:?}");
    let next = String::from_utf8(output.stdout).unwrap();
    let mut commands = next.lines().filter_map(|line| line.strip_prefix("  "));
    assert_eq!(commands.next(), Some("cd my-policy"));
    let commands: Vec<String> = commands.map(str::to_owned).collect();
    let project = home.join("my-policy");
    // The page says the same.
    let page = fs::read_to_string(project.join("README.md")).unwrap();
    assert!(commands[..3].iter().all(|command| page.contains(&**command)), "{page}");
    assert!(!page.contains("{{"), "{page}");
    (project, commands)
}

/// One file is the policy's, and the rest is the default policy's.
fn is_over_the_default_policy(project: &Path) {
    is_fit(project, "my-policy.wasm");
    assert_eq!(rendered(project, "my-policy.toml", "/proc/uptime"), "11.00 0.00\n");
    let meminfo = rendered(project, "my-policy.toml", "/proc/meminfo");
    assert!(meminfo.starts_with("MemTotal:          98304 kB\n"));
}

fn is_fit(project: &Path, component: &str) {
    let output = vprocctl(project, &["policy", "check", component]);
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && page.ends_with("Fit to be used.\n"), "{page}");
    let output = vprocctl(project, &["policy", "inspect", component]);
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.starts_with("my-policy 0.1.0, ") && page.contains("imports   none"), "{page}");
}

fn rendered(project: &Path, policy: &str, path: &str) -> String {
    let capture = ["render", "--policy", policy, "--from", "captures/container.json", path];
    let output = vprocctl(project, &capture);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// With the command under test in front.
fn path() -> std::ffi::OsString {
    let own = Path::new(env!("CARGO_BIN_EXE_vprocctl")).parent().unwrap().to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&others))).unwrap()
}

#[test]
fn what_is_there_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("taken")).unwrap();
    fs::write(home.path().join("file"), "mine").unwrap();
    for (arguments, reason) in [
        (&["taken"][..], "taken exists already"),
        (&["file"], "file exists already"),
        (&["../out"], "`../out` is no name"),
        (&["Big"], "`Big` is no name"),
        (&["test"], "`test` is a word that cannot name a policy"),
        (&["fine", "--sdk", "/nowhere"], "/nowhere is no checkout of vproc"),
        (&["fine", "--lang", "js", "--sdk", "/tmp"], "--sdk is for Rust"),
        (&["fine", "--lang", "cobol"], "invalid value 'cobol'"),
    ] {
        let output = new(home.path(), arguments);
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
        assert!(line.contains(reason), "{arguments:?}: {line}");
    }
    assert_eq!(fs::read_dir(home.path().join("taken")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(home.path().join("file")).unwrap(), "mine");
    assert!(!home.path().join("fine").exists());
}

#[test]
fn without_a_checkout_the_sdk_is_the_repositorys() {
    let home = tempfile::tempdir().unwrap();
    assert!(new(home.path(), &["far"]).status.success());
    let manifest = fs::read_to_string(home.path().join("far/Cargo.toml")).unwrap();
    let repository = env!("CARGO_PKG_REPOSITORY");
    assert!(manifest.contains(&format!("vproc-sdk = {{ git = \"{repository}\" }}")), "{manifest}");
    assert!(!manifest.contains("{{") && !manifest.contains("{ path ="), "{manifest}");
}
