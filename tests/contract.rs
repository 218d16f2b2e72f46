//! Versions of the contract: policies of earlier ones still work, and what was
//! released stays as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Output};
use vproc_runtime::{Engine, Error, Options, Policy, Refusal, Version};
use vproc_snapshot::{Capture, Class, Environment, Kind, Setting, Source};
use vproc_tests::{OF_0_1, empty, environment, puppet};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v2-6.1-run-96m.json");
const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

fn vprocctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vprocctl")).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn policy() -> Policy {
    let engine = Engine::new(Options::default()).unwrap();
    Policy::compile(&engine, OF_0_1).unwrap()
}

/// A recorded container, with what the policy asks for and others do not.
fn machine() -> String {
    let mut capture: Value = serde_json::from_str(&fs::read_to_string(FIXTURE).unwrap()).unwrap();
    let records = capture["records"].as_array_mut().unwrap();
    for (source, text) in
        [("process:subject/cgroup", "0::/box\n"), ("namespaced:/proc/sys/kernel/hostname", "box\n")]
    {
        records.retain(|record| record["source"] != source);
        records.push(json!({"source": source, "found": [{"text": text}]}));
    }
    capture.to_string()
}

#[test]
fn what_0_1_declares_is_understood() {
    let policy = policy();
    assert_eq!(policy.version(), Some(Version::V0_1));
    let manifest = policy.declare(&environment(&[])).unwrap();
    assert_eq!((&*manifest.name, &*manifest.version), ("earlier", "1.2.3"));
    assert_eq!(manifest.knobs.len(), 1);
    let of = |path: &str| manifest.entry(path).unwrap();
    let sources = [
        "host:/proc/meminfo",
        "cgroup2:memory/memory.max@lineage",
        "cgroup2:memory/memory.current@nearest",
        "cgroup1:memory/memory.usage_in_bytes@nearest",
        "process:init/stat",
        "process:subject/cgroup",
        "namespaced:/proc/sys/kernel/hostname",
        "tasks",
    ];
    let needs = of("/proc/meminfo").needs.iter().map(|need| &need.source);
    let sources: Vec<Source> = sources.iter().map(|source| source.parse().unwrap()).collect();
    assert!(needs.eq(&sources), "{:?}", of("/proc/meminfo").needs);
    let history = of("/proc/loadavg").history.as_ref().unwrap();
    assert_eq!((&*history.format, history.interval_ms), ("dots/1", 5000));
    assert_eq!(of("/sys/devices/system/cpu").kind, Kind::Directory);
    assert_eq!(of("/sys/devices/system/cpu/cpu7/id").path, "/sys/devices/system/cpu/cpu*/id");
    let classes: Vec<Class> = manifest.entries.iter().map(|entry| entry.class).collect();
    use Class::*;
    let expected =
        [Virtual, Virtual, Filtered, Constant, Masked, Denied, Filtered, Virtual, Passed];
    assert_eq!(classes, expected);
}

/// Which files are put over a container's own, the host decided then.
#[test]
fn what_0_1_covers_is_what_it_covered() {
    let covered = |environment: &Environment| {
        let manifest = policy().declare(environment).unwrap();
        let covered = manifest.entries.into_iter().filter(|entry| entry.covers);
        covered.map(|entry| entry.path).collect::<Vec<_>>()
    };
    let always = [
        "/proc/meminfo",
        "/proc/loadavg",
        "/proc/vmstat",
        "/proc/swaps",
        "/proc/timer_list",
        "/sys/devices/system/cpu",
        "/sys/devices/system/cpu/cpu*/id",
    ];
    assert_eq!(covered(&environment(&[])), always);
    let named = covered(&environment(&[("/proc/version", "deny")]));
    assert!(named.contains(&"/proc/version".to_owned()) && named.len() == 8, "{named:?}");
}

#[test]
fn what_0_1_renders_is_shown() {
    let policy = policy();
    let capture = Capture::from_json(&machine()).unwrap();
    let environment = &capture.readings.environment;
    let manifest = policy.declare(environment).unwrap();
    let snapshot = capture.readings.snapshot(manifest.entry("/proc/meminfo").unwrap(), None);
    let snapshot = snapshot.unwrap();
    let rendered = policy.render("/proc/meminfo", &snapshot).unwrap();
    let text = String::from_utf8(rendered.body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let now = capture.readings.now;
    assert_eq!(lines[0], format!("4096 100 0 x86_64 0 {now} false"));
    assert_eq!(
        &lines[1..4],
        ["meminfo 0 0 MemTotal:        1474056 kB", "max 0 1 100663296", "current 0 1 98525184"]
    );
    assert!(lines[4].starts_with("init 0 0 149 (vproc-init) S 148 "), "{text}");
    assert_eq!(lines[5..], ["subject 0 0 0::/box", "hostname 0 0 box", "tasks 0 0 6 tasks"]);

    let explanation = policy.explain("/proc/meminfo", &snapshot).unwrap();
    assert_eq!(explanation.text, text);
    assert_eq!(explanation.fields.len(), lines.len());

    let mut instance = policy.instance().unwrap();
    let first = instance.render("/proc/loadavg", &empty(environment)).unwrap();
    assert_eq!((&*first.body, first.state.as_deref()), (&b".\n"[..], Some(&b"."[..])));
    let mut next = empty(environment);
    next.state = first.state.as_deref();
    assert_eq!(instance.render("/proc/loadavg", &next).unwrap().body, b"..\n");
    assert_eq!(instance.render("/proc/vmstat", &empty(environment)).unwrap().body, b"\xff\n");
    for (path, refusal) in [
        ("/proc/swaps", Refusal::MissingInput("swaps".into())),
        ("/proc/version", Refusal::Denied),
        ("/proc/stat", Refusal::UnsupportedPath),
    ] {
        let error = instance.render(path, &empty(environment)).unwrap_err();
        assert!(matches!(&error, Error::Refused(found) if *found == refusal), "{path}: {error}");
    }
    // What came with a later version, it does not have.
    assert!(instance.find("/proc/swaps", environment).unwrap().is_none());
    let written = instance.accept("/proc/swaps", &empty(environment), b"x");
    assert!(matches!(written, Err(Error::Refused(Refusal::Denied))));
    let knob = Environment {
        settings: vec![Setting { knob: "cpus".into(), value: "quota".into() }],
        ..environment.clone()
    };
    let error = policy.declare(&knob).unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::RejectedSetting { .. })), "{error}");
}

/// A component that has the names of a version, and the types of another one.
#[test]
fn functions_of_other_types_are_no_policy() {
    let name = |version: &str| format!("vproc:policy/renderer@{version}").into_bytes();
    let (old, new) = (name("0.1.0"), name("0.2.0"));
    let mut component = OF_0_1.to_vec();
    let places: Vec<usize> =
        (0..component.len()).filter(|place| component[*place..].starts_with(&old)).collect();
    for place in places {
        component[place..place + new.len()].copy_from_slice(&new);
    }
    let engine = Engine::new(Options::default()).unwrap();
    let policy = Policy::compile(&engine, &component).unwrap();
    assert_eq!(policy.version(), Some(Version::V0_2));
    let error = policy.declare(&environment(&[])).unwrap_err();
    assert!(matches!(&error, Error::NotAPolicy(why) if why.contains("mismatch")), "{error}");
}

#[test]
fn commands_take_policies_of_0_1() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (file, capture) = (write("old.wasm", OF_0_1), write("box.json", machine().as_bytes()));
    let inspected = printed(&vprocctl(&["policy", "inspect", &file]));
    assert!(inspected.contains("\ncontract  vproc:policy@0.1.0\n"), "{inspected}");
    let from = ["--from", &capture, "--policy", &file, "/proc/meminfo"];
    let rendered = printed(&vprocctl(&[&["render"][..], &from].concat()));
    assert!(rendered.contains("max 0 1 100663296\n"), "{rendered}");
    let explained = printed(&vprocctl(&[&["explain"][..], &from].concat()));
    assert!(explained.contains("it is what was read"), "{explained}");
}

/// The current text is that of its version, if that is released; and what is
/// released is what it was then.
#[test]
fn released_versions_do_not_change() {
    let current = fs::read_to_string(format!("{WIT}/policy.wit")).unwrap();
    let package = current.lines().next().unwrap();
    let version = package.trim_start_matches("package vproc:policy@").trim_end_matches(';');
    let sums = fs::read_to_string(format!("{WIT}/released/SHA256SUMS")).unwrap();
    let mut released = Vec::new();
    for line in sums.lines() {
        let (sum, file) = line.split_once("  ").unwrap();
        let text = fs::read(format!("{WIT}/released/{file}")).unwrap();
        assert_eq!(vproc_runtime::Digest::of(&text).to_string(), sum, "{file} was changed");
        let text = String::from_utf8(text).unwrap();
        let own = file.split('/').next().unwrap();
        assert!(text.starts_with(&format!("package vproc:policy@{own};\n")), "{file}");
        if own == version {
            assert_eq!(current, text, "{own} is released: a change needs a new version");
        }
        released.push(own.to_owned());
    }
    let mut kept: Vec<String> = fs::read_dir(format!("{WIT}/released"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "SHA256SUMS")
        .collect();
    kept.sort();
    assert_eq!(kept, released, "wit/released/SHA256SUMS has one line for each version");
    // Who releases a version adds a policy of it, which later hosts have to take.
    let engine = Engine::new(Options::default()).unwrap();
    let guests = [OF_0_1, &puppet("")].map(|guest| Policy::compile(&engine, guest).unwrap());
    for own in &kept {
        let is_of_it = |guest: &Policy| guest.version().is_some_and(|v| v.to_string() == *own);
        assert!(guests.iter().any(is_of_it), "no policy in tests/guests is of the released {own}");
    }
    assert!(released.contains(&"0.1.0".to_owned()));
}
