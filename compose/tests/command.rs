//! The command: which policies it takes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use vproc_compose::compose;
use vproc_compose_tests::{PROBER, puppet};
use vproc_trust::Sha256;

/// What the command writes, or its line on standard error.
fn composed(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vproc-compose"));
    command.args(["guest.wasm", "-o", "out.wasm"]).args(arguments).current_dir(directory);
    let output = command.output().unwrap();
    let written = fs::read(directory.join("out.wasm"));
    let _ = fs::remove_file(directory.join("out.wasm"));
    match output.status.success() {
        true => Ok(written.unwrap()),
        false => {
            assert!(written.is_err(), "nothing is written");
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }
}

#[test]
fn a_policy_is_held_to_its_pin_and_to_the_rules() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let policy = puppet("letter=Z");
    fs::write(here.join("guest.wasm"), PROBER).unwrap();
    fs::write(here.join("mine.wasm"), &policy).unwrap();
    let (right, wrong) = (Sha256::of(&policy).to_string(), Sha256::of(b"other").to_string());
    let pinned = |hash: &str| composed(here, &["--policy", &format!("mine.wasm@sha256:{hash}")]);
    assert!(pinned(&right) == Ok(compose(PROBER, &policy).unwrap()));
    let refused = pinned(&wrong).unwrap_err();
    assert!(refused.contains("mine.wasm is not what was pinned"), "{refused}");
    assert!(refused.contains(&right) && refused.contains(&wrong), "{refused}");
    assert!(pinned("00").unwrap_err().contains("64 hexadecimal digits"));

    let by_rules = |rules: &str, more: &[&str]| {
        let file = here.join("trust.toml");
        fs::write(&file, rules).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        composed(here, &[&["--trust", "trust.toml"], more].concat())
    };
    let refused = by_rules("allow = []\n", &["--policy", "mine.wasm"]).unwrap_err();
    assert!(refused.contains("no rule of trust.toml allows mine.wasm"), "{refused}");
    let allowed = format!("[[allow]]\nsha256 = \"{right}\"\n");
    assert!(by_rules(&allowed, &["--policy", "mine.wasm"]).is_ok());
    // What is built in needs no rule.
    assert!(by_rules("allow = []\n", &[]).is_ok());
}
