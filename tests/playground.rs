//! The page of `cargo xtask playground` in a headless Chromium: what a person
//! sees is what `vprocctl` prints, with a mouse, a keyboard, a narrow screen or a
//! screen reader, by the policy that a person chose or brought, and with files that
//! are not what they should be. What happens in the browser is in
//! `embed/test/playground.mjs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;
mod install;

use command::printed;
use install::*;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use vproc_tests::{EXAMPLES, HOSTILE, puppet, skip};

/// The page, and the script beside the tools that it needs. A static is never
/// dropped, so its directory is a fixed one, of one process at a time.
struct Stage {
    directory: PathBuf,
    chromium: PathBuf,
    _lock: File,
}

static STAGE: LazyLock<Result<Stage, String>> = LazyLock::new(|| {
    let tools = tools()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|directory| directory.join("chromium"));
    let chromium = programs.find(|program| program.exists()).ok_or("there is no chromium")?;
    let directory = tools.join("page");
    let lock = File::create(tools.join("page.lock")).unwrap();
    lock.lock().unwrap();
    build("playground", &directory)?;
    let script = root().join("embed/test/playground.mjs");
    fs::copy(script, directory.join("playground.mjs")).unwrap();
    Ok(Stage { directory, chromium, _lock: lock })
});

impl Stage {
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.directory.join(name);
        fs::write(&file, content).unwrap();
        file
    }

    fn two_cpus(&self) -> PathBuf {
        let (name, component) = EXAMPLES.iter().find(|(name, _)| *name == "two-cpus").unwrap();
        self.file(&format!("{name}.wasm"), component)
    }
}

/// Runs a check of the script with the files, or the names, that it wants.
fn check(name: &str, files: impl FnOnce(&Stage) -> Vec<PathBuf>) {
    let stage = match &*STAGE {
        Ok(stage) => stage,
        Err(reason) => return skip(&format!("playground: {name}"), reason),
    };
    let mut node = Command::new("node");
    node.args(["playground.mjs", name]).arg(&stage.chromium).arg("index.html");
    succeed(node.args(files(stage)).current_dir(&stage.directory));
}

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(format!("{name}.json"))
}

fn rendered(from: &Path, more: &[&str]) -> String {
    let arguments = [&["render", "--json", "--from", from.to_str().unwrap(), "/"], more].concat();
    printed(&arguments)
}

#[test]
fn the_page_shows_what_vprocctl_renders() {
    check("renders", |stage| {
        let names = ["v1-run-256m", "v2-6.12-run-96m", "handmade-s390x", "handmade-v2-edges"];
        let mut files = Vec::new();
        for name in names {
            let expected = rendered(&fixture(name), &[]);
            files.push(PathBuf::from(name));
            files.push(stage.file(&format!("{name}-expected.json"), expected));
        }
        files
    });
}

#[test]
fn a_limit_changes_what_is_shown_and_why() {
    check("limits", |stage| {
        // The same limits in the capture, for `vprocctl`.
        let capture = fs::read_to_string(fixture("v1-nested")).unwrap();
        let mut capture: Value = serde_json::from_str(&capture).unwrap();
        let limits = [
            ("cgroup1:memory/memory.limit_in_bytes@lineage", format!("{}\n", 90 << 20)),
            ("cgroup1:cpu/cpu.cfs_quota_us@lineage", "120000\n".to_owned()),
        ];
        for (source, text) in limits {
            let records = capture["records"].as_array_mut().unwrap();
            let record = records.iter_mut().find(|record| record["source"] == source).unwrap();
            record["found"][1]["text"] = text.into();
        }
        let changed = stage.file("changed.json", capture.to_string());
        vec![stage.file("limits-expected.json", rendered(&changed, &[]))]
    });
}

#[test]
fn knobs_are_those_of_the_manifest() {
    check("knobs", |stage| {
        let knobs = stage.file("knobs.json", printed(&["ls", "--knobs", "--json"]));
        let expected = rendered(&fixture("v1-nested"), &["--set", "cpus=cpuset"]);
        vec![knobs, stage.file("knobs-expected.json", expected)]
    });
}

#[test]
fn a_person_chooses_the_policy() {
    check("policies", |stage| {
        let mut names: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let policy = stage.two_cpus();
        let of = ["--policy", policy.to_str().unwrap()];
        let knobs = printed(&[&["ls", "--knobs", "--json"], &of[..]].concat());
        vec![
            stage.file("policies.json", Value::from(names).to_string()),
            stage.file("policies-expected.json", rendered(&fixture("v1-nested"), &of)),
            stage.file("policies-knobs.json", knobs),
        ]
    });
}

#[test]
fn a_policy_of_ones_own_decides_and_hangs_nothing() {
    check("own", |stage| {
        let policy = stage.two_cpus();
        let expected = rendered(&fixture("v1-nested"), &["--policy", policy.to_str().unwrap()]);
        vec![
            stage.file("own-expected.json", expected),
            policy,
            stage.file("puppet.wasm", puppet("letter=A lines=3")),
            stage.file("hostile.wasm", HOSTILE),
        ]
    });
}

#[test]
fn what_a_change_does_not_touch_stays() {
    check("changes", |_| Vec::new());
}

#[test]
fn a_bad_file_is_refused_with_a_reason() {
    check("refuses", |_| vec![fixture("v1-nested")]);
}

#[test]
fn a_hostile_capture_is_text() {
    check("hostile", |_| vec![fixture("v1-nested")]);
}

#[test]
fn a_keyboard_is_enough() {
    check("keyboard", |_| Vec::new());
}

#[test]
fn a_narrow_screen_does_not_scroll_sideways() {
    check("narrow", |_| Vec::new());
}

#[test]
fn axe_finds_nothing() {
    check("accessible", |_| Vec::new());
}

#[test]
fn nothing_is_asked_of_a_network() {
    check("alone", |stage| vec![stage.two_cpus()]);
}

#[test]
fn the_example_in_the_documentation_shows_the_file() {
    let site = match package() {
        Ok(package) => project(&package, &[]),
        Err(reason) => return skip("playground: example", &reason),
    };
    check("example", |stage| {
        let page = fs::read_to_string(root().join("docs/embedding.md")).unwrap();
        let site = site.path().to_owned();
        fs::write(site.join("index.html"), block(&page, "html")).unwrap();
        fs::copy(fixture("v1-nested"), site.join("box.json")).unwrap();
        let expected = rendered(&fixture("v1-nested"), &[]);
        vec![site, stage.file("example-expected.json", expected)]
    });
}
