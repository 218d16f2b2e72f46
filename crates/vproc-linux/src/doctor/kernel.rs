//! System calls and namespaces.

use super::{Check, Machine, read};
use crate::init_pid;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::fs::{self, File};
use std::path::Path;

pub(super) fn release(machine: &Machine) -> Check {
    let name = "kernel";
    let finding = format!("Linux {}", machine.release);
    if machine.has_kernel(5, 3) {
        return Check::ok(name, finding);
    }
    Check::missing(name, finding)
        .costs("without pidfds no process can be told from its successor, so none is read")
        .remedy("Linux 5.3 or newer")
}

pub(super) fn examine(machine: &Machine) -> Vec<Check> {
    let mut checks: Vec<Check> = NAMESPACES.iter().map(namespace).collect();
    checks.extend([
        user_namespace(),
        init_ioctl(),
        confined_open(),
        pidfd(),
        private_proc(machine),
        fuse(),
        fuse_resend(machine),
    ]);
    checks
}

struct Namespace {
    name: &'static str,
    /// Its link below `/proc/self/ns`.
    link: &'static str,
    cost: &'static str,
    remedy: &'static str,
}

const NAMESPACES: [Namespace; 3] = [
    Namespace {
        name: "pid namespaces",
        link: "pid",
        cost: "nothing tells containers apart, and `run` cannot make one",
        remedy: "a kernel with CONFIG_PID_NS",
    },
    Namespace {
        name: "mount namespaces",
        link: "mnt",
        cost: "no container can be shown other files than the host",
        remedy: "a kernel with CONFIG_NAMESPACES",
    },
    Namespace {
        name: "time namespaces",
        link: "time",
        cost: "uptime, btime and the ages of processes count from the boot of the host",
        remedy: "Linux 5.6 or newer with CONFIG_TIME_NS",
    },
];

fn namespace(namespace: &Namespace) -> Check {
    let link = Path::new("/proc/self/ns").join(namespace.link);
    match fs::read_link(&link) {
        Ok(target) => Check::ok(namespace.name, target.display().to_string()),
        Err(error) => Check::missing(namespace.name, format!("{}: {error}", link.display()))
            .costs(namespace.cost)
            .remedy(namespace.remedy),
    }
}

/// Nothing here needs one; containers do that are to be run without root.
fn user_namespace() -> Check {
    let name = "user namespaces";
    let cost = "there are no rootless containers on this machine";
    let limit = |path: &str| read(Path::new(path)).ok();
    if let Err(error) = fs::read_link("/proc/self/ns/user") {
        return Check::missing(name, format!("/proc/self/ns/user: {error}"))
            .costs(cost)
            .remedy("a kernel with CONFIG_USER_NS");
    }
    let switches = [
        ("/proc/sys/user/max_user_namespaces", "0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ];
    match switches.iter().find(|(path, off)| limit(path).as_deref() == Some(off)) {
        Some((path, off)) => Check::limited(name, format!("{path} is {off}"))
            .costs(cost)
            .remedy(format!("another value in {path}")),
        None => Check::ok(name, "anyone may make one"),
    }
}

fn init_ioctl() -> Check {
    let name = "pid namespace ioctl";
    let answer = File::open("/proc/self/ns/pid").map(init_pid::by_ioctl);
    let finding = match answer {
        Ok(Ok(_) | Err(init_pid::Error::Gone)) => {
            return Check::ok(name, "NS_GET_TGID_FROM_PIDNS works");
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Check::limited(name, finding)
        .costs(
            "a container's init is found by a helper process, which takes longer and needs \
             CAP_SYS_ADMIN",
        )
        .remedy("Linux 6.11 or newer")
}

fn confined_open() -> Check {
    let name = "openat2";
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(CWD, ".", flags, Mode::empty(), ResolveFlags::BENEATH) {
        // ENOENT and EACCES are about the directory.
        Ok(_) | Err(Errno::NOENT | Errno::ACCESS) => Check::ok(name, "works"),
        Err(errno) => Check::limited(name, errno.to_string())
            .costs(
                "paths are opened component by component, which is slower and does not notice \
                 bind mounts within one file system",
            )
            .remedy("Linux 5.6 or newer, and a seccomp filter that lets openat2 pass"),
    }
}

fn pidfd() -> Check {
    let name = "pidfd";
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Check::ok(name, "works"),
        Err(errno) => Check::missing(name, errno.to_string())
            .costs("no process can be told from its successor, so none is read")
            .remedy("Linux 5.3 or newer, and a seccomp filter that lets pidfd_open pass"),
    }
}

fn private_proc(machine: &Machine) -> Check {
    let name = "private procfs";
    if machine.private_proc {
        return Check::ok(name, "fsopen and fsmount work");
    }
    Check::limited(name, "fsopen or fsmount is refused")
        .costs("files of /proc that something is mounted over cannot be read")
        .remedy("Linux 5.2 or newer, and CAP_SYS_ADMIN")
}

/// The device is opened only where its driver is there already: opening it
/// may load a module, and a look must not.
fn fuse() -> Check {
    let name = "FUSE";
    let cost = "files cannot be served live; `run` and `render` do not need it";
    let known = read(Path::new("/proc/filesystems")).unwrap_or_default();
    if !known.lines().any(|line| line.split('\t').nth(1) == Some("fuse")) {
        return Check::missing(name, "the kernel has no such file system, or not loaded it")
            .costs(cost)
            .remedy("modprobe fuse, or a kernel with CONFIG_FUSE_FS");
    }
    match open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => Check::ok(name, "/dev/fuse opens"),
        Err(errno) => Check::missing(name, format!("/dev/fuse: {errno}"))
            .costs(cost)
            .remedy("run as root, or with --device /dev/fuse in a container"),
    }
}

fn fuse_resend(machine: &Machine) -> Check {
    let name = "FUSE resend";
    if machine.has_kernel(6, 9) {
        return Check::ok(name, "FUSE_NOTIFY_RESEND, by the kernel's version");
    }
    Check::limited(name, "no FUSE_NOTIFY_RESEND, by the kernel's version")
        .costs("a read that a killed server had taken hangs until the server comes back and aborts")
        .remedy("Linux 6.9 or newer")
}
