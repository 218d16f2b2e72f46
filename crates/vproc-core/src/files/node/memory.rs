//! `nodeN/meminfo`, `numastat` and `vmstat`: the container's memory by nodes.
//!
//! Amounts are those of the container's `/proc/meminfo` and `/proc/vmstat`,
//! split over the nodes as [`crate::cgroup::nodes`] says, so that the sums
//! over the nodes are what those say. Which page came from which node is
//! counted by the kernel for all together: the events of `numastat` and of
//! `vmstat` that no group counts are 0.

use super::{HOST, node};
use crate::cgroup::{events, hugetlb, io, memory, nodes};
use crate::contract::{Class, Entry, Kind};
use crate::files::{meminfo, vmstat};
use crate::units::Count;
use crate::{Error, Text, View};
use alloc::vec::Vec;

/// What there is and what is used.
pub(in super::super) static MEMINFO: Entry = Entry {
    path: "/sys/devices/system/node/node*/meminfo",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the node's part of what /proc/meminfo shows",
    reason: "counts the node's memory, whoever uses it (node_read_meminfo in drivers/base/node.c)",
    needs: &[
        HOST,
        nodes::NEEDS,
        &[meminfo::HOST_NEED],
        memory::NEEDS,
        memory::V1_KERNEL_NEEDS,
        memory::SWAP_NEEDS,
        hugetlb::NEEDS,
    ],
    history: None,
    render: meminfo,
};

/// Lines of a node, and of which line of `/proc/meminfo` they are a part, if
/// that has another label. A kernel that has the one has the other.
const LINES: &[(&str, &str)] = &[
    ("MemTotal", ""),
    ("MemFree", ""),
    ("MemUsed", ""),
    ("SwapCached", ""),
    ("Active", ""),
    ("Inactive", ""),
    ("Active(anon)", ""),
    ("Inactive(anon)", ""),
    ("Active(file)", ""),
    ("Inactive(file)", ""),
    ("Unevictable", ""),
    ("Mlocked", ""),
    ("Dirty", ""),
    ("Writeback", ""),
    ("FilePages", "Cached"),
    ("Mapped", ""),
    ("AnonPages", ""),
    ("Shmem", ""),
    ("KernelStack", ""),
    ("ShadowCallStack", ""),
    ("PageTables", ""),
    ("SecPageTables", ""),
    ("NFS_Unstable", ""),
    ("Bounce", ""),
    ("WritebackTmp", ""),
    ("KReclaimable", ""),
    ("Slab", ""),
    ("SReclaimable", ""),
    ("SUnreclaim", ""),
    ("AnonHugePages", ""),
    ("ShmemHugePages", ""),
    ("ShmemPmdMapped", ""),
    ("FileHugePages", ""),
    ("FilePmdMapped", ""),
    ("Unaccepted", ""),
    ("HugePages_Total", ""),
    ("HugePages_Free", ""),
    ("HugePages_Surp", ""),
];

/// `Node 0 MemTotal:       23554252 kB`: labels have 16 columns, amounts 8.
const LABEL_WIDTH: usize = 16;

fn meminfo(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let (nodes, node) = node(view)?;
    let mut whole = out.another();
    (meminfo::ENTRY.render)(view, &mut whole)?;
    let amounts: Vec<(&str, Count)> = whole.amounts().collect();
    let part = |label: &str| {
        let amount = amounts.iter().find(|(known, _)| *known == label);
        amount.map(|(_, amount)| nodes.in_node(*amount, node))
    };
    for (label, other) in LINES {
        let amount = match *label {
            "MemUsed" => part("MemTotal").zip(part("MemFree")).map(|(a, b)| a.minus(b)),
            label if other.is_empty() => part(label),
            _ => part(other),
        };
        let Some(amount) = amount else { continue };
        out.label(label).push_str("Node ").push_digits(u64::from(view.path_number()), 0);
        out.push_str(" ").push_str(label).push_str(":");
        out.push_spaces(LABEL_WIDTH.saturating_sub(label.len() + 1));
        match label.starts_with("HugePages_") {
            true => out.push_str(" ").push_right(amount, 5).push_str("\n"),
            false => out.push_right(amount, 8).push_str(" kB\n"),
        };
    }
    Ok(None)
}

/// Where pages came from.
pub(in super::super) static NUMASTAT: Entry = Entry {
    path: "/sys/devices/system/node/node*/numastat",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Constant,
    summary: "zeros: the kernel counts for all together from which node pages came",
    reason: "counts what everybody allocates (node_read_numastat in drivers/base/node.c)",
    needs: &[HOST, nodes::NEEDS],
    history: None,
    render: |view, out| {
        node(view)?;
        out.push_str(
            "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\n\
             other_node 0\n",
        );
        Ok(None)
    },
};

/// Amounts in pages.
pub(in super::super) static VMSTAT: Entry = Entry {
    path: "/sys/devices/system/node/node*/vmstat",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the node's part of what /proc/vmstat shows of zones and nodes",
    reason: "counts the node's pages, whoever uses them (node_read_vmstat in drivers/base/node.c)",
    needs: &[
        HOST,
        nodes::NEEDS,
        vmstat::HOST_NEEDS,
        memory::NEEDS,
        memory::V1_KERNEL_NEEDS,
        events::NEEDS,
        io::NEEDS,
    ],
    history: None,
    render: |view, out| {
        let (nodes, node) = node(view)?;
        let mut whole = out.another();
        (vmstat::ENTRY.render)(view, &mut whole)?;
        for (name, count) in whole.amounts() {
            // From here on are limits of the machine, and events
            // (`vmstat_text` in mm/vmstat.c).
            if matches!(name, "nr_dirty_threshold" | "pgpgin") {
                break;
            }
            out.push_str(name).push_str(" ").push_number(nodes.in_node(count, node));
            out.push_str("\n");
        }
        Ok(None)
    },
};
