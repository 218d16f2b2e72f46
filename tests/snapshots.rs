//! Every file of every fixture, as a container reads it. `INSTA_UPDATE=always`
//! accepts a change; look at the difference before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../crates/vproc-core/tests/support/readers.rs"]
mod readers;

use std::path::PathBuf;
use vproc_runtime::{Engine, Options, Policy};
use vproc_snapshot::Capture;
use vproc_tests::{captures, native};

/// What the component says, or why it says nothing.
fn render(policy: &Policy, capture: &Capture) -> Vec<(String, Result<String, String>)> {
    let readings = &capture.readings;
    let manifest = policy.declare(&readings.environment).unwrap();
    let texts = manifest.entries.iter().filter_map(|entry| {
        let snapshot = match readings.snapshot(entry, None) {
            Ok(snapshot) => snapshot,
            // One that was made by hand may hold the inputs of some files only.
            Err(_) if capture.origin.made_by == "hand" => return None,
            Err(missing) => panic!("{missing}"),
        };
        let text = match policy.render(&entry.path, &snapshot) {
            Ok(rendered) => Ok(String::from_utf8(rendered.body).unwrap()),
            Err(error) => Err(error.to_string()),
        };
        // insta compares all but the end.
        assert!(text.iter().all(|text| text.is_empty() || text.ends_with('\n')), "{text:?}");
        let core = vproc_core::render(&entry.path, &native(&snapshot)).map(|done| done.text);
        assert_eq!(core.ok(), text.clone().ok(), "core and component agree on {}", entry.path);
        Some((entry.path.clone(), text))
    });
    texts.collect()
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
        for (path, text) in render(&policy, &capture) {
            settings.set_description(format!("{path} of fixtures/{name}.json"));
            let snapshot = format!("{name}{}", path.replace('/', "__"));
            let text = text.unwrap_or_else(|error| format!("error: {error}"));
            settings.bind(|| insta::assert_snapshot!(snapshot, text));
            files += 1;
        }
    }
    assert!(files >= 50, "only {files} files in all fixtures");
}

#[test]
fn an_independent_parser_reads_every_file() {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    let mut read = 0;
    for (name, capture) in captures() {
        for (path, text) in render(&policy, &capture) {
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
    for (_, capture) in captures() {
        let first = render(&policy, &capture);
        let json = Capture::from_json(&capture.to_json().unwrap()).unwrap();
        assert_eq!(json, capture, "a capture reads back as it was written");
        assert_eq!(render(&policy, &json), first);
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
        let before = render(&policy, &capture);
        capture.redact();
        assert_eq!(render(&policy, &capture), before, "{name}");
    }
}
