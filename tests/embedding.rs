//! Other hosts of WebAssembly render the same bytes: the very component that
//! `vprocctl` embeds is loaded in Node, in Python, in C and in Go, which render
//! each capture of `fixtures/`, and captures that take a state or give an error.
//!
//! Node has the package of `embed/npm`, Python that of `embed/python`, C and Go the
//! examples `examples/embed-c` and `examples/embed-go`. What they need is installed
//! once, below cargo's target directory.

mod install;

use install::*;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vproc_runtime::{Engine, Error, Options, Policy, Refusal};
use vproc_snapshot::pattern::{is_pattern, listed, stands_for};
use vproc_snapshot::{Capture, Content, Entry, Manifest, Readings, Setting};
use vproc_tests::{empty, skip};

/// Fewer captures of real machines prove too little.
const FEWEST_FIXTURES: usize = 3;

#[test]
fn node_renders_the_same() {
    let package = match package() {
        Ok(package) => package,
        Err(reason) => return skip("embedding: node_renders_the_same", &reason),
    };
    let project = project(&package, &["test/render.mjs"]);
    renders_the_same(project.path(), || {
        let mut render = Command::new("node");
        render.current_dir(project.path()).arg("render.mjs");
        render
    });
}

#[test]
fn python_renders_the_same() {
    let wheel = match wheel() {
        Ok(wheel) => wheel,
        Err(reason) => return skip("embedding: python_renders_the_same", &reason),
    };
    renders_the_same(wheel.directory.path(), || {
        let mut python = wheel.python();
        python.arg(root().join("embed/test/render.py"));
        python
    });
}

#[test]
fn c_renders_the_same() {
    example_renders_the_same("c_renders_the_same", native::in_c());
}

#[test]
fn go_renders_the_same() {
    example_renders_the_same("go_renders_the_same", native::in_go());
}

fn example_renders_the_same(test: &str, example: Result<native::Example, String>) {
    let example = match example {
        Ok(example) => example,
        Err(reason) => return skip(&format!("embedding: {test}"), &reason),
    };
    fs::write(example.directory.path().join("policy.wasm"), vproc_default::COMPONENT).unwrap();
    renders_the_same(example.directory.path(), || {
        let mut compare = Command::new(&example.compare);
        compare.current_dir(example.directory.path()).arg("policy.wasm");
        compare
    });
}

// ---------------------------------------------------------------- comparing

/// Compares what `render` prints with what the embedded policy renders here.
fn renders_the_same(directory: &Path, render: impl Fn() -> Command) {
    let engine = Engine::new(Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    for (name, captures) in cases() {
        let mut files = Vec::new();
        for (number, json) in captures.iter().enumerate() {
            files.push(format!("{number}.json"));
            fs::write(directory.join(&files[number]), json).unwrap();
        }
        let captures: Vec<_> =
            captures.iter().map(|json| Capture::from_json(json).unwrap()).collect();
        let paths = paths(&policy, &captures[0], &name);
        let found = succeed(render().arg(files.join(",")).args(&paths)).stdout;
        let found: Map<String, Value> = serde_json::from_slice(&found).unwrap();
        let expected = rendered(&policy, &captures, &paths);
        assert!(found.keys().eq(expected.keys()), "{name}: {:?}", found.keys());
        for (path, expected) in expected {
            assert_eq!(found[&path], expected, "{name}: {path}");
        }
    }
}

/// Captures in JSON, and what they are called: each fixture by itself, and the one
/// with every input followed by what became of it.
fn cases() -> Vec<(String, Vec<String>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(files.len() >= FEWEST_FIXTURES, "only {} captures in fixtures/", files.len());
    let mut cases: Vec<_> = files
        .iter()
        .map(|file| (file.display().to_string(), vec![fs::read_to_string(file).unwrap()]))
        .collect();
    let (_, rich) = cases.iter().find(|(name, _)| name.ends_with("/v1-run-256m.json")).unwrap();
    let first = rich[0].clone();
    for (name, change) in CHANGES {
        let mut capture = Capture::from_json(&first).unwrap();
        change(&mut capture);
        cases.push((format!("then {name}"), vec![first.clone(), capture.to_json().unwrap()]));
    }
    cases
}

type Change = fn(&mut Capture);

/// What captures of real machines lack: a past, errors of each kind, and
/// values that a host may get wrong on the way.
const CHANGES: &[(&str, Change)] = &[
    ("a busy minute", |capture| {
        capture.readings.now += 60_000_000_000;
        contents(capture).for_each(|content| {
            if let Content::Tasks(tasks) = content {
                tasks.running += 3;
            }
        });
    }),
    // The first integer that a double cannot hold.
    ("a late clock", |capture| capture.readings.now = (1 << 53) + 1),
    ("levels that do not match", |capture| {
        for (level, record) in (0..).zip(&mut capture.readings.records) {
            record.found.iter_mut().for_each(|reading| reading.level += level);
        }
    }),
    ("nothing readable", |capture| {
        contents(capture).for_each(|content| *content = Content::Absent(13));
    }),
    ("bytes for text", |capture| {
        texts(capture).for_each(|content| *content = Content::Bytes(vec![0xff, 0, b'"', b'\n']));
    }),
    ("nonsense for text", |capture| {
        let nonsense = Content::Text("\"now\": 1 \\ é\u{1f980}\0".into());
        texts(capture).for_each(|content| content.clone_from(&nonsense));
    }),
    ("a denied path", |capture| set(capture, "/proc/meminfo", "deny")),
    ("an unknown knob", |capture| set(capture, "no-such-knob", "\"é\\")),
];

fn contents(capture: &mut Capture) -> impl Iterator<Item = &mut Content> {
    let records = capture.readings.records.iter_mut();
    records.flat_map(|record| &mut record.found).map(|reading| &mut reading.content)
}

fn texts(capture: &mut Capture) -> impl Iterator<Item = &mut Content> {
    contents(capture).filter(|content| matches!(content, Content::Text(_)))
}

fn set(capture: &mut Capture, knob: &str, value: &str) {
    let settings = &mut capture.readings.environment.settings;
    settings.push(Setting { knob: knob.into(), value: value.into() });
}

/// Every path that can be rendered from the capture, and one that no policy
/// serves.
fn paths(policy: &Policy, capture: &Capture, name: &str) -> Vec<String> {
    let readings = &capture.readings;
    let manifest = policy.declare(&readings.environment).unwrap();
    let mut paths = Vec::new();
    let mut numbered = 0;
    for entry in &manifest.entries {
        match readings.snapshot(entry, None) {
            Ok(_) => {
                // As declared, which is no file where it has a `*`, and with its numbers.
                paths.push(entry.path.clone());
                if entry.is_pattern() {
                    let files = files(policy, &manifest, readings, entry);
                    numbered += files.len();
                    paths.extend(files);
                }
            }
            Err(missing) => eprintln!("{name}: left out: {missing}"),
        }
    }
    assert!(!paths.is_empty(), "nothing can be rendered from {name}");
    assert!(numbered > 0 || !name.ends_with("v1-run-256m.json"), "{name} has numbered files");
    paths.push("/proc/not-served".into());
    paths
}

/// The files that an entry with a `*` stands for: its numbers are in the names that the
/// directory above lists.
fn files(policy: &Policy, manifest: &Manifest, readings: &Readings, entry: &Entry) -> Vec<String> {
    let (mut paths, mut above) = (vec![String::new()], String::new());
    for name in entry.path.split('/').skip(1) {
        let names = |path: &String| {
            if !is_pattern(name) {
                return vec![format!("{path}/{name}")];
            }
            let listing = manifest.listing(&above);
            let text = listing.and_then(|listing| {
                let snapshot = readings.snapshot_at(listing, path, None).ok()?;
                policy.render(path, &snapshot).ok()
            });
            let text = text.map(|rendered| rendered.body).unwrap_or_default();
            let names = listed(&text).filter(|listed| stands_for(name, listed));
            names.map(|listed| format!("{path}/{listed}")).collect()
        };
        paths = paths.iter().flat_map(names).collect();
        above = format!("{above}/{name}");
    }
    paths.retain(|path| readings.snapshot_at(entry, path, None).is_ok());
    paths
}

/// What is rendered from the last capture, with the history of the others: a
/// member for each path, or a single error.
fn rendered(policy: &Policy, captures: &[Capture], paths: &[String]) -> Map<String, Value> {
    let mut states = HashMap::new();
    let mut answer = Map::new();
    for Capture { readings, .. } in captures {
        answer = match policy.declare(&readings.environment) {
            Ok(manifest) => paths
                .iter()
                .map(|path| {
                    let state = states.entry(path).or_default();
                    (path.clone(), render(policy, manifest.entry(path), path, readings, state))
                })
                .collect(),
            Err(error) => Map::from_iter([("error".into(), refused(error))]),
        };
    }
    answer
}

fn render(
    policy: &Policy,
    entry: Option<&Entry>,
    path: &str,
    readings: &Readings,
    state: &mut Option<Vec<u8>>,
) -> Value {
    let snapshot = match entry {
        Some(entry) => readings.snapshot_at(entry, path, state.as_deref()).unwrap(),
        None => empty(&readings.environment),
    };
    match policy.render(path, &snapshot) {
        Ok(rendered) => {
            *state = rendered.state;
            let mut answer = serde_json::to_value(Content::from(rendered.body)).unwrap();
            if let Some(state) = state {
                let bytes = serde_json::to_value(Content::Bytes(state.clone())).unwrap();
                answer["state"] = bytes["base64"].clone();
            }
            answer
        }
        Err(error) => json!({ "error": refused(error) }),
    }
}

/// An error of the contract as JSON; any other error fails the test.
fn refused(error: Error) -> Value {
    let Error::Refused(refusal) = error else { panic!("{error}") };
    match refusal {
        Refusal::UnsupportedPath => json!({ "tag": "unsupported-path" }),
        Refusal::Denied => json!({ "tag": "denied" }),
        Refusal::MissingInput(key) => json!({ "tag": "missing-input", "val": key }),
        Refusal::MalformedInput { key, line, reason } => {
            json!({ "tag": "malformed-input", "val": { "key": key, "line": line, "reason": reason } })
        }
        Refusal::RejectedSetting { knob, reason } => {
            json!({ "tag": "rejected-setting", "val": { "knob": knob, "reason": reason } })
        }
    }
}
