//! `/proc/meminfo`: the container's memory.
//!
//! The lines are the host's, in its order; the amounts are the container's.
//! [`FIELDS`] says of each line what it means in a container. A line that the
//! table does not know shows 0: whatever a newer kernel counts there, the
//! host's amount is not the container's.
//!
//! Source of the layout: `fs/proc/meminfo.c`.
//!
//! # lxcfs
//!
//! lxcfs copies what it does not compute from the host: `KReclaimable`,
//! `KernelStack`, `PageTables`, `Percpu`, `CommitLimit`, `Committed_AS`, `DirectMap*`
//! and others. On cgroup v2 `Mapped`, `Dirty`, `Writeback` and `AnonHugePages` are
//! always 0. `AnonPages` and `SwapFree` wrap around where a group has shared memory
//! that cannot be reclaimed, or more swap in use than it may have now.

use crate::cgroup::hugetlb::{self, HugePages};
use crate::cgroup::memory::{self, Memory, Stat, Swap};
use crate::contract::{Class, Entry, Kind, Need};
use crate::text::{digits, number};
pub(super) use crate::trace::Provenance as Origin;
use crate::trace::Trace;
use crate::units::{Bytes, Count, Kib};
use crate::{Error, Text, View};
use alloc::vec::Vec;

pub(super) const HOST: &str = "meminfo";

/// The host's amounts, for entries that need [`Host`].
pub(super) const HOST_NEED: Need = Need::host(HOST, "/proc/meminfo");

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/meminfo",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "memory and swap: the lowest limit over the ancestors, and what the container uses",
    reason: "sysinfo(2) and this file count the whole machine; cgroup-v2.rst, memory controller",
    needs: &[
        &[HOST_NEED],
        memory::NEEDS,
        memory::V1_KERNEL_NEEDS,
        memory::SWAP_NEEDS,
        hugetlb::NEEDS,
    ],
    history: None,
    render,
};

/// One line: its label, where its amount comes from, why, and how.
struct Field {
    label: &'static str,
    origin: Origin,
    rule: &'static str,
    amount: fn(&Container<'_>, Kib) -> Count,
}

macro_rules! fields {
    ($($label:literal $origin:ident $rule:literal $amount:expr;)*) => {
        /// The lines that kernels from 2.6 to 6.18 print, in their order.
        static FIELDS: &[Field] = &[$(Field {
            label: $label,
            origin: Origin::$origin,
            rule: Origin::$origin.reason($rule),
            amount: $amount,
        }),*];
    };
}

fields! {
    "MemTotal" Computed "lowest memory limit over the ancestors, at most the host's" |c, _| c.total.into();
    "MemFree" Computed "MemTotal − usage, and on v1 at most what is left for memory and swap together; what others below a limiting ancestor use is not theirs to tell" |c, _| c.free().into();
    "MemAvailable" Computed "MemFree + page cache on the LRU lists + reclaimable slab" |c, _| c.available().into();
    "Buffers" Constant "cgroups count buffers as page cache" |_, _| Count::ZERO;
    "Cached" Computed "file: in a group it is without the swap cache" |c, _| c.part(c.stat().file);
    "SwapCached" Computed "swapcached" |c, _| c.part(c.stat().swapcached);
    "Active" Computed "active_anon + active_file" |c, _| c.part(c.stat().active_anon.plus(c.stat().active_file));
    "Inactive" Computed "inactive_anon + inactive_file" |c, _| c.part(c.stat().inactive_anon.plus(c.stat().inactive_file));
    "Active(anon)" Computed "active_anon" |c, _| c.part(c.stat().active_anon);
    "Inactive(anon)" Computed "inactive_anon" |c, _| c.part(c.stat().inactive_anon);
    "Active(file)" Computed "active_file" |c, _| c.part(c.stat().active_file);
    "Inactive(file)" Computed "inactive_file" |c, _| c.part(c.stat().inactive_file);
    "Unevictable" Computed "unevictable" |c, _| c.part(c.stat().unevictable);
    "Mlocked" Clamped "cgroups do not count mlock; locked pages are unevictable" |c, host| host.min(c.kib(c.stat().unevictable)).into();
    "HighTotal" Constant "the host's layout" |_, _| Count::ZERO;
    "HighFree" Constant "the host's layout" |_, _| Count::ZERO;
    "LowTotal" Computed "MemTotal: a container has no high memory" |c, _| c.total.into();
    "LowFree" Computed "MemFree: a container has no high memory" |c, _| c.free().into();
    "MmapCopy" Constant "no-MMU kernels; not counted by cgroups" |_, _| Count::ZERO;
    "SwapTotal" Computed "lowest swap limit over the ancestors, at most the host's" |c, _| c.swap.total.into();
    "SwapFree" Computed "SwapTotal − swap usage" |c, _| c.swap.free().into();
    "Zswap" Computed "zswap" |c, _| c.part(c.stat().zswap);
    "Zswapped" Computed "zswapped, at most the swap in use" |c, _| c.stat().zswapped.kib().min(c.swap.used).into();
    "Dirty" Computed "file_dirty" |c, _| c.part(c.stat().file_dirty);
    "Writeback" Computed "file_writeback" |c, _| c.part(c.stat().file_writeback);
    "AnonPages" Computed "anon" |c, _| c.part(c.stat().anon);
    "Mapped" Computed "file_mapped" |c, _| c.part(c.stat().file_mapped);
    "Shmem" Computed "shmem" |c, _| c.part(c.stat().shmem);
    "KReclaimable" Computed "slab_reclaimable" |c, _| c.part(c.stat().slab_reclaimable);
    "Slab" Computed "slab; v1: all kernel memory" |c, _| c.part(c.stat().slab);
    "SReclaimable" Computed "slab_reclaimable" |c, _| c.part(c.stat().slab_reclaimable);
    "SUnreclaim" Computed "slab_unreclaimable; v1: all kernel memory" |c, _| c.part(c.stat().slab_unreclaimable);
    "KernelStack" Computed "kernel_stack; v1: within Slab" |c, _| c.part(c.stat().kernel_stack);
    "ShadowCallStack" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "PageTables" Computed "pagetables; v1: not counted" |c, _| c.part(c.stat().pagetables);
    "SecPageTables" Computed "sec_pagetables" |c, _| c.part(c.stat().sec_pagetables);
    "NFS_Unstable" Constant "0 on every kernel since 5.8; not counted by cgroups" |_, _| Count::ZERO;
    "Bounce" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "WritebackTmp" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "CommitLimit" Computed "SwapTotal + the host's overcommit share of MemTotal" |c, _| c.commit_limit().into();
    "Committed_AS" Computed "anonymous and shared pages in use or swapped; cgroups do not count promises" |c, _| c.committed().into();
    "VmallocTotal" Passed "size of the kernel's address space" |_, host| host.into();
    "VmallocUsed" Computed "vmalloc" |c, _| c.part(c.stat().vmalloc);
    "VmallocChunk" Constant "0 on every kernel since 4.4" |_, _| Count::ZERO;
    "Percpu" Computed "percpu" |c, _| c.part(c.stat().percpu);
    "HardwareCorrupted" Constant "the host's" |_, _| Count::ZERO;
    "AnonHugePages" Computed "anon_thp" |c, _| c.part(c.stat().anon_thp);
    "ShmemHugePages" Computed "shmem_thp" |c, _| c.part(c.stat().shmem_thp);
    "ShmemPmdMapped" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "FileHugePages" Computed "file_thp" |c, _| c.part(c.stat().file_thp);
    "FilePmdMapped" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "CmaTotal" Constant "the host's, reserved for devices" |_, _| Count::ZERO;
    "CmaFree" Constant "the host's, reserved for devices" |_, _| Count::ZERO;
    "Unaccepted" Constant "the host's" |_, _| Count::ZERO;
    "Balloon" Constant "the host's" |_, _| Count::ZERO;
    "GPUActive" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "GPUReclaim" Constant "not counted by cgroups" |_, _| Count::ZERO;
    "HugePages_Total" Computed "lowest hugetlb limit over the ancestors, at most the host's and MemTotal" |c, _| c.huge.total;
    "HugePages_Free" Computed "HugePages_Total − hugetlb usage" |c, _| c.huge.free;
    "HugePages_Rsvd" Constant "not counted beside the usage" |_, _| Count::ZERO;
    "HugePages_Surp" Constant "the host's" |_, _| Count::ZERO;
    "Hugepagesize" Passed "a property of the machine" |_, host| host.into();
    "Hugetlb" Computed "HugePages_Total × Hugepagesize" |c, _| c.huge_page_size.kib().times(c.huge.total).into();
    "DirectMap4k" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
    "DirectMap64k" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
    "DirectMap1M" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
    "DirectMap2M" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
    "DirectMap4M" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
    "DirectMap1G" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
    "DirectMap2G" Constant "the host's mapping of its own memory" |_, _| Count::ZERO;
}

/// A line that the table does not know.
static UNKNOWN: Field = Field {
    label: "",
    origin: Origin::Constant,
    rule: "not known to this policy, so not shown",
    amount: |_, _| Count::ZERO,
};

/// A line of the host.
#[derive(Clone, Copy)]
struct Line<'a> {
    label: &'a str,
    amount: u64,
    /// What follows the number: ` kB` or nothing.
    unit: &'a str,
    /// Column in which a number of up to [`Line::width`] digits ends.
    end: usize,
}

impl<'a> Line<'a> {
    /// `Label:   number kB`. `None` for anything else, such as the table at
    /// the top of 2.4's file.
    fn parse(line: &'a str) -> Option<Self> {
        let colon = line.bytes().position(|byte| byte == b':')?;
        let (label, rest) = (line.get(..colon)?, line.get(colon + 1..)?);
        let (amount, unit) = match rest.strip_suffix(" kB") {
            Some(amount) => (amount, " kB"),
            None => (rest, ""),
        };
        let blanks = amount.bytes().take_while(|byte| *byte == b' ').count();
        let digits = amount.get(blanks..)?;
        let mut line = Line { label, amount: number(digits)?, unit, end: line.len() - unit.len() };
        line.end -= digits.len().saturating_sub(line.width());
        Some(line)
    }

    fn kib(&self, trace: Trace) -> Kib {
        trace.read(self.label, "", Kib(self.amount))
    }

    /// Digits for which the kernel leaves room: `%8lu kB`, and `%5lu` in
    /// `hugetlb_report_meminfo` (mm/hugetlb.c).
    fn width(&self) -> usize {
        if self.unit.is_empty() { 5 } else { 8 }
    }

    /// Prints the line with another amount. Columns differ between kernels
    /// and lines, so they are the host's.
    fn print(&self, amount: Count, out: &mut Text) {
        let label = self.label.len() + 1;
        let spaces = self.end.saturating_sub(label + digits(amount.0).min(self.width()));
        out.push_str(self.label).push_str(":").push_spaces(spaces);
        out.push_number(amount).push_str(self.unit).push_str("\n");
    }
}

/// The container's amounts, from which the table's functions compute.
struct Container<'a> {
    total: Kib,
    /// What no part of the memory in use exceeds.
    most: Bytes,
    memory: Memory,
    swap: Swap,
    huge: HugePages,
    huge_page_size: Bytes,
    host: &'a Host,
}

/// What is needed of the host beside the line at hand.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) total: Kib,
    pub(super) swap_total: Kib,
    commit_limit: Kib,
    huge_pages: Count,
    huge_page_size: Kib,
}

impl Host {
    #[inline(never)] // called from several places
    pub(super) fn read(view: &View<'_>) -> Result<Self, Error> {
        Host::of(view.text(HOST)?.lines().filter_map(Line::parse), view.trace(HOST, 0))
    }

    fn of<'a>(lines: impl Iterator<Item = Line<'a>>, trace: Trace) -> Result<Self, Error> {
        let mut host = Host::default();
        let mut total = None;
        for line in lines {
            match line.label {
                "MemTotal" => total = Some(line.kib(trace)),
                "SwapTotal" => host.swap_total = line.kib(trace),
                "CommitLimit" => host.commit_limit = line.kib(trace),
                "HugePages_Total" => host.huge_pages = line.kib(trace).into(),
                "Hugepagesize" => host.huge_page_size = line.kib(trace),
                _ => {}
            }
        }
        host.total = total.ok_or(Error::malformed(HOST, "no line `MemTotal: … kB`"))?;
        Ok(host)
    }
}

impl Container<'_> {
    fn stat(&self) -> &Stat {
        &self.memory.stat
    }

    fn kib(&self, amount: Bytes) -> Kib {
        amount.min(self.most).kib()
    }

    fn part(&self, amount: Bytes) -> Count {
        self.kib(amount).into()
    }

    fn free(&self) -> Kib {
        self.memory.free(self.total)
    }

    fn available(&self) -> Kib {
        let stat = self.stat();
        let cache = stat.active_file.plus(stat.inactive_file).plus(stat.slab_reclaimable);
        self.free().plus(cache.kib()).min(self.total)
    }

    /// The kernel computes it as a share of RAM plus swap
    /// (`vm_commit_limit`); the share is read back from the host's numbers.
    fn commit_limit(&self) -> Kib {
        let share = self.host.commit_limit.minus(self.host.swap_total);
        self.total.share_nearest(share, self.host.total).plus(self.swap.total)
    }

    fn committed(&self) -> Kib {
        self.kib(self.stat().anon.plus(self.stat().shmem)).plus(self.swap.used)
    }
}

#[inline(never)] // of several entries
fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let mut lines = Vec::with_capacity(FIELDS.len());
    lines.extend(text.lines().filter_map(Line::parse));
    let host = Host::of(lines.iter().copied(), view.trace(HOST, 0))?;
    let memory = Memory::read(view)?;
    let total = memory.total(host.total, view.environment().page_size);
    let huge_page_size = host.huge_page_size.bytes();
    let container = Container {
        total,
        most: memory.most(total),
        memory,
        swap: Swap::read(view, &memory, total, host.swap_total)?,
        huge: HugePages::read(view, host.huge_pages, huge_page_size, total)?,
        huge_page_size,
        host: &host,
    };
    let (mut next, trace) = (0, view.trace(HOST, 0));
    for line in &lines {
        let field = field(line.label, &mut next);
        out.rule(field.origin, field.rule);
        line.print((field.amount)(&container, line.kib(trace)), out);
    }
    Ok(None)
}

/// The field with this label. Lines come in the table's order, so the search
/// goes on where the last one ended.
fn field(label: &str, next: &mut usize) -> &'static Field {
    let (before, after) = FIELDS.split_at_checked(*next).unwrap_or((FIELDS, &[]));
    let mut ahead = after.iter().chain(before).zip(1..);
    match ahead.find(|(field, _)| field.label == label) {
        Some((field, steps)) => {
            *next = (*next + steps) % FIELDS.len().max(1);
            field
        }
        None => &UNKNOWN,
    }
}

#[cfg(test)]
mod tests;
