//! `vprocctl` as a person and a script meet it: what it prints, and where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::*;
use std::process::Command;
use vproc_snapshot::Capture;

#[test]
fn one_file_is_printed_byte_for_byte() {
    let text = printed(&["render", "--from", FIXTURE, "/proc/meminfo"]);
    assert!(text.starts_with("MemTotal:         262144 kB\nMemFree:  "), "{text}");
    assert!(text.ends_with(" kB\n"));
}

#[test]
fn several_files_and_directories_have_headers_as_in_head() {
    let text = printed(&["render", "--from", FIXTURE, "/proc/uptime", "/proc/pressure/"]);
    let headers: Vec<&str> = text.lines().filter(|line| line.starts_with("==>")).collect();
    let expected = [
        "==> /proc/uptime <==",
        "==> /proc/pressure/cpu <==",
        "==> /proc/pressure/memory <==",
        "==> /proc/pressure/io <==",
        "==> /proc/pressure/irq <==",
    ];
    assert_eq!(headers, expected);
    assert_eq!(text.matches("\n\n==>").count(), 4, "a blank line between two files");
    // `/` is everything.
    let all = printed(&["render", "--from", FIXTURE, "/"]);
    assert!(
        all.contains("==> /proc/stat <==")
            && all.contains("==> /sys/devices/system/cpu/online <==")
    );
}

#[test]
fn files_with_numbers_are_those_that_the_process_has() {
    let cpus = "/sys/devices/system/cpu";
    let headers = |path: &str| {
        let text = printed(&["render", "--from", FIXTURE, path]);
        let headers =
            text.lines().filter_map(|line| line.strip_prefix("==> ")?.strip_suffix(" <=="));
        headers.map(str::to_owned).collect::<Vec<String>>()
    };
    let online = printed(&["render", "--from", FIXTURE, &format!("{cpus}/cpu1/online")]);
    assert_eq!(online, "1\n");
    let ids = format!("{cpus}/cpu*/topology/core_id");
    let expected = [0, 1].map(|cpu| format!("{cpus}/cpu{cpu}/topology/core_id"));
    assert_eq!(headers(&ids), expected, "as `ls` prints it");
    assert!(headers(&format!("{cpus}/cpu1")).iter().all(|path| path.contains("/cpu1/")));
    assert_eq!(headers(&format!("{cpus}/cpu1/topology/")).len(), 13);
    let all = headers(cpus);
    assert!(expected.iter().all(|path| all.contains(path)), "{all:?}");
    for name in ["cpu2", "cpu2/online", "cpu00/online", "cpu1/topology/cpu1", "cpu1/cache"] {
        let failure = failed(&["render", "--from", FIXTURE, &format!("{cpus}/{name}")]);
        assert_failure(failure, 5, &["does not serve /sys/devices/system/cpu/cpu"]);
    }
    // A narrower container has fewer.
    let one = ["render", "--from", FIXTURE, "--set", "cpu-rounding=floor", cpus];
    assert!(!printed(&one).contains("/cpu1/"));
    let listed = printed(&["ls", &format!("{cpus}/cpu0/topology")]);
    assert!(listed.contains(&format!("-r--r--r-- filtered {ids}  ")), "{listed}");
    let listed = printed(&["ls", cpus]);
    assert!(listed.contains(&format!("dr-xr-xr-x virtual  {cpus}  ")), "{listed}");
    // What is missing on the host is missing in the container, unless it is
    // asked for by its name.
    let vulnerabilities = headers(&format!("{cpus}/vulnerabilities"));
    assert!(vulnerabilities.contains(&format!("{cpus}/vulnerabilities/meltdown")));
    let capture = std::fs::read_to_string(FIXTURE).unwrap();
    let mut capture = Capture::from_json(&capture).unwrap();
    for record in &mut capture.readings.records {
        if record.source.to_string().ends_with("/meltdown") {
            record.found[0].content = vproc_snapshot::Content::Absent(2);
        }
    }
    let directory = temporary();
    let file = path(&directory, "older.json");
    std::fs::write(&file, capture.to_json().unwrap()).unwrap();
    let below = printed(&["render", "--from", &file, &format!("{cpus}/vulnerabilities")]);
    assert!(!below.contains("meltdown") && below.contains("/mds <=="), "{below}");
    let failure = failed(&["render", "--from", &file, &format!("{cpus}/vulnerabilities/meltdown")]);
    assert_failure(failure, 7, &["it needs host:", "No such file"]);
}

#[test]
fn json_is_for_scripts() {
    let json = printed(&["render", "--json", "--from", FIXTURE, "/proc/swaps", "/proc/loadavg"]);
    let files: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(files[0]["path"], "/proc/swaps");
    assert_eq!(files[1]["text"], printed(&["render", "--from", FIXTURE, "/proc/loadavg"]));
}

#[test]
fn self_is_a_process() {
    assert!(printed(&["render", "--pid", "self", "/proc/meminfo"]).starts_with("MemTotal:"));
    for identity in ["init", "reader", "parent"] {
        printed(&["render", "--pid", "self", "--identity", identity, "/proc/cpuinfo"]);
    }
}

#[test]
fn a_capture_replays_to_the_text_of_its_moment() {
    let directory = temporary();
    let file = path(&directory, "self.json");
    assert_eq!(printed(&["capture", "--pid", "self", "--note", "a note", "-o", &file]), "");
    let json = std::fs::read_to_string(&file).unwrap();
    let capture = Capture::from_json(&json).unwrap();
    assert_eq!(capture.origin.note, "a note");
    assert_eq!(capture.origin.policy.sha256.len(), 64);
    assert!(json.contains("\"text\": \"MemTotal:"), "text is readable as text");
    // What does not change between two reads is the same as live.
    for stable in ["/proc/cpuinfo", "/sys/devices/system/cpu", "/proc/partitions"] {
        let flags = ["--set", "/proc/cpuinfo=mask"];
        let live = printed(&[&["render", "--pid", "self"], &flags[..], &[stable]].concat());
        let replayed = printed(&[&["render", "--from", &file], &flags[..], &[stable]].concat());
        assert_eq!(live, replayed);
    }
    // To standard output as well, and restricted to some files.
    let json = printed(&["capture", "--pid", "self", "/proc/uptime"]);
    assert!(json.contains("host:/proc/uptime") && !json.contains("host:/proc/meminfo"));
    std::fs::write(&file, json).unwrap();
    assert_failure(
        failed(&["render", "--from", &file, "/proc/meminfo"]),
        1,
        &["/proc/meminfo needs host:/proc/meminfo, which was not recorded", "capture it again"],
    );
}

#[test]
fn a_redacted_capture_has_no_names() {
    let json = printed(&["capture", "--pid", "self", "--redact"]);
    assert!(json.contains("\"redacted\": true"));
    let capture = Capture::from_json(&json).unwrap();
    let groups = capture.readings.records.iter().flat_map(|record| &record.found);
    for group in groups.filter_map(|reading| reading.group.as_deref()) {
        assert!(group.split('/').all(|part| part.is_empty() || part == "redacted"), "{group}");
    }
}

#[test]
fn ls_lists_what_is_served() {
    let text = printed(&["ls"]);
    let line = text.lines().find(|line| line.contains("/proc/meminfo ")).unwrap();
    assert!(line.starts_with("-r--r--r-- virtual  /proc/meminfo  "), "{line}");
    assert!(!text.contains("memory.max@lineage"));
    let long = printed(&["ls", "--long"]);
    assert!(long.contains("-r--r--r-- virtual  /proc/meminfo\n"), "{long}");
    assert!(long.contains("    < cgroup2:memory/memory.max@lineage\n"));
    assert!(printed(&["ls", "/proc/meminfo"]).contains("memory.max@lineage"));
    let json: serde_json::Value = serde_json::from_str(&printed(&["ls", "--json"])).unwrap();
    let meminfo = &json[0];
    assert_eq!(meminfo["path"], "/proc/meminfo");
    assert_eq!((&meminfo["kind"], &meminfo["class"]), (&"file".into(), &"virtual".into()));
    assert_eq!(meminfo["mode"], 0o444);
    assert_eq!(meminfo["needs"][0]["source"], "host:/proc/meminfo");
    assert!(meminfo["size"].is_null());
    let sized: serde_json::Value =
        serde_json::from_str(&printed(&["ls", "--pid", "self", "--json", "/proc/meminfo"]))
            .unwrap();
    assert!(sized[0]["size"].as_u64().unwrap() > 500);
    assert!(printed(&["ls", "--knobs"]).contains("cpus=cpuset | quota | shares\n"));
}

#[test]
fn each_entry_of_this_kernel_is_listed_with_its_treatment() {
    let text = printed(&["ls", "--pid", "self", "/proc"]);
    let paths: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("/proc/")))
        .collect();
    for name in std::fs::read_dir("/proc").unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        let own = format!("/proc/{name}");
        let is_it = |path: &&str| {
            path.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_process || paths.iter().any(is_it), "{own} is not listed:\n{text}");
    }
    for listed in text.lines() {
        let words: Vec<&str> = listed.split_whitespace().collect();
        assert!(words.len() > 4 && words[0].len() == 10, "{listed}: mode, class, size, path, why");
    }
    // What is masked is empty, a directory has nothing in it.
    let render = |path: &str| printed(&["render", "--pid", "self", path]);
    assert_eq!((&*render("/proc/keys"), &*render("/proc/acpi")), ("", ""));
    // Others see no addresses, whoever reads for them.
    let iomem = render("/proc/iomem");
    let is_zero = |line: &str| line.trim_start().starts_with("00000000-00000000 : ");
    assert!(!iomem.is_empty() && iomem.lines().all(is_zero), "{iomem}");
}

#[test]
fn what_the_policy_knows_nothing_of_is_passed_where_a_setting_says_so() {
    let directory = temporary();
    let file = path(&directory, "new.json");
    let mut capture = Capture::from_json(&std::fs::read_to_string(FIXTURE).unwrap()).unwrap();
    let mut record = capture.readings.records[0].clone();
    record.source = "host:/proc/new/file".parse().unwrap();
    record.found[0].content = vproc_snapshot::Content::Text("what it holds\n".into());
    capture.readings.records.push(record);
    std::fs::write(&file, capture.to_json().unwrap()).unwrap();
    let render = |setting: &str, path: &str| {
        run(&["render", "--from", &file, "--set", &format!("/proc/new/file={setting}"), path])
    };
    assert_eq!(render("pass", "/proc/new/file").stdout, b"what it holds\n");
    assert_eq!(render("mask", "/proc/new/file").stdout, b"");
    assert_failure(failure(render("deny", "/proc/new/file")), 5, &["denies /proc/new/file"]);
    assert_failure(failure(render("virtual", "/proc/new/file")), 2, &["pass, mask or deny"]);
    // Secrets are passed for nobody.
    for name in ["kcore", "keys", "locks", "key-users", "1/environ", "self/environ"] {
        let set = format!("/proc/{name}=pass");
        let output = run(&["render", "--from", &file, "--set", &set, &format!("/proc/{name}")]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn settings_change_what_is_shown() {
    let render =
        |setting: &str, path: &str| run(&["render", "--from", FIXTURE, "--set", setting, path]);
    assert_eq!(render("/proc/meminfo=mask", "/proc/meminfo").stdout, b"");
    let host = render("/proc/meminfo=pass", "/proc/meminfo").stdout;
    assert!(!host.starts_with(b"MemTotal:         262144 kB"));
    assert_failure(
        failure(render("/proc/meminfo=deny", "/proc/meminfo")),
        5,
        &["denies /proc/meminfo", "a setting asks for it"],
    );
    assert_failure(
        failure(render("cpus=many", "/proc/stat")),
        2,
        &["cpus", "cpuset | quota | shares", "vprocctl ls --knobs"],
    );
    assert_failure(failure(render("cpu=quota", "/proc/stat")), 2, &["no such knob", "cpus"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let shell = format!("{} render --from {FIXTURE} / | head -1", VPROCCTL);
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &shell]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = printed(&["--help"]);
    for part in ["Examples:", "Exit codes:", "vprocctl run --memory 256M", "render", "doctor"] {
        assert!(help.contains(part), "{part}");
    }
    for command in ["render", "ls", "capture", "run", "doctor"] {
        assert!(printed(&[command, "-h"]).contains("Usage: vprocctl"));
    }
    assert_eq!(printed(&["--version"]), concat!("vprocctl ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn doctor_speaks_to_people_and_scripts() {
    let text = printed(&["doctor"]);
    assert!(text.contains("kernel"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&printed(&["doctor", "--json"])).unwrap();
    let checks = json.as_array().unwrap();
    assert!(checks.len() > 10);
    for check in checks {
        assert!(["ok", "limited", "missing"].contains(&check["status"].as_str().unwrap()));
        if check["status"] != "ok" {
            assert_ne!(check["cost"], "", "{check}: a lack has a cost");
        }
    }
}
