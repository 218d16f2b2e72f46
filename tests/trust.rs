//! Which policies may be used: pins, signatures beside files, and rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::{FIXTURE, VPROCCTL, assert_failure, failure};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};
use vproc_tests::{puppet, skip};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Renders a file with a policy.
fn render(directory: &Path, policy: &str, more: &[&str]) -> Output {
    let mut command = Command::new(VPROCCTL);
    command.args(["render", "--from", FIXTURE, "--policy", policy]).args(more);
    command.arg("/proc/meminfo").current_dir(directory);
    command.env("XDG_CACHE_HOME", directory.join("cache")).output().unwrap()
}

#[track_caller]
fn is_rendered(output: &Output) {
    assert!(output.status.success() && output.stdout.starts_with(b"T"), "{output:?}");
}

/// A directory with a policy, `mine.wasm`.
fn directory() -> (tempfile::TempDir, Vec<u8>) {
    let directory = command::temporary();
    let policy = puppet("letter=T");
    fs::write(directory.path().join("mine.wasm"), &policy).unwrap();
    (directory, policy)
}

fn rules(directory: &Path, text: &str) {
    let file = directory.join("trust.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
}

const TRUST: [&str; 2] = ["--trust", "trust.toml"];

/// Keys and signatures as the documentation has them made.
fn sign(directory: &Path, script: &str) -> bool {
    let done = Command::new("sh").args(["-euc", script]).current_dir(directory).output();
    done.unwrap().status.success()
}

const P256: &str = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem; \
     openssl pkey -in key.pem -pubout -out key.pub; \
     openssl dgst -sha256 -sign key.pem mine.wasm | base64 -w0 > mine.wasm.sig";
const ED25519: &str = "openssl genpkey -algorithm ed25519 -out key.pem; \
     openssl pkey -in key.pem -pubout -out key.pub; \
     openssl pkeyutl -sign -rawin -inkey key.pem -in mine.wasm | base64 -w0 > mine.wasm.sig";

#[test]
fn a_pin_is_held_wherever_a_policy_is_given() {
    let (directory, policy) = directory();
    let here = directory.path();
    let (right, wrong) = (sha256(&policy), sha256(b"another"));
    is_rendered(&render(here, &format!("mine.wasm@sha256:{right}"), &[]));
    let words = ["mine.wasm is not what was pinned", &right, &wrong];
    assert_failure(failure(render(here, &format!("mine.wasm@sha256:{wrong}"), &[])), 6, &words);
    let file = here.join("mine.wasm");
    let pin = |hash: &str| format!("{}@sha256:{hash}", file.display());
    let captures = here.join("captures");
    fs::create_dir(&captures).unwrap();
    let embedded = ["policy", "replay", &pin(&right), FIXTURE, "--compare"].map(str::to_owned);
    for arguments in [
        vec!["policy", "inspect", &pin(&wrong)],
        vec!["policy", "check", &pin(&wrong)],
        vec!["policy", "test", &pin(&wrong), captures.to_str().unwrap()],
        vec!["policy", "replay", &pin(&wrong), FIXTURE],
        embedded.iter().map(String::as_str).chain([pin(&wrong).as_str()]).collect(),
        vec!["policy", "precompile", &pin(&wrong)],
        vec!["policy", "verify", &pin(&wrong)],
        vec!["ls", "--policy", &pin(&wrong)],
    ] {
        assert_failure(command::failed(&arguments), 6, &["is not what was pinned", &right]);
    }
    let inspected = command::printed(&["policy", "inspect", &pin(&right)]);
    assert!(inspected.contains(&right), "it prints what to pin");
    // Inside an overlay.
    for overlay in [
        "base = \"mine.wasm@sha256:PIN\"\n",
        "[[rule]]\npath = \"/proc/meminfo\"\npolicy = \"mine.wasm@sha256:PIN\"\n",
    ] {
        fs::write(here.join("mine.toml"), overlay.replace("PIN", &right)).unwrap();
        is_rendered(&render(here, "mine.toml", &[]));
        let line = overlay.lines().count();
        fs::write(here.join("mine.toml"), overlay.replace("PIN", &wrong)).unwrap();
        let place = format!("mine.toml:{line}: ");
        let words = [&place, "mine.wasm is not what was pinned", &right, &wrong];
        assert_failure(failure(render(here, "mine.toml", &[])), 6, &words);
    }
    // A pin within changes nothing of what the overlay's own is of.
    let inspected = |overlay: &str| {
        fs::write(here.join("mine.toml"), overlay.replace("PIN", &right)).unwrap();
        command::printed(&["policy", "inspect", here.join("mine.toml").to_str().unwrap()])
    };
    let with_pin = inspected("base = \"mine.wasm@sha256:PIN\"\n");
    assert_eq!(with_pin, inspected("base = \"mine.wasm\"\n"));
}

#[test]
fn each_file_of_an_overlay_needs_a_rule() {
    let (directory, policy) = directory();
    let here = directory.path();
    let overlay = "base = \"mine.wasm\"\n";
    fs::write(here.join("mine.toml"), overlay).unwrap();
    is_rendered(&render(here, "mine.toml", &[]));
    let allow = |bytes: &[u8]| format!("[[allow]]\nsha256 = \"{}\"\n", sha256(bytes));
    let refused = || failure(render(here, "mine.toml", &TRUST));
    rules(here, &allow(overlay.as_bytes()));
    assert_failure(refused(), 6, &["no rule of", "mine.wasm"]);
    rules(here, &allow(&policy));
    assert_failure(refused(), 6, &["no rule of", "mine.toml"]);
    rules(here, &(allow(overlay.as_bytes()) + &allow(&policy)));
    is_rendered(&render(here, "mine.toml", &TRUST));
    let pushed = command::failed(&[
        "policy",
        "push",
        here.join("mine.toml").to_str().unwrap(),
        "localhost:1/policy:1",
    ]);
    assert_failure(pushed, 2, &["an overlay, which cannot be pushed", "push those"]);
    // A pin is of the overlay and its parts together.
    let file = here.join("mine.toml");
    let inspected = command::printed(&["policy", "inspect", file.to_str().unwrap()]);
    let mut words = inspected.split_whitespace().skip_while(|word| *word != "sha256");
    let pin = format!("mine.toml@sha256:{}", words.nth(1).unwrap());
    is_rendered(&render(here, &pin, &[]));
    fs::write(here.join("mine.wasm"), puppet("letter=U")).unwrap();
    let words = ["mine.toml is not what was pinned"];
    assert_failure(failure(render(here, &pin, &[])), 6, &words);
}

#[test]
fn a_pin_that_is_none_is_an_error_of_the_command_line() {
    let (directory, _) = directory();
    let here = directory.path();
    for (policy, word) in [
        ("mine.wasm@sha256:00", "64 hexadecimal digits"),
        ("oci://ghcr.io/acme/policy:1", "policy pull"),
        ("@sha256:00", "no file"),
    ] {
        let output = render(here, policy, &[]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(word), "{text}");
    }
    // Another `@` is the name's.
    fs::rename(here.join("mine.wasm"), here.join("a@b.wasm")).unwrap();
    is_rendered(&render(here, "a@b.wasm", &[]));
}

#[test]
fn what_openssl_signs_is_verified() {
    for script in [P256, ED25519] {
        let (directory, _) = directory();
        let here = directory.path();
        if !sign(here, script) {
            return skip("what_openssl_signs_is_verified", "openssl is not installed");
        }
        let key = format!("[[allow]]\nkey = {:?}\n", here.join("key.pub"));
        rules(here, &key);
        is_rendered(&render(here, "mine.wasm", &TRUST));
        // What nobody asked to be checked was not.
        let file = here.join("mine.wasm");
        let (file, public) = (file.to_str().unwrap(), here.join("key.pub"));
        let unchecked = command::printed(&["policy", "verify", file]);
        assert!(unchecked.contains("signature present, not checked: no --key"), "{unchecked}");
        let with_key = ["policy", "verify", file, "--key", public.to_str().unwrap()];
        let checked = command::printed(&with_key);
        assert!(
            checked.contains("signed  by key") && !checked.contains("not checked"),
            "{checked}"
        );
        // The key itself, in the rules.
        let pem = fs::read_to_string(here.join("key.pub")).unwrap();
        rules(here, &format!("[[allow]]\nkey = \"\"\"\n{pem}\"\"\"\n"));
        is_rendered(&render(here, "mine.wasm", &TRUST));

        fs::rename(here.join("key.pub"), here.join("before.pub")).unwrap();
        assert!(sign(here, &script.replace("mine.wasm.sig", "other.sig")));
        rules(here, &key);
        let by_another = failure(render(here, "mine.wasm", &TRUST));
        assert_failure(by_another, 6, &["line 1", "mine.wasm.sig", "not by key"]);
        fs::rename(here.join("before.pub"), here.join("key.pub")).unwrap();
        is_rendered(&render(here, "mine.wasm", &TRUST));
        fs::write(here.join("mine.wasm"), puppet("letter=U")).unwrap();
        let changed = failure(render(here, "mine.wasm", &TRUST));
        assert_failure(changed, 6, &["not of these bytes"]);
        fs::write(here.join("mine.wasm.sig"), "%").unwrap();
        assert_failure(failure(render(here, "mine.wasm", &TRUST)), 6, &["base64"]);
        fs::remove_file(here.join("mine.wasm.sig")).unwrap();
        let missing = failure(render(here, "mine.wasm", &TRUST));
        assert_failure(missing, 6, &["wants a signature in \"mine.wasm.sig\"", "No such file"]);
    }
}

#[test]
fn keys_of_other_kinds_are_named() {
    let (directory, _) = directory();
    let here = directory.path();
    let script = "openssl genrsa -out rsa.pem 2048; openssl pkey -in rsa.pem -pubout -out rsa.pub; \
        openssl ecparam -name secp384r1 -genkey -noout -out p384.pem; \
        openssl pkey -in p384.pem -pubout -out p384.pub; cat rsa.pub p384.pub > both.pub; \
        openssl ecparam -name prime256v1 -genkey -noout -out p256.pem";
    if !sign(here, script) {
        return skip("keys_of_other_kinds_are_named", "openssl is not installed");
    }
    for (key, word) in [
        ("rsa.pub", "not supported"),
        ("p384.pub", "not supported"),
        ("both.pub", "several keys"),
        ("p256.pem", "private key"),
        ("mine.wasm", "cannot read"),
    ] {
        rules(here, &format!("\n[[allow]]\nkey = {:?}\n", here.join(key)));
        let line = failure(render(here, "mine.wasm", &TRUST));
        assert_failure(line, 6, &["trust.toml\", line 2: `key`", word]);
    }
}

#[test]
fn a_rule_must_be_met_as_a_whole() {
    let (directory, policy) = directory();
    let here = directory.path();
    let (right, wrong) = (sha256(&policy), sha256(b"another"));
    rules(here, "allow = []\n");
    let line = failure(render(here, "mine.wasm", &TRUST));
    assert_failure(line, 6, &["no rule of trust.toml", &right, "there are none", "[[allow]]"]);
    rules(here, &format!("[[allow]]\nsha256 = \"{wrong}\"\n\n[[allow]]\nsha256 = \"{right}\"\n"));
    is_rendered(&render(here, "mine.wasm", &TRUST));
    let nowhere = format!("[[allow]]\nsha256 = \"{right}\"\npath = \"/usr/lib/vproc\"\n");
    rules(here, &nowhere);
    let line = failure(render(here, "mine.wasm", &TRUST));
    assert_failure(line, 6, &["line 1: it wants a file below \"/usr/lib/vproc\""]);
    // What is built in needs no rule.
    let mut embedded = Command::new(VPROCCTL);
    embedded.args(["render", "--from", FIXTURE, "/proc/meminfo"]).args(TRUST).current_dir(here);
    assert!(embedded.output().unwrap().status.success());
}

#[test]
fn rules_that_are_written_wrong_allow_nothing() {
    let (directory, policy) = directory();
    let here = directory.path();
    let right = format!("[[allow]]\nsha256 = \"{}\"\n", sha256(&policy));
    for (text, words) in [
        (String::new(), &["missing field `allow`"][..]),
        (format!("{right}\n[[alow]]\n"), &["line 4", "unknown field `alow`"]),
        (format!("{right}\n[[allow]]\nsha265 = \"\"\n"), &["line 5", "sha265"]),
        (format!("{right}\n[[allow]]\n"), &["line 4", "say what is allowed"]),
        (format!("{right}\n[[allow]]\nsha256 = \"00\"\n"), &["line 4", "64 hexadecimal"]),
        (format!("{right}\n[[allow]]\nregistry = \"a.b\"\n"), &["line 4", "`key`"]),
        (format!("{right}\n[[allow]]\npath = \"lib\"\n"), &["line 4", "slash"]),
        (format!("{right}\n[[allow]]\nkey = \"a.pub\"\n"), &["line 4", "full path"]),
        (format!("{right}[allow\n"), &["line 3"]),
        ("allow = 1\n".to_owned(), &["line 1"]),
    ] {
        rules(here, &text);
        let line = failure(render(here, "mine.wasm", &TRUST));
        assert_failure(line, 6, &[&["trust.toml"], words].concat());
    }
}

#[test]
fn rules_that_others_could_write_are_not_used() {
    let (directory, policy) = directory();
    let here = directory.path();
    let right = format!("[[allow]]\nsha256 = \"{}\"\n", sha256(&policy));
    rules(here, &right);
    is_rendered(&render(here, "mine.wasm", &TRUST));
    let file = here.join("trust.toml");
    for mode in [0o664, 0o646] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let line = failure(render(here, "mine.wasm", &TRUST));
        assert_failure(line, 6, &["others can write to", "trust.toml", "chmod"]);
    }
    rules(here, &right);
    symlink("trust.toml", here.join("link.toml")).unwrap();
    let line = failure(render(here, "mine.wasm", &["--trust", "link.toml"]));
    assert_failure(line, 6, &["link.toml\" is a symbolic link"]);
    symlink(here, here.join("here")).unwrap();
    let line = failure(render(here, "mine.wasm", &["--trust", "here/trust.toml"]));
    assert_failure(line, 6, &["here\" is a symbolic link"]);
    let line = failure(render(here, "mine.wasm", &["--trust", "none.toml"]));
    assert_failure(line, 6, &["none.toml", "No such file"]);
    let line = failure(render(here, "mine.wasm", &["--trust", "."]));
    assert_failure(line, 6, &["no regular file"]);
    fs::set_permissions(here, fs::Permissions::from_mode(0o777)).unwrap();
    let line = failure(render(here, "mine.wasm", &TRUST));
    assert_failure(line, 6, &["others can write to", "chmod"]);
    fs::set_permissions(here, fs::Permissions::from_mode(0o700)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return skip("rules_that_others_could_write_are_not_used", "this is not root");
    }
    chown(&file, Some(4242), None).unwrap();
    let line = failure(render(here, "mine.wasm", &TRUST));
    assert_failure(line, 6, &["belongs to user 4242"]);
}

#[test]
fn a_path_is_where_only_root_can_write() {
    if !rustix::process::geteuid().is_root() {
        return skip("a_path_is_where_only_root_can_write", "this is not root");
    }
    let (directory, policy) = directory();
    let here = directory.path();
    let safe = here.join("safe");
    fs::create_dir(&safe).unwrap();
    fs::write(safe.join("mine.wasm"), &policy).unwrap();
    rules(here, &format!("[[allow]]\npath = {safe:?}\n"));
    is_rendered(&render(here, "safe/mine.wasm", &TRUST));
    let outside = failure(render(here, "mine.wasm", &TRUST));
    assert_failure(outside, 6, &["it wants a file below", "this is"]);
    // A name that only begins like the directory, and a way out of it.
    fs::create_dir(here.join("safely")).unwrap();
    fs::write(here.join("safely/mine.wasm"), &policy).unwrap();
    for name in ["safely/mine.wasm", "safe/../mine.wasm"] {
        assert_failure(failure(render(here, name, &TRUST)), 6, &["it wants a file below"]);
    }
    // Links count by what they lead to.
    symlink("../mine.wasm", safe.join("out.wasm")).unwrap();
    assert_failure(failure(render(here, "safe/out.wasm", &TRUST)), 6, &["it wants a file below"]);
    symlink("safe/mine.wasm", here.join("in.wasm")).unwrap();
    is_rendered(&render(here, "in.wasm", &TRUST));

    let file = safe.join("mine.wasm");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    let writable = failure(render(here, "safe/mine.wasm", &TRUST));
    assert_failure(writable, 6, &["others can write to"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    chown(&file, Some(4242), None).unwrap();
    let owned = failure(render(here, "safe/mine.wasm", &TRUST));
    assert_failure(owned, 6, &["belongs to user 4242"]);
    chown(&file, Some(0), None).unwrap();
    chown(&safe, Some(4242), None).unwrap();
    let above = failure(render(here, "safe/mine.wasm", &TRUST));
    assert_failure(above, 6, &["safe\" belongs to user 4242"]);
}

#[test]
fn the_rules_of_the_machine_count_where_none_are_named() {
    let test = "the_rules_of_the_machine_count_where_none_are_named";
    let (directory, policy) = directory();
    let here = directory.path();
    // /etc of its own, so that this machine's stays as it is.
    let script = "mount -t tmpfs -o mode=755 none /etc && mkdir /etc/vproc && \
        printf '%s\\n' \"$1\" > /etc/vproc/trust.toml && shift && exec \"$@\"";
    let within = |rules: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh", rules, VPROCCTL]);
        command.args(["render", "--from", FIXTURE, "--policy", "mine.wasm", "/proc/meminfo"]);
        command.current_dir(here).env("XDG_CACHE_HOME", here.join("cache")).output()
    };
    let right = format!("[[allow]]\nsha256 = \"{}\"", sha256(&policy));
    let Ok(output) = within(&right) else { return skip(test, "unshare is not installed") };
    if !rustix::process::geteuid().is_root() {
        return skip(test, "this is not root");
    }
    is_rendered(&output);
    let refused = failure(within("allow = []").unwrap());
    assert_failure(refused, 6, &["no rule of /etc/vproc/trust.toml allows mine.wasm"]);
}
