//! `/proc/buddyinfo`: the container's free memory by zones, in pieces as large
//! as can be.
//!
//! The nodes and zones are those of [`super::zoneinfo`], and so is what is
//! free in a zone. How fragmented memory is, is what everybody on the machine
//! did to it, and changes with what they do; a container sees none of it: the
//! pages of a zone are all in pieces of the highest order, and the rest in one
//! piece of each order at most.
//!
//! Source of the layout: `frag_show_print` in `mm/vmstat.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use super::zoneinfo::{NAME_WIDTH, pages};
use crate::cgroup::memory;
use crate::cgroup::nodes::{self, Nodes, zone_line};
use crate::contract::{Class, Entry, Kind, Need};
use crate::text::number;
use crate::units::Count;
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "buddyinfo";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/buddyinfo",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the container's free memory, split over the zones of its nodes, unfragmented",
    reason: "how memory is fragmented tells what others do with it (mm/vmstat.c)",
    needs: &[
        &[Need::host(HOST, "/proc/buddyinfo"), super::meminfo::HOST_NEED],
        nodes::NEEDS,
        memory::NEEDS,
    ],
    history: None,
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let nodes = Nodes::read(view)?;
    let (_, free) = pages(view)?;
    for line in text.lines() {
        let Some((node, name, counts)) = zone_line(line) else { continue };
        let Some(shown) = nodes.shown(node) else { continue };
        out.label(name).push_str("Node ").push_digits(u64::from(shown), 0).push_str(", zone ");
        out.push_spaces(NAME_WIDTH.saturating_sub(name.len())).push_str(name).push_str(" ");
        let mut rest = nodes.zone(node, name).map_or(Count::ZERO, |zone| nodes.in_zone(free, &zone));
        let orders = counts.split_ascii_whitespace().filter(|word| number(word).is_some()).count();
        for order in 0..orders {
            let is_last = order + 1 == orders;
            // What is left over stays in a piece of its own.
            let pairs = rest.divided(2u32);
            let count = if is_last { rest } else { rest.minus(pairs.times(2u32)) };
            out.column(ORDERS.get(order).copied().unwrap_or_default());
            out.push_right(count, COUNT_WIDTH).push_str(" ");
            rest = pairs;
        }
        out.push_str("\n");
    }
    Ok(None)
}

/// `%6lu `.
const COUNT_WIDTH: usize = 6;

/// What the columns count: pieces of so many pages.
const ORDERS: [&str; 11] = [
    "1 page", "2 pages", "4 pages", "8 pages", "16 pages", "32 pages", "64 pages", "128 pages",
    "256 pages", "512 pages", "1024 pages",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    #[test]
    fn what_is_free_is_in_large_pieces() {
        let text = "Node 0, zone      DMA      0      0      1 
Node 0, zone   Normal   9247   7030   2910 
Node 1, zone   Normal   1234   5678   9876 
";
        let zones = "Node 0, zone      DMA\n managed  10\nNode 0, zone   Normal\n managed  90\n\
                     Node 1, zone   Normal\n managed  100\n";
        let inputs = vec![
            host(HOST, text),
            host(nodes::ZONES, zones),
            host(super::super::meminfo::HOST, "MemTotal: 4000000 kB\n"),
            cgroup("memory.max", 0, 1, "40960000\n"),
            cgroup("memory.current", 0, 1, "36851712\n"),
            cgroup("cpuset.mems", 0, 1, "0\n"),
        ];
        // Of 1003 free pages 100 are in the first zone and 903 in the second.
        let expected = "Node 0, zone      DMA      0      0     25 
Node 0, zone   Normal      1      1    225 
";
        let mut snapshot = snapshot(inputs);
        assert_eq!(crate::render(ENTRY.path, &snapshot).unwrap().text, expected);
        snapshot.is_host = true;
        assert_eq!(crate::render(ENTRY.path, &snapshot).unwrap().text, text);
    }
}
