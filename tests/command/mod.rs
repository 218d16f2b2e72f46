//! The command under test, and what is said of it.

#![allow(dead_code)] // no target uses all of it

use std::process::{Command, Output};
use vproc_tests::{HOSTILE, skip};

/// The program, as cargo built it for this test.
pub(crate) const VPROCCTL: &str = env!("CARGO_BIN_EXE_vprocctl");

pub(crate) const FIXTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1-run-256m.json");

pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(VPROCCTL).args(arguments).output().unwrap()
}

/// Standard output of a command that must succeed and say nothing else.
pub(crate) fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code and the single line of a command that must fail.
pub(crate) fn failed(arguments: &[&str]) -> (i32, String) {
    failure(run(arguments))
}

pub(crate) fn failure(output: Output) -> (i32, String) {
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    assert!(error.starts_with("vprocctl: "), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code().unwrap(), error)
}

#[track_caller]
pub(crate) fn assert_failure((code, line): (i32, String), expected: i32, parts: &[&str]) {
    assert_eq!(code, expected, "{line}");
    for part in parts {
        assert!(line.contains(part), "`{part}` in: {line}");
    }
}

pub(crate) fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn path(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

pub(crate) fn hostile(directory: &tempfile::TempDir) -> String {
    let file = path(directory, "hostile.wasm");
    std::fs::write(&file, HOSTILE).unwrap();
    file
}

/// What a script prints within limits; `None` where no container can be had,
/// or not all the programs that it runs.
pub(crate) fn contained(
    test: &str,
    programs: &[&str],
    limits: &[&str],
    script: &str,
) -> Option<String> {
    for program in programs {
        let look = format!("command -v {program}");
        if !Command::new("sh").args(["-c", &look]).output().unwrap().status.success() {
            skip(test, &format!("{program} is not installed"));
            return None;
        }
    }
    let output = Command::new(VPROCCTL)
        .arg("run")
        .args(limits)
        .args(["--", "sh", "-c", script])
        .env("LC_ALL", "C")
        .env("TERM", "dumb")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if matches!(output.status.code(), Some(4 | 7)) {
        skip(test, &format!("no container can be started here: {}", error.trim()));
        return None;
    }
    assert!(output.status.success() && error.is_empty(), "{script}: {error}");
    Some(String::from_utf8(output.stdout).unwrap())
}
