//! `nodeN/cpulist`, `cpumap` and `distance`, and `has_cpu`.
//!
//! An entry's inputs are the same for all nodes, so these name the files of
//! the first 64 of the host. Of a host with more, the CPUs of the others are
//! shown with the container's first node, and the distances are the kernel's
//! for two nodes of which firmware says nothing.

use super::{HOST, ONLINE_PATH, node};
use crate::cgroup::cpu::{self, CpuSet, CpuView};
use crate::cgroup::nodes::{self, Nodes};
use crate::contract::{Class, Entry, Kind, Need};
use crate::text::number;
use crate::{Error, Text, View};
use alloc::vec::Vec;

macro_rules! of_nodes {
    ($($table:ident = $file:literal;)*) => {$(
        of_nodes! { @ $table $file
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
            61 62 63
        }
    )*};
    (@ $table:ident $file:literal $($node:literal)*) => {
        /// A file of each node, under its path.
        const $table: &[Need] = &[$(Need::host(
            concat!("/sys/devices/system/node/node", $node, "/", $file),
            concat!("/sys/devices/system/node/node", $node, "/", $file),
        )),*];
    };
}

of_nodes! {
    CPU_LISTS = "cpulist";
    DISTANCES = "distance";
}

/// The host's text about one of its nodes.
fn of_node<'a>(view: &View<'a>, table: &[Need], node: u32) -> Result<Option<&'a str>, Error> {
    table.get(node as usize).map_or(Ok(None), |need| view.optional(need.key))
}

/// The CPUs of a node.
pub(in super::super) static CPU_LIST: Entry = Entry {
    path: "/sys/devices/system/node/node*/cpulist",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the container's CPUs in the node",
    reason: "lscpu shows it beside the CPUs that are online (drivers/base/node.c)",
    needs: &[HOST, nodes::NEEDS, cpu::NEEDS, CPU_LISTS],
    history: None,
    render: |view, out| {
        let (nodes, node) = node(view)?;
        cpus(view, &nodes, node, &CpuView::read_or_host(view)?)?.print(out);
        Ok(None)
    },
};

/// The CPUs of a node as a mask.
pub(in super::super) static CPU_MAP: Entry = Entry {
    path: "/sys/devices/system/node/node*/cpumap",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the container's CPUs in the node, as a mask",
    reason: "libnuma and lscpu read masks (drivers/base/node.c)",
    needs: &[HOST, nodes::NEEDS, cpu::NEEDS, CPU_LISTS, &[POSSIBLE_CPUS]],
    history: None,
    render: |view, out| {
        let (nodes, node) = node(view)?;
        let view_of_cpus = CpuView::read_or_host(view)?;
        let mut last = view_of_cpus.shown_set().last().unwrap_or(0);
        if view.is_host()
            && let Some(list) = view.optional(POSSIBLE_CPUS.key)?
        {
            last = CpuSet::parse(POSSIBLE_CPUS.key, list)?.last().unwrap_or(0).max(last);
        }
        cpus(view, &nodes, node, &view_of_cpus)?.print_mask(last, out);
        out.push_str("\n");
        Ok(None)
    },
};

/// How many digits a mask of the host has.
const POSSIBLE_CPUS: Need = Need::host("possible", "/sys/devices/system/cpu/possible");

/// The nodes with CPUs.
pub(in super::super) static HAS_CPU: Entry = Entry {
    path: "/sys/devices/system/node/has_cpu",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the container's nodes that have some of its CPUs",
    reason: "as cpulist of each node (drivers/base/node.c)",
    needs: &[HOST, nodes::NEEDS, cpu::NEEDS, CPU_LISTS],
    history: None,
    render: |view, out| {
        let nodes = Nodes::read(view)?;
        let view_of_cpus = CpuView::read_or_host(view)?;
        let mut with_cpus = Vec::new();
        for host in nodes.host().iter() {
            if !cpus(view, &nodes, host, &view_of_cpus)?.is_empty() {
                with_cpus.extend(nodes.shown(host));
            }
        }
        CpuSet::from_ascending(with_cpus).print(out);
        Ok(None)
    },
};

/// The container's CPUs of a node, by their shown numbers.
#[inline(never)] // called from several places
fn cpus(view: &View<'_>, nodes: &Nodes<'_>, node: u32, cpus: &CpuView) -> Result<CpuSet, Error> {
    let list = |node: u32| match of_node(view, CPU_LISTS, node)? {
        Some(text) => CpuSet::parse("cpulist", text),
        None => Ok(CpuSet::default()),
    };
    let own = list(node)?;
    let is_first = nodes.host().iter().next() == Some(node);
    let mut elsewhere = Vec::new();
    for other in nodes.host().iter().filter(|other| is_first && *other != node) {
        elsewhere.push(list(other)?);
    }
    let belongs = |cpu: u32| {
        own.contains(cpu) || is_first && !elsewhere.iter().any(|other| other.contains(cpu))
    };
    let belonging = cpus.iter().filter(|cpu| belongs(cpu.host));
    Ok(CpuSet::from_ascending(belonging.map(|cpu| cpu.shown)))
}

/// How far the other nodes are.
pub(in super::super) static DISTANCE: Entry = Entry {
    path: "/sys/devices/system/node/node*/distance",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the host's distances between the container's nodes",
    reason: "a property of the machine, for the nodes that are shown (drivers/base/node.c)",
    needs: &[HOST, nodes::NEEDS, DISTANCES],
    history: None,
    render: distance,
};

/// `LOCAL_DISTANCE` and `REMOTE_DISTANCE` of `include/linux/topology.h`.
const UNKNOWN: [u64; 2] = [10, 20];

/// `node_read_distance` prints a number for each node that is online.
fn distance(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let (nodes, node) = node(view)?;
    let online = CpuSet::parse(ONLINE_PATH, view.text(ONLINE_PATH)?)?;
    let row: Vec<&str> = of_node(view, DISTANCES, node)?
        .map(|text| text.split_ascii_whitespace().collect())
        .unwrap_or_default();
    for (other, place) in nodes.host().iter().zip(0u32..) {
        let column = online.rank(other).and_then(|rank| row.get(rank as usize));
        let [local, remote] = UNKNOWN;
        let unknown = if other == node { local } else { remote };
        let distance = column.and_then(|word| number(word)).unwrap_or(unknown);
        out.push_str(if place == 0 { "" } else { " " }).push_number(distance);
    }
    out.push_str("\n");
    Ok(None)
}
