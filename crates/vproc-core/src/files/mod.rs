//! The files that the default policy serves, one module each.

mod cpu_lists;
mod cpuinfo;
mod diskstats;
mod loadavg;
mod meminfo;
mod partitions;
mod pressure;
mod stat;
mod swaps;
mod uptime;
mod vmstat;

use crate::Entry;

/// Every entry, in the order in which a person expects them.
pub static ENTRIES: &[&Entry] = &[
    &meminfo::ENTRY,
    &cpuinfo::ENTRY,
    &stat::ENTRY,
    &uptime::ENTRY,
    &loadavg::ENTRY,
    &swaps::ENTRY,
    &diskstats::ENTRY,
    &vmstat::ENTRY,
    &partitions::ENTRY,
    &pressure::CPU,
    &pressure::MEMORY,
    &pressure::IO,
    &cpu_lists::ONLINE,
    &cpu_lists::POSSIBLE,
    &cpu_lists::PRESENT,
    &cpu_lists::OFFLINE,
    &cpu_lists::KERNEL_MAX,
];

/// The entry at `path`.
pub fn find(path: &str) -> Option<&'static Entry> {
    ENTRIES.iter().copied().find(|entry| entry.path == path)
}
