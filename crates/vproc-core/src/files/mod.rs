//! The files that the default policy serves, one module each.

mod cpu_directory;
mod cpu_kinds;
mod cpu_lists;
mod cpu_topology;
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
    &cpu_kinds::KERNEL_MAX,
    &cpu_lists::ISOLATED,
    &cpu_lists::NOHZ_FULL,
    &cpu_kinds::MODALIAS,
    &cpu_directory::SMT_ACTIVE,
    &cpu_kinds::SMT_CONTROL,
    &cpu_directory::ENTRY,
    &cpu_directory::ONLINE,
    &cpu_topology::PHYSICAL_PACKAGE_ID,
    &cpu_topology::DIE_ID,
    &cpu_topology::CORE_ID,
    &cpu_topology::THREAD_SIBLINGS,
    &cpu_topology::THREAD_SIBLINGS_LIST,
    &cpu_topology::CORE_CPUS,
    &cpu_topology::CORE_CPUS_LIST,
    &cpu_topology::CORE_SIBLINGS,
    &cpu_topology::CORE_SIBLINGS_LIST,
    &cpu_topology::PACKAGE_CPUS,
    &cpu_topology::PACKAGE_CPUS_LIST,
    &cpu_topology::DIE_CPUS,
    &cpu_topology::DIE_CPUS_LIST,
    &cpu_kinds::MELTDOWN,
    &cpu_kinds::SPECTRE_V1,
    &cpu_kinds::SPECTRE_V2,
    &cpu_kinds::SPEC_STORE_BYPASS,
    &cpu_kinds::L1TF,
    &cpu_kinds::MDS,
    &cpu_kinds::TSX_ASYNC_ABORT,
    &cpu_kinds::ITLB_MULTIHIT,
    &cpu_kinds::SRBDS,
    &cpu_kinds::MMIO_STALE_DATA,
    &cpu_kinds::RETBLEED,
    &cpu_kinds::SPEC_RSTACK_OVERFLOW,
    &cpu_kinds::GATHER_DATA_SAMPLING,
    &cpu_kinds::REG_FILE_DATA_SAMPLING,
    &cpu_kinds::GHOSTWRITE,
    &cpu_kinds::INDIRECT_TARGET_SELECTION,
    &cpu_kinds::TSA,
    &cpu_kinds::VMSCAPE,
    &cpu_kinds::OLD_MICROCODE,
];

/// The entry at `path`, or the one that stands for it and others.
pub fn find(path: &str) -> Option<&'static Entry> {
    let mut entries = ENTRIES.iter().copied();
    entries.find(|entry| entry.path == path || entry.number(path).is_some())
}
