//! What `vprocctl policy check` finds: policies that are a little wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use std::fs;
use std::process::{Command, Output};
use tempfile::TempDir;
use vproc_tests::puppet;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

fn vprocctl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vprocctl")).args(arguments).output().unwrap()
}

fn fixture(name: &str) -> String {
    format!("{FIXTURES}/{name}.json")
}

/// A policy in a directory of its own.
struct Stage {
    _directory: TempDir,
    file: String,
}

impl Stage {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        fs::write(&file, bytes).unwrap();
        Stage { file: file.to_str().unwrap().to_owned(), _directory: directory }
    }

    fn puppet(orders: &str) -> Self {
        Stage::new("policy.wasm", &puppet(orders))
    }

    /// The default policy with other texts.
    fn overlay(texts: &[(&str, &str)]) -> Self {
        let rule = |(path, text): &(&str, &str)| {
            format!("[[rule]]\npath = {path:?}\ntext = {}\n", Value::from(*text))
        };
        Stage::new("overlay.toml", texts.iter().map(rule).collect::<String>().as_bytes())
    }

    fn check(&self, capture: &str) -> Vec<[String; 4]> {
        let capture = fixture(capture);
        let only = ["--only", "--capture", &capture, "--json"];
        let output = vprocctl(&[&["policy", "check", &self.file][..], &only].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let findings = report["findings"].as_array().unwrap();
        let is_error = |finding: &&Value| finding["severity"] == "error";
        assert_eq!(report["fit"] == false, findings.iter().any(|f| is_error(&f)));
        assert_eq!(output.status.success(), report["fit"] == true);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let words = |f: &Value| ["severity", "check", "path", "message"].map(|name| text(&f[name]));
        findings.iter().map(words).collect()
    }

    #[track_caller]
    fn assert_refused(&self, capture: &str, check: &str, path: &str, part: &str) {
        let findings = self.check(capture);
        let meant = |[severity, c, p, message]: &&[String; 4]| {
            severity == "error" && c == check && p == path && message.contains(part)
        };
        assert!(findings.iter().any(|f| meant(&f)), "{check} {path} {part}: {findings:#?}");
    }
}

const CAPTURE: &str = "v2-6.1-run-96m";

fn text(path: &str) -> String {
    let output = vprocctl(&["render", "--from", &fixture(CAPTURE), path]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_hosts_numbers_are_missed_by_nobody() {
    for name in ["meminfo", "uptime", "loadavg", "cpuinfo", "stat", "vmstat"] {
        let path = format!("/proc/{name}");
        let policy = Stage::puppet(&format!("host={path} show=host"));
        policy.assert_refused(CAPTURE, "leaks", &path, &format!("it follows host:{path}"));
    }
    // Where the default policy has no such file, what it shows elsewhere counts.
    let policy = Stage::puppet("host=/proc/loadavg show=host");
    policy.assert_refused(CAPTURE, "leaks", "/proc/puppet", "host:/proc/loadavg");
    let policy = Stage::puppet("host=/proc/meminfo show=host");
    policy.assert_refused(CAPTURE, "layout", "/proc/stat", "");
    let capture = fixture(CAPTURE);
    let output = vprocctl(&["policy", "check", &policy.file, "--only", "--capture", &capture]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("Not fit to be used.") && page.contains("error: leaks: /proc"), "{page}");
}

#[test]
fn what_no_kernel_prints_is_refused() {
    let long = text("/proc/meminfo");
    let collapsed: String = long
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect();
    let cases = [
        (CAPTURE, "/proc/swaps", "garbage\n", "is not its header"),
        (CAPTURE, "/proc/meminfo", &collapsed, "column"),
        (CAPTURE, "/proc/uptime", "1.00 2.00", "newline"),
        (CAPTURE, "/proc/loadavg", "0.1 0.1 0.1 1/4 8\n", "is not its one line"),
        (CAPTURE, "/proc/vmstat", "nr_free_pages many\n", "is no line of it"),
        (CAPTURE, "/sys/devices/system/cpu/possible", "banana\n", "is no list"),
        (CAPTURE, "/sys/devices/system/cpu/online", "1-0\n", "is no list"),
        ("v2-7.3-box-96m", "/proc/zoneinfo", "bah\n", "is no line of it"),
        ("v2-7.3-box-96m", "/proc/pressure/irq", "hello\n", "averages"),
        ("v2-7.3-box-96m", "/proc/interrupts", "nonsense\n", "header of CPUs"),
        ("v2-7.3-box-96m", "/proc/softirqs", "    CPU0\n  HI: 1 2\n", "column for each CPU"),
        ("v2-7.3-box-96m", "/proc/buddyinfo", "Node 0, zone DMA\n", "pieces"),
        ("v1-run-256m", "/proc/sys/vm/nr_hugepages", "many\n", "is not 1 numbers"),
    ];
    for (capture, path, text, part) in cases {
        Stage::overlay(&[(path, text)]).assert_refused(capture, "layout", path, part);
    }
}

/// A file that is computed has the lines of this kernel.
#[test]
fn lines_are_those_of_the_default_policy() {
    // The host's file has the form of another file's lines, or lacks some.
    let policy = Stage::puppet("host=/proc/meminfo show=host");
    policy.assert_refused(CAPTURE, "layout", "/proc/vmstat", "is no line of it");
    let fewer = Stage::new("meminfo.wasm", &puppet("host=/proc/meminfo show=host"));
    let findings = fewer.check(CAPTURE);
    let of_itself =
        |[_, check, path, _]: &&[String; 4]| check == "layout" && path == "/proc/meminfo";
    assert!(!findings.iter().any(|finding| of_itself(&finding)), "{findings:#?}");
}

#[test]
fn files_that_disagree_are_refused() {
    let meminfo = text("/proc/meminfo");
    let with = |label: &str, amount: &str| -> String {
        let line = |line: &str| match line.starts_with(&format!("{label}:")) {
            true => format!("{:<16}{amount:>8} kB\n", format!("{label}:")),
            false => format!("{line}\n"),
        };
        meminfo.lines().map(line).collect()
    };
    Stage::overlay(&[("/proc/meminfo", &with("Active", "999999999"))]).assert_refused(
        CAPTURE,
        "agreement",
        "/proc/meminfo",
        "Active and MemTotal",
    );
    Stage::overlay(&[("/proc/meminfo", &with("SwapTotal", "77777"))]).assert_refused(
        CAPTURE,
        "agreement",
        "/proc/swaps",
        "SwapTotal",
    );
    let stat = text("/proc/stat").replacen("cpu  ", "cpu  1", 1);
    Stage::overlay(&[("/proc/stat", &stat)]).assert_refused(
        CAPTURE,
        "agreement",
        "/proc/stat",
        "column 1 of the line `cpu`",
    );
    Stage::overlay(&[("/sys/devices/system/cpu/possible", "0-6\n")]).assert_refused(
        CAPTURE,
        "agreement",
        "/sys/devices/system/cpu/possible",
        "7 CPUs",
    );
}

#[test]
fn a_state_does_no_harm() {
    let fit = Stage::puppet("count=name/1");
    assert!(fit.check(CAPTURE).iter().all(|[_, check, ..]| check != "state"));
    let policy = Stage::puppet("count=name/1 fail=/proc/puppet");
    policy.assert_refused(
        CAPTURE,
        "state",
        "/proc/puppet",
        "the state that it left itself: it trapped",
    );
    let policy = Stage::puppet("count=name/1 strict=/proc/puppet");
    policy.assert_refused(CAPTURE, "state", "/proc/puppet", "a state that is cut off: it trapped");
    policy.assert_refused(
        CAPTURE,
        "state",
        "/proc/puppet",
        "the state of another policy: it trapped",
    );
}

#[test]
fn all_numbers_and_all_groups_are_tried() {
    Stage::puppet("many=7").assert_refused(CAPTURE, "renders", "/sys/many/n7", "trapped");
    let deep = Stage::puppet("deep=max");
    let nested = "v2-6.1-leaf-without-controllers";
    deep.assert_refused(nested, "malformed", "/proc/puppet", "`limit` is malformed: it trapped");
}

#[test]
fn what_was_not_judged_is_said() {
    let texts = [("/proc/made-up", "anything\n")];
    let overlay = Stage::overlay(&texts);
    let capture = fixture(CAPTURE);
    let output = vprocctl(&["policy", "check", &overlay.file, "--only", "--capture", &capture]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{page}");
    assert!(page.contains("warning: layout: /proc/made-up: "), "{page}");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("Not judged: ")).collect();
    for part in ["(/proc/made-up)", "of processes", "no capture has the inputs", "passed on"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {page}");
    }
    assert!(page.ends_with("\nFit to be used.\n"), "{page}");
}

#[test]
fn costs_stand_beside_the_defaults() {
    let overlay = Stage::overlay(&[("/proc/made-up", "anything\n")]);
    let capture = fixture(CAPTURE);
    let arguments = ["policy", "check", &overlay.file, "--only", "--capture", &capture];
    let page = String::from_utf8(vprocctl(&arguments).stdout).unwrap();
    let rows: Vec<&str> =
        page.lines().skip_while(|l| *l != "The dearest renders:").skip(1).take(5).collect();
    let micros: Vec<f64> =
        rows.iter().map(|row| row.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_eq!(micros.len(), 5, "{page}");
    assert!(micros.windows(2).all(|pair| pair[0] >= pair[1]), "{rows:?}");
    let is_compared = |row: &&str| row.contains(" µs  /") && row.contains(" times the default's");
    assert!(rows.iter().all(is_compared), "{rows:?}");
}
