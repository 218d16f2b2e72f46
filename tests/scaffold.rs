//! `vprocctl policy new`: what it makes can be built, checked and used.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
    let output = vprocctl(&project, &["policy", "check", component]);
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && page.ends_with("Fit to be used.\n"), "{page}");
    let output = vprocctl(&project, &["policy", "inspect", component]);
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.starts_with("my-policy 0.1.0, ") && page.contains("imports   none"), "{page}");
    let rendered = |path: &str| {
        let capture = ["render", "--policy", component, "--from", "captures/container.json"];
        let output = vprocctl(&project, &[&capture[..], &[path]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(rendered("/sys/devices/system/cpu/online"), "0\n");
    assert!(rendered("/proc/uptime").ends_with(".00\n"));
    assert!(rendered("/proc/meminfo").starts_with("MemTotal:          98304 kB\n"));
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
