//! Overlays: policies that are put together of others by a TOML file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;
use vproc_tests::puppet;

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1-run-256m.json");

/// A directory with an overlay, and policies beside it.
struct Stage(TempDir);

impl Stage {
    fn new(overlay: &str) -> Self {
        let stage = Stage(tempfile::tempdir().unwrap());
        stage.write("overlay.toml", overlay.as_bytes());
        stage
    }

    /// With a component that says `A` or `B` in its files.
    fn with(self, name: &str, orders: &str) -> Self {
        self.write(name, &puppet(orders));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vprocctl"));
        // Names are relative to the overlay, not to where one is.
        command.current_dir("/").env("XDG_CACHE_HOME", self.0.path());
        let overlay = self.path("overlay.toml");
        let overlay = overlay.to_str().unwrap();
        command.args(arguments.iter().map(|word| word.replace("OVERLAY", overlay)));
        command.output().unwrap()
    }

    fn rendered(&self, arguments: &[&str]) -> Result<String, String> {
        let output =
            self.run(&[&["render", "--policy", "OVERLAY", "--from", CAPTURE], arguments].concat());
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    fn text(&self, path: &str) -> String {
        self.rendered(&[path]).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn inspected(&self) -> Value {
        let output = self.run(&["policy", "inspect", "OVERLAY", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

/// What the embedded policy renders.
fn embedded(path: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vprocctl"));
    let output = command.args(["render", "--from", CAPTURE, path]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

const LAYERS: &str = r#"
[set]
cpu-minimum = 2
cpu-rounding = "floor"

[[rule]]
path = "/proc/sys/**"
deny = "nobody needs it"

[[rule]]
path = "/proc/sys/kernel/ostype"
text = "Linux\n"

[[rule]]
path = "/proc/*"
policy = "a.wasm"

[[rule]]
path = "/proc/v*"
mask = true
reason = "of no use"

[[rule]]
path = "/proc/loadavg"
policy = "default"

[[rule]]
path = "/proc/made-up"
text-file = "made-up.txt"
"#;

fn layers() -> Stage {
    let stage = Stage::new(LAYERS).with("a.wasm", "letter=A");
    stage.write("made-up.txt", b"so it is\n");
    stage
}

#[test]
fn the_last_rule_that_matches_counts() {
    let stage = layers();
    // A policy takes the files that it has; others stay with the base.
    assert!(stage.text("/proc/meminfo").starts_with("A "));
    assert!(stage.text("/proc/puppet").starts_with("A "));
    assert_eq!(stage.text("/proc/swaps"), embedded("/proc/swaps"));
    assert_eq!(stage.text("/proc/loadavg"), embedded("/proc/loadavg"));
    // vmstat is the policy's, and masked after that.
    assert_eq!((&*stage.text("/proc/vmstat"), &*stage.text("/proc/version")), ("", ""));
    assert_eq!(stage.text("/proc/made-up"), "so it is\n");
    assert_eq!(stage.text("/proc/sys/kernel/ostype"), "Linux\n");
    let denied = stage.rendered(&["/proc/sys/kernel/osrelease"]).unwrap_err();
    assert!(denied.contains("nobody needs it"), "{denied}");
    // The other way round, what is general hides what is special.
    let reversed = Stage::new(
        "[[rule]]\npath = \"/proc/sys/kernel/ostype\"\ntext = \"L\"\n\
         [[rule]]\npath = \"/proc/sys/**\"\nmask = true\n",
    );
    assert_eq!(reversed.text("/proc/sys/kernel/ostype"), "");
}

#[test]
fn settings_go_to_who_knows_them() {
    let stage = layers();
    assert_eq!(stage.text("/sys/devices/system/cpu/online"), "0-1\n");
    let online = "/sys/devices/system/cpu/online";
    // The operator's come last.
    assert_eq!(stage.rendered(&["--set", "cpu-minimum=1", online]).as_deref(), Ok("0\n"));
    assert_eq!(stage.rendered(&["--set", "/proc/swaps=mask", "/proc/swaps"]).as_deref(), Ok(""));
    for (setting, reason) in [
        ("colour=red", "no policy of the overlay has such a knob"),
        ("cpus=many", "`many` is not what it takes"),
        ("/proc/vmstat=pass", "decides about this file at line 19"),
        ("/proc/puppet=mask", "takes no paths"),
    ] {
        let error = stage.rendered(&["--set", setting, "/proc/loadavg"]).unwrap_err();
        assert!(error.contains(reason), "{setting}: {error}");
    }
}

#[test]
fn a_rule_turns_knobs_for_its_files_alone() {
    let online = "/sys/devices/system/cpu/online";
    let stage = Stage::new(
        "[[rule]]\npath = \"/sys/devices/system/cpu/**\"\nset = { cpu-minimum = 2 }\n\
         [[rule]]\npath = \"/sys/devices/system/cpu/online\"\nset = { cpu-rounding = \"floor\" }\n\
         [[rule]]\npath = \"/proc/stat\"\npolicy = \"default\"\nset = { cpu-rounding = \"floor\" }\n",
    );
    let cpus = |stage: &Stage, path: &str| stage.text(path).matches("\ncpu").count();
    // One and a half CPUs are two, rounded up; one, rounded down.
    assert_eq!(embedded(online), "0-1\n");
    assert_eq!(cpus(&stage, "/proc/stat"), 1);
    assert_eq!(stage.text("/proc/cpuinfo"), embedded("/proc/cpuinfo"));
    // What rules set for a file adds up.
    assert_eq!(stage.text(online), "0-1\n");
    // The operator's word is the last one, for all files.
    let rendered = stage.rendered(&["--set", "cpu-minimum=1", online]);
    assert_eq!(rendered.as_deref(), Ok("0\n"));
    // A knob that changes what a file is read from, for that file alone.
    let shares = Stage::new("[[rule]]\npath = \"/proc/stat\"\nset = { cpus = \"shares\" }\n");
    let report = shares.inspected();
    let needs = |path: &str| {
        let mut entries = report["entries"].as_array().unwrap().iter();
        entries.find(|entry| entry["path"] == path).unwrap()["needs"].to_string()
    };
    assert!(needs("/proc/stat").contains("cpu.shares"), "{}", needs("/proc/stat"));
    assert!(!needs("/proc/cpuinfo").contains("cpu.shares"), "{}", needs("/proc/cpuinfo"));
    // `[set]` is for all files, and a rule that follows knows better.
    let both = Stage::new(
        "[set]\ncpu-rounding = \"floor\"\n[[rule]]\npath = \"/proc/stat\"\n\
         set = { cpu-rounding = \"ceil\" }\n",
    );
    assert_eq!((both.text(online).as_str(), cpus(&both, "/proc/stat")), ("0\n", 2));
}

#[test]
fn an_overlay_is_a_policy_like_any_other() {
    let stage = layers();
    let report = stage.inspected();
    assert_eq!(report["name"], "overlay");
    let entry = |path: &str| {
        let mut entries = report["entries"].as_array().unwrap().iter();
        entries.find(|entry| entry["path"] == path).unwrap_or_else(|| panic!("{path}")).clone()
    };
    for (path, class, reason) in [
        ("/proc/sys/kernel/osrelease", "denied", "nobody needs it"),
        ("/proc/version", "masked", "of no use"),
        ("/proc/made-up", "constant", "an overlay says so"),
    ] {
        assert_eq!(
            (&entry(path)["class"], &entry(path)["reason"]),
            (&class.into(), &reason.into())
        );
        assert_eq!(entry(path)["needs"], Value::Array(vec![]), "{path}");
    }
    let listed = stage.run(&["ls", "--policy", "OVERLAY", "/proc/made-up"]);
    let page = String::from_utf8_lossy(&listed.stdout);
    assert!(page.starts_with("-r--r--r-- constant /proc/made-up"), "{listed:?}");
    // Explained where the policy explains; else there is what the manifest says.
    let explained = |path: &str| {
        let output = stage.run(&["explain", "--policy", "OVERLAY", "--from", CAPTURE, path]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(explained("/proc/swaps").contains("/proc/swaps  virtual"));
    assert!(explained("/proc/version").contains("of no use"));
    assert!(explained("/proc/meminfo").starts_with("/proc/meminfo  constant"));
    let output = stage.run(&["policy", "precompile", "OVERLAY"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_overlay_is_checked_and_replayed() {
    let overlay = "[set]\ncpu-minimum = 2\n[[rule]]\npath = \"/proc/vmstat\"\nmask = true\n";
    let stage = Stage::new(overlay).with("a.wasm", "letter=A");
    let output = stage.run(&["policy", "check", "OVERLAY", "--only", "--capture", CAPTURE]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let output = stage.run(&["policy", "replay", "OVERLAY", CAPTURE]);
    let page = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(page.contains("/proc/vmstat") && !page.contains("/proc/meminfo"), "{page}");
    let output = stage.run(&["policy", "replay", "OVERLAY", CAPTURE, "--compare", "OVERLAY"]);
    assert!(output.status.success(), "{output:?}");
    let a = stage.path("a.wasm");
    let output =
        stage.run(&["policy", "replay", a.to_str().unwrap(), CAPTURE, "--compare", "OVERLAY"]);
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("\n-MemTotal:") && page.contains("\n+A "), "{page}");
}

#[test]
fn the_digest_covers_all_parts() {
    let digest = |stage: &Stage| stage.inspected()["sha256"].as_str().unwrap().to_owned();
    let stage = layers();
    let before = digest(&stage);
    assert_eq!(digest(&layers()), before, "not where it lies");
    stage.write("overlay.toml", format!("# a remark\n{}", LAYERS.trim_start()).as_bytes());
    assert_eq!(digest(&stage), before, "not how it is written");
    stage.write("made-up.txt", b"so it was\n");
    let text = digest(&stage);
    stage.write("a.wasm", &puppet("letter=B"));
    let policy = digest(&stage);
    stage.write("overlay.toml", LAYERS.replace("cpu-minimum = 2", "cpu-minimum = 3").as_bytes());
    let knob = digest(&stage);
    let all = [&before, &text, &policy, &knob];
    for (place, one) in all.iter().enumerate() {
        assert!(all[..place].iter().all(|other| other != one), "{all:?}");
    }
    // A capture names what it was declared by.
    let capture = stage.path("box.json");
    let output = stage.run(&[
        "capture",
        "--pid",
        "self",
        "--policy",
        "OVERLAY",
        "-o",
        capture.to_str().unwrap(),
        "/proc/puppet",
    ]);
    if output.status.success() {
        let capture: Value = serde_json::from_slice(&fs::read(&capture).unwrap()).unwrap();
        assert_eq!(capture["origin"]["policy"]["sha256"], knob);
    } else {
        vproc_tests::skip("the_digest_covers_all_parts", "this machine cannot be captured");
    }
}

#[test]
fn errors_name_the_line() {
    let base = "base = \"default\"\n\n[[rule]]\npath = \"/proc/stat\"\n";
    for (overlay, line, reason) in [
        ("bass = \"default\"\n".to_owned(), 1, "unknown field `bass`"),
        ("base = \"none.wasm\"\n".to_owned(), 1, "No such file"),
        (format!("{base}polcy = \"a.wasm\"\n"), 5, "unknown field `polcy`"),
        (format!("{base}policy = \"none.wasm\"\n"), 5, "none.wasm: No such file"),
        (format!("{base}text-file = \"none.txt\"\n"), 5, "none.txt: No such file"),
        (base.to_owned(), 4, "deny, text and text-file, or `set` alone"),
        (format!("{base}mask = true\ndeny = \"x\"\n"), 4, "one of policy, mask"),
        (format!("{base}mask = false\n"), 4, "leave the rule out"),
        (format!("{base}mask = \"yes\"\n"), 5, "invalid type"),
        (format!("{base}policy = \"overlay.toml\"\n"), 5, "is an overlay"),
        ("base = \"overlay.toml\"\n".to_owned(), 1, "is an overlay"),
        ("\n[[rule]]\nmask = true\n".to_owned(), 2, "missing field `path`"),
        ("[[rule]]\npath = \"proc/stat\"\nmask = true\n".to_owned(), 2, "not an absolute path"),
        ("[[rule]]\npath = \"/proc/a**\"\nmask = true\n".to_owned(), 2, "part of a name"),
        ("base = \n".to_owned(), 1, ""),
        (format!("{base}set = {{}}\n"), 5, "`set` names no knob"),
        (format!("{base}mask = true\nset = {{ cpus = \"quota\" }}\n"), 6, "here none renders"),
        (format!("{base}set = {{ \"/proc/stat\" = \"mask\" }}\n"), 5, "belongs into [set]"),
        ("base = \"a.wasm@sha256:00\"\n".to_owned(), 1, "64 hexadecimal digits"),
        (format!("base = \"default@sha256:{}\"\n", "0".repeat(64)), 1, "not what was pinned"),
    ] {
        let stage = Stage::new(&overlay);
        let output = stage.run(&["policy", "inspect", "OVERLAY"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{overlay}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let place = format!("overlay.toml:{line}: ");
        assert!(error.contains(&place) && error.contains(reason), "{overlay}: {error}");
    }
    // What only shows when policies declare.
    for (rule, reason) in [
        ("path = \"/proc/nothing/**\"\nmask = true", "line 2: nothing is served at /proc/nothing"),
        (
            "path = \"/proc/swaps\"\npolicy = \"a.wasm\"",
            "line 2: the policy serves nothing at /proc/swaps",
        ),
        ("path = \"/sys/devices/system/cpu\"\nmask = true", "is a directory"),
        ("path = \"/proc/nothing\"\nset = { cpus = \"quota\" }", "line 2: no policy renders"),
        (
            "path = \"/proc/swaps\"\nset = { colour = \"red\" }",
            "line 2: no policy of /proc/swaps has such",
        ),
        ("path = \"/proc/stat\"\nset = { cpus = \"many\" }", "line 2: `many` is not what it takes"),
        (
            "path = \"/sys/devices/system/cpu/cpu0/online\"\ntext = \"1\\n\"",
            "is one of /sys/devices/system/cpu/cpu*/online",
        ),
    ] {
        let stage = Stage::new(&format!("[[rule]]\n{rule}\n")).with("a.wasm", "letter=A");
        let error = stage.rendered(&["/proc/stat"]).unwrap_err();
        assert!(error.contains(reason), "{rule}: {error}");
    }
    let stage = Stage::new("[[rule]]\npath = \"/proc/stat\"\npolicy = \"a.wasm\"\n");
    stage.write("a.wasm", b"garbage");
    let error = stage.rendered(&["/proc/stat"]).unwrap_err();
    assert!(error.contains("a.wasm: not a WebAssembly component"), "{error}");
}

#[test]
fn a_part_that_traps_is_an_answer_for_its_files_alone() {
    let overlay = "[[rule]]\npath = \"/proc/meminfo\"\npolicy = \"traps.wasm\"\n";
    let stage = Stage::new(overlay).with("traps.wasm", "letter=T trap=1");
    let error = stage.rendered(&["/proc/meminfo"]).unwrap_err();
    assert!(error.contains("trapped"), "{error}");
    assert_eq!(stage.text("/proc/swaps"), embedded("/proc/swaps"));
}
