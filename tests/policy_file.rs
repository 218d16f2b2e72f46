//! What `vprocctl policy` says of a policy that is a file, without a mount.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use vproc_tests::{HOSTILE, puppet};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

fn policy(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vprocctl"));
    command.arg("policy").args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A directory with a policy in it.
fn with(component: &[u8]) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.wasm");
    fs::write(&path, component).unwrap();
    (directory, path.to_str().unwrap().to_owned())
}

fn fixture(name: &str) -> String {
    format!("{FIXTURES}/{name}.json")
}

/// Findings of a check: check, path and message.
fn findings(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|f| (text(&f["check"]), text(&f["path"]), text(&f["message"]))).collect()
}

#[test]
fn the_embedded_policy_is_fit() {
    let output = policy(&["check", "--json"]);
    let report = json(&output);
    assert_eq!(findings(&report), [], "{report:#}");
    assert!(output.status.success() && report["fit"] == true);
    for check in report["checks"].as_array().unwrap() {
        assert!(check["cases"].as_u64() > Some(0), "nothing was tried: {check}");
    }
}

#[test]
fn a_policy_that_breaks_the_rules_is_not_fit() {
    let (_directory, file) = with(HOSTILE);
    let capture = fixture("v2-6.1-run-96m");
    let output = policy(&["check", &file, "--only", "--capture", &capture, "--json"]);
    let report = json(&output);
    assert_eq!((output.status.code(), &report["fit"]), (Some(1), &Value::Bool(false)));
    let findings = findings(&report);
    for (check, path, part) in [
        ("contract", "", "imports wasi:"),
        ("renders", "/loop", "ran longer than"),
        ("renders", "/allocate", "bytes of memory"),
        ("renders", "/huge", "more than the"),
        ("renders", "/trap", "trapped"),
        ("determinism", "/remember", "has rendered before"),
    ] {
        let meant =
            |(c, p, m): &&(String, String, String)| c == check && p == path && m.contains(part);
        assert!(findings.iter().any(|finding| meant(&finding)), "{check} {path}: {findings:#?}");
    }
}

#[test]
fn what_is_accepted_is_compared() {
    let (directory, file) = with(&puppet("letter=A"));
    let captures = directory.path().join("captures");
    fs::create_dir(&captures).unwrap();
    let captures = captures.to_str().unwrap();
    let refused = policy(&["test", &file, captures]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("vprocctl capture"), "{refused:?}");
    fs::copy(fixture("v1-nested"), Path::new(captures).join("box.json")).unwrap();
    // Nothing is expected yet.
    assert_eq!(policy(&["test", &file, captures]).status.code(), Some(1));
    assert!(policy(&["test", &file, captures, "--update"]).status.success());
    let kept: PathBuf = [captures, "box/proc/puppet"].iter().collect();
    assert!(fs::read_to_string(&kept).unwrap().starts_with("A "));
    let output = policy(&["test", &file, captures]);
    assert!(output.status.success(), "{output:?}");
    assert!(printed(&output).ends_with("7 files as expected, 0 not\n"), "{output:?}");

    let (_other, changed) = with(&puppet("letter=B path=/proc/extra"));
    let output = policy(&["test", &changed, captures]);
    let page = printed(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        page.contains("\n-A ") && page.contains("\n+B ") && page.contains("/proc/extra"),
        "{page}"
    );
    assert!(policy(&["test", &changed, captures, "--update"]).status.success());
    // What is no longer served is no longer expected.
    assert!(policy(&["test", &file, captures, "--update"]).status.success());
    assert!(!Path::new(captures).join("box/proc/extra").exists());
}

#[test]
fn a_switch_is_seen_before_it_is_made() {
    let (_directory, file) = with(&puppet("letter=A"));
    let (_other, other) = with(&puppet("letter=B"));
    let capture = fixture("v2-6.12-run-96m");
    let same = policy(&["replay", &file, &capture, "--compare", &file]);
    assert_eq!((same.status.code(), &*printed(&same)), (Some(0), "7 files stay, 0 change\n"));
    let output = policy(&["replay", &file, &capture, "--compare", &other]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("\n-B ") && printed(&output).contains("\n+A "));
    // Beside the embedded policy.
    let output = policy(&["replay", &file, &capture, "--json"]);
    let differences = json(&output);
    let of = |path: &str| {
        let mut all = differences.as_array().unwrap().iter();
        all.find(|difference| difference["path"] == path).unwrap().clone()
    };
    assert!(of("/proc/meminfo")["from"].as_str().unwrap().starts_with("MemTotal:"));
    assert!(of("/proc/puppet")["from"].is_null() && of("/proc/swaps")["to"].is_null());
}

#[test]
fn a_policy_says_what_it_is() {
    let output = policy(&["inspect", "--json"]);
    let report = json(&output);
    assert_eq!((&report["name"], &report["imports"]), (&"default".into(), &Value::Array(vec![])));
    assert!(report["size"].as_u64() > Some(100_000) && report["wit"] == "vproc:policy@0.2.0");
    let entries = report["entries"].as_array().unwrap();
    let uptime = entries.iter().find(|entry| entry["path"] == "/proc/uptime").unwrap();
    let needs: Vec<&Value> = uptime["needs"].as_array().unwrap().iter().collect();
    assert!(needs.iter().any(|need| need["source"] == "process:init/stat"), "{needs:?}");
    let knobs = report["knobs"].as_array().unwrap();
    assert!(
        knobs.iter().any(|knob| knob["name"] == "cpus" && knob["default"] == "quota"),
        "{knobs:?}"
    );
    // The same for people.
    let page = printed(&policy(&["inspect", "--needs"]));
    let below =
        page.split("  /proc/uptime\n").nth(1).or_else(|| page.split(" /proc/uptime\n").nth(1));
    let below: Vec<&str> = below.unwrap().lines().take_while(|l| l.starts_with("      ")).collect();
    assert_eq!(below.len(), needs.len(), "{below:?}");
    assert!(below.contains(&"      process:init/stat") && page.contains("\n  cpus="), "{page}");
    assert!(!printed(&policy(&["inspect"])).contains("process:init/stat"));
    let (_directory, file) = with(HOSTILE);
    let page = printed(&policy(&["inspect", &file]));
    assert!(page.starts_with("hostile 6.6.6, ") && page.contains("wasi:cli"), "{page}");
    let (_directory, file) = with(b"\0asm");
    let output = policy(&["inspect", &file]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}

#[test]
fn a_compiled_policy_is_kept() {
    let (directory, file) = with(&puppet("letter=C"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_vprocctl"));
    command.args(["policy", "precompile", &file]).env("XDG_CACHE_HOME", directory.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let kept = fs::read_dir(directory.path().join("vproc")).unwrap().count();
    assert!(kept > 0, "{output:?}");
}
