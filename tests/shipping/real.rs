//! With a registry that does what it should.

use crate::command::{FIXTURE, VPROCCTL};
use crate::registry::Registry;
use crate::{policy, policy_command, refused, sh, sha256, told};
use serde_json::Value;
use std::fs;
use std::process::Command;

#[test]
fn a_policy_comes_back_as_it_was_pushed() {
    let Some(registry) = Registry::start("a_policy_comes_back_as_it_was_pushed") else { return };
    let (home, address) = (registry.directory.path(), &registry.address);
    let component = policy('R');
    fs::write(home.join("mine.wasm"), &component).unwrap();
    let tag = format!("{address}/acme/policy:1.0");
    let pinned = told(home, &["push", "mine.wasm", &tag]);
    let pinned = pinned.trim();
    let again: Value =
        serde_json::from_str(&told(home, &["push", "mine.wasm", &tag, "--json"])).unwrap();
    assert_eq!(again["reference"], pinned, "the same file, the same digest");
    assert_eq!(again["sha256"], sha256(&component));

    let lines = told(home, &["pull", &tag]);
    assert_eq!(fs::read(home.join("policy.wasm")).unwrap(), component, "its usual name");
    let file = lines.lines().next().unwrap();
    assert_eq!(file, format!("policy.wasm@sha256:{}", sha256(&component)));
    assert!(lines.contains(pinned), "{lines}");
    let pulled = told(home, &["pull", pinned, "-o", "other.wasm", "--json"]);
    let pulled: Value = serde_json::from_str(&pulled).unwrap();
    assert_eq!(fs::read(home.join("other.wasm")).unwrap(), component);
    assert_eq!((&pulled["sha256"], &pulled["manifest"]), (&again["sha256"], &again["manifest"]));
    assert_eq!(pulled["signed"], false);

    // What it prints is what --policy takes.
    let rendered = Command::new(VPROCCTL)
        .args(["render", "--policy", file, "--from", FIXTURE, "/proc/meminfo"])
        .current_dir(home)
        .output()
        .unwrap();
    assert!(rendered.stdout.starts_with(b"R"), "{rendered:?}");
}

#[test]
fn other_programs_read_and_copy_what_was_pushed() {
    let test = "other_programs_read_and_copy_what_was_pushed";
    let Some(registry) = Registry::start(test) else { return };
    let (home, address) = (registry.directory.path(), &registry.address);
    let component = policy('S');
    fs::write(home.join("mine.wasm"), &component).unwrap();
    let reference = format!("{address}/acme/policy:1.0");
    let pushed = told(home, &["push", "mine.wasm", &reference]);
    let raw = |options: &str| -> Value {
        let script =
            format!("skopeo inspect --tls-verify=false --raw {options} docker://{reference}");
        serde_json::from_slice(&sh(home, &script)).unwrap()
    };
    let manifest = raw("");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layer = format!("sha256:{}", sha256(&component));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], layer);
    let config = raw("--config");
    assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()));
    assert_eq!(config["layerDigests"], serde_json::json!([layer]));
    assert_eq!(config["component"]["exports"][0], "vproc:policy/renderer@0.2.0");
    assert_eq!(config["component"]["target"], "vproc:policy/policy@0.2.0");

    let copy = format!("{address}/mirror/copy:2");
    sh(
        home,
        &format!(
            "skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false \
         docker://{reference} docker://{copy}"
        ),
    );
    let digest = pushed.trim().rsplit_once('@').unwrap().1;
    told(home, &["pull", &format!("{copy}@{digest}")]);
    assert_eq!(fs::read(home.join("copy.wasm")).unwrap(), component);
}

#[test]
fn only_policies_are_pushed_and_only_to_tags() {
    let test = "only_policies_are_pushed_and_only_to_tags";
    let Some(registry) = Registry::start(test) else { return };
    let (home, address) = (registry.directory.path(), &registry.address);
    fs::write(home.join("garbage.wasm"), b"garbage").unwrap();
    fs::write(home.join("mine.wasm"), policy('T')).unwrap();
    let tag = format!("{address}/acme/policy:1.0");
    refused(home, &["push", "garbage.wasm", &tag], 6, &["garbage.wasm is no policy"]);
    let digest = format!("{tag}@sha256:{}", sha256(b""));
    refused(home, &["push", "mine.wasm", &digest], 2, &["push to a tag"]);
    let wrong = format!("mine.wasm@sha256:{}", sha256(b""));
    refused(home, &["push", &wrong, &tag], 6, &["expected sha256", "found"]);
    refused(home, &["pull", &tag], 1, &["there is no", "skopeo list-tags"]);
}

#[test]
fn a_pin_outlives_its_tag_and_shows_what_is_there_instead() {
    let test = "a_pin_outlives_its_tag_and_shows_what_is_there_instead";
    let Some(registry) = Registry::start(test) else { return };
    let (home, address) = (registry.directory.path(), &registry.address);
    let tag = format!("{address}/acme/policy:1.0");
    let push = |letter| {
        fs::write(home.join("mine.wasm"), policy(letter)).unwrap();
        told(home, &["push", "mine.wasm", &tag]).trim().to_owned()
    };
    let (old, new) = (push('A'), push('B'));
    assert_ne!(old, new);
    told(home, &["pull", &old]);
    assert_eq!(fs::read(home.join("policy.wasm")).unwrap(), policy('A'));
    fs::remove_file(home.join("policy.wasm")).unwrap();
    let never = format!("{tag}@sha256:{}", sha256(b""));
    let found = new.rsplit_once("sha256:").unwrap().1;
    refused(home, &["pull", &never], 6, &[&sha256(b""), found, "pin what was found"]);
    assert!(!home.join("policy.wasm").exists());
}

#[test]
fn what_was_changed_in_the_registry_is_refused() {
    let test = "what_was_changed_in_the_registry_is_refused";
    let Some(registry) = Registry::start(test) else { return };
    let (home, address) = (registry.directory.path(), &registry.address);
    let component = policy('C');
    fs::write(home.join("mine.wasm"), &component).unwrap();
    let tag = format!("{address}/acme/policy:1.0");
    told(home, &["push", "mine.wasm", &tag]);
    let mut changed = component.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(registry.blob(&sha256(&component)), &changed).unwrap();
    let words = ["layer", "changed or damaged", &sha256(&component), &sha256(&changed)];
    refused(home, &["pull", &tag], 6, &words);
    fs::write(registry.blob(&sha256(&component)), &component[..1000]).unwrap();
    refused(home, &["pull", &tag], 6, &["expected", "found 1000 bytes"]);
    assert!(!home.join("policy.wasm").exists());
}

/// Passwords of `user` by docker-registry's htpasswd: `secret`.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

#[test]
fn passwords_are_taken_where_podman_and_docker_keep_them() {
    let test = "passwords_are_taken_where_podman_and_docker_keep_them";
    let more = "auth: {htpasswd: {realm: vproc, path: '%/htpasswd'}}\n";
    let Some(registry) = Registry::start_with(test, more) else { return };
    let (home, address) = (registry.directory.path(), &registry.address);
    fs::write(home.join("htpasswd"), HTPASSWD).unwrap();
    fs::write(home.join("mine.wasm"), policy('P')).unwrap();
    let tag = format!("{address}/acme/policy:1.0");
    refused(home, &["push", "mine.wasm", &tag], 4, &["skopeo login", "none were found"]);
    // skopeo writes the file that we read.
    let login = |password: &str| {
        format!(
            "skopeo login --tls-verify=false --authfile auth.json -u user -p {password} {address}"
        )
    };
    sh(home, &login("secret"));
    let mut push = policy_command(home, &["push", "mine.wasm", &tag]);
    let output = push.env("REGISTRY_AUTH_FILE", "auth.json").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The same file in docker's place.
    fs::create_dir(home.join(".docker")).unwrap();
    let auth = fs::read_to_string(home.join("auth.json")).unwrap();
    fs::write(home.join(".docker/config.json"), &auth).unwrap();
    told(home, &["pull", &tag]);
    let wrong = auth.replace("dXNlcjpzZWNyZXQ=", "dXNlcjp3cm9uZ3B3");
    assert_ne!(wrong, auth);
    fs::write(home.join(".docker/config.json"), wrong).unwrap();
    refused(home, &["pull", &tag], 4, &["refuses access", "config.json"]);
}
