//! What a container writes to `/proc/sys` stays in the container.

use crate::container::{Container, Group};
use crate::fixture::Mount;
use rustix::process::Signal;
use std::fs;
use std::io::ErrorKind;

const PRINTK: &str = "/proc/sys/kernel/printk";

/// The mount's file of a name below `/`: never the host's own.
fn served(mount: &Mount, path: &str) -> String {
    format!("{}{path}", mount.point.display())
}

fn containers(test: &str) -> Option<(Mount, [(Group, Container); 2])> {
    let mount = Mount::start(test, &[])?;
    let start = || {
        let group = Group::limited(test, 64)?;
        let container = Container::start(test, &group)?;
        Some((group, container))
    };
    Some((mount, [start()?, start()?]))
}

#[test]
fn what_a_container_writes_nobody_else_reads() {
    let test = "what_a_container_writes_nobody_else_reads";
    let Some((mount, [(_one, mut writer), (_other, mut neighbour)])) = containers(test) else {
        return;
    };
    let hosts = fs::read_to_string(PRINTK).unwrap();
    let file = served(&mount, PRINTK);
    let cat = format!("cat {file}");
    assert_eq!(writer.sh(&cat), "4\t4\t1\t7\n");
    assert_eq!(writer.sh(&format!("echo 3 4 > {file}; cat {file}")), "3\t4\t1\t7\n");
    assert_eq!(neighbour.sh(&cat), "4\t4\t1\t7\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), hosts);
    assert_eq!(fs::read_to_string(PRINTK).unwrap(), hosts);
    // Another path to the same container.
    let view = mount.file(&format!("by-pid/{}{PRINTK}", writer.init()));
    assert_eq!(fs::read_to_string(&view).unwrap(), "3\t4\t1\t7\n");
    fs::write(&view, "5").unwrap();
    assert_eq!(writer.sh(&cat), "5\t4\t1\t7\n");

    let before = mount.signal_worker(Signal::KILL);
    mount.wait_for_another(before);
    assert_eq!(writer.sh(&cat), "5\t4\t1\t7\n");
    assert_eq!(neighbour.sh(&cat), "4\t4\t1\t7\n");
    // The container goes on with what it wrote under another policy.
    let file_of_policy = mount.write("same.wasm", vproc_default::COMPONENT);
    mount.told(&["policy", "set", &file_of_policy]);
    assert_eq!(writer.sh(&cat), "5\t4\t1\t7\n");
}

#[test]
fn what_cannot_be_written_says_so() {
    let test = "what_cannot_be_written_says_so";
    let Some((mount, [(_one, mut writer), _])) = containers(test) else { return };
    let mut write = |path: &str, text: &str| {
        let file = served(&mount, path);
        writer.sh(&format!(
            "printf '{text}' | tee {file} 2>&1 >/dev/null | sed 's/.*: //'; cat {file}"
        ))
    };
    assert_eq!(write(PRINTK, "nonsense"), "Invalid argument\n4\t4\t1\t7\n");
    assert_eq!(write(PRINTK, "1 2 3 4 5"), "Invalid argument\n4\t4\t1\t7\n");
    // No `w` in its mode: for root, procfs says so when it is opened.
    assert_eq!(write("/proc/sys/fs/aio-nr", "1"), "Permission denied\n0\n");
    let file = served(&mount, PRINTK);
    let as_nobody = format!("setpriv --reuid=65534 --clear-groups sh -c 'echo 1 > {file}' 2>&1");
    let denied = writer.sh(&format!("{as_nobody} | sed 's/.*: //'; cat {file}"));
    assert_eq!(denied, "Permission denied\n4\t4\t1\t7\n");
    // How the kernel treats the container is the kernel's to say.
    let view = mount.file(&format!("by-pid/{}/proc/sys/vm/overcommit_memory", writer.init()));
    assert_eq!(fs::write(view, "1").unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn a_setting_is_put_into_a_container_by_its_name() {
    let test = "a_setting_is_put_into_a_container_by_its_name";
    let Some((mount, [(_one, mut writer), (_other, mut neighbour)])) = containers(test) else {
        return;
    };
    let boot_id = "/proc/sys/kernel/random/boot_id";
    let attach = |container: &Container| {
        let pid = container.init().to_string();
        mount.told(&["attach", "--pid", &pid, PRINTK, boot_id]);
    };
    attach(&writer);
    attach(&neighbour);
    let hosts = [PRINTK, boot_id].map(|path| fs::read_to_string(path).unwrap());
    let of = |container: &mut Container| container.sh(&format!("cat {boot_id}"));
    let (one, other) = (of(&mut writer), of(&mut neighbour));
    assert!(one != other && one != hosts[1] && one.len() == hosts[1].len(), "{one}{other}");
    assert_eq!(writer.sh(&format!("echo 1 > {PRINTK}; cat {PRINTK}")), "1\t4\t1\t7\n");
    assert_eq!(neighbour.sh(&format!("cat {PRINTK}")), "4\t4\t1\t7\n");
    assert_eq!(fs::read_to_string(PRINTK).unwrap(), hosts[0]);
}
