//! Memory and swap of a container.
//!
//! Sources: `Documentation/admin-guide/cgroup-v2.rst` (memory.*), and for v1
//! `Documentation/admin-guide/cgroup-v1/memory.rst` §2 and §5.2.

use super::{Limit, lower, lowest_limit, own_bytes, own_found};
use crate::contract::{Need, Scope};
use crate::text::{as_pair, pairs};
use crate::trace::{Amount, Trace};
use crate::units::{Bytes, Kib};
use crate::{Error, Found, View};
use alloc::format;

/// v2 has a file of the same name.
pub(super) const V1_STAT: &str = "memory.stat.v1";

/// Limit, usage and statistics of memory.
pub const NEEDS: &[Need] = &[
    Need::v2("memory", "memory.max", Scope::Lineage),
    Need::v2("memory", "memory.high", Scope::Lineage).when(|knobs, _| knobs.memory_high_limits),
    Need::v2("memory", "memory.current", Scope::Nearest),
    Need::v2("memory", "memory.stat", Scope::Nearest),
    Need::v1("memory", "memory.limit_in_bytes", Scope::Lineage),
    Need::v1("memory", "memory.usage_in_bytes", Scope::Nearest),
    Need::v1("memory", "memory.stat", Scope::Nearest).keyed(V1_STAT),
    Need::v1("memory", MEMSW_LIMIT, Scope::Lineage),
    Need::v1("memory", MEMSW_USAGE, Scope::Nearest),
];

/// What the v1 statistics lack.
pub const V1_KERNEL_NEEDS: &[Need] =
    &[Need::v1("memory", "memory.kmem.usage_in_bytes", Scope::Nearest)];

/// Limit and usage of swap; needs [`NEEDS`] too, where v1 has them together
/// with those of memory.
pub const SWAP_NEEDS: &[Need] = &[
    Need::v2("memory", "memory.swap.max", Scope::Lineage).when(|knobs, _| !knobs.swap_hidden),
    Need::v2("memory", "memory.swap.current", Scope::Nearest).when(|knobs, _| !knobs.swap_hidden),
];

const MEMSW_LIMIT: &str = "memory.memsw.limit_in_bytes";
const MEMSW_USAGE: &str = "memory.memsw.usage_in_bytes";

macro_rules! stat {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Amounts of `memory.stat`, under the names of v2. What a kernel does not
        /// report is zero.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[allow(missing_docs)] // the kernel's names
        pub struct Stat {
            $($(#[$doc])* pub $name: Bytes,)*
            /// Swap in use; v1 only, v2 has `memory.swap.current`.
            pub swap: Option<Bytes>,
        }

        impl Stat {
            /// As if nothing had been reported.
            fn unreported(trace: Trace) -> Self {
                let none = trace.given("not in memory.stat", Bytes::ZERO);
                Stat { $($name: none,)* swap: None }
            }
        }
    };
}

stat! {
    anon,
    /// Without the swap cache, which counts as `NR_FILE_PAGES` of the node and
    /// not of the group (`add_to_swap_cache` in mm/swap_state.c).
    file,
    shmem,
    file_mapped,
    file_dirty,
    file_writeback,
    swapcached,
    active_anon,
    inactive_anon,
    active_file,
    inactive_file,
    unevictable,
    anon_thp,
    file_thp,
    shmem_thp,
    slab,
    slab_reclaimable,
    slab_unreclaimable,
    kernel_stack,
    pagetables,
    sec_pagetables,
    percpu,
    vmalloc,
    zswap,
    zswapped,
}

impl Stat {
    fn v2(Found { text, trace, .. }: Found<'_>) -> Self {
        let mut stat = Stat::unreported(trace);
        for (key, value) in pairs(text) {
            if let Some(amount) = stat.v2_amount(key) {
                *amount = Bytes(value);
            }
        }
        if trace.is_on() {
            for (key, value) in pairs(text) {
                if let Some(amount) = stat.v2_amount(key) {
                    *amount = trace.read(key, "", Bytes(value));
                }
            }
        }
        stat
    }

    /// What the number behind a key of v2 is.
    fn v2_amount(&mut self, key: &str) -> Option<&mut Bytes> {
        Some(match key {
            "anon" => &mut self.anon,
            "file" => &mut self.file,
            "shmem" => &mut self.shmem,
            "file_mapped" => &mut self.file_mapped,
            "file_dirty" => &mut self.file_dirty,
            "file_writeback" => &mut self.file_writeback,
            "swapcached" => &mut self.swapcached,
            "active_anon" => &mut self.active_anon,
            "inactive_anon" => &mut self.inactive_anon,
            "active_file" => &mut self.active_file,
            "inactive_file" => &mut self.inactive_file,
            "unevictable" => &mut self.unevictable,
            "anon_thp" => &mut self.anon_thp,
            "file_thp" => &mut self.file_thp,
            "shmem_thp" => &mut self.shmem_thp,
            "slab" => &mut self.slab,
            "slab_reclaimable" => &mut self.slab_reclaimable,
            "slab_unreclaimable" => &mut self.slab_unreclaimable,
            "kernel_stack" => &mut self.kernel_stack,
            "pagetables" => &mut self.pagetables,
            "sec_pagetables" => &mut self.sec_pagetables,
            "percpu" => &mut self.percpu,
            "vmalloc" => &mut self.vmalloc,
            "zswap" => &mut self.zswap,
            "zswapped" => &mut self.zswapped,
            _ => return None,
        })
    }

    /// v1 counts a group's own pages without a prefix and those of the whole
    /// subtree with `total_`. It has no kernel memory here: see
    /// [`V1_KERNEL_NEEDS`].
    fn v1(Found { text, trace, .. }: Found<'_>) -> Self {
        let mut stat = Stat::unreported(trace);
        for (key, value) in v1_totals(text) {
            if let Some(amount) = stat.v1_amount(key) {
                *amount = Bytes(value);
            }
        }
        if trace.is_on() {
            for (key, value) in v1_totals(text) {
                if let Some(amount) = stat.v1_amount(key) {
                    *amount = trace.read_at(|| format!("total_{key}"), Bytes(value));
                }
            }
        }
        stat
    }

    /// What the number behind a key of v1 is, which has lost its prefix.
    fn v1_amount(&mut self, key: &str) -> Option<&mut Bytes> {
        Some(match key {
            "rss" => &mut self.anon,
            "cache" => &mut self.file,
            "shmem" => &mut self.shmem,
            "mapped_file" => &mut self.file_mapped,
            "dirty" => &mut self.file_dirty,
            "writeback" => &mut self.file_writeback,
            "swapcached" => &mut self.swapcached,
            "active_anon" => &mut self.active_anon,
            "inactive_anon" => &mut self.inactive_anon,
            "active_file" => &mut self.active_file,
            "inactive_file" => &mut self.inactive_file,
            "unevictable" => &mut self.unevictable,
            "rss_huge" => &mut self.anon_thp,
            "swap" => self.swap.insert(Bytes::ZERO),
            _ => return None,
        })
    }

    fn with_v1_kernel_memory(mut self, kernel: Bytes) -> Self {
        self.slab = kernel;
        self.slab_unreclaimable = kernel;
        self
    }
}

fn v1_totals(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| line.strip_prefix("total_")).filter_map(as_pair)
}

/// Memory of a container.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// The lowest limit over the leaf and its ancestors.
    pub limit: Option<Limit>,
    /// What the container uses; `None` where no group of its own counts it.
    pub usage: Option<Bytes>,
    /// Memory and swap together, which only v1 limits.
    pub memsw: Option<Memsw>,
    /// Its parts.
    pub stat: Stat,
}

/// Memory and swap together, on v1 with swap accounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memsw {
    /// The lowest limit over the leaf and its ancestors, if there is one.
    pub limit: Option<Bytes>,
    /// What the container uses.
    pub usage: Bytes,
}

impl Memsw {
    fn read(view: &View<'_>) -> Result<Option<Self>, Error> {
        let Some(usage) = own_bytes(view, MEMSW_USAGE)? else { return Ok(None) };
        let limit = lowest_limit(view, MEMSW_LIMIT)?.map(|limit| limit.bytes);
        Ok(Some(Memsw { limit: limit.filter(|limit| *limit < V1_UNLIMITED), usage }))
    }
}

impl Memory {
    /// Reads [`NEEDS`], and [`V1_KERNEL_NEEDS`] where the entry has them.
    #[inline(never)] // called from several places
    pub fn read(view: &View<'_>) -> Result<Self, Error> {
        let high = lowest_limit(view, "memory.high")?;
        let max = lowest_limit(view, "memory.max")?;
        let v1 = lowest_limit(view, "memory.limit_in_bytes")?;
        let usage = match own_bytes(view, "memory.current")? {
            Some(usage) => Some(usage),
            None => own_bytes(view, "memory.usage_in_bytes")?,
        };
        let stat = if let Some(found) = own_found(view, "memory.stat")? {
            Stat::v2(found)
        } else if let Some(found) = own_found(view, V1_STAT)? {
            let stat = Stat::v1(found);
            match own_bytes(view, "memory.kmem.usage_in_bytes")? {
                Some(kernel) => stat.with_v1_kernel_memory(kernel),
                None => stat,
            }
        } else {
            Stat::unreported(view.given())
        };
        let limit = lower(lower(high, max), v1);
        Ok(Memory { limit, usage, memsw: Memsw::read(view)?, stat })
    }

    /// Size of memory: the limit, as the host's size allows. At least a page,
    /// because readers divide by it.
    pub fn total(&self, host: Kib, page_size: u32) -> Kib {
        let Some(limit) = self.limit else {
            return host.noted("no group has a memory limit").named("MemTotal");
        };
        let page = Bytes(u64::from(page_size)).kib().max(Kib(1));
        limit.bytes.page_aligned(page_size).kib().max(page).min(host).named("MemTotal")
    }

    /// A part of the memory in use. Statistics are summed up lazily, so that a
    /// part can exceed the whole for a moment.
    pub fn part(&self, amount: Bytes, total: Kib) -> Bytes {
        amount.min(self.most(total))
    }

    /// What no part exceeds.
    pub fn most(&self, total: Kib) -> Bytes {
        match self.usage {
            Some(usage) => usage.min(total.bytes()),
            None => total.bytes(),
        }
    }

    /// What is left of `total`. On v1 that is no more than what is left for
    /// memory and swap together: pages that were swapped out for the sake of
    /// others count there, even where the two limits are equal and the
    /// container seems to have no swap (`try_charge_memcg` in mm/memcontrol.c
    /// charges both).
    pub fn free(&self, total: Kib) -> Kib {
        let free = match self.usage {
            Some(usage) => total.minus(usage.kib()),
            None => total.noted("no group counts what is used"),
        };
        let free = match self.memsw {
            Some(Memsw { limit: Some(limit), usage }) => free.min(limit.minus(usage).kib()),
            _ => free,
        };
        free.named("MemFree")
    }
}

/// Swap of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swap {
    /// What the container may swap out.
    pub total: Kib,
    /// What it has swapped out; at most `total`.
    pub used: Kib,
}

impl Swap {
    /// Reads [`SWAP_NEEDS`]. `size` is that of memory, and `host` the host's
    /// `SwapTotal`. Without swap accounting nothing is known and there is none.
    ///
    /// v1 limits memory and swap together (`memsw`): what is left for swap is
    /// the lowest such limit less what can be in memory.
    pub fn read(view: &View<'_>, memory: &Memory, size: Kib, host: Kib) -> Result<Self, Error> {
        let none = |why| {
            let nothing = view.given().given(why, Kib::ZERO);
            Ok(Swap { total: nothing, used: nothing })
        };
        let (limit, used) = if view.knobs().swap_hidden {
            return none("the setting `swap` hides it");
        } else if let Some(used) = own_bytes(view, "memory.swap.current")? {
            (lowest_limit(view, "memory.swap.max")?.map(|limit| limit.bytes), used)
        } else if let Some(memsw) = memory.memsw {
            let used = memsw.usage.minus(memory.usage.unwrap_or_default());
            let limit = memsw.limit.map(|limit| limit.minus(size.bytes()));
            (limit, memory.stat.swap.unwrap_or(used))
        } else {
            return none("no group counts swap");
        };
        let total = match limit {
            Some(limit) => limit.kib().min(host),
            None => host.noted("no group has a swap limit"),
        };
        let total = total.named("SwapTotal");
        Ok(Swap { total, used: used.kib().min(total).named("swap in use") })
    }

    /// What is left.
    pub fn free(&self) -> Kib {
        self.total.minus(self.used)
    }
}

/// v1 prints "no limit" as the largest page-aligned `long`: 2^63 − 4096 with
/// pages of 4 KiB, 2^63 − 65536 with pages of 64 KiB (`PAGE_COUNTER_MAX`).
const V1_UNLIMITED: Bytes = Bytes((1 << 63) - (1 << 20));

#[cfg(test)]
mod tests;
