//! `vprocctl explain` and `vprocctl diff` as a person and a script meet them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::*;
use serde_json::Value;
use std::process::Command;

const NESTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1-nested.json");
const UNIFIED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v2-6.12-run-96m.json");

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"))
}

#[test]
fn a_line_says_which_group_decided() {
    let text = printed(&["explain", "--from", NESTED, "/proc/meminfo", "MemTotal"]);
    let total = line(&text, "computed  MemTotal");
    assert_eq!(
        total,
        "computed  MemTotal 204800 kB = min(memory.limit_in_bytes 209715200 B at /vproc-fx/pod \
         (1 above the leaf, the lowest of 4), host MemTotal 24684084 kB)"
    );
    // All groups with their raw values, and no other field.
    assert!(text.contains("/vproc-fx (2 above the leaf)      \"314572800\"\n"), "{text}");
    assert!(!text.contains("MemFree") && !text.contains("memsw"), "{text}");
}

#[test]
fn the_number_of_cpus_is_explained_wherever_it_shows() {
    let quota = "round up(cpu.cfs_quota_us 70000 at /vproc-fx/pod (1 above the leaf) ÷ \
                 cpu.cfs_period_us 100000 at /vproc-fx/pod (1 above the leaf))";
    for path in ["/proc/cpuinfo", "/proc/stat", "/sys/devices/system/cpu/online"] {
        let text = printed(&["explain", "--from", NESTED, path, "CPUs"]);
        let cpus = line(&text, "computed  CPUs");
        assert!(
            cpus.contains(quota) && cpus.contains("cpuset.effective_cpus \"0-1\" (2)"),
            "{cpus}"
        );
    }
}

#[test]
fn fields_are_chosen_by_line_number_or_both() {
    let fields = |wanted: &[&str]| {
        let arguments = [&["explain", "--from", UNIFIED, "/proc/stat"], wanted].concat();
        let text = printed(&arguments);
        text.lines().skip(2).take_while(|line| *line != "read from").count()
    };
    assert_eq!(fields(&["cpu0.user"]), 2, "and where its user time comes from");
    assert!(fields(&["cpu0"]) > 5);
    assert_eq!(fields(&["procs_running", "btime"]), 2);
    let failure = failed(&["explain", "--from", UNIFIED, "/proc/loadavg", "load2"]);
    assert_failure(failure, 2, &["/proc/loadavg has no field `load2`", "load1, load5, load15"]);
    assert_failure(failed(&["explain", "/proc/loadavg"]), 2, &["--pid PID", "--from FILE.json"]);
    assert_failure(
        failed(&["explain", "--from", UNIFIED, "/proc/nothing"]),
        5,
        &["does not serve /proc/nothing"],
    );
}

#[test]
fn every_file_is_explained_on_every_fixture() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");
    for name in ["v1-nested", "v1-run-256m", "v2-6.1-run-96m", "v2-6.12-run-96m"] {
        let file = format!("{directory}/{name}.json");
        for path in ["/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/swaps"]
        {
            let text = printed(&["explain", "--from", &file, path]);
            assert!(!text.contains('?') && !text.contains('\x1b'), "{text}");
            let json = printed(&["explain", "--json", "--from", &file, path]);
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json[0]["explanation"]["text"], printed(&["render", "--from", &file, path]));
        }
    }
}

#[test]
fn json_has_fields_formulas_steps_and_inputs() {
    let json = printed(&["explain", "--json", "--from", NESTED, "/proc/meminfo", "MemTotal"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let file = &json[0];
    assert_eq!((&file["path"], &file["class"]), (&"/proc/meminfo".into(), &"virtual".into()));
    let fields = file["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0]["label"], "MemTotal");
    assert_eq!(fields[0]["printed"], "204800");
    assert!(fields[0]["formula"].as_str().unwrap().starts_with("min("));
    let steps = file["explanation"]["steps"].as_array().unwrap();
    let value = &steps[fields[0]["value"].as_u64().unwrap() as usize];
    assert_eq!((&value["value"], &value["unit"]), (&204_800.into(), &"kibibytes".into()));
    let inputs = file["inputs"].as_array().unwrap();
    let limit = inputs.iter().find(|input| input["key"] == "memory.limit_in_bytes").unwrap();
    assert_eq!(limit["source"], "cgroup1:memory/memory.limit_in_bytes@lineage");
    assert_eq!(limit["found"][1]["group"], "/vproc-fx/pod");
    assert_eq!(limit["found"][1]["text"], "209715200\n");
}

#[test]
fn a_policy_that_cannot_explain_still_has_inputs() {
    let directory = temporary();
    let policy = hostile(&directory);
    let capture = path(&directory, "honest.json");
    let made = printed(&["capture", "--pid", "self", "--policy", &policy, "/honest"]);
    std::fs::write(&capture, made).unwrap();
    let arguments = ["explain", "--policy", &policy, "--from", &capture, "/honest"];
    let text = printed(&arguments);
    assert!(text.contains("This policy cannot explain its numbers"), "{text}");
    let failure = failed(&[&arguments[..], &["x"]].concat());
    assert_failure(failure, 2, &["this policy cannot explain"]);
    let json = printed(&[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["explained"], false);
}

#[test]
fn the_host_is_on_the_left_and_the_container_on_the_right() {
    let text = printed(&["diff", "--from", NESTED, "/proc/meminfo"]);
    let total = line(&text, "MemTotal:");
    assert_eq!(total, "MemTotal:       24684084 kB | MemTotal:         204800 kB");
    assert!(!text.contains("VmallocTotal"), "equal lines only with --all");
    let all = printed(&["diff", "--all", "--from", NESTED, "/proc/meminfo"]);
    assert!(line(&all, "VmallocTotal:").contains("   VmallocTotal:"));
    let summary = printed(&["diff", "--from", NESTED]);
    assert!(line(&summary, "/proc/meminfo ").ends_with("lines differ"), "{summary}");
    assert!(line(&summary, "/proc/swaps ").ends_with("the same"), "{summary}");
    let json = printed(&["diff", "--json", "--from", NESTED, "/proc/uptime"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["path"], &json[0]["differing"]), (&"/proc/uptime".into(), &1.into()));
    assert!(json[0]["lines"][0]["new"].is_string());
    assert!(printed(&["diff", "--pid", "self"]).contains("/proc/meminfo "));
}

#[test]
fn the_exit_code_tells_of_differences_where_it_is_asked_to() {
    let code = |arguments: &[&str]| {
        let arguments = [&["diff", "--exit-code"], arguments].concat();
        Command::new(VPROCCTL).args(arguments).output().unwrap().status.code()
    };
    assert_eq!(code(&["--from", NESTED, "/proc/meminfo"]), Some(8));
    assert_eq!(code(&["--from", NESTED, "/proc/swaps"]), Some(0));
    assert_eq!(code(&[NESTED, NESTED]), Some(0));
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["/nowhere.json", NESTED]), Some(1));
}

#[test]
fn two_captures_differ_by_what_their_inputs_do() {
    let directory = temporary();
    let later = path(&directory, "later.json");
    let capture = std::fs::read_to_string(NESTED).unwrap();
    assert!(capture.contains("209715200\\n"));
    std::fs::write(&later, capture.replace("209715200\\n", "104857600\\n")).unwrap();
    assert_eq!(printed(&["diff", NESTED, NESTED]), "");
    let text = printed(&["diff", NESTED, &later]);
    assert!(text.starts_with("/proc/meminfo\n  MemTotal  204800 → 102400\n"), "{text}");
    let limit = "memory.limit_in_bytes at /vproc-fx/pod (1 above the leaf)  209715200 → 104857600";
    assert!(text.contains(limit), "{text}");
    let json = printed(&["diff", "--json", NESTED, &later, "/proc/meminfo"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let total = &json[0]["fields"][0];
    assert_eq!((&total["field"], &total["new"]), (&"MemTotal".into(), &"102400".into()));
    assert_eq!(total["because"][0]["old"], "209715200");
}

#[test]
fn explanations_are_those_that_were_reviewed() {
    let usual = ["meminfo", "cpuinfo", "stat", "uptime", "loadavg", "swaps", "diskstats"];
    let more = ["zoneinfo", "sys/kernel/threads-max", "interrupts", "version"];
    let complete = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1-run-256m.json");
    let kept: [(&str, &str, &[&str]); 3] = [
        ("v1-nested", NESTED, &usual),
        ("v2-6.12-run-96m", UNIFIED, &usual),
        ("v1-run-256m", complete, &more),
    ];
    for (name, fixture, files) in kept {
        for file in files {
            let text = printed(&["explain", "--from", fixture, &format!("/proc/{file}")]);
            let name = format!("explain__{name}__{}", file.replace('/', "__"));
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(name, text);
            });
        }
    }
}
