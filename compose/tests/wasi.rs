//! Guests that know nothing of vproc see what a policy renders, and nothing of
//! the host; the rest is the runtime's, as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use vproc_compose::{DEFAULT_POLICY, Error, compose};
use vproc_compose_tests::{
    Guest, PROBER, SIZER, fixture, interpreter, puppet, runtime, skip, snapshot,
};
use vproc_snapshot::{Capture, CgroupVersion, Content, Readings, Source};

/// The runtime, or a reason on standard error why the test does not run.
macro_rules! runtime {
    ($test:literal) => {
        match runtime() {
            Ok(python) => python,
            Err(reason) => return skip($test, &reason),
        }
    };
}

fn prober(python: &Path) -> Guest {
    Guest::new(python, &compose(PROBER, DEFAULT_POLICY).unwrap())
}

/// The files that a guest printed: their paths and texts, or the errno.
fn dumped(mut bytes: &[u8]) -> Vec<(String, Result<Vec<u8>, String>)> {
    let mut files = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8(bytes[..end].to_vec()).unwrap();
        bytes = &bytes[end + 1..];
        let (path, said) = line.rsplit_once(' ').unwrap();
        let text = match said.parse::<usize>() {
            Ok(length) => {
                let (text, rest) = bytes.split_at(length);
                bytes = rest;
                Ok(text.to_vec())
            }
            Err(_) => Err(said.to_owned()),
        };
        files.push((path.to_owned(), text));
    }
    files
}

#[test]
fn files_are_those_of_the_snapshots() {
    let python = runtime!("files_are_those_of_the_snapshots");
    // On v1 and v2, and of another architecture.
    for (name, fewest) in [("v1-run-256m", 40), ("v2-6.12-run-96m", 15), ("handmade-arm64", 5)] {
        let guest = prober(&python).fixture(name);
        let directories = ["/proc", "/sys/devices/system/cpu", "/sys/devices/system/node"];
        let output = guest.output(&[&["dump"], &directories[..]].concat(), "");
        let files = dumped(&output.stdout);
        let mut compared = 0;
        for (path, text) in &files {
            let Some(expected) = snapshot(name, path) else { continue };
            let text = String::from_utf8(text.clone().unwrap()).unwrap();
            assert_eq!(text.trim_end(), expected, "{name}: {path}");
            compared += 1;
        }
        assert!(compared >= fewest, "{name}: {compared} of {}", files.len());
    }
}

#[test]
fn a_file_is_read_in_pieces_and_again() {
    let python = runtime!("a_file_is_read_in_pieces_and_again");
    let guest = prober(&python).fixture("v1-run-256m");
    let whole = guest.prints(&["cat", "/proc/meminfo"]);
    assert!(whole.starts_with("MemTotal:         262144 kB\n") && whole.ends_with(" kB\n"));
    for size in ["1", "7", "4096", "1000000"] {
        assert_eq!(guest.prints(&["pieces", "/proc/meminfo", size]), whole, "{size}");
    }
    assert_eq!(guest.prints(&["again", "/proc/meminfo"]), whole.repeat(2));
    let length = whole.len();
    assert_eq!(guest.prints(&["stat", "/proc/meminfo"]), format!("file {length} {length}\n"));
    assert_eq!(guest.prints(&["stat", "/proc"]), "directory 0 0\n");
}

#[test]
fn directories_list_what_is_rendered() {
    let python = runtime!("directories_list_what_is_rendered");
    let guest = prober(&python).fixture("v1-run-256m");
    let listed = guest.prints(&["list", "/proc"]);
    let names: Vec<&str> = listed.lines().collect();
    for name in ["cpuinfo", "loadavg", "meminfo", "pressure/", "stat", "sys/"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with(|first: char| first.is_ascii_digit())));
    let cpus = guest.prints(&["list", "/sys/devices/system/cpu"]);
    let cpus: Vec<&str> = cpus.lines().filter(|name| name.starts_with("cpu")).collect();
    assert_eq!(cpus, ["cpu0/", "cpu1/"]);
    assert_eq!(guest.prints(&["list", "/proc/pressure"]), "cpu\nio\nirq\nmemory\n");
}

#[test]
fn the_rest_is_the_runtimes() {
    let python = runtime!("the_rest_is_the_runtimes");
    // A directory of its own, and one that has rendered ones below it.
    for (name, path) in [("/data", "/data"), ("/", "/data"), (".", "/data")] {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().to_owned();
        let directory = if name == "/data" { root.clone() } else { root.join("data") };
        fs::create_dir_all(&directory).unwrap();
        let guest = prober(&python).fixture("v1-run-256m").directory(&root, name);
        let printed = guest.prints(&["scratch", path]);
        assert_eq!(printed, "made other\nfirst\nsecond\n5 first\ntrue\n", "{name}");
        assert_eq!(fs::read_to_string(directory.join("one")).unwrap(), "first");
    }
}

#[test]
fn streams_arguments_clocks_and_exit_pass_through() {
    let python = runtime!("streams_arguments_clocks_and_exit_pass_through");
    let guest = prober(&python)
        .fixture("v1-run-256m")
        .variable("SHOWN=1")
        .variable("VPROC_SET=cpus=cpuset");
    let output = guest.output(&["console", "one", "two"], "from standard input");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(printed, "one,two FROM STANDARD INPUT\nSHOWN\ntrue\n");
    assert_eq!(output.stderr, b"to standard error\n");
    // WASI 0.2 knows success and failure: what the guest alone comes to.
    let alone = Guest::new(&python, PROBER).output(&["console"], "");
    assert_eq!(output.status.code(), alone.status.code());
    assert!(!output.status.success());
}

#[test]
fn knobs_are_set_by_a_variable() {
    let python = runtime!("knobs_are_set_by_a_variable");
    let guest = prober(&python).fixture("v1-run-256m").variable("VPROC_SET=/proc/stat=deny");
    assert!(guest.prints(&["cat", "/proc/meminfo"]).starts_with("MemTotal:"));
    let output = guest.output(&["cat", "/proc/stat"], "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "failed: EACCES\n");
    // A knob that does not exist: nothing is rendered.
    let guest = prober(&python).fixture("v1-run-256m").variable("VPROC_SET=nonsense=1");
    let output = guest.output(&["cat", "/proc/meminfo"], "");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("failed: "), "{output:?}");
}

const SECRET: &str = "MemTotal: of the host";

#[test]
fn nothing_of_the_host_is_reached() {
    let python = runtime!("nothing_of_the_host_is_reached");
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    // What a careless runtime would hand out: a root directory with a /proc in
    // it, and links that lead there.
    for directory in ["proc/deep", "sys/devices/system/cpu", "data", "vproc/proc"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for file in ["proc/meminfo", "proc/secret", "proc/deep/secret", "sys/devices/system/cpu/secret"]
    {
        fs::write(root.join(file), SECRET).unwrap();
    }
    for (link, target) in [
        ("data/up", "../proc/secret"),
        ("data/over", "../proc"),
        ("data/far", "../sys/devices/system"),
        ("alias", "proc"),
        ("twice", "data/over"),
        ("data/loop", "loop"),
        ("data/absolute", "/proc/secret"),
    ] {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    fs::write(root.join("data/mine"), "mine").unwrap();
    let guest = prober(&python)
        .fixture("v1-run-256m")
        .directory(root, "/")
        .directory(&root.join("data"), "/data");
    let printed = guest.prints(&[
        "attack",
        "/proc/secret",
        "/proc/deep/secret",
        "/proc/../proc/secret",
        "/proc/../data/mine",
        "/proc/../../../proc/secret",
        "/alias/secret",
        "/twice/secret",
        "/data/up",
        "/data/over/secret",
        "/data/far/cpu/secret",
        "/data/loop",
        "/data/absolute",
        "/sys/devices/system/cpu/secret",
        "/sys/devices/../devices/system/cpu/secret",
        "/vproc/capture.json",
        "/proc/1/environ",
        "/proc/self/environ",
        "/alias/cpuinfo/",
    ]);
    assert!(!printed.contains("of the host"), "{printed}");
    let told: Vec<&str> = printed.lines().collect();
    assert!(
        told.contains(&"/data/mine: read mine") || printed.contains("data/mine: "),
        "{printed}"
    );
    for line in &told {
        assert!(line.contains("mine: read mine") || !line.contains(": read"), "{line}");
    }
    for expected in [
        "/proc/secret: ENOENT",
        "/alias/secret: ENOENT",
        "/twice/secret: ENOENT",
        "write: EROFS",
        "truncate: EROFS",
        "create: EROFS",
        "remove: EROFS",
        "make: EROFS",
        "rename: EROFS",
        "as a directory: ENOTDIR",
        "below a file: ENOTDIR",
        "many: done",
    ] {
        assert!(told.contains(&expected), "{expected}:\n{printed}");
    }
    // By a link, the rendered file.
    let total = guest.prints(&["cat", "/alias/meminfo"]);
    assert!(total.starts_with("MemTotal:         262144 kB\n"), "{total}");
    // A root directory shows what is rendered in the place of its own.
    let names = guest.prints(&["list", "/alias"]);
    assert!(names.contains("meminfo\n") && !names.contains("secret"), "{names}");
    for file in ["proc/meminfo", "proc/secret"] {
        assert_eq!(fs::read_to_string(root.join(file)).unwrap(), SECRET);
    }
}

#[test]
fn without_inputs_nothing_is_shown() {
    let python = runtime!("without_inputs_nothing_is_shown");
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir_all(scratch.path().join("proc")).unwrap();
    fs::write(scratch.path().join("proc/meminfo"), SECRET).unwrap();
    let guests = [
        prober(&python),
        prober(&python).capture("{}"),
        prober(&python).directory(scratch.path(), "/"),
        // The guest's own word for a capture.
        prober(&python).directory(scratch.path(), "/").directory(scratch.path(), "/proc"),
        // The host's /proc, but no groups.
        prober(&python).directory(scratch.path(), "/vproc"),
    ];
    for guest in guests {
        let output = guest.output(&["cat", "/proc/meminfo"], "");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.starts_with("failed: ") && !printed.contains("ENOENT"), "{printed}");
    }
}

#[test]
fn a_policy_that_traps_ends_the_guest() {
    let python = runtime!("a_policy_that_traps_ends_the_guest");
    let composed = |orders| compose(PROBER, &puppet(orders)).unwrap();
    let guest = Guest::new(&python, &composed("letter=Z lines=3")).fixture("v1-run-256m");
    assert!(guest.prints(&["cat", "/proc/puppet"]).starts_with('Z'));
    let guest = Guest::new(&python, &composed("trap=1")).fixture("v1-run-256m");
    let output = guest.output(&["cat", "/proc/puppet"], "");
    assert_eq!(output.status.code(), Some(134), "{output:?}");
    assert!(output.stdout.is_empty());
    // What a policy may not name is not read.
    let guest = Guest::new(&python, &composed("host=/etc/shadow show=host")).fixture("v1-run-256m");
    let output = guest.output(&["cat", "/proc/puppet"], "");
    assert!(output.stdout.starts_with(b"failed: "), "{output:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let module = |text: &str| wat::parse_str(text).unwrap();
    let foreign = module(r#"(module (import "env" "malloc" (func)))"#);
    let refused = |guest: &[u8], policy: &[u8]| compose(guest, policy).unwrap_err();
    let error = refused(&foreign, DEFAULT_POLICY);
    assert!(matches!(&error, Error::CoreModule(import) if import == "env malloc"), "{error}");
    assert!(error.to_string().contains("wasm32-wasip2"));
    assert!(matches!(refused(b"#!/bin/sh", DEFAULT_POLICY), Error::Malformed(_)));
    assert!(matches!(refused(DEFAULT_POLICY, DEFAULT_POLICY), Error::NoFileSystem));
    assert!(matches!(refused(PROBER, PROBER), Error::NoRenderer));
    let talks = module(
        r#"(component
            (import "wasi:filesystem/types@0.2.0" (instance))
            (import "wasi:http/types@0.2.0" (instance)))"#,
    );
    let error = refused(&talks, DEFAULT_POLICY);
    assert!(matches!(error, Error::ForeignStreams(_)), "{error}");
}

/// Sizes itself by what it sees, as programs do.
const SCRIPT: &str = r#"
import os
def amounts(path):
    return {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in open(path))}
workers = sum(line.startswith("processor") for line in open("/proc/cpuinfo"))
memory = amounts("/proc/meminfo")
print(workers, "workers,", memory["MemTotal"] // workers, "kB each")
print("a cache of", memory["MemAvailable"] // 4, "kB")
print("cpu1" in os.listdir("/sys/devices/system/cpu"), os.path.exists("/proc/self/environ"))
print(open("/data/mine").read())
try:
    open("/proc/meminfo", "w")
except OSError as error:
    print(error)
"#;

#[test]
fn an_interpreter_that_others_compiled_sizes_itself() {
    let test = "an_interpreter_that_others_compiled_sizes_itself";
    let python = runtime!("an_interpreter_that_others_compiled_sizes_itself");
    let interpreter = match interpreter() {
        Ok(interpreter) => interpreter,
        Err(reason) => return skip(test, &reason),
    };
    let composed = compose(&interpreter, DEFAULT_POLICY).unwrap();
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("mine"), "the rest is the runtime's").unwrap();
    let guest = Guest::new(&python, &composed).fixture("v1-run-256m");
    let printed = guest.directory(data.path(), "/data").prints(&["-c", SCRIPT]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "2 workers, 131072 kB each", "{printed}");
    let snapshot = snapshot("v1-run-256m", "/proc/meminfo").unwrap();
    let available = snapshot.lines().find(|line| line.starts_with("MemAvailable:")).unwrap();
    let available: u64 = available.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(lines[1], format!("a cache of {} kB", available / 4));
    assert_eq!(lines[2..4], ["True False", "the rest is the runtime's"]);
    assert!(lines[4].contains("Read-only file system"), "{printed}");
}

/// Reads the first bytes of `meminfo` in the first directory that it has.
const PREVIEW1: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
        (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "meminfo")
    (func (export "_start")
        (if (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 0)
                (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))
            (then (call $exit (i32.const 9))))
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 28))
        (drop (call $read (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 12)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))"#;

#[test]
fn modules_of_preview_1_are_adapted() {
    let python = runtime!("modules_of_preview_1_are_adapted");
    let module = wat::parse_str(PREVIEW1).unwrap();
    let composed = compose(&module, DEFAULT_POLICY).unwrap();
    let guest = Guest::new(&python, &composed).fixture("v1-run-256m");
    assert_eq!(guest.prints(&[]), "MemTotal:         262144 kB\n");
}

#[test]
fn a_program_sizes_itself() {
    let python = runtime!("a_program_sizes_itself");
    let composed = compose(SIZER, DEFAULT_POLICY).unwrap();
    // 256 MiB and a CPU and a half, on a host of 24 GiB.
    let guest = Guest::new(&python, &composed).fixture("v1-run-256m");
    assert_eq!(guest.prints(&[]), "workers 2, cache 128 MiB\n");
    let guest = Guest::new(&python, &composed).fixture("v2-6.12-run-96m");
    assert!(guest.prints(&[]).ends_with("cache 48 MiB\n"));
}

/// Lays the records of a capture out as a host has them: `/proc`, and the
/// hierarchies below `/sys/fs/cgroup`.
fn lay_out(readings: &Readings, root: &Path) {
    let write = |path: PathBuf, content: &Content| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content {
            Content::Text(text) => fs::write(path, text).unwrap(),
            Content::Bytes(bytes) => fs::write(path, bytes).unwrap(),
            Content::Tasks(_) | Content::Absent(_) => {}
        }
    };
    let group = |names: u32| (0..names).map(|name| format!("/g{name}")).collect::<String>();
    let (mut deepest, mut mounted) = (0, Vec::new());
    for record in &readings.records {
        for found in &record.found {
            match &record.source {
                Source::Host(path) => write(root.join(&path[1..]), &found.content),
                Source::Process { name, .. } => {
                    write(root.join("proc/self").join(name), &found.content);
                }
                Source::Cgroup { version, controller, name, .. } => {
                    let hierarchy =
                        if *version == CgroupVersion::V2 { "unified" } else { controller };
                    let top = root.join("sys/fs/cgroup").join(hierarchy);
                    write(top.join(&group(found.depth)[..]).join(name), &found.content);
                    let path = format!("{}{}/{name}", top.display(), group(found.depth));
                    write(path.into(), &found.content);
                    deepest = deepest.max(found.depth + found.level);
                    mounted.push((*version, hierarchy.to_owned()));
                }
                Source::Namespaced(_) | Source::Tasks | Source::Processes => {}
            }
        }
    }
    mounted.sort_by(|one, other| one.1.cmp(&other.1));
    mounted.dedup();
    let (mut membership, mut mounts) = (String::new(), String::new());
    for (version, name) in &mounted {
        let leaf = format!("{}/sys/fs/cgroup/{name}{}", root.display(), group(deepest));
        fs::create_dir_all(leaf).unwrap();
        let (id, words, kind) = match version {
            CgroupVersion::V1 => (1, name.as_str(), "cgroup"),
            CgroupVersion::V2 => (0, "", "cgroup2"),
        };
        if *version == CgroupVersion::V1 {
            fs::write(root.join(format!("sys/fs/cgroup/{name}/cgroup.sane_behavior")), "0")
                .unwrap();
        }
        membership += &format!("{id}:{words}:/elsewhere\n");
        mounts += &format!("1 1 0:1 / /sys/fs/cgroup/{name} rw - {kind} none rw,{words}\n");
    }
    let nanos = readings.now;
    let uptime = format!("{}.{:02} 0.00\n", nanos / 1_000_000_000, nanos / 10_000_000 % 100);
    let auxiliary: Vec<u8> = [6_u64, readings.environment.page_size.into(), 17, 100]
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect();
    for (path, content) in [
        ("proc/self/cgroup", membership.into_bytes()),
        ("proc/self/mountinfo", mounts.into_bytes()),
        ("proc/self/auxv", auxiliary),
        ("proc/uptime", uptime.into_bytes()),
        ("proc/sys/kernel/arch", readings.environment.machine.clone().into_bytes()),
    ] {
        write(root.join(path), &Content::from(content));
    }
    fs::write(root.join("group"), group(deepest)).unwrap();
}

#[test]
fn a_host_renders_as_its_capture_does() {
    let python = runtime!("a_host_renders_as_its_capture_does");
    let paths = [
        "/proc/meminfo",
        "/proc/cpuinfo",
        "/proc/vmstat",
        "/proc/diskstats",
        "/proc/swaps",
        "/sys/devices/system/cpu/online",
    ];
    for name in ["v1-run-256m", "v1-nested", "v2-6.12-run-96m"] {
        let Capture { readings, .. } = Capture::from_json(&fixture(name)).unwrap();
        let root = tempfile::tempdir().unwrap();
        lay_out(&readings, root.path());
        let group = fs::read_to_string(root.path().join("group")).unwrap();
        let live = prober(&python).directory(root.path(), "/vproc");
        let chosen = live.variable(&format!("VPROC_CGROUP={group}")).variable("VPROC_LOG=1");
        for path in paths {
            let expected = snapshot(name, path).unwrap();
            assert_eq!(chosen.prints(&["cat", path]).trim_end(), expected, "{name}: {path}");
        }
        // A group that is not there has no limits, and must not be shown the
        // host; nor one that is no path.
        for wrong in ["/elsewhere", "relative", "/g0/../g0"] {
            let live = prober(&python).directory(root.path(), "/vproc");
            let guest = live.variable(&format!("VPROC_CGROUP={wrong}"));
            let output = guest.output(&["cat", "/proc/meminfo"], "");
            assert!(output.stdout.starts_with(b"failed: "), "{wrong}: {output:?}");
        }
    }
}
