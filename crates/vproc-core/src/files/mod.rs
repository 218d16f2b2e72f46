//! The files that the default policy serves, one module each.

mod diskstats;
mod meminfo;
mod partitions;
mod pressure;
mod swaps;
mod vmstat;

use crate::Entry;

/// Every entry, in the order in which a person expects them.
pub static ENTRIES: &[&Entry] = &[
    &meminfo::ENTRY,
    &swaps::ENTRY,
    &diskstats::ENTRY,
    &vmstat::ENTRY,
    &partitions::ENTRY,
    &pressure::CPU,
    &pressure::MEMORY,
    &pressure::IO,
];

/// The entry at `path`.
pub fn find(path: &str) -> Option<&'static Entry> {
    ENTRIES.iter().copied().find(|entry| entry.path == path)
}
