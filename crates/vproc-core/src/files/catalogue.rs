//! What the rest of `/proc` is to a container: files that say nothing of its
//! load or capacity. A row for each, with the rule that decides.
//!
//! - *Passed*: the same for everybody on the machine, and nothing of what
//!   others do. The kernel's own file in the container shows the same.
//! - *Masked*: empty, as the runtimes mask it by default (`maskedPaths` of the
//!   OCI runtime specification, which runc, crun and containerd fill alike), or
//!   because a directory lists devices of the machine.
//! - *Denied*: cannot be opened, and nothing is put over the kernel's own file.
//!   Either only root of the host may read it, or the kernel tells each reader
//!   something else, which a text that the host reads cannot be.
//!
//! The host does not even read what is masked or denied. What stands nowhere
//! in the policy is not served; `--set /proc/NAME=pass` passes it.
//!
//! # lxcfs
//!
//! lxcfs has none of these: a container keeps its kernel's own, as far as its runtime
//! does not mask them.

use super::{PASS, pass};
use crate::Error;
use crate::contract::{Class, Entry, Kind};

pub(super) const PASSED: Entry = Entry {
    path: "",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Passed,
    summary: "as the host has it",
    reason: "",
    needs: PASS,
    history: None,
    render: pass,
};

const MASKED: Entry =
    Entry { class: Class::Masked, summary: "empty", needs: &[], render: |_, _| Ok(None), ..PASSED };

const DENIED: Entry = Entry {
    class: Class::Denied,
    summary: "cannot be opened",
    render: |_, _| Err(Error::Denied),
    ..MASKED
};

/// What is passed because a setting asks for it.
pub(crate) static UNLISTED: Entry =
    Entry { reason: "the policy knows nothing of it: a setting asks for it", ..PASSED };

macro_rules! rows {
    ($($name:ident = $class:ident $kind:ident $mode:literal $path:literal $reason:literal;)*) => {$(
        pub(super) static $name: Entry =
            Entry { path: $path, kind: Kind::$kind, mode: $mode, reason: $reason, ..$class };
    )*};
}

rows! {
    CONFIG_GZ = PASSED File 0o444 "/proc/config.gz"
        "how the kernel was built, which container tools check (kernel/configs.c)";
    CONSOLES = PASSED File 0o444 "/proc/consoles"
        "which consoles the kernel writes to (fs/proc/consoles.c)";
    CRYPTO = PASSED File 0o444 "/proc/crypto" "the ciphers that the kernel has (crypto/proc.c)";
    DEVICES = PASSED File 0o444 "/proc/devices"
        "numbers of drivers, for the files in /dev (fs/proc/devices.c)";
    DMA = PASSED File 0o444 "/proc/dma" "channels of the ISA bus (kernel/dma.c)";
    DRIVER_NVIDIA = PASSED File 0o444 "/proc/driver/nvidia/version"
        "version of the driver, which CUDA compares with its library";
    EXECDOMAINS = PASSED File 0o444 "/proc/execdomains"
        "a constant of the kernel (kernel/exec_domain.c)";
    FB = PASSED File 0o444 "/proc/fb"
        "numbers of frame buffers (drivers/video/fbdev/core/fb_procfs.c)";
    FILESYSTEMS = PASSED File 0o444 "/proc/filesystems"
        "what can be mounted, for mount(8) and libmount (fs/filesystems.c)";
    MISC = PASSED File 0o444 "/proc/misc"
        "numbers of drivers, for the files in /dev (drivers/char/misc.c)";
    TTY_DRIVERS = PASSED File 0o444 "/proc/tty/drivers"
        "numbers of terminals, which ps turns into names (fs/proc/proc_tty.c)";
    TTY_LDISCS = PASSED File 0o444 "/proc/tty/ldiscs"
        "a list of the kernel's features (drivers/tty/tty_ldisc.c)";
    VERSION = PASSED File 0o444 "/proc/version"
        "the kernel's build, as uname(2) tells it (fs/proc/version.c)";

    ACPI = MASKED Directory 0o555 "/proc/acpi" "devices of the machine; OCI runtimes mask it";
    ASOUND = MASKED Directory 0o555 "/proc/asound" "devices of the machine; OCI runtimes mask it";
    BUS = MASKED Directory 0o555 "/proc/bus" "devices of the machine (drivers/pci/proc.c)";
    DEVICE_TREE = MASKED Directory 0o555 "/proc/device-tree"
        "devices and serial numbers of the machine (drivers/of/kobj.c)";
    DRIVER = MASKED Directory 0o555 "/proc/driver"
        "devices of the machine; of a driver's files, those are there that have an entry";
    FS = MASKED Directory 0o555 "/proc/fs"
        "devices and I/O of file systems of the machine (fs/ext4/sysfs.c, fs/xfs/xfs_stats.c)";
    IRQ = MASKED Directory 0o555 "/proc/irq"
        "devices of the machine, and root could move their interrupts (kernel/irq/proc.c)";
    KCORE = MASKED File 0o400 "/proc/kcore" "memory of the kernel; OCI runtimes mask it";
    KEYS = MASKED File 0o444 "/proc/keys"
        "shows what its opener may see, which is us (security/keys/proc.c); OCI runtimes mask it";
    LATENCY_STATS = MASKED File 0o644 "/proc/latency_stats"
        "stacks of all tasks (kernel/latencytop.c); OCI runtimes mask it";
    MTRR = MASKED File 0o644 "/proc/mtrr"
        "physical memory, and root could change it (arch/x86/kernel/cpu/mtrr/if.c)";
    SCHED_DEBUG = MASKED File 0o444 "/proc/sched_debug"
        "all tasks of the machine, until Linux 5.13 (kernel/sched/debug.c); OCI runtimes mask it";
    SCSI = MASKED Directory 0o555 "/proc/scsi" "disks of the machine; OCI runtimes mask it";
    SPL = MASKED Directory 0o555 "/proc/spl" "pools and cache of the machine's ZFS";
    TIMER_LIST = MASKED File 0o400 "/proc/timer_list"
        "timers of all tasks (kernel/time/timer_list.c); OCI runtimes mask it";
    TIMER_STATS = MASKED File 0o644 "/proc/timer_stats"
        "timers of all tasks, until Linux 4.11; OCI runtimes mask it";

    ALLOCINFO = DENIED File 0o400 "/proc/allocinfo" "memory of the kernel (lib/alloc_tag.c)";
    DYNAMIC_DEBUG = DENIED Directory 0o555 "/proc/dynamic_debug"
        "switches for the kernel's log (lib/dynamic_debug.c)";
    KEY_USERS = DENIED File 0o444 "/proc/key-users"
        "its users depend on the reader's user namespace (security/keys/proc.c); the container's \
         own file is right";
    KMSG = DENIED File 0o400 "/proc/kmsg" "the kernel's log, and reading takes it (fs/proc/kmsg.c)";
    KPAGECGROUP = DENIED File 0o400 "/proc/kpagecgroup" "physical pages (fs/proc/page.c)";
    KPAGECOUNT = DENIED File 0o400 "/proc/kpagecount" "physical pages (fs/proc/page.c)";
    KPAGEFLAGS = DENIED File 0o400 "/proc/kpageflags" "physical pages (fs/proc/page.c)";
    LOCK_STAT = DENIED File 0o600 "/proc/lock_stat"
        "locks of the kernel (kernel/locking/lockdep_proc.c)";
    LOCKDEP = DENIED File 0o400 "/proc/lockdep"
        "locks of the kernel (kernel/locking/lockdep_proc.c)";
    LOCKDEP_CHAINS = DENIED File 0o400 "/proc/lockdep_chains"
        "locks of the kernel (kernel/locking/lockdep_proc.c)";
    LOCKDEP_STATS = DENIED File 0o400 "/proc/lockdep_stats"
        "locks of the kernel (kernel/locking/lockdep_proc.c)";
    PROFILE = DENIED File 0o644 "/proc/profile" "where the kernel spends its time (kernel/profile.c)";
    SYSRQ_TRIGGER = DENIED File 0o200 "/proc/sysrq-trigger"
        "takes commands such as a reboot (drivers/tty/sysrq.c)";
    TTY_DRIVER = DENIED Directory 0o500 "/proc/tty/driver"
        "traffic of the machine's serial ports (fs/proc/proc_tty.c)";
    VMCORE = DENIED File 0o400 "/proc/vmcore" "memory of a kernel that crashed (fs/proc/vmcore.c)";
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contract::{Content, Input, Need};
    use crate::testing::{host, snapshot};
    use alloc::vec;

    #[test]
    fn what_is_passed_comes_through_whatever_it_is() {
        let text = snapshot(vec![host(Need::ITSELF.key, "nodev\tsysfs\n")]);
        let filesystems = crate::render(FILESYSTEMS.path, &text).unwrap();
        assert_eq!((&*filesystems.text, filesystems.bytes), ("nodev\tsysfs\n", None));
        let key = Need::ITSELF.key;
        let packed = Input { key, level: 0, depth: 0, content: Content::Bytes(b"\x1f\x8b\x08") };
        let packed = crate::render(CONFIG_GZ.path, &snapshot(vec![packed])).unwrap();
        assert_eq!((&*packed.text, packed.bytes), ("", Some(b"\x1f\x8b\x08".to_vec())));
    }

    #[test]
    fn nothing_is_asked_for_what_is_not_shown() {
        let nothing = snapshot(vec![]);
        let declared = crate::manifest(&nothing.environment).unwrap();
        for entry in [&KEYS, &KCORE, &ACPI] {
            assert_eq!(crate::render(entry.path, &nothing).unwrap().text, "");
        }
        for entry in [&KMSG, &KEY_USERS, &DYNAMIC_DEBUG] {
            assert_eq!(crate::render(entry.path, &nothing), Err(Error::Denied));
        }
        for entry in declared {
            let is_hidden = matches!(entry.class, Class::Masked | Class::Denied);
            assert!(!is_hidden || entry.needs.is_empty(), "{}", entry.path);
        }
    }
}
