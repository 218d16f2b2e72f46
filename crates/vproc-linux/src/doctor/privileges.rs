//! What this process may do, and what stands before the files it reads.

use super::{Check, Machine, read};
use crate::mountinfo::mounts_below;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};
use std::path::Path;

pub(super) fn examine(machine: &Machine) -> Vec<Check> {
    let mut checks = vec![user()];
    let effective = capabilities(None).map(|sets| sets.effective);
    let effective = effective.unwrap_or(CapabilitySet::empty());
    checks.extend(CAPABILITIES.iter().map(|(set, name, cost)| {
        let check = format!("CAP_{name}");
        match effective.contains(*set) {
            true => Check::ok(check, "effective"),
            false => Check::limited(check, "not effective")
                .costs(*cost)
                .remedy(format!("run as root, or with --cap-add {name} in a container")),
        }
    }));
    checks.extend([yama(), overmounts(machine)]);
    checks
}

const CAPABILITIES: [(CapabilitySet, &str, &str); 7] = [
    (CapabilitySet::SYS_ADMIN, "SYS_ADMIN", "no private procfs, no mount and no `run`"),
    (
        CapabilitySet::SYS_PTRACE,
        "SYS_PTRACE",
        "the namespaces of other users' processes cannot be read, and so not their containers",
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "DAC_READ_SEARCH",
        "files of the host that only their owner may read are missing",
    ),
    (
        CapabilitySet::SYS_CHROOT,
        "SYS_CHROOT",
        "no mount namespace of a running container can be entered",
    ),
    (
        CapabilitySet::SYS_TIME,
        "SYS_TIME",
        "uptime, btime and ages within `run` count from the boot of the host",
    ),
    (
        CapabilitySet::KILL,
        "KILL",
        "processes of other users in a group of `run` cannot be ended, nor the group removed",
    ),
    (
        CapabilitySet::SYS_RESOURCE,
        "SYS_RESOURCE",
        "hard limits cannot be raised, such as that for open files",
    ),
];

fn user() -> Check {
    let name = "user";
    let euid = geteuid();
    if euid.is_root() {
        return Check::ok(name, "root (uid 0)");
    }
    Check::limited(name, format!("uid {}", euid.as_raw()))
        .costs("only what this user may read is read; `run` needs root")
        .remedy("run as root")
}

/// Yama restricts attaching only (`yama_ptrace_access_check` in
/// security/yama/yama_lsm.c), and nothing here attaches.
fn yama() -> Check {
    let scope = read(Path::new("/proc/sys/kernel/yama/ptrace_scope"));
    let finding = match scope {
        Ok(scope) => format!("ptrace_scope {scope}, which does not restrict reading"),
        Err(_) => "not in this kernel".to_owned(),
    };
    Check::ok("Yama", finding)
}

/// File systems that the kernel's own directories below `/proc` are for.
const AT_HOME: [&[u8]; 4] = [b"binfmt_misc", b"autofs", b"nfsd", b"rpc_pipefs"];

fn overmounts(machine: &Machine) -> Check {
    let name = "mounts over /proc and /sys";
    let found: Vec<String> = [&b"/proc"[..], b"/sys/devices/system"]
        .iter()
        .flat_map(|directory| mounts_below(&machine.mountinfo, directory))
        .filter(|(_, fs)| !AT_HOME.contains(&fs.as_slice()))
        .map(|(point, fs)| {
            let text = String::from_utf8_lossy;
            format!("{} ({})", text(&point), text(&fs))
        })
        .collect();
    match (found.as_slice(), machine.private_proc) {
        ([], _) => Check::ok(name, "none"),
        (found, true) => Check::ok(
            name,
            format!("{}; a private procfs and sysfs are free of them", found.join(", ")),
        ),
        (found, false) => Check::limited(name, found.join(", "))
            .costs("these files are not the kernel's own, so they are not read")
            .remedy("run as root of the host, so that a private procfs can be opened"),
    }
}
