//! Who may see whose view.

use crate::container::{Container, Group, total_mib};
use crate::fixture::{Mount, eventually};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn meminfo(mount: &Mount, directory: &str) -> Option<u64> {
    let file = mount.point.join(directory).join("proc/meminfo");
    fs::read_to_string(file).ok().map(|text| total_mib(&text))
}

#[test]
fn root_of_the_host_sees_the_view_of_any_process() {
    let test = "root_of_the_host_sees_the_view_of_any_process";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let init = container.init();
    assert_eq!(meminfo(&mount, &format!("by-pid/{init}")), Some(64));
    let own = fs::read_to_string(mount.point.join(format!("by-pid/{init}/proc/cpuinfo"))).unwrap();
    let seen = container.sh(&format!("cat {}/proc/cpuinfo", mount.point.display()));
    let steady = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("cpu MHz")).map(str::to_owned).collect()
    };
    assert_eq!(steady(&own), steady(&seen));
    // Of processes that nobody has.
    for name in ["0", "-1", "x", "4194305", "99999999999"] {
        let file = mount.point.join("by-pid").join(name);
        assert_eq!(fs::metadata(file).unwrap_err().kind(), std::io::ErrorKind::NotFound, "{name}");
    }
    let listed = fs::read_dir(mount.point.join("by-pid")).unwrap();
    let listed: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
    assert!(listed.contains(&init.to_string().into()), "{listed:?}");
    // The same after a worker that was asked for none of it.
    let file = fs::File::open(mount.point.join(format!("by-pid/{init}/proc/meminfo"))).unwrap();
    mount.replace_worker();
    assert_eq!(total_mib(&std::io::read_to_string(&file).unwrap()), 64);
    // An ended process has no view.
    drop(container);
    eventually("the end of the view", || {
        meminfo(&mount, &format!("by-pid/{init}")).is_none().then_some(())
    });
}

/// What the views of others and the mount's own files are for.
const PRIVATE: [&str; 4] = ["by-pid", "containers", ".vproc", ".vproc/metrics"];

#[test]
fn others_do_not_see_the_views_of_others() {
    let test = "others_do_not_see_the_views_of_others";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let (own, init) = (std::process::id(), container.init());
    mount.told(&["register", "box", "--pid", &init.to_string()]);
    let point = mount.point.display();
    let wanted: Vec<String> = PRIVATE
        .iter()
        .map(|name| format!("{point}/{name}"))
        .chain([
            format!("{point}/by-pid/{own}/proc/meminfo"),
            format!("{point}/by-pid/{init}/proc/meminfo"),
            format!("{point}/containers/box/proc/meminfo"),
            format!("{point}/containers/box"),
        ])
        .collect();
    // Also once root of the host has looked, so that the kernel knows names.
    for round in 0..2 {
        for path in &wanted {
            let said = container.sh(&format!("ls {path} && cat {path}"));
            assert!(said.contains("Permission denied"), "{round}, {path}: {said}");
            let script = format!("ls {path} && cat {path}");
            let nobody =
                Command::new("sh").args(["-c", &script]).uid(65534).gid(65534).output().unwrap();
            assert!(nobody.stdout.is_empty(), "{round}, {path}: {nobody:?}");
            // The way to the mount is closed to it already.
            let error = String::from_utf8_lossy(&nobody.stderr);
            assert!(error.contains("Permission denied"), "{round}, {path}: {error}");
        }
        for path in &wanted {
            assert!(fs::metadata(path).is_ok(), "{path}");
            assert!(fs::read_dir(path).is_ok() || fs::read(path).is_ok(), "{path}");
        }
    }
    // Everybody sees their own.
    assert_eq!(total_mib(&container.sh(&format!("cat {point}/proc/meminfo"))), 64);
}

/// Through a mount that lets everybody in.
#[test]
fn users_see_their_own_view_and_no_other() {
    let test = "users_see_their_own_view_and_no_other";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(mount.directory.path(), open).unwrap();
    let as_nobody = |path: &str| {
        let mut command = Command::new("cat");
        command.arg(mount.point.join(path)).uid(65534).gid(65534).output().unwrap()
    };
    let own = as_nobody("proc/meminfo");
    assert!(total_mib(&String::from_utf8(own.stdout).unwrap()) > 0);
    for path in ["by-pid/1/proc/meminfo", ".vproc/metrics", "containers"] {
        let other = as_nobody(path);
        let error = String::from_utf8_lossy(&other.stderr);
        assert!(other.stdout.is_empty() && error.contains("Permission denied"), "{path}: {error}");
    }
    let status = Command::new(crate::command::VPROCCTL)
        .args(["status", "--mount"])
        .arg(&mount.state)
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert!(!status.status.success() && status.stdout.is_empty());
}

#[test]
fn names_lead_to_views() {
    let test = "names_lead_to_views";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(container) = Container::start(test, &group) else { return };
    let Some(other) = Group::limited(test, 96) else { return };
    let Some(others) = Container::start(test, &other) else { return };
    let register = |name: &str, pid: u32| mount.ask(&["register", name, "--pid", &pid.to_string()]);
    assert!(register("box", container.init()).status.success());
    assert_eq!(meminfo(&mount, "containers/box"), Some(64));
    let names: Vec<_> = fs::read_dir(mount.point.join("containers"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["box"]);
    let report = mount.status();
    assert!(report.containers.iter().any(|it| it.name.as_deref() == Some("box")), "{report:?}");
    // A worker's end does not lose it.
    mount.replace_worker();
    assert_eq!(meminfo(&mount, "containers/box"), Some(64));
    let open = fs::File::open(mount.point.join("containers/box/proc/meminfo")).unwrap();
    mount.told(&["forget", "box"]);
    assert_eq!(meminfo(&mount, "containers/box"), None);
    // Another one of a name is another one: who has a file open does not get
    // it, nor does a worker that takes over.
    assert!(register("box", others.init()).status.success());
    assert_eq!(meminfo(&mount, "containers/box"), Some(96));
    mount.replace_worker();
    let seen = std::io::read_to_string(&open).map(|text| total_mib(&text));
    assert_eq!(meminfo(&mount, "containers/box"), Some(96));
    assert!(!matches!(seen, Ok(96)), "{seen:?}");
    for (name, pid) in [("a/b", others.init()), (".", others.init()), ("", others.init())] {
        assert!(!register(name, pid).status.success(), "{name}");
    }
    assert!(!register("none", 4_194_304).status.success());
    assert!(!mount.ask(&["forget", "none"]).status.success());
}

#[test]
fn the_nearest_registered_container_counts() {
    let test = "the_nearest_registered_container_counts";
    let Some(mount) = Mount::start(test, &["--identity", "registered", "--max-age", "0"]) else {
        return;
    };
    let Some(outer) = Group::limited(test, 96) else { return };
    let inner = outer.inner();
    inner.set_limit(48);
    // No pid namespace: the groups alone tell.
    let Some(pod) = Container::start_with(test, &[&outer], &["--mount"]) else { return };
    let Some(mut own) = Container::start_with(test, &[&inner], &["--mount"]) else { return };
    let mut see = |path: &str| total_mib(&own.sh(&format!("cat {}/{path}", mount.point.display())));
    assert_eq!(see("proc/meminfo"), 48, "unregistered: its own group's");
    mount.told(&["register", "pod", "--pid", &pod.init().to_string()]);
    assert_eq!(see("proc/meminfo"), 96, "the group around it");
    let inside = Container::start_with(test, &[&inner], &["--mount"]).unwrap();
    mount.told(&["register", "inside", "--pid", &inside.init().to_string()]);
    assert_eq!(see("proc/meminfo"), 48, "the nearest");
    mount.told(&["forget", "inside"]);
    assert_eq!(see("proc/meminfo"), 96);
    mount.replace_worker();
    assert_eq!(see("proc/meminfo"), 96);
    drop(inside);
}
