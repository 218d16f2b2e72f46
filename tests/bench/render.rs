//! What a render costs, as ratios of one run.
//!
//! Alternatives take turns in slices of a few milliseconds, so that a machine
//! whose speed drifts slows all of them alike. Shown is the median slice of
//! each, and its ratio to the first line of its table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use vproc_runtime::{Allocation, Cache, Engine, Options, Policy};
use vproc_snapshot::{Capture, Manifest, Snapshot};
use vproc_tests::{HOSTILE, native};

const FIXTURE: &str = include_str!("../../fixtures/v1-run-256m.json");
const SLICES: usize = 101;

struct Row<'a> {
    name: String,
    /// Calls in a slice.
    calls: u32,
    work: Box<dyn FnMut() + 'a>,
}

fn row<'a>(name: impl Into<String>, calls: u32, work: impl FnMut() + 'a) -> Row<'a> {
    Row { name: name.into(), calls, work: Box::new(work) }
}

fn main() {
    // `cargo test --benches` runs this too, without `--bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let capture = Capture::from_json(FIXTURE).unwrap();
    let engine = Engine::new(Options::default()).unwrap();
    let pooled = Options { allocation: Allocation::Pooled { slots: 4 }, ..Options::default() };
    let pooled = Engine::new(pooled).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    let pooled = vproc_default::load(&pooled, None).unwrap();
    let manifest = policy.declare(&capture.readings.environment).unwrap();
    println!(
        "default policy: {} bytes of component, capture of {} bytes",
        vproc_default::COMPONENT.len(),
        FIXTURE.len()
    );
    for path in ["/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/uptime"] {
        let entry = manifest.entry(path).unwrap();
        let snapshot = capture.readings.snapshot(entry, None).unwrap();
        render(path, &snapshot, &policy, &pooled);
    }
    load(&capture, &manifest);
    processes();
}

fn render(path: &str, snapshot: &Snapshot<'_>, policy: &Policy, pooled: &Policy) {
    let core = native(snapshot);
    let mut instance = policy.instance().unwrap();
    table(
        &format!("render {path}"),
        vec![
            row("core, native", 200, || {
                black_box(vproc_core::render(path, black_box(&core)).unwrap());
            }),
            row("component, one instance used again", 100, || {
                black_box(instance.render(path, black_box(snapshot)).unwrap());
            }),
            row("component, a fresh instance from a pool", 50, || {
                black_box(pooled.render(path, black_box(snapshot)).unwrap());
            }),
            row("component, a fresh instance on demand", 50, || {
                black_box(policy.render(path, black_box(snapshot)).unwrap());
            }),
        ],
    );
}

fn load(capture: &Capture, manifest: &Manifest) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let engine = Engine::new(Options::default()).unwrap();
    black_box(Policy::load(&engine, HOSTILE, Some(&cache)).unwrap());
    let policy = vproc_default::load(&engine, None).unwrap();
    let entry = manifest.entry("/proc/meminfo").unwrap();
    table(
        "load a policy",
        vec![
            row("the embedded one", 10, || {
                black_box(vproc_default::load(&engine, None).unwrap());
            }),
            row("another one, compiled before (cache)", 10, || {
                black_box(Policy::load(&engine, HOSTILE, Some(&cache)).unwrap());
            }),
            row("another one, compiled now", 1, || {
                black_box(Policy::compile(&engine, HOSTILE).unwrap());
            }),
            row("declare the manifest", 10, || {
                black_box(policy.declare(&capture.readings.environment).unwrap());
            }),
            row("pick one entry's inputs", 200, || {
                black_box(capture.readings.snapshot(entry, None).unwrap());
            }),
        ],
    );
}

/// Whole processes, `vprocctl` beside `cat`.
fn processes() {
    let program = env!("CARGO_BIN_EXE_vprocctl");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    };
    let memory = peak_memory(program);
    table(
        &format!("whole process (vprocctl peaks at {memory} KiB)"),
        vec![
            row("cat /proc/meminfo", 1, || run("cat", &["/proc/meminfo"])),
            row("vprocctl render --pid self /proc/meminfo", 1, || {
                run(program, &["render", "--pid", "self", "/proc/meminfo"]);
            }),
            row("vprocctl render --pid self /proc", 1, || {
                run(program, &["render", "--pid", "self", "/proc"]);
            }),
        ],
    );
}

/// Peak memory of a vprocctl that renders, in KiB.
fn peak_memory(program: &str) -> String {
    let mut child = Command::new(program)
        .args(["render", "--pid", "self", "/proc/meminfo"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let peak = watch(pid);
    let _ = child.wait();
    peak.map_or("an unknown number of".into(), |kib| kib.to_string())
}

/// The highest `VmHWM` that is seen until the process ends.
fn watch(pid: rustix::process::Pid) -> Option<u64> {
    let status = format!("/proc/{}/status", pid.as_raw_nonzero());
    let mut peak = None;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let Ok(text) = std::fs::read_to_string(&status) else { break };
        let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
        peak = line.trim().trim_end_matches(" kB").parse().ok().max(peak);
    }
    peak
}

fn table(title: &str, mut rows: Vec<Row<'_>>) {
    let mut slices: Vec<Vec<f64>> = vec![Vec::with_capacity(SLICES); rows.len()];
    for _ in 0..SLICES {
        for (row, times) in rows.iter_mut().zip(&mut slices) {
            let start = Instant::now();
            for _ in 0..row.calls {
                (row.work)();
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(row.calls));
        }
    }
    println!("\n{title}");
    let mut first = None;
    for (row, times) in rows.iter().zip(&mut slices) {
        times.sort_by(f64::total_cmp);
        let (low, median, high) = (times[SLICES / 10], times[SLICES / 2], times[SLICES * 9 / 10]);
        let base = *first.get_or_insert(median);
        println!(
            "  {:<44} {median:>10.2} µs  ×{:<7.2} (p10 {low:.2}, p90 {high:.2})",
            row.name,
            median / base,
        );
    }
}
