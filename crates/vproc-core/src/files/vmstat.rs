//! `/proc/vmstat`: the container's memory in pages, and what the kernel did
//! for it.
//!
//! The lines are the host's, in its order. [`AMOUNTS`] says of amounts and of
//! I/O how they are computed, from what `/proc/meminfo` and `/proc/diskstats`
//! are computed from. Any other line shows the event of that name which the
//! container's cgroup counts, else 0: it counts what the host did.
//!
//! Source of names and units: `mm/vmstat.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use super::meminfo::{self, Host, Origin};
use crate::cgroup::events::{self, Events};
use crate::cgroup::io::{self, Io};
use crate::cgroup::memory::{self, Memory, Stat};
use crate::contract::{Class, Entry, Environment, Kind, Need};
use crate::text::number;
use crate::units::{Bytes, Count, Kib};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "vmstat";

/// What is needed of the host.
pub(super) const HOST_NEEDS: &[Need] = &[Need::host(HOST, "/proc/vmstat"), meminfo::HOST_NEED];

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/vmstat",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "the container's memory in pages, its faults, reclaim, I/O and out-of-memory kills",
    reason: "counts the pages and the reclaim of the whole machine (mm/vmstat.c)",
    needs: &[HOST_NEEDS, memory::NEEDS, memory::V1_KERNEL_NEEDS, events::NEEDS, io::NEEDS],
    history: None,
    render,
};

/// A line that is not an event of the same name.
struct Amount {
    name: &'static str,
    origin: Origin,
    rule: &'static str,
    value: fn(&Container<'_>, Count) -> Count,
}

macro_rules! amounts {
    ($($name:literal $origin:ident $rule:literal $value:expr;)*) => {
        /// Sorted by name: kernels differ in the order of their lines.
        static AMOUNTS: &[Amount] = &[$(Amount {
            name: $name,
            origin: Origin::$origin,
            rule: Origin::$origin.reason($rule),
            value: $value,
        }),*];
    };
}

amounts! {
    "nr_active_anon" Computed "active_anon" |c, _| c.pages(c.stat().active_anon);
    "nr_active_file" Computed "active_file" |c, _| c.pages(c.stat().active_file);
    "nr_anon_pages" Computed "anon" |c, _| c.pages(c.stat().anon);
    "nr_anon_transparent_hugepages" Computed "anon_thp, in huge pages" |c, _| c.huge_pages(c.stat().anon_thp);
    "nr_dirty" Computed "file_dirty" |c, _| c.pages(c.stat().file_dirty);
    "nr_file_hugepages" Computed "file_thp, in huge pages" |c, _| c.huge_pages(c.stat().file_thp);
    "nr_file_pages" Computed "file + swapcached" |c, _| c.pages(c.stat().file.plus(c.stat().swapcached));
    "nr_free_pages" Computed "MemFree of meminfo" |c, _| c.memory.free(c.total).bytes().pages(c.environment.page_size);
    "nr_inactive_anon" Computed "inactive_anon" |c, _| c.pages(c.stat().inactive_anon);
    "nr_inactive_file" Computed "inactive_file" |c, _| c.pages(c.stat().inactive_file);
    "nr_kernel_stack" Computed "kernel_stack, in KiB; v1: within nr_slab_unreclaimable" |c, _| c.part(c.stat().kernel_stack).kib().into();
    "nr_mapped" Computed "file_mapped" |c, _| c.pages(c.stat().file_mapped);
    "nr_mlock" Clamped "cgroups do not count mlock; locked pages are unevictable" |c, host| host.min(c.pages(c.stat().unevictable));
    "nr_page_table_pages" Computed "pagetables; v1: not counted" |c, _| c.pages(c.stat().pagetables);
    "nr_sec_page_table_pages" Computed "sec_pagetables" |c, _| c.pages(c.stat().sec_pagetables);
    "nr_shmem" Computed "shmem" |c, _| c.pages(c.stat().shmem);
    "nr_shmem_hugepages" Computed "shmem_thp, in huge pages" |c, _| c.huge_pages(c.stat().shmem_thp);
    "nr_slab_reclaimable" Computed "slab_reclaimable" |c, _| c.pages(c.stat().slab_reclaimable);
    "nr_slab_unreclaimable" Computed "slab_unreclaimable; v1: all kernel memory" |c, _| c.pages(c.stat().slab_unreclaimable);
    "nr_swapcached" Computed "swapcached" |c, _| c.pages(c.stat().swapcached);
    "nr_unevictable" Computed "unevictable" |c, _| c.pages(c.stat().unevictable);
    "nr_writeback" Computed "file_writeback" |c, _| c.pages(c.stat().file_writeback);
    "nr_zone_active_anon" Computed "as nr_active_anon" |c, _| c.pages(c.stat().active_anon);
    "nr_zone_active_file" Computed "as nr_active_file" |c, _| c.pages(c.stat().active_file);
    "nr_zone_inactive_anon" Computed "as nr_inactive_anon" |c, _| c.pages(c.stat().inactive_anon);
    "nr_zone_inactive_file" Computed "as nr_inactive_file" |c, _| c.pages(c.stat().inactive_file);
    "nr_zone_unevictable" Computed "as nr_unevictable" |c, _| c.pages(c.stat().unevictable);
    "nr_zone_write_pending" Computed "file_dirty + file_writeback" |c, _| c.pages(c.stat().file_dirty.plus(c.stat().file_writeback));
    "oom_kill" Computed "oom_kill of memory.events; v1: of memory.oom_control" |c, _| c.events.oom_kill;
    "pgpgin" Computed "KiB read from disks; v1's statistic of this name counts charges" |c, _| c.io.bytes_read().kib().into();
    "pgpgout" Computed "KiB written to disks; v1's statistic of this name counts charges" |c, _| c.io.bytes_written().kib().into();
}

/// What the lines are computed from.
struct Container<'a> {
    total: Kib,
    memory: Memory,
    events: Events<'a>,
    io: Io,
    environment: &'a Environment<'a>,
}

impl Container<'_> {
    fn stat(&self) -> &Stat {
        &self.memory.stat
    }

    fn part(&self, amount: Bytes) -> Bytes {
        self.memory.part(amount, self.total)
    }

    fn pages(&self, amount: Bytes) -> Count {
        self.part(amount).pages(self.environment.page_size)
    }

    fn huge_pages(&self, amount: Bytes) -> Count {
        self.part(amount).in_parts_of(transparent_huge_page(self.environment))
    }

    /// The value of a line, and what is said of it.
    fn value(&self, name: &str, host: Count) -> (Count, Origin, &'static str) {
        let place = AMOUNTS.binary_search_by_key(&name, |amount| amount.name).ok();
        if let Some(amount) = place.and_then(|place| AMOUNTS.get(place)) {
            return ((amount.value)(self, host), amount.origin, amount.rule);
        }
        match self.events.count(name) {
            Some(count) => (count, Origin::Computed, ""),
            None => (Count::ZERO, Origin::Constant, "not counted by cgroups"),
        }
    }
}

/// Bytes of a transparent huge page: what a page of the page table's second
/// level maps. So is the default size of the pool of huge pages, unless the
/// operator chose one of 1 GiB. Without a pool: a page full of entries of 8
/// bytes, each for a page.
fn transparent_huge_page(environment: &Environment<'_>) -> Bytes {
    const GIB: u64 = 1 << 30;
    match environment.huge_page_size {
        size @ 1..GIB => Bytes(size),
        _ => {
            let page = u64::from(environment.page_size.max(8));
            Bytes(page * (page / 8))
        }
    }
}

#[inline(never)] // of several entries
fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let memory = Memory::read(view)?;
    let host = Host::read(view)?;
    let container = Container {
        total: memory.total(host.total, view.environment().page_size),
        memory,
        events: Events::read(view)?,
        io: Io::read(view)?,
        environment: view.environment(),
    };
    let trace = view.trace(HOST, 0);
    for line in text.lines() {
        let Some((name, value)) = line.split_once(' ') else { continue };
        let Some(value) = number(value) else { continue };
        let (value, origin, rule) = container.value(name, trace.read(name, "", Count(value)));
        out.push_str(name).push_str(" ").rule(origin, rule).push_number(value).push_str("\n");
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_sorted_for_the_search() {
        assert!(AMOUNTS.is_sorted_by_key(|amount| amount.name));
    }

    #[test]
    fn a_transparent_huge_page_is_what_the_machine_maps_at_once() {
        let size = |page_size, huge_page_size| {
            let environment = Environment {
                page_size,
                user_hz: 100,
                huge_page_size,
                machine: "",
                settings: Vec::new(),
            };
            transparent_huge_page(&environment).0 >> 20
        };
        assert_eq!(size(4096, 2 << 20), 2);
        assert_eq!(size(4096, 1 << 30), 2);
        assert_eq!(size(4096, 1 << 20), 1);
        assert_eq!([size(4096, 0), size(16384, 0), size(65536, 0)], [2, 32, 512]);
    }
}
