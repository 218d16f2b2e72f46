//! The policies of `examples/policies`, as components.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use vproc_tests::EXAMPLES;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/policies");

fn vprocctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vprocctl")).args(arguments).output().unwrap()
}

fn policy(arguments: &[&str]) -> Output {
    vprocctl(&[&["policy"], arguments].concat())
}

/// Whether an example is fit to be used, imports nothing, and renders what is kept
/// below its captures. Of each capture, something is.
fn try_out(name: &str, paths: &[&str]) {
    let (_, component) = EXAMPLES.iter().find(|(known, _)| *known == name).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.wasm");
    fs::write(&file, component).unwrap();
    let file = file.to_str().unwrap();

    let output = policy(&["inspect", file, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["name"], &report["imports"]), (&name.into(), &Value::Array(vec![])));

    let output = policy(&["check", file, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"], Value::Array(vec![]), "{:#}", report["findings"]);
    assert!(output.status.success());

    let captures = Path::new(DIRECTORY).join(name).join("captures");
    let kept = captures.to_str().unwrap();
    let output = policy(&[&["test", file, kept], paths].concat());
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{page}");
    let same: usize = page.split(' ').next().unwrap().parse().unwrap();
    let files = fs::read_dir(&captures).unwrap().flatten().map(|file| file.path());
    let machines: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    assert!(machines.len() >= 2 && same >= machines.len(), "{page}");
    let mut explained = 0;
    for capture in machines {
        let from = ["explain", "--policy", file, "--from", capture.to_str().unwrap()];
        for path in ["/proc/meminfo", "/proc/cpuinfo", "/proc/stat"] {
            let output = vprocctl(&[&from[..], &[path]].concat());
            let page = String::from_utf8_lossy(&output.stdout);
            let error = String::from_utf8_lossy(&output.stderr);
            if error.contains("which was not recorded") {
                continue;
            }
            explained += 1;
            assert!(output.status.success() && !page.contains("does not say why"), "{error}{page}");
        }
    }
    assert!(explained > 0, "no capture of {name} has one of these files");
}

#[test]
fn two_cpus() {
    try_out("two-cpus", &["/proc/stat", "/sys/devices/system/cpu/online"]);
}

#[test]
fn hidden_cpu() {
    try_out("hidden-cpu", &["/proc/cpuinfo", "/sys/devices/system/cpu/vulnerabilities"]);
}

#[test]
fn requests() {
    try_out("requests", &["/proc/meminfo", "/proc/swaps", "/sys/devices/system/cpu/online"]);
}

#[test]
fn frozen() {
    try_out("frozen", &["/proc/uptime", "/proc/vmstat", "/proc/sys/kernel/random/boot_id"]);
}

#[test]
fn ten_files() {
    try_out("ten-files", &["/proc/uptime", "/proc/vmstat", "/sys/devices/system/cpu/online"]);
}
