//! Policies that are replaced while they are in use.

use crate::container::{Container, Group, total_mib};
use crate::fixture::{Mount, eventually};
use crate::reader::{is_puppet, one_render};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Read;
use vproc_tests::{GREEDY, HOSTILE};

fn sha256(mount: &Mount) -> String {
    mount.status().policies[0].sha256.clone()
}

/// What a policy of ours begins its lines with; nothing for another policy.
fn letter(mount: &Mount) -> Option<char> {
    let text = mount.read("/proc/meminfo");
    is_puppet(&text).then(|| text.chars().next().unwrap())
}

/// The last line of a policy that counts its calls.
fn count(text: &str) -> u64 {
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("count ").and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[test]
fn a_broken_policy_is_refused_and_the_old_one_stays() {
    let test = "a_broken_policy_is_refused_and_the_old_one_stays";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let good = mount.puppet("good.wasm", "letter=G");
    mount.told(&["policy", "set", &good]);
    let before = sha256(&mount);
    // An empty component, and a core module.
    let empty = b"\0asm\x0d\0\x01\0";
    let module = b"\0asm\x01\0\0\0";
    for (name, bytes, reason) in [
        ("garbage", &b"garbage"[..], "not a WebAssembly component"),
        ("nothing", b"", "not a WebAssembly component"),
        ("empty", empty, "vproc:policy"),
        ("module", module, "component"),
        ("shadow", &vproc_tests::puppet("host=/etc/shadow"), "/etc/shadow"),
        ("traps", &vproc_tests::puppet("trap=1"), "trap"),
        ("hostile", HOSTILE, "fails to render"),
        ("greedy", GREEDY, "cannot use"),
    ] {
        let file = mount.write(name, bytes);
        let output = mount.ask(&["policy", "set", &file]);
        let (code, line) = crate::command::failure(output);
        assert_eq!(code, 6, "{name}: {line}");
        assert!(line.contains(reason) && line.contains(&file), "{name}: {line}");
        assert_eq!(sha256(&mount), before, "{name}");
        assert_eq!(letter(&mount), Some('G'), "{name}");
    }
    let none = mount.path("none.wasm");
    let (_, line) = crate::command::failure(mount.ask(&["policy", "set", &none]));
    assert!(line.contains(&none), "{line}");
    assert_eq!((sha256(&mount), mount.status().swaps), (before, 1));
}

#[test]
fn a_swap_shows_at_the_next_read_from_the_start() {
    let test = "a_swap_shows_at_the_next_read_from_the_start";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let [a, b] = ["A", "B"].map(|letter| {
        mount.puppet(&format!("{letter}.wasm"), &format!("letter={letter} lines=200"))
    });
    mount.told(&["policy", "set", &a]);
    let mut file = File::open(mount.file("/proc/puppet")).unwrap();
    let mut start = vec![0; 4000];
    file.read_exact(&mut start).unwrap();
    mount.told(&["policy", "set", &b]);
    assert_eq!(letter(&mount), Some('B'));
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    let whole = String::from_utf8(start).unwrap() + &rest;
    assert!(whole.starts_with('A'));
    assert_eq!(one_render(&whole), Ok(()));
    std::io::Seek::rewind(&mut file).unwrap();
    assert!(std::io::read_to_string(&file).unwrap().starts_with('B'), "the handle, too");
    mount.told(&["policy", "reset"]);
    assert_eq!(letter(&mount), None);
    assert!(total_mib(&mount.read("/proc/meminfo")) > 0);
    assert_eq!(mount.status().policies[0].file, None);
}

#[test]
fn files_are_loaded_again_when_asked() {
    let test = "files_are_loaded_again_when_asked";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let file = mount.puppet("policy.wasm", "letter=A");
    mount.told(&["policy", "set", &file]);
    mount.puppet("policy.wasm", "letter=B");
    assert_eq!(letter(&mount), Some('A'));
    mount.told(&["policy", "reload"]);
    assert_eq!(letter(&mount), Some('B'));
    mount.puppet("policy.wasm", "letter=C");
    mount.signal_holder(Signal::HUP);
    eventually("the new policy", || (letter(&mount) == Some('C')).then_some(()));
    // What is broken is refused then, too.
    mount.write("policy.wasm", b"garbage");
    assert!(!mount.ask(&["policy", "reload"]).status.success());
    mount.signal_holder(Signal::HUP);
    eventually("the refusal", || {
        (mount.log().matches("a policy was refused").count() == 2).then_some(())
    });
    assert_eq!(letter(&mount), Some('C'));
}

#[test]
fn a_swap_outlives_the_worker_and_the_file() {
    let test = "a_swap_outlives_the_worker_and_the_file";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let file = mount.puppet("policy.wasm", "letter=A");
    mount.told(&["policy", "set", &file]);
    let before = sha256(&mount);
    mount.write("policy.wasm", b"garbage");
    mount.replace_worker();
    assert_eq!((letter(&mount), sha256(&mount)), (Some('A'), before.clone()));
    fs::remove_file(&file).unwrap();
    mount.replace_worker();
    assert_eq!((letter(&mount), sha256(&mount)), (Some('A'), before));
    // Copies of policies that are not used any more go.
    for letter in ["B", "C", "D"] {
        let file = mount.puppet("policy.wasm", &format!("letter={letter}"));
        mount.told(&["policy", "set", &file]);
    }
    let copies = || fs::read_dir(mount.state.join("policies")).unwrap().count();
    assert_eq!(copies(), 1);
    mount.told(&["policy", "reset"]);
    mount.replace_worker();
    assert_eq!((letter(&mount), copies()), (None, 0));
}

#[test]
fn groups_may_have_a_policy_of_their_own() {
    let test = "groups_may_have_a_policy_of_their_own";
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(other) = Group::limited(test, 64) else { return };
    let mut argument = String::new();
    let mount = Mount::start_for(test, std::time::Duration::from_secs(120), &[], |_| {});
    let Some(mount) = mount else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let Some(mut neighbour) = Container::start(test, &other) else { return };
    let cat = format!("sleep 0.01; cat {}/proc/meminfo", mount.point.display());
    let file = mount.puppet("own.wasm", "letter=P");
    argument.push_str(&group.name);
    mount.told(&["policy", "set", &file, "--for", &argument]);
    assert!(container.sh(&cat).starts_with("P "));
    assert_eq!(total_mib(&neighbour.sh(&cat)), 64);
    assert_eq!(letter(&mount), None);
    let policies = mount.status().policies;
    assert_eq!(policies.len(), 2);
    assert_eq!(policies[1].prefix.as_deref(), Some(group.name.as_str()));
    // What only that policy serves, only its containers can open.
    let extra = format!("cat {}/proc/puppet", mount.point.display());
    assert!(container.sh(&extra).starts_with("P "));
    assert!(neighbour.sh(&extra).contains("No such file"));
    mount.replace_worker();
    assert!(container.sh(&cat).starts_with("P "));
    assert_eq!(total_mib(&neighbour.sh(&cat)), 64);
    mount.told(&["policy", "reset", "--for", &argument]);
    assert_eq!(total_mib(&container.sh(&cat)), 64);
    assert_eq!(mount.status().policies.len(), 1);
    drop(mount);
    // The same from the beginning.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("own.wasm");
    fs::write(&file, vproc_tests::puppet("letter=P")).unwrap();
    let argument = format!("{}={}", group.name, file.display());
    let Some(mount) = Mount::start(test, &["--policy-for", &argument]) else { return };
    let by_pid =
        |container: &Container| mount.read(&format!("by-pid/{}/proc/meminfo", container.init()));
    assert!(by_pid(&container).starts_with("P "));
    assert_eq!(total_mib(&by_pid(&neighbour)), 64);
}

#[test]
fn a_policy_that_fails_too_often_is_put_aside() {
    let test = "a_policy_that_fails_too_often_is_put_aside";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let file = mount.puppet("fails.wasm", "letter=F count=test/1 fail=/proc/vmstat");
    mount.told(&["policy", "set", &file]);
    let is_own = |text: &str| text.starts_with("F ");
    assert!(is_own(&mount.read("/proc/vmstat")));
    // In between, other files are its own; so it does not fail in a row.
    for failures in 1..=8 {
        assert!(!is_own(&mount.read("/proc/vmstat")), "the default answers");
        assert!(mount.read("/proc/vmstat").contains("nr_free_pages"));
        assert!(is_own(&mount.read("/proc/meminfo")));
        let policy = &mount.status().policies[0];
        assert_eq!((policy.failures, policy.aside), (failures * 2, false));
    }
    for _ in 0..5 {
        mount.read("/proc/vmstat");
    }
    let policy = mount.status().policies[0].clone();
    assert!(policy.aside, "{policy:?}");
    assert!(mount.told(&["status"]).contains("PUT ASIDE"));
    assert!(total_mib(&mount.read("/proc/meminfo")) > 0, "all files are the default's");
    assert_eq!(mount.status().policies[0].failures, policy.failures, "it is not asked");
    let log = mount.log();
    assert_eq!(log.matches("the policy failed").count(), 1, "{log}");
    assert_eq!(log.matches("is put aside").count(), 1, "{log}");
    // Another try.
    mount.told(&["policy", "reload"]);
    assert!(is_own(&mount.read("/proc/meminfo")) && !mount.status().policies[0].aside);
}

#[test]
fn a_policy_without_memory_or_time_left_is_answered_for() {
    let test = "a_policy_without_memory_or_time_left_is_answered_for";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let orders = "letter=M count=test/1 grow=/proc/vmstat loop=/proc/stat";
    let file = mount.puppet("grows.wasm", orders);
    mount.told(&["policy", "set", &file]);
    for path in ["/proc/vmstat", "/proc/stat"] {
        assert!(mount.read(path).starts_with("M "));
        for _ in 0..2 {
            let text = mount.read(path);
            assert!(text.contains("nr_free_pages") || text.contains("btime"), "{path}: {text}");
        }
        assert!(mount.read("/proc/meminfo").starts_with("M "));
    }
    let policy = &mount.status().policies[0];
    assert_eq!((policy.failures, policy.aside), (4, false));
    assert_eq!(mount.status().restarts, 0);
}

#[test]
fn histories_go_with_their_format() {
    let test = "histories_go_with_their_format";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let orders = [("a", "A", "test/1"), ("b", "B", "test/1"), ("c", "C", "other/1")];
    let [a, b, c] = orders.map(|(name, letter, format)| {
        mount.puppet(name, &format!("letter={letter} count={format}"))
    });
    let read = || count(&mount.read("/proc/puppet"));
    mount.told(&["policy", "set", &a]);
    assert_eq!([read(), read()], [1, 2]);
    mount.replace_worker();
    assert_eq!(read(), 3, "across workers");
    mount.told(&["policy", "set", &b]);
    assert_eq!(read(), 4, "across policies of one format");
    mount.told(&["policy", "set", &c]);
    assert_eq!(read(), 1, "not across formats");
    mount.told(&["policy", "reset"]);
    mount.replace_worker();
    mount.told(&["policy", "set", &a]);
    assert_eq!(read(), 5, "each format keeps its own");
    mount.told(&["policy", "set", &c]);
    assert_eq!(read(), 2);
}

/// The averages of the default policy, with load that is then gone.
#[test]
fn load_averages_go_on_across_workers_and_policies() {
    let test = "load_averages_go_on_across_workers_and_policies";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    container.sh("for n in 1 2 3; do while :; do :; done & done");
    let cat = format!("cat {}/proc/loadavg", mount.point.display());
    let mut load = || container.sh(&cat).split(' ').next().unwrap().parse::<f64>().unwrap();
    let before = eventually("some load", || Some(load()).filter(|load| *load > 0.2));
    let copy = mount.write("copy.wasm", vproc_default::COMPONENT);
    mount.told(&["policy", "set", &copy]);
    assert!(load() > before * 0.8, "across policies");
    mount.replace_worker();
    assert!(load() > before * 0.8, "across workers");
    mount.told(&["policy", "reset"]);
    assert!(load() > before * 0.8, "and back");
}

#[test]
fn an_overlay_is_swapped_kept_and_answered_for() {
    let test = "an_overlay_is_swapped_kept_and_answered_for";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    mount.puppet("part.wasm", "letter=P count=test/1 fail=/proc/vmstat");
    let overlay = "[[rule]]\npath = \"/proc/meminfo\"\npolicy = \"part.wasm\"\n\
                   [[rule]]\npath = \"/proc/vmstat\"\npolicy = \"part.wasm\"\n\
                   [[rule]]\npath = \"/proc/made-up\"\ntext = \"so it is\\n\"\n";
    let file = mount.write("overlay.toml", overlay.as_bytes());
    mount.told(&["policy", "set", &file]);
    assert_eq!(letter(&mount), Some('P'));
    assert_eq!(mount.read("/proc/made-up"), "so it is\n");
    assert!(mount.read("/proc/stat").contains("btime"), "the base's");
    let before = sha256(&mount);
    assert_eq!(mount.status().policies[0].name, "overlay");
    // With a history, the part traps; the embedded policy answers.
    assert!(mount.read("/proc/vmstat").starts_with("P "));
    assert!(mount.read("/proc/vmstat").contains("nr_free_pages"));
    assert_eq!(letter(&mount), Some('P'));
    let policy = &mount.status().policies[0];
    assert!(policy.failures > 0 && !policy.aside, "{policy:?}");
    // What is kept has all parts in it.
    mount.write("part.wasm", b"garbage");
    fs::remove_file(&file).unwrap();
    mount.replace_worker();
    assert_eq!((letter(&mount), sha256(&mount)), (Some('P'), before.clone()));
    assert_eq!(mount.read("/proc/made-up"), "so it is\n");
    // What is wrong is refused.
    for (overlay, reason) in [(overlay, "part.wasm"), ("rules = []\n", "overlay.toml:1")] {
        mount.write("overlay.toml", overlay.as_bytes());
        let (code, line) = crate::command::failure(mount.ask(&["policy", "set", &file]));
        assert!(code == 6 && line.contains(reason), "{line}");
        assert_eq!((letter(&mount), sha256(&mount)), (Some('P'), before.clone()));
    }
}
