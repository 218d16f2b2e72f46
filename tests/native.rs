//! The examples in C and Go as who builds them meets them: what they print, what
//! they refuse, and what a policy that breaks the rules can do to them. That they
//! render the same as `vprocctl` is shown in `tests/embedding.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod install;

use install::native::{Example, in_c, in_go};
use install::*;
use std::fs;
use std::process::{Command, Output};
use std::sync::OnceLock;
use vproc_runtime::Engine;
use vproc_tests::{GREEDY, HOSTILE, captures, puppet, skip};

const CAPTURE: &str = "v1-nested";

/// Runs a test with each of the examples that can be built here.
fn with_each(test: &str, run: impl Fn(&Example)) {
    static C: OnceLock<Result<Example, String>> = OnceLock::new();
    static GO: OnceLock<Result<Example, String>> = OnceLock::new();
    for (language, example) in [("c", C.get_or_init(in_c)), ("go", GO.get_or_init(in_go))] {
        match example {
            Ok(example) => run(example),
            Err(reason) => skip(&format!("native: {test}, {language}"), reason),
        }
    }
}

impl Example {
    /// Runs the program with a policy and a capture, which are files beside it.
    fn print(&self, options: &[&str], policy: &[u8], paths: &[&str]) -> Output {
        let capture = fs::read(root().join("fixtures").join(CAPTURE).with_added_extension("json"));
        self.print_from(options, policy, &capture.unwrap(), paths)
    }

    fn print_from(
        &self,
        options: &[&str],
        policy: &[u8],
        capture: &[u8],
        paths: &[&str],
    ) -> Output {
        let directory = tempfile::tempdir_in(self.directory.path()).unwrap();
        fs::write(directory.path().join("policy.wasm"), policy).unwrap();
        fs::write(directory.path().join("box.json"), capture).unwrap();
        let mut render = Command::new(&self.render);
        render.current_dir(directory.path()).args(options).args(["policy.wasm", "box.json"]);
        render.args(paths).output().unwrap()
    }

    fn printed(&self, options: &[&str], policy: &[u8], paths: &[&str]) -> String {
        let output = self.print(options, policy, paths);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{:?}: {said}", self.render);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The program must fail, with what is right on standard output, and a line of
/// these words.
#[track_caller]
fn assert_fails(output: &Output, printed: &str, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{said}");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    for word in words {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
}

#[test]
fn a_file_is_printed_byte_by_byte_and_several_with_headers() {
    let engine = Engine::new(vproc_runtime::Options::default()).unwrap();
    let policy = vproc_default::load(&engine, None).unwrap();
    let (_, capture) = captures().into_iter().find(|(name, _)| name == CAPTURE).unwrap();
    let manifest = policy.declare(&capture.readings.environment).unwrap();
    let text = |path: &str| {
        let entry = manifest.entry(path).unwrap();
        let snapshot = capture.readings.snapshot_at(entry, path, None).unwrap();
        String::from_utf8(policy.render(path, &snapshot).unwrap().body).unwrap()
    };
    // The last one has a number that a `*` stands for.
    let paths = ["/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu/cpu0/topology/core_id"];
    let whole: String = paths.map(|path| format!("==> {path} <==\n{}", text(path))).join("\n");
    with_each("a_file_is_printed", |example| {
        assert_eq!(example.printed(&[], vproc_default::COMPONENT, &paths[..1]), text(paths[0]));
        assert_eq!(example.printed(&[], vproc_default::COMPONENT, &paths), whole);
        // A file that is no text.
        let bytes = example.print(&[], HOSTILE, &["/bytes"]);
        assert_eq!((bytes.stdout, bytes.stderr), (vec![0, 255, 10], vec![]));
    });
}

#[test]
fn the_programs_print_what_their_page_says() {
    let page = fs::read_to_string(root().join("examples/embed-c/README.md")).unwrap();
    let (_, call) = page.split_once("$ ./render ").unwrap();
    let words: Vec<&str> = call.lines().next().unwrap().split(' ').collect();
    let [option, setting, "policy.wasm", capture, paths @ ..] = &words[..] else {
        panic!("{words:?}")
    };
    assert!(capture.ends_with(&format!("/{CAPTURE}.json")), "{capture}");
    with_each("the_programs_print_what_their_page_says", |example| {
        let printed = example.printed(&[option, setting], vproc_default::COMPONENT, paths);
        assert_eq!(printed, block(&page, "text"));
    });
}

#[test]
fn a_knob_is_set_or_rejected() {
    let path = ["/sys/devices/system/cpu/online"];
    with_each("a_knob_is_set_or_rejected", |example| {
        let print = |options: &[&str]| example.print(options, vproc_default::COMPONENT, &path);
        // The last one counts.
        for (options, online) in [
            (["-s", "cpus=cpuset", "-s", "cpus=quota"], "0\n"),
            (["-s", "cpus=quota", "-s", "cpus=cpuset"], "0-1\n"),
        ] {
            assert_eq!(example.printed(&options, vproc_default::COMPONENT, &path), online);
        }
        assert_fails(&print(&["-s", "cpus=\u{e9}"]), "", &["the knob `cpus`", "`\u{e9}`"]);
        assert_eq!(print(&["-s", "cpus"]).status.code(), Some(2));
    });
}

#[test]
fn what_cannot_be_rendered_is_said() {
    let refused = [
        ("/proc/no-such", "the policy does not serve it"),
        ("/proc/kmsg", "the policy or a setting denies it"),
        ("/proc/crypto", "it needs host:/proc/crypto, which was not recorded"),
        // No number is written so, and no CPU has this one.
        ("/sys/devices/system/cpu/cpu00/topology/core_id", "the policy does not serve it"),
        ("/sys/devices/system/cpu/cpu4194305/topology/core_id", "the policy does not serve it"),
        ("/sys/devices/system/cpu/cpu4194304/topology/core_id", "the policy does not serve it"),
    ];
    let mut paths = refused.map(|(path, _)| path).to_vec();
    // It is printed all the same.
    paths.push("/proc/uptime");
    with_each("what_cannot_be_rendered_is_said", |example| {
        let output = example.print(&[], vproc_default::COMPONENT, &paths);
        assert_eq!(output.status.code(), Some(1));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, "==> /proc/uptime <==\n5131.02 5131.02\n");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), refused.len(), "{said}");
        for (line, (path, why)) in said.lines().zip(refused) {
            assert!(line.starts_with(&format!("render: {path}: {why}")), "{line}");
        }
    });
}

#[test]
fn what_is_no_policy_is_refused() {
    let core_module = b"\0asm\x01\0\0\0";
    let empty_component = b"\0asm\x0d\0\x01\0";
    let too_large = vec![0; (32 << 20) + 1];
    with_each("what_is_no_policy_is_refused", |example| {
        let print = |policy: &[u8]| example.print(&[], policy, &["/proc/uptime"]);
        for other in [&b""[..], b"nonsense", core_module, &vproc_default::COMPONENT[..9999]] {
            assert_fails(&print(other), "", &["policy.wasm: not a component"]);
        }
        assert_fails(&print(empty_component), "", &["does not export vproc:policy/renderer@"]);
        assert_fails(&print(&too_large), "", &["more than 33554432 bytes"]);
        // Of another version of the contract.
        let other = replaced(&puppet(""), b"vproc:policy/renderer@0.", b"vproc:policy/renderer@9.");
        assert_fails(&print(&other), "", &["does not export vproc:policy/renderer@"]);
    });
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut count = 0;
    for place in 0..bytes.len() {
        if bytes[place..].starts_with(from) {
            bytes[place..place + to.len()].copy_from_slice(to);
            count += 1;
        }
    }
    assert!(count > 0);
    bytes
}

#[test]
fn what_is_no_capture_is_refused() {
    let malformed: &[(&str, &str)] = &[
        ("{", "not a capture"),
        ("[]", "not a capture"),
        ("{}", "vproc-capture"),
        (r#"{"vproc-capture": 2}"#, "of format 2"),
        (r#"{"vproc-capture": 1}"#, "not a capture"),
    ];
    let right = fs::read_to_string(root().join("fixtures/v1-nested.json")).unwrap();
    let changes = [
        ("\"now\": 5131023065964", "\"now\": -1"),
        ("\"is_host\": false", "\"is_host\": 0"),
        ("\"page_size\": 4096", "\"page_size\": 4294967296"),
        ("\"level\": 1", "\"level\": -1"),
        ("\"text\": \"", "\"base64\": \"?"),
        ("\"text\": \"", "\"no-text\": \""),
    ];
    with_each("what_is_no_capture_is_refused", |example| {
        let print = |capture: &str| {
            let paths = ["/proc/uptime"];
            example.print_from(&[], vproc_default::COMPONENT, capture.as_bytes(), &paths)
        };
        for (capture, word) in malformed {
            assert_fails(&print(capture), "", &["box.json: ", word]);
        }
        for (from, to) in changes {
            let changed = right.replacen(from, to, 1);
            assert_ne!(changed, right, "{from}");
            assert_fails(&print(&changed), "", &["box.json: not a capture"]);
        }
    });
}

#[test]
fn a_policy_that_breaks_the_rules_harms_nobody() {
    let misdeeds = [
        ("/loop", "interrupt"),
        ("/allocate", "the policy failed"),
        ("/huge", "more bytes than it may"),
        ("/lie", "the policy failed"),
        ("/trap", "unreachable"),
        ("/overflow-stack", "call stack exhausted"),
        ("/state", "more bytes than it may"),
        ("/write-stderr", "unknown import"),
        ("/read-clock", "unknown import"),
    ];
    with_each("a_policy_that_breaks_the_rules", |example| {
        // One process for all, which goes on.
        let mut paths = misdeeds.map(|(path, _)| path).to_vec();
        paths.push("/honest");
        let output = example.print(&[], HOSTILE, &paths);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "==> /honest <==\nhonest\n");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), misdeeds.len(), "{said}");
        for (line, (path, word)) in said.lines().zip(misdeeds) {
            let begin = format!("render: {path}: ");
            assert!(line.starts_with(&begin) && line.contains(word), "`{word}` in: {line}");
        }
        for misdeed in ["loop", "trap"] {
            let setting = format!("misdeed={misdeed}");
            let output = example.print(&["-s", &setting], HOSTILE, &["/honest"]);
            assert_fails(&output, "", &["the policy failed"]);
        }
        assert_fails(&example.print(&[], GREEDY, &["/honest"]), "", &["the policy failed"]);
        // `memory.grow` says −1, and each render has an instance of its own.
        assert_eq!(example.printed(&[], HOSTILE, &["/grow"]), u32::MAX.to_string());
        let twice = "==> /remember <==\n1\n\n==> /remember <==\n1\n";
        assert_eq!(example.printed(&[], HOSTILE, &["/remember", "/remember"]), twice);
    });
}
