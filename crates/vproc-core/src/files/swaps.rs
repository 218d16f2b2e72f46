//! `/proc/swaps`: the container's swap as one area.
//!
//! The host's areas are not the container's, so there is one row for all of
//! its swap, and none where it has no swap. Size and use are those of
//! `SwapTotal` and `SwapFree` in `/proc/meminfo`.
//!
//! Source of the layout: `swap_show` in `mm/swapfile.c`. It fills the path up
//! to 40 columns and a type that is shorter than a tab stop with a tab. Newer
//! kernels have a wider header and print two tabs after a number below
//! 10,000,000; older ones (4.19) print one.
//!
//! # lxcfs
//!
//! lxcfs shows one area, too, with the tabs of one kernel. Whether there is swap is
//! decided when it starts.

use super::meminfo::{self, Host};
use crate::cgroup::memory::{self, Memory, Swap};
use crate::contract::{Class, Entry, Kind, Need};
use crate::trace::Provenance;
use crate::units::Kib;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "swaps";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/swaps",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the container's swap as one area: the lowest limit over the ancestors, and its use",
    reason: "lists the machine's swap areas; a container has a share of them (mm/swapfile.c)",
    needs: &[
        &[Need::host(HOST, "/proc/swaps"), meminfo::HOST_NEED],
        memory::NEEDS,
        memory::SWAP_NEEDS,
    ],
    history: None,
    render,
};

const HEADER: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority";

/// What tells the older kernels' header.
const NARROW: &str = "Size\tUsed";

/// No path: a name of a device or file would promise one that can be opened.
/// Readers take any word (libmount, systemd, node_exporter).
const NAME: &str = "none";

const NAME_COLUMNS: usize = 40;

/// Neither `partition` nor `file`; as short as the latter, so followed by the
/// same tab.
const TYPE: &str = "virtual\t";

/// The kernel numbers areas without a priority from -2 downwards: the order
/// among several. There is one.
const PRIORITY: u64 = 0;

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    if view.is_host() {
        out.push_str(view.text(HOST)?);
        return Ok(None);
    }
    let memory = Memory::read(view)?;
    let host = Host::read(view)?;
    let size = memory.total(host.total, view.environment().page_size);
    let swap = Swap::read(view, &memory, size, host.swap_total)?;
    let header = view
        .optional(HOST)?
        .and_then(|text| text.lines().next())
        .filter(|line| line.starts_with("Filename"))
        .unwrap_or(HEADER);
    out.lines_are(Provenance::Constant, "the heading").push_line(header);
    out.decided_by("Size", swap.total.into());
    if swap.total > Kib::ZERO {
        let narrow = header.contains(NARROW);
        out.push_str(NAME).push_repeated(' ', NAME_COLUMNS - NAME.len()).push_str(TYPE);
        for (column, amount) in [("Size", swap.total), ("Used", swap.used)] {
            let short = amount < Kib(10_000_000);
            out.push_str("\t").column(column).push_number(amount);
            out.push_str(if short && !narrow { "\t" } else { "" });
        }
        out.push_str("\t").column("Priority").rule(Provenance::Constant, "it is the only area");
        out.push_number(PRIORITY).push_str("\n");
    }
    Ok(None)
}
