//! `examples/embed-rust`: what a program makes of `vproc-runtime` is what `vprocctl`
//! prints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use example_embed_rust::{Failure, Renderer};
use serde_json::Value;
use vproc_linux::{Host, HostPid, Identity};
use vproc_snapshot::{Capture, Content, Readings, Setting};
use vproc_tests::captures;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

#[test]
fn rust_renders_the_same() {
    let renderer = Renderer::load(None, None).unwrap();
    let mut compared = 0;
    for (name, Capture { readings, .. }) in captures() {
        let file = format!("{FIXTURES}/{name}.json");
        let output = command::run(&["render", "--json", "--from", &file, "/"]);
        let expected: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut container = renderer.container(readings.environment.clone()).unwrap();
        let files = expected.as_array().unwrap();
        for file in files {
            let path = file["path"].as_str().unwrap();
            let text = container.render(path, &readings).unwrap();
            assert_eq!(String::from_utf8_lossy(&text), file["text"].as_str().unwrap(), "{path}");
            compared += 1;
        }
    }
    assert!(compared > 500, "only {compared} files were compared");
}

/// What threads of a program can have together.
const fn shared<T: Send + Sync>() {}

const _: () = {
    shared::<(vproc_runtime::Engine, vproc_runtime::Policy, vproc_runtime::Cache)>();
    shared::<(Host, Renderer, example_embed_rust::Container)>();
};

#[test]
fn rust_keeps_what_a_container_needs_and_says_what_is_wrong() {
    let renderer = Renderer::load(None, None).unwrap();
    let (_, Capture { readings, .. }) =
        captures().into_iter().find(|(name, _)| name == "v1-run-256m").unwrap();
    let environment = readings.environment.clone();
    let mut container = renderer.container(environment.clone()).unwrap();
    // After two quiet minutes and a busy one. An average goes on from the last one;
    // without, all of the time counts as busy.
    let mut later = readings.clone();
    later.now += 120_000_000_000;
    container.render("/proc/loadavg", &later).unwrap();
    later.now += 60_000_000_000;
    for reading in later.records.iter_mut().flat_map(|record| &mut record.found) {
        if let Content::Tasks(tasks) = &mut reading.content {
            tasks.running += 3;
        }
    }
    let average = container.render("/proc/loadavg", &later).unwrap();
    let fresh = renderer.container(environment.clone()).unwrap().render("/proc/loadavg", &later);
    assert_ne!(average, fresh.unwrap());

    let refused = container.render("/proc/not-served", &readings);
    assert!(matches!(refused, Err(Failure::NotServed(_))), "{refused:?}");
    let setting = |knob: &str, value: &str| Setting { knob: knob.into(), value: value.into() };
    let mut environment = environment;
    environment.settings.push(setting("/proc/meminfo", "deny"));
    let mut strict = renderer.container(environment.clone()).unwrap();
    let readings = Readings { environment: environment.clone(), ..readings };
    let denied = strict.render("/proc/meminfo", &readings);
    assert!(matches!(denied, Err(Failure::Denied(_))), "{denied:?}");
    environment.settings.push(setting("no-such-knob", "1"));
    let Err(Failure::Policy { error, .. }) = renderer.container(environment) else {
        panic!("an unknown knob is taken");
    };
    assert!(error.to_string().contains("no-such-knob"), "{error}");

    // Live, as this process sees itself.
    let host = Host::open().unwrap();
    let subject = host.subject(HostPid::current(), Identity::Init).unwrap();
    let mut live = renderer.container(host.environment(Vec::new())).unwrap();
    let text = live.read("/proc/meminfo", &host, &subject).unwrap();
    assert!(text.starts_with(b"MemTotal:"), "{}", String::from_utf8_lossy(&text));
}
