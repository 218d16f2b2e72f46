//! What the tests that cross crates share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use vproc_core::contract as core;
use vproc_snapshot::{Capture, Content, Environment, Setting, Snapshot};

/// A policy that breaks every rule, on demand: `guests/hostile`.
pub static HOSTILE: &[u8] = include_bytes!(env!("HOSTILE"));

/// A policy whose table is larger than any policy needs: `guests/greedy`.
pub static GREEDY: &[u8] = include_bytes!(env!("GREEDY"));

/// A policy that was built for version 0.1 of the contract: `guests/of-0-1`.
pub static OF_0_1: &[u8] = include_bytes!(env!("OF_0_1"));

/// A policy that does what is written into it: `guests/puppet`.
static PUPPET: &[u8] = include_bytes!(env!("PUPPET"));

/// The policies of `examples/policies`, by name.
pub static EXAMPLES: &[(&str, &[u8])] = &[
    ("two-cpus", include_bytes!(env!("TWO_CPUS"))),
    ("hidden-cpu", include_bytes!(env!("HIDDEN_CPU"))),
    ("requests", include_bytes!(env!("REQUESTS"))),
    ("frozen", include_bytes!(env!("FROZEN"))),
    ("ten-files", include_bytes!(env!("TEN_FILES"))),
];

/// The `PUPPET` with these orders.
pub fn puppet(orders: &str) -> Vec<u8> {
    let marks: Vec<usize> =
        (0..PUPPET.len()).filter(|place| PUPPET[*place..].starts_with(b"ORDERS: ")).collect();
    let [mark] = marks[..] else { panic!("one place for orders: {marks:?}") };
    let start = mark + b"ORDERS: ".len();
    let end = start + PUPPET[start..].iter().position(|byte| *byte == b'.').unwrap();
    let mut policy = PUPPET.to_vec();
    policy[start..end].fill(b' ');
    policy[start..start + orders.len()].copy_from_slice(orders.as_bytes());
    assert!(orders.len() < end - start, "there is no room for {orders}");
    policy
}

/// An environment with these settings.
pub fn environment(settings: &[(&str, &str)]) -> Environment {
    Environment {
        page_size: 4096,
        user_hz: 100,
        huge_page_size: 0,
        machine: "x86_64".into(),
        settings: settings
            .iter()
            .map(|(knob, value)| Setting { knob: (*knob).into(), value: (*value).into() })
            .collect(),
    }
}

/// A snapshot without inputs.
pub fn empty(environment: &Environment) -> Snapshot<'_> {
    Snapshot { environment, now: 0, is_host: false, state: None, inputs: Vec::new() }
}

/// The snapshot as the core takes it, without a component in between.
pub fn native<'a>(snapshot: &Snapshot<'a>) -> core::Snapshot<'a> {
    let environment = snapshot.environment;
    core::Snapshot {
        environment: core::Environment {
            page_size: environment.page_size,
            user_hz: environment.user_hz,
            huge_page_size: environment.huge_page_size,
            machine: &environment.machine,
            settings: environment
                .settings
                .iter()
                .map(|setting| (setting.knob.as_str(), setting.value.as_str()))
                .collect(),
        },
        now: snapshot.now,
        is_host: snapshot.is_host,
        state: snapshot.state,
        inputs: snapshot
            .inputs
            .iter()
            .map(|input| core::Input {
                key: input.key,
                level: input.level,
                depth: input.depth,
                content: match input.content {
                    Content::Text(text) => core::Content::Text(text),
                    Content::Bytes(bytes) => core::Content::Bytes(bytes),
                    Content::Tasks(tasks) => core::Content::Tasks(core::TaskCounts {
                        total: tasks.total,
                        running: tasks.running,
                        blocked: tasks.blocked,
                        last_pid: tasks.last_pid,
                    }),
                    Content::Absent(errno) => core::Content::Absent(*errno),
                },
            })
            .collect(),
    }
}

/// The captures of `fixtures/`, by name.
pub fn captures() -> Vec<(String, Capture)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let files = std::fs::read_dir(directory).expect("the fixtures");
    let mut captures: Vec<(String, Capture)> = files
        .map(|file| file.expect("a fixture").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let json = std::fs::read_to_string(&path).expect("a fixture is text");
            let capture = Capture::from_json(&json);
            (name, capture.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    captures.sort_by(|(one, _), (other, _)| one.cmp(other));
    captures
}

/// Says on standard error why a test did not run. CI fails on such a line
/// where it has what the test needs.
pub fn skip(test: &str, reason: &str) {
    use std::io::Write;
    // Not `eprintln`, which the test harness hides of tests that pass.
    let _ = writeln!(std::io::stderr(), "{test}: skipped, because {reason}");
}
