//! What the kernel did for a container's memory, counted since it started.
//!
//! Sources: `Documentation/admin-guide/cgroup-v2.rst` (memory.stat,
//! memory.events), `Documentation/admin-guide/cgroup-v1/memory.rst` §5.2, §10.

use super::memory::V1_STAT;
use super::{own_found, own_text};
use crate::contract::{Need, Scope};
use crate::text::{pair, pairs};
use crate::units::Count;
use crate::{Error, View};
use alloc::format;
use alloc::vec::Vec;

/// Kills for lack of memory; [`Events`] needs [`super::memory::NEEDS`] too.
pub const NEEDS: &[Need] = &[
    Need::v2("memory", "memory.events", Scope::Nearest),
    Need::v1("memory", "memory.oom_control", Scope::Nearest),
];

/// Events that v1 counts for a group and its descendants. Its `total_pgpgin`
/// and `total_pgpgout` are pages charged, not pages read, and its
/// `total_workingset_*` are pages on some kernels and bytes on others.
const V1_EVENTS: [&str; 2] = ["pgfault", "pgmajfault"];

/// Counts of events, under the names of `/proc/vmstat`, which are those of v2.
#[derive(Debug, Clone, Default)]
pub struct Events<'a> {
    /// Sorted by name.
    counts: Vec<(&'a str, Count)>,
    /// Processes killed for lack of memory.
    pub oom_kill: Count,
}

impl<'a> Events<'a> {
    /// Reads [`NEEDS`].
    pub fn read(view: &View<'a>) -> Result<Self, Error> {
        let mut counts: Vec<_> = if let Some(found) = own_found(view, "memory.stat")? {
            let counts = pairs(found.text);
            counts.map(|(key, count)| (key, found.trace.read(key, "", Count(count)))).collect()
        } else {
            let trace = view.found(V1_STAT)?.map(|found| found.trace).unwrap_or_default();
            pairs(own_text(view, V1_STAT)?.unwrap_or_default())
                .filter_map(|(key, count)| Some((key.strip_prefix("total_")?, count)))
                .filter(|(key, _)| V1_EVENTS.contains(key))
                .map(|(key, count)| (key, trace.read_at(|| format!("total_{key}"), Count(count))))
                .collect()
        };
        counts.sort_unstable_by_key(|(key, _)| *key);
        let kills = match own_found(view, "memory.events")? {
            Some(found) => Some(found),
            None => own_found(view, "memory.oom_control")?,
        };
        let oom_kill = kills.and_then(|found| {
            Some(found.trace.read("oom_kill", "", Count(pair(found.text, "oom_kill")?)))
        });
        let oom_kill =
            oom_kill.unwrap_or_else(|| view.given().given("no group counts kills", Count::ZERO));
        Ok(Events { counts, oom_kill })
    }

    /// How often it happened; `None` where the cgroup does not count it.
    pub fn count(&self, name: &str) -> Option<Count> {
        let place = self.counts.binary_search_by_key(&name, |(key, _)| *key).ok()?;
        self.counts.get(place).map(|(_, count)| *count)
    }
}
