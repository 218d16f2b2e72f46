//! `/sys/devices/system/node`: which CPUs and how much of the memory are near
//! one another.
//!
//! The nodes are those of the container's cpuset that have memory
//! ([`crate::cgroup::nodes`]), numbered as its CPUs are: densely, or as on the
//! host. Programs that bind memory (mbind(2), `numactl --membind`) name nodes
//! to the kernel by the host's numbers, as taskset does with CPUs; for such,
//! set `cpu-numbering=host`.
//!
//! A CPU whose node the container has no memory of is shown with its first
//! node, so that every CPU is in one. For the host itself the files are made
//! in the same way.
//!
//! Not there: `hugepages`, `memoryN`, `cpuN` and `power`. A host without NUMA
//! has none of this, and neither has a container on it.
//!
//! Source of the layout: `drivers/base/node.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this directory.

mod cpus;
mod memory;

pub(super) use cpus::{CPU_LIST, CPU_MAP, DISTANCE, HAS_CPU};
pub(super) use memory::{MEMINFO, NUMASTAT, VMSTAT};

use crate::cgroup::nodes::{self, Nodes};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const ONLINE_PATH: &str = "/sys/devices/system/node/online";

/// That the host has the directory, and its nodes.
const HOST: &[Need] = &[Need::host(ONLINE_PATH, ONLINE_PATH)];

/// The directory, and which nodes have one in it.
pub(super) static ENTRY: Entry = Entry {
    path: "/sys/devices/system/node",
    kind: Kind::Directory,
    mode: 0o555,
    class: Class::Filtered,
    summary: "a directory for each node of the cpuset that has memory",
    reason: "numactl, lscpu and runtimes with a heap for each node count these (drivers/base/node.c)",
    needs: &[HOST, nodes::NEEDS],
    history: None,
    render: |view, out| {
        for node in Nodes::read(view)?.shown_set().iter() {
            out.push_str("node").push_number(u64::from(node)).push_str("\n");
        }
        Ok(None)
    },
};

macro_rules! lists {
    ($($name:ident = $file:literal, $summary:literal;)*) => {$(
        pub(super) static $name: Entry = Entry {
            path: concat!("/sys/devices/system/node/", $file),
            kind: Kind::File,
            mode: 0o444,
            class: Class::Filtered,
            summary: $summary,
            reason: "agrees with the directories: no other nodes can appear (drivers/base/node.c)",
            needs: &[
                &[Need::host(ITSELF, concat!("/sys/devices/system/node/", $file))],
                nodes::NEEDS,
            ],
            history: None,
            render: list,
        };
    )*};
}

const ITSELF: &str = "host";

lists! {
    ONLINE = "online", "the nodes of the cpuset that have memory";
    POSSIBLE = "possible", "the same nodes as online";
    HAS_MEMORY = "has_memory", "the same nodes as online";
    HAS_NORMAL_MEMORY = "has_normal_memory", "the same nodes as online";
}

fn list(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    match view.is_host() {
        true => out.push_str(view.text(ITSELF)?),
        false => {
            Nodes::read(view)?.shown_set().print(out);
            out
        }
    };
    Ok(None)
}

/// The nodes, and the host's number of the one in the path.
#[inline(never)] // called from several places
fn node<'a>(view: &View<'a>) -> Result<(Nodes<'a>, u32), Error> {
    let nodes = Nodes::read(view)?;
    let host = nodes.host_of(view.path_number()).ok_or(Error::UnsupportedPath)?;
    Ok((nodes, host))
}

#[cfg(test)]
mod tests;
