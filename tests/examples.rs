//! The policies of `examples/policies`, as components.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use vproc_tests::EXAMPLES;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/policies");

fn policy(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vprocctl"));
    command.arg("policy").args(arguments).output().unwrap()
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
    let machines = fs::read_dir(&captures).unwrap().flatten();
    let machines = machines.filter(|e| e.path().extension().is_some_and(|e| e == "json")).count();
    assert!(machines >= 2 && same >= machines, "{page}");
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
