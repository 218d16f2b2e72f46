//! The files that the default policy serves, one module each.

use crate::contract::Need;
use crate::{Entry, Error, Text, View};
use alloc::vec::Vec;

macro_rules! files {
    ($($module:ident: $($entry:ident)+;)*) => {
        $(pub(crate) mod $module;)*

        /// The entries that are not one of a table.
        static SINGLE: &[&Entry] = &[$($(&$module::$entry,)+)*];

        /// The entries by module. What a module documents holds for all of its
        /// entries.
        pub static MODULES: &[(&str, &[&Entry])] =
            &[$((stringify!($module), &[$(&$module::$entry),+])),*];
    };
}

pub mod process;
mod sys;

/// Entries that are the rows of tables, by module.
pub static TABLES: &[(&str, &[&[Entry]])] =
    &[("sys", &[sys::TABLE]), ("process", process::ENTRIES)];

/// Every entry but those of processes, in the order in which a person expects them.
#[allow(clippy::indexing_slicing)] // at compile time
pub static ENTRIES: &[&Entry] = &{
    let mut entries = [&meminfo::ENTRY; SINGLE.len() + sys::TABLE.len()];
    let mut place = 0;
    while place < SINGLE.len() {
        entries[place] = SINGLE[place];
        place += 1;
    }
    while place < entries.len() {
        entries[place] = &sys::TABLE[place - SINGLE.len()];
        place += 1;
    }
    entries
};

files! {
    meminfo: ENTRY;
    cpuinfo: ENTRY;
    stat: ENTRY;
    uptime: ENTRY;
    loadavg: ENTRY;
    swaps: ENTRY;
    diskstats: ENTRY;
    vmstat: ENTRY;
    interrupts: ENTRY;
    softirqs: ENTRY;
    schedstat: ENTRY;
    zoneinfo: ENTRY;
    buddyinfo: ENTRY;
    slabinfo: ENTRY;
    root_only: PAGETYPEINFO VMALLOCINFO;
    partitions: ENTRY;
    pressure: CPU MEMORY IO IRQ;
    boot: CMDLINE BOOTCONFIG;
    cgroups: ENTRY;
    mdstat: ENTRY;
    addresses: MODULES KALLSYMS IOMEM IOPORTS;
    catalogue: CONFIG_GZ CONSOLES CRYPTO DEVICES DMA DRIVER_NVIDIA EXECDOMAINS FB
        FILESYSTEMS MISC TTY_DRIVERS TTY_LDISCS VERSION ACPI ASOUND BUS DEVICE_TREE DRIVER
        FS IRQ KCORE KEYS LATENCY_STATS MTRR SCHED_DEBUG SCSI SPL TIMER_LIST TIMER_STATS
        ALLOCINFO DYNAMIC_DEBUG KEY_USERS KMSG KPAGECGROUP KPAGECOUNT KPAGEFLAGS
        LOCK_STAT LOCKDEP LOCKDEP_CHAINS LOCKDEP_STATS PROFILE SYSRQ_TRIGGER
        TTY_DRIVER VMCORE;
    cpu_lists: ONLINE POSSIBLE PRESENT OFFLINE ISOLATED NOHZ_FULL;
    cpu_directory: ENTRY ONLINE SMT_ACTIVE;
    cpu_topology: PHYSICAL_PACKAGE_ID DIE_ID CORE_ID THREAD_SIBLINGS THREAD_SIBLINGS_LIST
        CORE_CPUS CORE_CPUS_LIST CORE_SIBLINGS CORE_SIBLINGS_LIST PACKAGE_CPUS
        PACKAGE_CPUS_LIST DIE_CPUS DIE_CPUS_LIST;
    node: ENTRY ONLINE POSSIBLE HAS_CPU HAS_MEMORY HAS_NORMAL_MEMORY CPU_LIST CPU_MAP DISTANCE
        MEMINFO NUMASTAT VMSTAT;
    cpu_kinds: KERNEL_MAX MODALIAS SMT_CONTROL MELTDOWN SPECTRE_V1 SPECTRE_V2
        SPEC_STORE_BYPASS L1TF MDS TSX_ASYNC_ABORT ITLB_MULTIHIT SRBDS MMIO_STALE_DATA
        RETBLEED SPEC_RSTACK_OVERFLOW GATHER_DATA_SAMPLING REG_FILE_DATA_SAMPLING
        GHOSTWRITE INDIRECT_TARGET_SELECTION TSA VMSCAPE OLD_MICROCODE;
}

/// Every entry.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().copied().chain(process::ENTRIES.iter().copied().flatten())
}

/// The entry at `path`, or the one that stands for it and others.
pub fn find(path: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.path == path || entry.numbers(path).is_some())
}

/// What an entry needs that is passed as the host has it.
const PASS: &[&[Need]] = &[&[Need::ITSELF]];

/// Renders such an entry.
fn pass(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    out.push_str(view.text(Need::ITSELF.key)?);
    Ok(None)
}
