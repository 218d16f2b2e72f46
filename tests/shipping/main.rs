//! Policies on their way through registries: a real one, and one that lies.
//!
//! cosign is no package of Debian's. What it would put into a registry is made
//! with openssl here, by its SIGNATURE_SPEC.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../command/mod.rs"]
mod command;
mod fake;
mod hostile;
mod real;
mod registry;
mod signed;

use command::VPROCCTL;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Output};

/// A policy which says `letter` where the kernel says something else.
fn policy(letter: char) -> Vec<u8> {
    vproc_tests::puppet(&format!("letter={letter}"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `vprocctl policy` in a directory, which is its home, too.
fn policy_command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(VPROCCTL);
    command.arg("policy").args(arguments).current_dir(directory);
    for variable in ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        command.env_remove(variable);
    }
    command.env("HOME", directory).env("XDG_CACHE_HOME", directory.join("cache"));
    command
}

fn policy_does(directory: &Path, arguments: &[&str]) -> Output {
    policy_command(directory, arguments).output().unwrap()
}

/// Standard output of one that must succeed.
#[track_caller]
fn told(directory: &Path, arguments: &[&str]) -> String {
    let output = policy_does(directory, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// One that must fail, with this exit code and all of these words.
#[track_caller]
fn refused(directory: &Path, arguments: &[&str], expected: i32, words: &[&str]) {
    let failure = command::failure(policy_does(directory, arguments));
    command::assert_failure(failure, expected, words);
}

/// Runs a program that is there.
#[track_caller]
fn sh(directory: &Path, script: &str) -> Vec<u8> {
    let output = Command::new("sh").args(["-euc", script]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn has(program: &str) -> bool {
    let script = format!("command -v {program}");
    Command::new("sh").args(["-c", &script]).output().unwrap().status.success()
}
