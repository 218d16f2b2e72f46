//! The policies of `examples/` that are written in other languages: each is built
//! as its page says, found fit, and renders what it promises. What builds them is
//! installed once, below cargo's target directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;
mod install;

use command::{FIXTURE, VPROCCTL, assert_failure, failure};
use install::*;
use std::process::{Command, Output};
use std::{fs, str};
use tempfile::TempDir;
use vproc_tests::skip;

/// A policy that was built, beside a cache for its code.
struct Built {
    directory: TempDir,
}

impl Built {
    fn vprocctl(&self, arguments: &[&str]) -> Output {
        let mut vprocctl = Command::new(VPROCCTL);
        vprocctl.args(arguments).current_dir(self.directory.path());
        vprocctl.env("XDG_CACHE_HOME", self.directory.path().join("cache")).output().unwrap()
    }

    fn assert_fit(&self) {
        let output = self.vprocctl(&["policy", "check", "policy.wasm"]);
        let said = str::from_utf8(&output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(said.ends_with("Fit to be used.\n"), "{said}");
        let inspected = self.vprocctl(&["policy", "inspect", "policy.wasm"]);
        let said = str::from_utf8(&inspected.stdout).unwrap();
        assert!(said.contains("\nimports   none\n"), "{said}");
    }

    fn render(&self, capture: &str, path: &str) -> Output {
        self.vprocctl(&["render", "--policy", "policy.wasm", "--from", capture, path])
    }

    fn text(&self, path: &str) -> String {
        let output = self.render(FIXTURE, path);
        let error = str::from_utf8(&output.stderr).unwrap();
        assert!(output.status.success() && error.is_empty(), "{path}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Renders the capture with one of its texts replaced.
    fn render_with(&self, source: &str, reading: serde_json::Value, path: &str) -> Output {
        let json = fs::read_to_string(FIXTURE).unwrap();
        let mut capture: serde_json::Value = serde_json::from_str(&json).unwrap();
        let records = capture["records"].as_array_mut().unwrap();
        let record = records.iter_mut().find(|record| record["source"] == source).unwrap();
        record["found"] = serde_json::json!([reading]);
        let file = self.directory.path().join("changed.json");
        fs::write(&file, capture.to_string()).unwrap();
        self.render(file.to_str().unwrap(), path)
    }
}

#[test]
fn a_policy_in_javascript_shows_memory_in_whole_mib() {
    let policy = match javascript() {
        Ok(policy) => policy,
        Err(reason) => return skip("languages: javascript", &reason),
    };
    policy.assert_fit();
    let meminfo = policy.text("/proc/meminfo");
    let amounts: Vec<&str> = meminfo.lines().take(4).collect();
    // 256 MiB, of which 42,307,584 bytes are in use.
    let expected = [
        "MemTotal:         262144 kB",
        "MemFree:          220160 kB",
        "MemAvailable:     220160 kB",
        "Buffers:               0 kB",
    ];
    assert_eq!(amounts, expected, "{meminfo}");
    let missing = policy.render_with(
        "host:/proc/meminfo",
        serde_json::json!({ "errno": 13 }),
        "/proc/meminfo",
    );
    assert_failure(failure(missing), 7, &["/proc/meminfo", "Permission denied"]);
}

#[test]
fn a_policy_in_python_counts_from_the_start_of_the_container() {
    let policy = match python() {
        Ok(policy) => policy,
        Err(reason) => return skip("languages: python", &reason),
    };
    policy.assert_fit();
    assert_eq!(policy.text("/proc/uptime"), "3.01 0.00\n");
    assert_eq!(policy.text("/proc/loadavg"), "1.00 1.00 1.00 1/4 8\n");
    let stat = serde_json::json!({ "text": "1 (init) S 0\n" });
    let malformed = policy.render_with("process:init/stat", stat, "/proc/uptime");
    assert_failure(failure(malformed), 6, &["`init`", "no field 22"]);
}

// ------------------------------------------------------------------- building

fn javascript() -> Result<Built, String> {
    let tools = componentize_js()?;
    let sources = example("policy-js");
    // Node looks for packages in the directories above a module.
    let directory = TempDir::new_in(tools).unwrap();
    for file in ["build.mjs", "policy.js"] {
        fs::copy(sources.join(file), directory.path().join(file)).unwrap();
    }
    let mut node = Command::new("node");
    node.args(["build.mjs", "policy.wasm"]).arg(root().join("wit"));
    succeed(node.current_dir(directory.path()));
    Ok(Built { directory })
}

fn python() -> Result<Built, String> {
    let sources = example("policy-py");
    let directory = TempDir::new().unwrap();
    let mut build = Command::new(componentize_py()?);
    build.arg("-d").arg(root().join("wit")).args(["-w", "policy", "componentize", "--stub-wasi"]);
    build.arg("-p").arg(&sources).args(["policy", "-o", "policy.wasm"]);
    build.env("PYTHONDONTWRITEBYTECODE", "1");
    succeed(build.current_dir(directory.path()));
    Ok(Built { directory })
}
