//! Ten files and no others.
//!
//! The opposite of a list of what is forbidden: what a new kernel adds is not
//! there either. Ten files are what `free`, `uptime`, `nproc`, the JVM and the Go
//! runtime read. The rest cannot be opened, with a reason that `vprocctl ls`
//! prints. Of what is denied, a mount leaves the kernel's own file in a container
//! (it may be the only one that knows who asks): cover `/proc` as a whole, or mask
//! (`entry.masked(…)`), where that is not what is meant.

#![cfg_attr(target_family = "wasm", no_std)]

use vproc_sdk::Kind;
use vproc_sdk::prelude::*;

const ALLOWED: [&str; 10] = [
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/version",
    "/proc/swaps",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
];

struct TenFiles;

impl Policy for TenFiles {
    const NAME: &str = "ten-files";

    fn entry(entry: Entry) -> Option<Entry> {
        if ALLOWED.contains(&&*entry.path) {
            return Some(entry);
        }
        // A directory lists the numbered files in it: none are left.
        let is_listed = entry.kind == Kind::Directory || entry.path.contains('*');
        (!is_listed).then(|| entry.denied("not one of the ten files"))
    }
}

vproc_sdk::export!(TenFiles);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{ALLOWED, TenFiles};
    use vproc_sdk::Class;
    use vproc_sdk::capture::Machine;

    #[test]
    fn ten_can_be_read() {
        let path = "../../../fixtures/v1-run-256m.json";
        let machine = Machine::read(path).unwrap();
        let entries = machine.manifest::<TenFiles>().unwrap_or_default();
        let open = entries.iter().filter(|entry| entry.class != Class::Denied);
        assert_eq!(open.count(), ALLOWED.len());
        assert!(ALLOWED.iter().all(|path| machine.text::<TenFiles>(path).is_ok()));
        let vmstat = machine.text::<TenFiles>("/proc/vmstat");
        assert_eq!(vmstat, Err("this path is denied".to_owned()));
    }
}
