//! `/proc/pressure/*`: how long the container's tasks wait for CPU, memory
//! and I/O, and for interrupts (Linux 6.1).
//!
//! The kernel keeps the same text for each v2 group (`cpu.pressure` beside
//! `cpu.max`), so a container sees its group's, byte for byte. On a hybrid
//! host that group is the one in the unified tree. v1 has no such files, and
//! a kernel with `psi=0` or a group with `cgroup.pressure` off has none to
//! read: then nothing is known about the container, and it sees zeros. The
//! host's pressure is made by all of its containers.
//!
//! Source of the layout: `psi_show` in `kernel/sched/psi.c`.
//!
//! # lxcfs
//!
//! lxcfs 7 has them, on cgroup v2, but for `io`, which is the host's; writing a
//! trigger needs an option.

use crate::cgroup::own_text;
use crate::contract::{Class, Entry, Kind, Need, Scope};
use crate::trace::Provenance;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "pressure";
const GROUP: &str = "group.pressure";

/// What the kernel prints for a group in which nothing ever waited.
const ZERO: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

/// The same of interrupts, for which all tasks of a CPU wait or none.
const ZERO_FULL: &str = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

macro_rules! entry {
    ($(#[$doc:meta])* $name:ident $path:literal $file:literal $zero:ident $summary:literal) => {
        $(#[$doc])*
        pub(super) static $name: Entry = Entry {
            path: $path,
            kind: Kind::File,
            // As in the kernel, where writing sets a trigger.
            mode: 0o666,
            class: Class::Virtual,
            summary: $summary,
            reason: "the machine's pressure is that of all tenants; a v2 group has the same file (kernel/sched/psi.c)",
            needs: &[&[
                Need::host(HOST, $path),
                Need::v2("", $file, Scope::Leaf).keyed(GROUP),
            ]],
            history: None,
            render: |view, out| render(view, out, $zero),
        };
    };
}

entry! {
    /// Waiting for a CPU.
    CPU "/proc/pressure/cpu" "cpu.pressure" ZERO "time that the container's tasks waited for a CPU"
}
entry! {
    /// Waiting for memory.
    MEMORY "/proc/pressure/memory" "memory.pressure" ZERO "time that the container's tasks waited for memory"
}
entry! {
    /// Waiting for I/O.
    IO "/proc/pressure/io" "io.pressure" ZERO "time that the container's tasks waited for I/O"
}
entry! {
    /// Waiting for interrupts.
    IRQ "/proc/pressure/irq" "irq.pressure" ZERO_FULL "time that interrupts took from the container's tasks"
}

#[inline(never)]
fn render(view: &View<'_>, out: &mut Text, zero: &str) -> Result<Option<Vec<u8>>, Error> {
    let text = if view.is_host() { view.optional(HOST)? } else { own_text(view, GROUP)? };
    if text.is_none() {
        out.lines_are(
            Provenance::Constant,
            "the kernel keeps no pressure of the container's group",
        );
    }
    out.push_str(text.unwrap_or(zero));
    Ok(None)
}
