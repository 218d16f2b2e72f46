//! `vprocctl mount` as a service: what it tells the service manager, what that
//! keeps, and which privileges it runs with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod command;

use command::{VPROCCTL, temporary};
use rustix::mount::{UnmountFlags, unmount};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vproc_tests::skip;

/// A service manager of our own, and the directories of one mount.
struct Manager {
    directory: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || File::open("/dev/fuse").is_err() {
            skip(test, "it needs root and /dev/fuse");
            return None;
        }
        let directory = temporary();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        std::fs::create_dir(directory.path().join("mount")).unwrap();
        Some(Manager { directory, socket })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the service, with the connection as descriptor 3 if there is one.
    fn start(&self, stored: Option<&OwnedFd>) -> Child {
        let script = match stored {
            Some(_) => {
                "exec 3<&0 </dev/null
                 LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=vproc-connection exec \"$@\""
            }
            None => "exec \"$@\"",
        };
        let stdin = stored.map_or(Stdio::null(), |fd| Stdio::from(fd.try_clone().unwrap()));
        Command::new("sh")
            .args(["-c", script, "sh", VPROCCTL, "mount"])
            .arg(self.path("mount"))
            .arg("--state")
            .arg(self.path("state"))
            .args(["--log-level", "error"])
            .env("NOTIFY_SOCKET", self.path("notify"))
            .stdin(stdin)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Waits for a message, and takes the descriptor that came with it.
    fn told(&self, what: &str) -> Option<OwnedFd> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let mut text = [0; 512];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut text)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
            .unwrap_or_else(|errno| panic!("the service said nothing of {what}: {errno}"));
            let passed = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                _ => None,
            });
            let text = String::from_utf8_lossy(&text[..received.bytes]).into_owned();
            if text.lines().any(|line| line == what) {
                return passed;
            }
        }
        panic!("the service did not say {what}");
    }

    fn worker(&self) -> Pid {
        let output = Command::new(VPROCCTL)
            .args(["status", "--json", "--mount"])
            .arg(self.path("state"))
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        Pid::from_raw(report["worker"].as_i64().unwrap().try_into().unwrap()).unwrap()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = unmount(self.path("mount"), UnmountFlags::DETACH);
    }
}

fn status_field(pid: Pid, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

/// Reads a file until nothing is left, in a thread that a dead mount may hang.
fn first_line(file: PathBuf) -> std::sync::mpsc::Receiver<std::io::Result<String>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = File::open(file).and_then(|mut file| file.read_to_string(&mut text));
        let _ = sender.send(read.map(|_| text.lines().next().unwrap_or_default().to_owned()));
    });
    receiver
}

fn waited(reader: &std::sync::mpsc::Receiver<std::io::Result<String>>) -> String {
    reader.recv_timeout(Duration::from_secs(30)).expect("the reader hangs").unwrap()
}

fn ends(mut child: Child) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the service does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_manager_keeps_the_connection() {
    let Some(manager) = Manager::new("the_manager_keeps_the_connection") else { return };
    let meminfo = manager.path("mount/proc/meminfo");
    let mut first = manager.start(None);
    manager.told("READY=1");
    let connection = manager.told("FDSTORE=1").expect("a descriptor comes with it");
    manager.told("WATCHDOG=1");
    let before = waited(&first_line(meminfo.clone()));
    assert!(before.starts_with("MemTotal:"), "{before}");

    // Both processes at once: nobody of the service is left.
    let worker = manager.worker();
    kill_process(Pid::from_child(&first), Signal::KILL).unwrap();
    kill_process(worker, Signal::KILL).unwrap();
    first.wait().unwrap();
    let waiting = first_line(meminfo.clone());
    assert!(waiting.recv_timeout(Duration::from_millis(200)).is_err(), "nobody can have answered");
    let second = manager.start(Some(&connection));
    manager.told("READY=1");
    assert_eq!(waited(&waiting), before);

    // A restart: the mount stays, and whoever reads meanwhile waits.
    kill_process(Pid::from_child(&second), Signal::TERM).unwrap();
    ends(second);
    let waiting = first_line(meminfo.clone());
    let third = manager.start(Some(&connection));
    manager.told("READY=1");
    assert_eq!(waited(&waiting), before);

    // Once nobody has the mount any more, the service ends.
    unmount(manager.path("mount"), UnmountFlags::DETACH).unwrap();
    drop(connection);
    ends(third);
}

#[test]
fn a_worker_can_do_little() {
    let Some(manager) = Manager::new("a_worker_can_do_little") else { return };
    let service = manager.start(None);
    manager.told("READY=1");
    let worker = manager.worker();
    let capabilities = |pid, field| u64::from_str_radix(&status_field(pid, field), 16).unwrap();
    // CAP_SYS_PTRACE, CAP_SYS_RESOURCE; before Linux 6.11 also CAP_SYS_ADMIN.
    let may_have =
        if has_namespace_ioctl() { 1 << 19 | 1 << 24 } else { 1 << 19 | 1 << 21 | 1 << 24 };
    for field in ["CapEff", "CapPrm"] {
        let has = capabilities(worker, field);
        assert_eq!(has & !may_have, 0, "{field} {has:x}");
        assert_ne!(has & 1 << 19, 0, "{field} {has:x}: CAP_SYS_PTRACE is needed");
    }
    assert_eq!(capabilities(worker, "CapInh"), 0);
    assert_eq!(status_field(worker, "NoNewPrivs"), "1");
    assert_eq!(status_field(worker, "Seccomp"), "2", "a filter");
    // What its programs may have: neither modules, nor devices, nor networks.
    let holder = Pid::from_child(&service);
    for denied in [16, 17, 12, 22, 25, 27] {
        assert_eq!(capabilities(holder, "CapBnd") & 1 << denied, 0, "capability {denied}");
    }
    assert!(waited(&first_line(manager.path("mount/proc/stat"))).starts_with("cpu "));
    kill_process(holder, Signal::TERM).unwrap();
    ends(service);
}

/// Whether this kernel is 6.11 or newer.
fn has_namespace_ioctl() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 11)
}

#[test]
fn the_unit_is_well_formed() {
    let test = "the_unit_is_well_formed";
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/vproc.service");
    let directory = temporary();
    // systemd-analyze wants the program to be there.
    let text = std::fs::read_to_string(unit).unwrap().replace("/usr/local/bin/vprocctl", VPROCCTL);
    let copy = directory.path().join("vproc.service");
    std::fs::write(&copy, text).unwrap();
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(&copy).output() else {
        return skip(test, "systemd-analyze is not installed");
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("vproc.service")).collect();
    assert!(of_ours.is_empty(), "{said}");
}
