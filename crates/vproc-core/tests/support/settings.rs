//! What the kernel of a [`Machine`] has below `/proc/sys` and `/proc/sysvipc`.

use super::Files;
use super::machine::Machine;
use vproc_core::Class;
use vproc_core::contract::Source;
use vproc_core::files::ENTRIES;

impl Machine {
    /// Files that rule what the kernel does have the same number on any
    /// machine. Others say what it does.
    pub(super) fn settings(&self, files: &mut Files) {
        for entry in ENTRIES.iter().filter(|entry| entry.path.starts_with("/proc/sys")) {
            for need in entry.needs.iter().copied().flatten() {
                let (Source::Host(path) | Source::Namespaced(path)) = need.source else { continue };
                let text = match (entry.class, path) {
                    (_, "/proc/sys/kernel/random/boot_id") => {
                        "8f7cdfa3-ce77-41e6-b972-9be4e123030d\n".to_owned()
                    }
                    // Limits of the machine: below these nothing shows.
                    (Class::Constant, _) | (_, "/proc/sys/kernel/ns_last_pid") => {
                        format!("{}\n", self.activity)
                    }
                    _ => "60\n".to_owned(),
                };
                if path.starts_with("/proc/sys") {
                    files.insert(path.to_owned(), text.into());
                }
            }
        }
    }
}
