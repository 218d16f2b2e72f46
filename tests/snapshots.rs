//! Every file of every fixture, as a container reads it. `INSTA_UPDATE=always`
//! accepts a change; look at the difference before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../crates/vproc-check/src/readers.rs"]
mod readers;

#[allow(dead_code, unreachable_pub)]
#[path = "../crates/vproc-core/tests/support/explained.rs"]
mod explained;

use std::collections::BTreeMap;
use std::path::PathBuf;
use vproc_runtime::{Engine, Options, Policy};
use vproc_snapshot::pattern::{listed, stands_for};
use vproc_snapshot::{Capture, Class, Entry, Manifest, Readings};
use vproc_tests::{captures, native};

/// What the component says, or why it says nothing.
fn render(name: &str, policy: &Policy, capture: &Capture) -> Vec<(String, Result<String, String>)> {
    let readings = &capture.readings;
    let manifest = policy.declare(&readings.environment).unwrap();
    let mut texts = Vec::new();
    let is_hidden = |entry: &&Entry| matches!(entry.class, Class::Masked | Class::Denied);
    let shown = manifest.entries.iter().filter(|entry| !is_hidden(entry) && !readings.lacks(entry));
    // Of no fixture, single processes and megabytes of symbols were recorded.
    let is_recorded = |entry: &&Entry| !entry.is_of_processes() && entry.path != "/proc/kallsyms";
    for entry in shown.filter(is_recorded) {
        let snapshot = match readings.snapshot(entry, None) {
            Ok(snapshot) => snapshot,
            Err(missing) if name == COMPLETE => panic!("{missing}"),
            // One that was made by hand may hold the inputs of some files only,
            // and others were recorded before a file was served.
            Err(_) => continue,
        };
        for path in paths(policy, &manifest, entry, readings) {
            let text = match policy.render(&path, &snapshot) {
                Ok(rendered) => Ok(String::from_utf8(rendered.body).unwrap()),
                Err(error) => Err(error.to_string()),
            };
            // insta compares all but the end.
            assert!(text.iter().all(|text| text.is_empty() || text.ends_with('\n')), "{text:?}");
            let core = vproc_core::render(&path, &native(&snapshot)).map(|done| done.text);
            assert_eq!(core.ok(), text.clone().ok(), "core and component agree on {path}");
            texts.push((path, text));
        }
    }
    texts
}

/// The capture that holds everything.
const COMPLETE: &str = "v1-run-256m";

/// Directories, and what in them is many short files.
const DIRECTORIES: [(&str, &[&str]); 3] = [
    ("/proc", &["sys"]),
    ("/sys/devices/system/cpu", &["cpuN", "vulnerabilities"]),
    ("/sys/devices/system/node", &["nodeN"]),
];

/// The path of an entry, or the paths that it stands for.
fn paths(policy: &Policy, manifest: &Manifest, entry: &Entry, readings: &Readings) -> Vec<String> {
    let Some((before, after)) = entry.path.split_once('*') else { return vec![entry.path.clone()] };
    let (directory, name) = before.rsplit_once('/').unwrap();
    let listing = manifest.listing(directory).unwrap();
    // A fixture may lack what is listed by, and hold the files.
    let Ok(snapshot) = readings.snapshot(listing, None) else { return Vec::new() };
    let text = policy.render(directory, &snapshot).unwrap().body;
    let pattern = format!("{name}*");
    let names = listed(&text).filter(|listed| stands_for(&pattern, listed));
    names.map(|listed| format!("{directory}/{listed}{after}")).collect()
}

#[test]
fn every_file_of_every_fixture() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut files = 0;
    for (name, capture) in captures() {
        let (mut texts, mut together) = (Vec::new(), BTreeMap::<_, String>::new());
        for (path, text) in render(&name, &policy, &capture) {
            match directory(&path) {
                Some((directory, below)) => {
                    let text = text.unwrap_or_else(|error| format!("{error}\n"));
                    together.entry(directory).or_default().push_str(&format!("{below}: {text}"));
                }
                None => texts.push((path, text)),
            }
        }
        texts.extend(together.into_iter().map(|(path, text)| (path, Ok(text))));
        for (path, text) in texts {
            settings.set_description(format!("{path} of fixtures/{name}.json"));
            let snapshot = format!("{name}{}", path.replace('/', "__"));
            let text = text.unwrap_or_else(|error| format!("error: {error}"));
            settings.bind(|| insta::assert_snapshot!(snapshot, text));
            files += 1;
        }
    }
    assert!(files >= 50, "only {files} files in all fixtures");
}

/// Directories of many short files, which share a snapshot.
fn directory(path: &str) -> Option<(String, &str)> {
    for (directory, names) in DIRECTORIES {
        let Some(below) = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        let name = names.iter().find(|name| below.starts_with(name.trim_end_matches('N')))?;
        return Some((format!("{directory}/{name}"), below));
    }
    None
}

/// What the component explains is what the core recorded, and that leads from
/// the fixture's inputs to the text.
#[test]
fn every_file_of_every_fixture_is_explained() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    assert!(policy.can_explain());
    let mut explained = 0;
    for (name, capture) in captures() {
        let readings = &capture.readings;
        let manifest = policy.declare(&readings.environment).unwrap();
        for (path, text) in render(&name, &policy, &capture) {
            let entry = manifest.entries.iter().find(|entry| {
                entry.path == path || vproc_snapshot::pattern::stands_for(&entry.path, &path)
            });
            let snapshot = readings.snapshot(entry.unwrap(), None).unwrap();
            let by_component = policy.explain(&path, &snapshot);
            let native = native(&snapshot);
            match (vproc_core::explain(&path, &native), text) {
                (Ok(by_core), Ok(text)) => {
                    let by_component = by_component.unwrap();
                    assert_eq!(by_component.text, text, "{path} of {name}");
                    assert_eq!(by_component.text, by_core.text);
                    let values = by_component.steps.iter().map(|step| step.value);
                    assert!(values.eq(by_core.steps.iter().map(|step| step.value)), "{path}");
                    assert_eq!(by_component.fields.len(), by_core.fields.len());
                    explained::check(&path, &by_core, &native);
                    explained += 1;
                }
                (by_core, text) => {
                    assert!(by_core.is_err() && text.is_err() && by_component.is_err(), "{path}");
                }
            }
        }
    }
    assert!(explained >= 50, "only {explained} files were explained");
}

#[test]
fn an_independent_parser_reads_every_file() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    let mut read = 0;
    for (name, capture) in captures() {
        for (path, text) in render(&name, &policy, &capture) {
            let Some(reads) = readers::reader(&path) else { continue };
            // It knows the cpuinfo of a single architecture.
            if path == "/proc/cpuinfo" && capture.readings.environment.machine != "x86_64" {
                continue;
            }
            let text = text.unwrap();
            assert!(reads(&text), "procfs-core cannot read {path} of {name}:\n{text}");
            read += 1;
        }
    }
    assert!(read >= 50, "only {read} files were read");
}

#[test]
fn the_same_snapshot_gives_the_same_bytes() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = Policy::compile(&engine, vproc_default::COMPONENT).unwrap();
    for (name, capture) in captures() {
        let first = render(&name, &policy, &capture);
        let json = Capture::from_json(&capture.to_json().unwrap()).unwrap();
        assert_eq!(json, capture, "a capture reads back as it was written");
        assert_eq!(render(&name, &policy, &json), first);
    }
}

#[test]
fn redaction_changes_no_container_s_text() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    for (name, mut capture) in captures() {
        if capture.readings.is_host {
            continue; // passed as it is, blanks and all
        }
        let before = render(&name, &policy, &capture);
        capture.redact();
        assert_eq!(render(&name, &policy, &capture), before, "{name}");
    }
}
