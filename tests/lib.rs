//! What the tests that cross crates share.

use vproc_snapshot::{Environment, Setting, Snapshot};

/// A policy that breaks every rule, on demand: `guests/hostile`.
pub static HOSTILE: &[u8] = include_bytes!(env!("HOSTILE"));

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

/// Says on standard error why a test did not run. CI fails on such a line
/// where it has what the test needs.
pub fn skip(test: &str, reason: &str) {
    use std::io::Write;
    // Not `eprintln`, which the test harness hides of tests that pass.
    let _ = writeln!(std::io::stderr(), "{test}: skipped, because {reason}");
}
