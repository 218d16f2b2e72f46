//! What readers get, as long as nothing dies.

use crate::command::VPROCCTL;
use crate::container::{Container, Group, total_mib};
use crate::fixture::{Mount, eventually};
use crate::reader::{is_puppet, one_render, read};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every file below a directory, by its path in a container.
fn served(mount: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![mount.join("proc"), mount.join("sys")];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else {
                found.push(format!("/{}", entry.path().strip_prefix(mount).unwrap().display()));
            }
        }
    }
    found.sort();
    found
}

/// What `vprocctl render` says of a process.
fn rendered(pid: u32, path: &str) -> Result<String, String> {
    let pid = pid.to_string();
    let output = Command::new(VPROCCTL).args(["render", "--pid", &pid, path]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// What does not change from one read to the next: the names, or everything.
fn standing(path: &str, text: &str) -> String {
    let moves = ["cpuinfo", "swaps", "partitions", "online", "offline", "possible", "present"];
    if moves.iter().any(|name| path.ends_with(name)) || path.ends_with("kernel_max") {
        // Clock rates move.
        return text.lines().filter(|line| !line.starts_with("cpu MHz")).collect();
    }
    let name = |line: &str| {
        let words = line.split_whitespace();
        let names: Vec<&str> = words
            .filter(|word| word.parse::<f64>().is_err() && !word.contains(['=', '/']))
            .collect();
        names.join(" ")
    };
    text.lines().map(name).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_file_is_as_rendered() {
    let test = "every_file_is_as_rendered";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    let init = container.init();
    let files = served(&mount.point);
    assert!(files.len() >= 17 && files.contains(&"/proc/meminfo".to_owned()), "{files:?}");
    let mut compared = 0;
    for path in files {
        let seen = container.sh(&format!("cat {}{path}", mount.point.display()));
        // A worker may not join the container's namespaces.
        if path.starts_with("/proc/sys") && seen.contains("Input/output error") {
            continue;
        }
        match rendered(init, &path) {
            Ok(text) => {
                assert_eq!(standing(&path, &seen), standing(&path, &text), "{path}");
                compared += 1;
            }
            // What this kernel does not have, nobody has.
            Err(_) => assert!(seen.contains("cat: "), "{path}: {seen}"),
        }
    }
    assert!(compared >= 12, "{compared}");
    let seen = container.sh(&format!("cat {}/proc/meminfo", mount.point.display()));
    assert_eq!(total_mib(&seen), 64);
    assert_ne!(total_mib(&mount.read("/proc/meminfo")), 64);
}

#[test]
fn pieces_of_any_size_are_one_text() {
    let test = "pieces_of_any_size_are_one_text";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let policy = mount.puppet("long.wasm", "letter=L lines=300");
    mount.told(&["policy", "set", &policy]);
    for chunk in [1, 7, 128, 4096, 1 << 20] {
        let text = read(&mount.file("/proc/puppet"), chunk).unwrap();
        assert_eq!(one_render(&text), Ok(()), "{chunk} bytes at a time");
        assert_eq!(text.lines().count(), 300, "{chunk} bytes at a time");
    }
}

#[test]
fn any_place_of_a_text_can_be_read() {
    let test = "any_place_of_a_text_can_be_read";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let policy = mount.puppet("long.wasm", "letter=L lines=300");
    mount.told(&["policy", "set", &policy]);
    let file = File::open(mount.file("/proc/puppet")).unwrap();
    let at = |offset: u64, length: usize| {
        let mut bytes = vec![0; length];
        let length = file.read_at(&mut bytes, offset).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let whole = at(0, 1 << 16);
    assert_eq!(one_render(&whole), Ok(()));
    let mut place = 1_usize;
    for _ in 0..50 {
        place = place * 7919 % whole.len();
        let end = (place + 100).min(whole.len());
        assert_eq!(at(place as u64, 100), whole[place..end]);
    }
    assert_eq!(at(whole.len() as u64, 100), "");
    assert_eq!(at(u64::MAX >> 2, 100), "");
    // Backwards, from the end to the start: only the start is new.
    let again = at(0, 10);
    assert_ne!(again, whole[..10].to_owned() + "-", "text");
    let rest = at(10, 1 << 16);
    assert_eq!(one_render(&(again + &rest)), Ok(()));
    assert_ne!(rest, whole[10..], "a read at 0 renders anew");
}

/// A handle whose first read is not at the start has a text all the same.
#[test]
fn a_first_read_behind_the_start_is_part_of_a_text() {
    let test = "a_first_read_behind_the_start_is_part_of_a_text";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let policy = mount.puppet("long.wasm", "letter=L lines=300");
    mount.told(&["policy", "set", &policy]);
    let file = File::open(mount.file("/proc/puppet")).unwrap();
    let (mut middle, mut end) = (vec![0; 40], vec![0; 40]);
    file.read_exact_at(&mut middle, 4000).unwrap();
    mount.replace_worker();
    file.read_exact_at(&mut end, 4040).unwrap();
    assert_eq!(middle[..19], end[..19], "one render");
}

#[test]
fn long_texts_are_whole() {
    let test = "long_texts_are_whole";
    let Some(mount) = Mount::start(test, &[]) else { return };
    for (lines, chunk) in [(2560, 1 << 20), (26215, 1 << 21), (26215, 5000), (26215, 131_073)] {
        let policy = mount.puppet("long.wasm", &format!("letter=L lines={lines}"));
        mount.told(&["policy", "set", &policy]);
        let text = read(&mount.file("/proc/puppet"), chunk).unwrap();
        assert_eq!(text.len(), lines * 40, "{chunk} bytes at a time");
        assert_eq!(one_render(&text), Ok(()));
    }
}

#[test]
fn a_read_at_the_start_sees_a_limit_that_has_changed() {
    let test = "a_read_at_the_start_sees_a_limit_that_has_changed";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    // In the middle of the first line: "MemTotal:          65536 kB".
    let open =
        format!("exec 3<{}/proc/meminfo; dd bs=1 count=12 <&3 2>/dev/null", mount.point.display());
    assert_eq!(container.sh(&open), "MemTotal:   ");
    group.set_limit(96);
    let rest = container.sh("dd bs=4096 <&3 2>/dev/null");
    assert!(rest.starts_with("       65536 kB\nMemFree:"), "the old text goes on: {rest}");
    let meminfo = container.sh(&format!("cat {}/proc/meminfo", mount.point.display()));
    assert_eq!(total_mib(&meminfo), 96);
    let again = container.sh(&format!(
        "exec 3<{}/proc/meminfo; head -c 1 <&3 >/dev/null; exec 4</dev/fd/3; cat <&4",
        mount.point.display()
    ));
    assert_eq!(total_mib(&again), 96);
}

/// With the default age, too, once that has passed.
#[test]
fn a_limit_shows_soon() {
    let test = "a_limit_shows_soon";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    let Some(mut container) = Container::start(test, &group) else { return };
    for mib in [64, 80, 48] {
        group.set_limit(mib);
        let cat = format!("sleep 0.01; cat {}/proc/meminfo", mount.point.display());
        assert_eq!(total_mib(&container.sh(&cat)), mib);
    }
}

#[test]
fn containers_see_each_their_own() {
    let test = "containers_see_each_their_own";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let sizes = [48, 80];
    let mut both = Vec::new();
    for size in sizes {
        let Some(group) = Group::limited(test, size) else { return };
        let Some(container) = Container::start(test, &group) else { return };
        both.push((container, group));
    }
    // One file, mounted where both see it, and one that both bind themselves.
    let shared = mount.write("shared", b"");
    let file = mount.file("/proc/meminfo");
    for (container, _) in &mut both {
        let said = container.sh(&format!("mount --bind {} {shared}", file.display()));
        assert_eq!(said, "");
    }
    let loops: Vec<_> = both
        .into_iter()
        .zip(sizes)
        .map(|((mut container, group), size)| {
            let (shared, file) = (shared.clone(), file.display().to_string());
            std::thread::spawn(move || {
                for _ in 0..40 {
                    for path in [&shared, &file] {
                        assert_eq!(total_mib(&container.sh(&format!("cat {path}"))), size);
                    }
                }
                // One that moves to a group within stays in its container; and
                // so does a thread that is not the first of its process.
                let inner = group.inner();
                inner.set_limit(16);
                let procs = inner.path.join("cgroup.procs");
                let moved = format!("sh -c 'echo $$ > {}; exec cat {shared}'", procs.display());
                assert_eq!(total_mib(&container.sh(&moved)), size);
                drop(inner);
                container.sh(&format!("cp {shared} /dev/null"));
                let threads = "import threading,sys;\
                    t=threading.Thread(target=lambda: print(open(sys.argv[1]).read()));\
                    t.start(); t.join()";
                let threaded = container.sh(&format!("python3 -c \"{threads}\" {shared}"));
                if !threaded.contains("not found") {
                    assert_eq!(total_mib(&threaded), size);
                }
            })
        })
        .collect();
    for thread in loops {
        thread.join().unwrap();
    }
}

/// A process that stands for the host's groups may end at any time.
#[test]
fn an_open_file_outlives_the_process_that_read_first() {
    let test = "an_open_file_outlives_the_process_that_read_first";
    let Some(mount) = Mount::start(test, &["--max-age", "0"]) else { return };
    let Some(group) = Group::limited(test, 64) else { return };
    // Without a pid namespace of its own: its processes count each for itself.
    let Some(mut container) = Container::start_with(test, &[&group], &["--mount"]) else { return };
    let meminfo = mount.file("/proc/meminfo");
    let script = format!(
        "cat {0} >/dev/null & wait; exec 3<{0}; cat {0} >/dev/null; cat <&3",
        meminfo.display()
    );
    for _ in 0..5 {
        let text = container.sh(&script);
        assert_eq!(total_mib(&text), 64);
    }
    // The first reader stands for all; a second opens, and reads when the first
    // is gone.
    let script = format!(
        "sh -c 'cat {0} >/dev/null; exec 3<{0}; sleep 0.3; cat <&3' & \
        sleep 0.1; wait",
        meminfo.display()
    );
    assert_eq!(total_mib(&container.sh(&script)), 64);
}

#[test]
fn modes_are_the_kernels() {
    let test = "modes_are_the_kernels";
    let Some(mount) = Mount::start(test, &[]) else { return };
    for path in served(&mount.point) {
        let Ok(kernels) = fs::metadata(&path) else { continue };
        // It can be written where there is a watchdog.
        if path == "/proc/sys/kernel/nmi_watchdog" {
            continue;
        }
        let kernels = match &*path {
            // Here, somebody else may have mounted over it (`slabinfo_proc_init` in
            // mm/slab_common.c).
            "/proc/slabinfo" => 0o100_400,
            // What root may write there is the host's.
            sysfs if sysfs.starts_with("/sys/") => kernels.permissions().mode() & !0o200,
            _ => kernels.permissions().mode(),
        };
        let ours = fs::metadata(mount.file(&path)).unwrap();
        assert_eq!(ours.permissions().mode(), kernels, "{path}");
        assert_eq!(ours.len(), 4096, "{path}: as in sysfs");
    }
    for directory in ["/", "/proc", "/sys", "/sys/devices/system/cpu", "/proc/pressure"] {
        let ours = fs::metadata(mount.file(directory)).unwrap();
        assert_eq!(ours.permissions().mode(), 0o40555, "{directory}");
    }
}

/// What goes through the page cache is everybody's: all containers have the
/// same node. And with a size of 0, sendfile(2) would send nothing at all.
#[test]
fn texts_stay_out_of_the_page_cache() {
    let test = "texts_stay_out_of_the_page_cache";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let file = fs::File::open(mount.file("/proc/meminfo")).unwrap();
    let copy = fs::File::create(mount.directory.path().join("copy")).unwrap();
    match rustix::fs::sendfile(&copy, &file, None, 65536) {
        Err(errno) => assert_eq!(errno, rustix::io::Errno::INVAL, "and the caller reads"),
        // Before Linux 6.5 it reads past the page cache.
        Ok(sent) => assert!(sent > 1000, "{sent} bytes"),
    }
    let python = "import mmap,sys; f=open(sys.argv[1],'rb'); \
        print(mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)[:8])";
    let mut mapped = Command::new("python3");
    mapped.args(["-c", python]).arg(mount.file("/proc/meminfo"));
    match mapped.stderr(Stdio::null()).output() {
        Ok(output) => assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}"),
        Err(_) => vproc_tests::skip(test, "python3 is not installed"),
    }
    let text = std::io::read_to_string(file).unwrap();
    assert!(text.starts_with("MemTotal:") || text.is_empty(), "{text}");
}

#[test]
fn nothing_can_be_changed() {
    let test = "nothing_can_be_changed";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let errno = |error: std::io::Error| error.raw_os_error().unwrap();
    let (eperm, eacces, erofs) = (1, 13, 30);
    let file = mount.file("/proc/meminfo");
    let write = |path: PathBuf| {
        let opened = rustix::fs::open(path, OFlags::WRONLY, Mode::empty());
        opened.map(drop).map_err(std::io::Error::from)
    };
    // Root may open what nobody may write; the kernel's says EACCES or EIO.
    assert_eq!(errno(write(file.clone()).unwrap_err()), eacces);
    let created = File::create(mount.file("/proc/new")).map(drop);
    assert!([eacces, erofs].contains(&errno(created.unwrap_err())));
    assert_eq!(errno(fs::create_dir(mount.file("/proc/new")).unwrap_err()), erofs);
    assert_eq!(errno(fs::remove_file(&file).unwrap_err()), erofs);
    assert_eq!(errno(fs::rename(&file, mount.file("/proc/new")).unwrap_err()), erofs);
    assert_eq!(errno(fs::hard_link(&file, mount.file("/proc/new")).unwrap_err()), erofs);
    let linked = std::os::unix::fs::symlink("x", mount.file("/proc/new"));
    assert_eq!(errno(linked.unwrap_err()), erofs);
    let mode = fs::Permissions::from_mode(0o777);
    assert_eq!(errno(fs::set_permissions(&file, mode).unwrap_err()), eperm);
    assert_eq!(errno(std::os::unix::fs::chown(&file, Some(1), None).unwrap_err()), eperm);
    let cut = rustix::fs::open(&file, OFlags::WRONLY | OFlags::TRUNC, Mode::empty());
    assert_eq!(cut.unwrap_err().raw_os_error(), eacces);
    assert!(fs::read_dir(&file).is_err() && File::open(mount.file("/proc/none")).is_err());
    assert!(total_mib(&mount.read("/proc/meminfo")) > 0);
}

/// What a policy serves that the kernel has no file for is there, too, and
/// goes with the policy.
#[test]
fn names_come_and_go_with_the_policy() {
    let test = "names_come_and_go_with_the_policy";
    let Some(mount) = Mount::start(test, &[]) else { return };
    let extra = mount.file("/proc/far/extra");
    let listed = || served(&mount.point).contains(&"/proc/far/extra".to_owned());
    for _ in 0..3 {
        assert!(!extra.exists() && !listed());
        let policy = mount.puppet("extra.wasm", "letter=X path=/proc/far/extra");
        mount.told(&["policy", "set", &policy]);
        assert!(listed());
        assert!(is_puppet(&mount.read("/proc/far/extra")));
        mount.told(&["policy", "reset"]);
        eventually("the end of the name", || (!extra.exists()).then_some(()));
    }
}
