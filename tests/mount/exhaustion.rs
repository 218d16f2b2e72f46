//! What ends, or runs out, while somebody reads.

use crate::container::{Container, Group, total_mib};
use crate::fixture::{Mount, eventually};
use crate::reader::{one_render, read};
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use std::fs::{self, File};
use std::io::Read;
use std::time::Duration;

const ESRCH: i32 = 3;
const ENFILE: i32 = 23;

#[test]
fn a_container_may_end_in_the_middle_of_a_text() {
    let test = "a_container_may_end_in_the_middle_of_a_text";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(container) = Container::start(test, &group) else { return };
    let mut file =
        File::open(mount.file(&format!("by-pid/{}/proc/meminfo", container.init()))).unwrap();
    let mut start = vec![0; 100];
    file.read_exact(&mut start).unwrap();
    drop(container);
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with('\n') && rest.contains("SwapTotal"), "{rest}");
    std::io::Seek::rewind(&mut file).unwrap();
    let ended = eventually("the end of the container", || {
        let mut byte = [0];
        std::os::unix::fs::FileExt::read_at(&file, &mut byte, 0).err()
    });
    assert_eq!(ended.raw_os_error(), Some(ESRCH));
}

#[test]
fn a_group_may_be_removed() {
    let test = "a_group_may_be_removed";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let Some(outer) = Group::limited(test, 96) else { return };
    let inner = outer.inner();
    inner.set_limit(48);
    let Some(mut container) = Container::start(test, &inner) else { return };
    let open = format!("exec 3<{}/proc/meminfo; head -c 10 <&3", mount.point.display());
    container.sh(&open);
    let cat = format!("cat {}/proc/meminfo", mount.point.display());
    assert_eq!(total_mib(&container.sh(&cat)), 48);
    outer.add(container.init());
    outer.add(container.outside());
    let path = inner.path.clone();
    drop(inner);
    assert!(!path.exists(), "the group is gone");
    eventually("the outer limit", || (total_mib(&container.sh(&cat)) == 96).then_some(()));
    assert!(container.sh("cat <&3").contains("MemAvailable"), "the old text goes on");
}

#[test]
fn a_stopped_container_is_seen() {
    let test = "a_stopped_container_is_seen";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(container) = Container::start(test, &group) else { return };
    container.signal(Signal::STOP);
    for name in ["meminfo", "stat", "loadavg", "uptime"] {
        let text = mount.read(&format!("by-pid/{}/proc/{name}", container.init()));
        assert!(text.ends_with('\n'), "{name}: {text}");
    }
    container.signal(Signal::CONT);
}

#[test]
fn a_full_state_directory_fails_no_read() {
    let test = "a_full_state_directory_fails_no_read";
    let mut state = None;
    let small = |directory: &std::path::Path| {
        let point = directory.join("state");
        fs::create_dir(&point).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("none", &point, "tmpfs", flags, c"size=64k").unwrap();
        state = Some(point);
    };
    let limit = Duration::from_secs(120);
    let mount = Mount::start_for(test, limit, &["--max-age", "0"], small);
    let Some(mount) = mount else { return };
    let _unmounted = Unmounted(state.unwrap());
    // Larger than what is left, so no copy of it can be kept.
    let policy = mount.puppet("long.wasm", "letter=L lines=300");
    mount.told(&["policy", "set", &policy]);
    let mut rest = File::create(mount.state.join("filler")).unwrap();
    while std::io::Write::write_all(&mut rest, &[0; 512]).is_ok() {}
    let reads = |has_policy: bool| {
        for _ in 0..20 {
            for chunk in [128, 1 << 16] {
                if has_policy {
                    let text = read(&mount.file("/proc/puppet"), chunk).unwrap();
                    assert_eq!(one_render(&text), Ok(()));
                    assert_eq!(text.lines().count(), 300);
                }
                for name in ["meminfo", "stat", "loadavg"] {
                    assert!(!read(&mount.file("/proc").join(name), chunk).unwrap().is_empty());
                }
            }
        }
    };
    reads(true);
    let warnings = mount.log().matches("WARN").count();
    assert!((1..10).contains(&warnings), "{}", mount.log());
    // The next worker can begin, without the policy: that was said.
    assert!(mount.log().contains("a restart forgets it"), "{}", mount.log());
    mount.replace_worker();
    reads(false);
    assert!(mount.log().matches("WARN").count() < warnings + 10, "{}", mount.log());
    fs::remove_file(mount.state.join("filler")).unwrap();
    mount.told(&["policy", "set", &policy]);
    reads(true);
}

struct Unmounted(std::path::PathBuf);

impl Drop for Unmounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_shortage_of_descriptors_passes() {
    let test = "a_shortage_of_descriptors_passes";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let worker = mount.worker().unwrap();
    let limit = |soft: u64| {
        let all = Rlimit { current: Some(soft), maximum: Some(20_000) };
        prlimit(Some(worker), Resource::Nofile, all).unwrap()
    };
    let mut containers = Vec::new();
    for _ in 0..24 {
        let Some(group) = Group::limited(test, 48) else { return };
        let Some(container) = Container::start(test, &group) else { return };
        containers.push((container, group));
    }
    let used = fs::read_dir(format!("/proc/{}/fd", worker.as_raw_nonzero())).unwrap().count();
    let (mut worked, mut failed) = (0, 0);
    // From a few to none at all.
    for left in [80, 20, 8, 2, 0] {
        limit(used as u64 + left);
        for (container, _) in &mut containers {
            for name in ["meminfo", "stat", "cpuinfo"] {
                let said = container.sh(&format!("cat {}/proc/{name}", mount.point.display()));
                let is_text =
                    said.contains("MemTotal") || said.contains("cpu") || said.contains("processor");
                let is_shortage = said.contains("Too many open files");
                assert!(is_text || is_shortage, "{left}, {name}: {said}");
                worked += u32::from(is_text && !is_shortage);
                failed += u32::from(is_shortage);
            }
        }
    }
    assert!(worked > 0 && failed > 0, "{worked} worked, {failed} failed with errno {ENFILE}");
    limit(20_000);
    for (container, _) in &mut containers {
        let meminfo = container.sh(&format!("cat {}/proc/meminfo", mount.point.display()));
        assert_eq!(total_mib(&meminfo), 48);
    }
    assert_eq!((mount.worker(), mount.status().restarts), (Some(worker), 0));
    let warnings = mount.log().matches("WARN").count();
    assert!(warnings < 20, "{}", mount.log());
}
