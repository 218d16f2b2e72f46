//! Which nodes of memory a container has, and what part of its memory is said
//! to be in each of their zones.
//!
//! The nodes are those of the container's cpuset (`cpuset.mems`) that have
//! memory, under numbers of their own or the host's, as those of its CPUs
//! (the knob `cpu-numbering`). A limit of memory holds for all nodes together,
//! and what is used is counted for each node in units that v1 and v2 do not
//! share. So every amount is split over the zones as the host's memory is:
//! the parts of an amount add up to it, to the page.
//!
//! Sources: `zoneinfo_show_print` in `mm/vmstat.c`;
//! `Documentation/admin-guide/cgroup-v2.rst` (cpuset.mems.effective).

use super::cpuset::CpuSet;
use crate::contract::{Need, Scope};
use crate::knobs::Numbering;
use crate::text::number;
use crate::units::Count;
use crate::{Error, View};
use alloc::vec::Vec;

/// Key of the host's `/proc/zoneinfo`.
pub const ZONES: &str = "zoneinfo";

const V2_SET: &str = "cpuset.mems.effective";
const V1_EFFECTIVE_SET: &str = "cpuset.effective_mems";
const V1_SET: &str = "cpuset.mems";

/// The host's zones, and the nodes of the container.
pub const NEEDS: &[Need] = &[
    Need::host(ZONES, "/proc/zoneinfo"),
    Need::v2("cpuset", V2_SET, Scope::Nearest),
    Need::v1("cpuset", V1_EFFECTIVE_SET, Scope::Nearest),
    Need::v1("cpuset", V1_SET, Scope::Nearest),
];

/// A zone of a node that the container sees.
#[derive(Debug, Clone, Copy)]
pub struct Zone<'a> {
    /// The node's number on the host.
    pub node: u32,
    /// `DMA32`, `Normal`.
    pub name: &'a str,
    /// Pages of the host in it.
    pub pages: u64,
    /// Pages of the host in the container's zones before it.
    before: u64,
}

/// The nodes that a container sees: at least one.
#[derive(Debug, Clone)]
pub struct Nodes<'a> {
    host: CpuSet,
    numbering: Numbering,
    /// In the order of the host's file.
    zones: Vec<Zone<'a>>,
    /// Pages of all of them, not 0.
    pages: u64,
}

impl<'a> Nodes<'a> {
    /// Reads [`NEEDS`].
    #[inline(never)] // called from several places
    pub fn read(view: &View<'a>) -> Result<Self, Error> {
        let mut zones = zones(view.text(ZONES)?);
        let populated = zones.iter().filter(|zone| zone.pages > 0);
        let with_memory = CpuSet::from_ascending(populated.map(|zone| zone.node));
        if with_memory.is_empty() {
            return Err(Error::malformed(ZONES, "no zone with pages"));
        }
        let (host, numbering) = match view.is_host() {
            true => (with_memory, Numbering::Host),
            false => (allowed(view, &with_memory)?, view.knobs().cpu_numbering),
        };
        zones.retain(|zone| host.contains(zone.node));
        let mut pages = 0u64;
        for zone in &mut zones {
            zone.before = pages;
            pages = pages.saturating_add(zone.pages);
        }
        Ok(Nodes { host, numbering, zones, pages: pages.max(1) })
    }

    /// The zones of the nodes, in the order of the host's file.
    pub fn zones(&self) -> &[Zone<'a>] {
        &self.zones
    }

    /// The zone of this name.
    pub fn zone(&self, node: u32, name: &str) -> Option<Zone<'a>> {
        self.zones.iter().find(|zone| zone.node == node && zone.name == name).copied()
    }

    /// The numbers on the host.
    pub fn host(&self) -> &CpuSet {
        &self.host
    }

    /// The number that the container sees for a node of the host.
    pub fn shown(&self, host: u32) -> Option<u32> {
        let rank = self.host.rank(host)?;
        Some(if self.numbering == Numbering::Dense { rank } else { host })
    }

    /// The host's number of a node that the container sees.
    pub fn host_of(&self, shown: u32) -> Option<u32> {
        self.host.iter().find(|host| self.shown(*host) == Some(shown))
    }

    /// The numbers that the container sees.
    pub fn shown_set(&self) -> CpuSet {
        match self.numbering {
            Numbering::Dense => CpuSet::dense(self.host.len()),
            Numbering::Host => self.host.clone(),
        }
    }

    /// What of an amount is in a zone.
    pub fn in_zone(&self, amount: Count, zone: &Zone<'_>) -> Count {
        self.between(amount, zone.before, zone.before.saturating_add(zone.pages))
    }

    /// What of an amount is in the pages from one on and before another.
    #[inline(never)] // called from several places
    fn between(&self, amount: Count, start: u64, end: u64) -> Count {
        let up_to = |pages: u64| amount.share(Count(pages.min(self.pages)), Count(self.pages));
        match (start, end) {
            (0, end) if end >= self.pages => amount,
            (0, end) => up_to(end),
            (start, end) => up_to(end).minus(up_to(start)),
        }
    }

    /// What of an amount is in a node, by its number on the host.
    #[inline(never)] // called from several places
    pub fn in_node(&self, amount: Count, host: u32) -> Count {
        // A node's zones follow one another.
        let mut zones = self.zones.iter().filter(|zone| zone.node == host);
        let Some(first) = zones.next() else { return Count::ZERO };
        let last = zones.next_back().unwrap_or(first);
        self.between(amount, first.before, last.before.saturating_add(last.pages))
    }
}

/// What the cpuset allows of the nodes with memory. As with CPUs, v2 comes
/// before v1, a v1 set that was never configured is empty and says nothing,
/// and a container is never without a node.
fn allowed(view: &View<'_>, with_memory: &CpuSet) -> Result<CpuSet, Error> {
    for key in [V2_SET, V1_EFFECTIVE_SET, V1_SET] {
        let Some(text) = view.optional(key)? else { continue };
        let set = CpuSet::parse(key, text)?;
        if !set.is_empty() {
            let common = set.intersection(with_memory);
            return Ok(if common.is_empty() { with_memory.first(1) } else { common });
        }
    }
    Ok(with_memory.clone())
}

/// The number and the zone's name of `Node 0, zone   Normal …`, and what
/// follows.
pub fn zone_line(line: &str) -> Option<(u32, &str, &str)> {
    let (node, rest) = line.strip_prefix("Node ")?.split_once(", zone ")?;
    let rest = rest.trim_ascii_start();
    let (name, after) = rest.split_at_checked(rest.find(' ').unwrap_or(rest.len()))?;
    let node = u32::try_from(number(node.trim_ascii())?).ok()?;
    (!name.is_empty() && node <= super::cpuset::LAST).then_some((node, name, after))
}

/// Every zone of the host. Pages are those that the page allocator has,
/// `managed`; before Linux 3.9 those that are `present`.
fn zones(text: &str) -> Vec<Zone<'_>> {
    let mut zones: Vec<Zone<'_>> = Vec::new();
    for line in text.lines() {
        if let Some((node, name, _)) = zone_line(line) {
            // Nodes come in ascending order (`for_each_online_pgdat`).
            if zones.last().is_some_and(|last| last.node > node) {
                break;
            }
            zones.push(Zone { node, name, pages: 0, before: 0 });
        } else if let Some(zone) = zones.last_mut() {
            let mut words = line.split_ascii_whitespace();
            if matches!(words.next(), Some("managed" | "present")) {
                let pages = words.next().and_then(number);
                zone.pages = pages.unwrap_or(0).min(MOST_PAGES);
            }
        }
    }
    zones
}

/// More pages than any machine has; sums of them do not overflow.
const MOST_PAGES: u64 = 1 << 52;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Knobs;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    const TWO_NODES: &str = "Node 0, zone      DMA
  pages free     3
        present  9
        managed  4
Node 0, zone   Normal
        present  100
        managed  96
Node 0, zone  Movable
        present  0
        managed  0
Node 2, zone   Normal
        managed  200
Node 3, zone   Normal
        present  100
";

    fn with<T>(
        mems: Option<(&'static str, &'static str)>,
        read: impl FnOnce(&Nodes<'_>) -> T,
    ) -> T {
        let mut inputs = vec![host(ZONES, TWO_NODES)];
        inputs.extend(mems.map(|(key, text)| cgroup(key, 0, 1, text)));
        let snapshot = snapshot(inputs);
        let knobs = Knobs::default();
        read(&Nodes::read(&View::new(&snapshot, &knobs, 0)).unwrap())
    }

    #[test]
    fn nodes_are_those_of_the_cpuset_with_memory() {
        for (mems, expected) in [
            (None, vec![0, 2, 3]),
            (Some((V2_SET, "2-3\n")), vec![2, 3]),
            (Some((V1_EFFECTIVE_SET, "1,3\n")), vec![3]),
            (Some((V1_SET, "\n")), vec![0, 2, 3]),
            (Some((V1_SET, "1\n")), vec![0]),
        ] {
            with(mems, |nodes| {
                assert_eq!(nodes.host().iter().collect::<Vec<_>>(), expected, "{mems:?}");
                assert_eq!(nodes.shown_set().len() as usize, expected.len());
                let last = expected.last().and_then(|last| nodes.shown(*last));
                assert_eq!(last, nodes.shown_set().last());
            });
        }
    }

    #[test]
    fn parts_add_up() {
        with(Some((V2_SET, "0,2\n")), |nodes| {
            let parts = nodes.zones().iter().map(|z| nodes.in_zone(Count(1000), z).0);
            assert_eq!(parts.collect::<Vec<u64>>(), [13, 320, 0, 667]);
            assert_eq!([0, 2, 3].map(|node| nodes.in_node(Count(1000), node).0), [333, 667, 0]);
            for amount in [0, 1, 2, 299, u64::MAX] {
                let parts = nodes.zones().iter().map(|z| nodes.in_zone(Count(amount), z));
                assert_eq!(parts.sum::<Count>(), Count(amount));
            }
        });
    }
}
