//! What a worker may still do, once it has begun.
//!
//! It reads `/proc` and cgroupfs through descriptors and mounts that it
//! opened before, and answers on a descriptor. A policy is a stranger's code
//! within it; should that ever break out of its sandbox, it finds a process
//! that can look at other processes and do little else.
//!
//! | what | why |
//! |---|---|
//! | `CAP_SYS_PTRACE` | the pid namespace of a process that is not ours (`ptrace_may_access` in kernel/ptrace.c) |
//! | `CAP_SYS_ADMIN` | before Linux 6.11 only: `setns` into that namespace, to find its process 1 |
//! | `CAP_SYS_RESOURCE` | pressure triggers with windows that are no multiple of 2 s (`psi_trigger_create`) |
//!
//! Programs cannot be started, and what changes the machine is closed by
//! seccomp.
//!
//! Its broker ([`crate::broker`]) runs nobody's code, and keeps `CAP_SYS_ADMIN`
//! to join namespaces.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use vproc_linux::Host;

/// System calls that no worker has a use for, and an intruder would.
const CLOSED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_setxattr,
];

/// Gives up what is not needed any more. For the calling thread and those that
/// it starts: to be called while there are no others.
///
/// What cannot be given up is logged: a worker with too much serves all the
/// same.
pub(crate) fn drop_all_but_needed(host: &Host) {
    let setns = host.finds_init_by_ioctl().then_some(libc::SYS_setns);
    confine(needed(host), &[CLOSED, setns.as_slice()].concat());
}

/// Has a broker keep what joining namespaces takes. It starts no programs
/// either.
pub(crate) fn keep_those_of_broker() {
    confine(CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE, CLOSED);
}

fn confine(needed: CapabilitySet, closed: &[i64]) {
    if let Err(error) = keep(needed) {
        tracing::warn!(%error, "cannot give up capabilities");
    }
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        tracing::warn!(%error, "cannot set no_new_privs");
    }
    let filtered = filter(closed)
        .map_err(|error| error.to_string())
        .and_then(|filter| seccompiler::apply_filter(&filter).map_err(|error| error.to_string()));
    if let Err(error) = filtered {
        tracing::warn!(error, "cannot close system calls");
    }
}

/// What a worker may have when it begins: what the file system is read with,
/// and what opens it. Everything else is closed for all programs that this
/// process starts.
const FOR_WORKERS: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::IPC_LOCK);

/// Has a holder keep what its workers need, and what it needs to end them and
/// to unmount.
pub(crate) fn keep_those_of_workers() {
    for capability in CapabilitySet::all().iter() {
        if !FOR_WORKERS.contains(capability) {
            // Kernels that are older than the newest capability say EINVAL.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    if let Err(error) = keep(FOR_WORKERS | CapabilitySet::KILL) {
        tracing::warn!(%error, "cannot give up capabilities");
    }
}

fn needed(host: &Host) -> CapabilitySet {
    let needed = CapabilitySet::SYS_PTRACE | CapabilitySet::SYS_RESOURCE;
    if host.finds_init_by_ioctl() { needed } else { needed | CapabilitySet::SYS_ADMIN }
}

fn keep(needed: CapabilitySet) -> rustix::io::Result<()> {
    let kept = capabilities(None)?.permitted & needed;
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets)
}

fn filter(closed: &[i64]) -> Result<BpfProgram, seccompiler::BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let rules: BTreeMap<i64, Vec<_>> = closed.iter().map(|call| (*call, Vec::new())).collect();
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, denied, target)?.try_into()
}
