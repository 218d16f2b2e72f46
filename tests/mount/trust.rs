//! Pins and rules, where the worker loads the policies.

use crate::command::failure;
use crate::fixture::Mount;
use rustix::process::Signal;
use std::fs;

/// What `status` says of the policy in use.
fn in_use(mount: &Mount) -> String {
    mount.status().policies[0].sha256.clone()
}

/// The hash of a policy in a file.
fn hash(file: &str) -> String {
    let output = crate::command::printed(&["policy", "inspect", file, "--json"]);
    let inspected: serde_json::Value = serde_json::from_str(&output).unwrap();
    inspected["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_pin_holds_whenever_the_file_is_loaded() {
    let test = "a_pin_holds_whenever_the_file_is_loaded";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let file = mount.puppet("pinned.wasm", "letter=A");
    let right = hash(&file);
    let wrong = right.chars().rev().collect::<String>();
    let (code, line) = failure(mount.ask(&["policy", "set", &format!("{file}@sha256:{wrong}")]));
    assert_eq!(code, 6, "{line}");
    assert!(line.contains("is not what was pinned") && line.contains(&right), "{line}");
    assert_ne!(in_use(&mount), right);

    mount.told(&["policy", "set", &format!("{file}@sha256:{right}")]);
    assert_eq!(in_use(&mount), right);
    // The file changes; the pin that was given stands.
    mount.puppet("pinned.wasm", "letter=B");
    let (_, line) = failure(mount.ask(&["policy", "reload"]));
    assert!(line.contains("is not what was pinned") && line.contains(&right), "{line}");
    assert_eq!(in_use(&mount), right);
    mount.replace_worker();
    assert_eq!(in_use(&mount), right, "the next worker has the copy");
    let (_, line) = failure(mount.ask(&["policy", "reload"]));
    assert!(line.contains("is not what was pinned"), "it knows the pin, too: {line}");
    // Without a pin, what is there is taken.
    mount.told(&["policy", "set", &file]);
    assert_ne!(in_use(&mount), right);
}

#[test]
fn a_copy_that_was_changed_is_not_loaded() {
    let test = "a_copy_that_was_changed_is_not_loaded";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let file = mount.puppet("mine.wasm", "letter=A");
    mount.told(&["policy", "set", &file]);
    let used = in_use(&mount);
    let copy = mount.state.join("policies").join(format!("{used}.wasm"));
    fs::write(&copy, vproc_tests::puppet("letter=B")).unwrap();
    mount.replace_worker();
    assert_ne!(in_use(&mount), used);
    assert_ne!(in_use(&mount), hash(copy.to_str().unwrap()));
    assert!(mount.log().contains("was changed"), "{}", mount.log());
    assert!(mount.status().policies[0].file.is_none(), "the embedded policy serves");
}

#[test]
fn a_mount_is_held_to_its_rules() {
    let test = "a_mount_is_held_to_its_rules";
    let scratch = crate::command::temporary();
    let [file, trust] = ["good.wasm", "trust.toml"].map(|name| scratch.path().join(name));
    let rules =
        |hash: &str| fs::write(&trust, format!("[[allow]]\nsha256 = \"{hash}\"\n")).unwrap();
    fs::write(&file, vproc_tests::puppet("letter=G")).unwrap();
    let (file, trust_name) = (file.to_str().unwrap(), trust.to_str().unwrap());
    let hash_of_good = hash(file);
    rules(&hash_of_good);
    let arguments = ["--max-age", "0", "--policy", file, "--trust", trust_name];
    let Some(mount) = Mount::start(test, &arguments) else { return };
    assert_eq!(in_use(&mount), hash_of_good);
    let other = mount.puppet("other.wasm", "letter=O");
    for more in [&[][..], &["--for", "/none"]] {
        let set = [&["policy", "set", &other], more].concat();
        let (code, line) = failure(mount.ask(&set));
        assert_eq!(code, 6, "{line}");
        for word in ["no rule of", "trust.toml", "other.wasm", &hash(&other), "line 1"] {
            assert!(line.contains(word), "{word} in {line}");
        }
    }
    // Rules are read anew for each policy; what was allowed goes on.
    rules(&hash(&other));
    mount.replace_worker();
    assert_eq!(in_use(&mount), hash_of_good);
    let (_, line) = failure(mount.ask(&["policy", "reload"]));
    assert!(line.contains("no rule of"), "{line}");
    assert_eq!(in_use(&mount), hash_of_good);
    mount.told(&["policy", "set", &other]);
    assert_eq!(in_use(&mount), hash(&other));
    // Rules that cannot be read allow nothing.
    fs::remove_file(&trust).unwrap();
    let (_, line) = failure(mount.ask(&["policy", "reload"]));
    assert!(line.contains("trust.toml"), "{line}");
    mount.signal_worker(Signal::HUP);
    assert_eq!(in_use(&mount), hash(&other));
}

#[test]
fn a_mount_does_not_begin_with_a_policy_that_is_refused() {
    let test = "a_mount_does_not_begin_with_a_policy_that_is_refused";
    if !crate::fixture::can_mount(test) {
        return;
    }
    let directory = crate::command::temporary();
    let [file, trust, point, state] =
        ["a.wasm", "trust.toml", "mount", "state"].map(|name| directory.path().join(name));
    fs::write(&file, vproc_tests::puppet("letter=A")).unwrap();
    fs::write(&trust, "allow = []\n").unwrap();
    let mount = |policy: &str, trust: &std::path::Path| {
        let mut command = std::process::Command::new(crate::command::VPROCCTL);
        command.arg("mount").arg(&point).arg("--state").arg(&state);
        command.args(["--policy", policy]).arg("--trust").arg(trust).output().unwrap()
    };
    let name = file.to_str().unwrap();
    let output = mount(name, &trust);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(6) && text.contains("no rule of"), "{output:?}");
    let (code, line) = failure(mount(name, &directory.path().join("none.toml")));
    assert!(code == 6 && line.contains("none.toml"), "{line}");
    fs::write(&trust, format!("[[allow]]\nsha256 = \"{}\"\n", hash(name))).unwrap();
    let output = mount(&format!("{name}@sha256:{}", "0".repeat(64)), &trust);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(6) && text.contains("was pinned"), "{output:?}");
}
