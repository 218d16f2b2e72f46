//! What an operator is told.

use crate::command::VPROCCTL;
use crate::container::{Container, Group};
use crate::fixture::Mount;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

#[test]
fn status_tells_people_and_scripts_how_the_mount_does() {
    let test = "status_tells_people_and_scripts_how_the_mount_does";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let init = container.init();
    mount.told(&["register", "box", "--pid", &init.to_string()]);
    for _ in 0..5 {
        container.sh(&format!("cat {}/proc/meminfo", mount.point.display()));
    }
    let _open = std::fs::File::open(mount.file("/proc/stat")).unwrap();
    let policy = mount.puppet("own.wasm", "letter=P");
    mount.told(&["policy", "set", &policy, "--for", "/none"]);

    let report = mount.status();
    assert_eq!(report.mount, mount.point);
    let pid = |pid: rustix::process::Pid| pid.as_raw_nonzero().get().cast_unsigned();
    assert_eq!(report.holder, pid(mount.holder()));
    assert_eq!(Some(report.worker), mount.worker().map(pid));
    assert!(report.uptime_seconds > 0.0 && report.uptime_seconds < 600.0);
    assert_eq!((report.restarts, report.swaps, report.handles), (0, 1, 1));
    assert!(["resend", "journal"].contains(&report.recovery.as_str()));
    let [embedded, own] = &report.policies[..] else { panic!("{report:?}") };
    assert_eq!((embedded.file.as_ref(), embedded.prefix.as_ref()), (None, None));
    assert!(own.file.as_ref().unwrap().ends_with("own.wasm"));
    assert_eq!(
        (own.prefix.as_deref(), own.name.as_str(), own.version.as_str()),
        (Some("/none"), "puppet", "P")
    );
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(digest(&own.sha256) && digest(&embedded.sha256) && own.sha256 != embedded.sha256);
    let known = report.containers.iter().find(|it| it.pid == init).unwrap();
    assert_eq!(
        (known.name.as_deref(), known.group.as_str(), known.alive),
        (Some("box"), group.name.as_str(), true)
    );
    let meminfo = report.files.iter().find(|file| file.path == "/proc/meminfo").unwrap();
    assert_eq!((meminfo.requests, meminfo.failures, meminfo.fallbacks), (5, 0, 0));
    assert!(meminfo.p50_us > 0.0 && meminfo.p99_us >= meminfo.p50_us);

    let page = mount.told(&["status"]);
    for word in [
        mount.point.to_str().unwrap(),
        &format!("worker {} of holder {}", report.worker, report.holder),
        &own.sha256[..12],
        "policy for /none",
        "box",
        &group.name,
        "/proc/meminfo",
        "restarted never",
    ] {
        assert!(page.contains(word), "`{word}` in:\n{page}");
    }
    mount.replace_worker();
    assert!(mount.told(&["status"]).contains("restarted once"));
}

#[test]
fn a_mount_that_is_not_there_is_named() {
    if !crate::fixture::can_mount("a_mount_that_is_not_there_is_named") {
        return;
    }
    let output =
        Command::new(VPROCCTL).args(["status", "--mount", "/nonexistent/mount"]).output().unwrap();
    let (code, line) = crate::command::failure(output);
    assert_eq!(code, 7, "{line}");
    assert!(line.contains("vprocctl mount"), "{line}");
}

/// A metric's name, type, and samples by their labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: BTreeMap<String, f64>,
}

/// The text format of Prometheus, version 0.0.4, and nothing that it forbids.
fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert!(helped.contains(name) && !families.contains_key(name), "{line}");
            current = name.to_owned();
            let family = Family { kind: kind.to_owned(), ..Family::default() };
            families.insert(name.to_owned(), family);
        } else {
            assert!(!line.starts_with('#') && !line.is_empty(), "{line}");
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let (name, labels) = match sample.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
                None => (sample, ""),
            };
            assert!(is_name(name), "{line}");
            let family = families.get_mut(&current).unwrap();
            let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line}"));
            let is_summary = family.kind == "summary";
            assert!(
                suffix.is_empty() || is_summary && ["_count", "_sum"].contains(&suffix),
                "{line}"
            );
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, value) = label.split_once("=\"").unwrap();
                let value = value.strip_suffix('"').unwrap();
                assert!(is_name(name) && !value.contains(['"', '\n']), "{line}");
            }
            let is_new = family.samples.insert(format!("{suffix}{labels}"), value).is_none();
            assert!(is_new, "twice: {line}");
            assert!(value >= 0.0 || family.kind == "gauge", "{line}");
        }
    }
    for (name, family) in &families {
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
    }
    families
}

#[test]
fn metrics_are_prometheus_text() {
    let test = "metrics_are_prometheus_text";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    for _ in 0..3 {
        mount.read("/proc/meminfo");
    }
    mount.replace_worker();
    for _ in 0..4 {
        mount.read("/proc/meminfo");
    }
    let asked = mount.told(&["status", "--metrics"]);
    let read = mount.read(".vproc/metrics");
    for text in [&asked, &read] {
        let families = parse(text);
        let value = |name: &str, labels: &str| families[name].samples[labels];
        let meminfo = "file=\"/proc/meminfo\"";
        assert_eq!(value("vproc_reads_total", meminfo), 4.0, "{text}");
        assert_eq!(value("vproc_render_seconds", &format!("_count{meminfo}")), 4.0);
        let median = value("vproc_render_seconds", &format!("{meminfo},quantile=\"0.5\""));
        assert!(median > 0.0 && median < 10.0, "{median}");
        assert_eq!(value("vproc_worker_restarts_total", ""), 1.0);
        assert!(value("vproc_uptime_seconds", "") > 0.0);
        assert!(value("vproc_containers", "") >= 1.0);
    }
}
