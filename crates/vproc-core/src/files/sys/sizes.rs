//! Files that the kernel sizes by the memory, the tasks and the CPUs of the
//! machine, as it would size them on one of the container's size.

use super::{ITSELF, Rendered};
use crate::cgroup::cpu::CpuView;
use crate::cgroup::memory::Memory;
use crate::cgroup::own_found;
use crate::contract::{Need, Scope};
use crate::files::meminfo;
use crate::text::number;
use crate::units::{Count, Kib};
use crate::{Error, Text, View};

const V2_TASKS: &str = "pids.max";
const V1_TASKS: &str = "pids.max.v1";

/// The limits of tasks.
pub(super) const TASK_NEEDS: &[Need] = &[
    Need::v2("pids", V2_TASKS, Scope::Lineage),
    Need::v1("pids", V2_TASKS, Scope::Lineage).keyed(V1_TASKS),
];

/// Prints a number, of the host itself its own text.
fn or_host(
    view: &View<'_>,
    out: &mut Text,
    value: impl FnOnce(Count) -> Result<Count, Error>,
) -> Rendered {
    let text = view.text(ITSELF)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let host = number(text.trim()).ok_or(Error::malformed(ITSELF, "not a number"))?;
    let host = view.trace(ITSELF, 0).read("", text, Count(host));
    out.push_number(value(host)?).push_str("\n");
    Ok(None)
}

#[inline(never)] // called from several places
fn memory(view: &View<'_>) -> Result<Kib, Error> {
    let host = meminfo::Host::read(view)?.total;
    Ok(Memory::read(view)?.total(host, view.environment().page_size))
}

/// How many threads there can be: the lowest `pids.max` over the ancestors,
/// and what the kernel allows a machine with so much memory
/// (`set_max_threads` in `kernel/fork.c`: an eighth of it is for their
/// stacks of 16 KiB); at most the host's.
pub(super) fn threads_max(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| {
        const FEWEST: Count = Count(20);
        const STACKS_OF_EIGHTH: u32 = 8 * 16;
        let by_memory = Count::from(memory(view)?.divided(STACKS_OF_EIGHTH));
        let mut threads = host.min(by_memory.max(FEWEST));
        for key in [V2_TASKS, V1_TASKS] {
            for found in view.lineage(key) {
                let found = found?;
                if found.text.trim() != "max" {
                    let limit = found.number().ok_or(Error::malformed(key, "not a number"))?;
                    threads = threads.min(limit);
                }
            }
        }
        Ok(threads)
    })
}

const OWN_PIDS: &str = "own";
const VERSION: &str = "version";

/// The limit of process numbers in the container's pid namespace, and which kernel
/// it is of.
pub(super) const PID_NEEDS: &[Need] =
    &[Need::namespaced(OWN_PIDS, "/proc/sys/kernel/pid_max"), Need::host(VERSION, "/proc/version")];

/// `PID_MAX_LIMIT` of `include/linux/threads.h`, where there is room for it.
const MOST_PIDS: Count = Count(4 << 20);

/// The first kernel on which a pid namespace has a limit of its own
/// (`pidns_install_proc` and `pid_max` of `kernel/pid.c`).
const WITH_OWN_PIDS: (u64, u64) = (6, 14);

/// Process numbers end below this.
pub(super) fn pid_max(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |_| {
        let is_own = release(view.text(VERSION)?).is_some_and(|own| own >= WITH_OWN_PIDS);
        let own = view.found(OWN_PIDS).ok().flatten().filter(|_| is_own);
        let most = || view.given().given("the most there can be", MOST_PIDS);
        Ok(own.and_then(|own| own.number()).unwrap_or_else(most))
    })
}

/// The first two numbers of `Linux version 6.18.4-…`.
fn release(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split(' ').nth(2)?.split(|c: char| !c.is_ascii_digit());
    Some((number(numbers.next()?)?, number(numbers.next()?)?))
}

/// Key of the tasks.
pub(super) const TASKS: &str = "tasks";

/// The newest pid of the container's numbering. Read in its pid namespace, it
/// would be that of who reads it.
pub(super) fn ns_last_pid(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |_| {
        let last = view.tasks(TASKS).map_or(1, |tasks| tasks.last_pid.max(1));
        Ok(view.given().given("the newest task", last.into()))
    })
}

/// `calculate_min_free_kbytes` in `mm/page_alloc.c`: 4 √memory, in KiB.
pub(super) fn min_free_kbytes(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| {
        let free = memory(view)?.0.saturating_mul(16).isqrt();
        let free = view.given().given("4 √MemTotal", Count(free));
        Ok(free.max(Count(128)).min(Count(262_144)).min(host))
    })
}

/// `init_user_reserve` in `mm/util.c`: a 32th of memory, at most 128 MiB.
pub(super) fn user_reserve_kbytes(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| {
        Ok(Count::from(memory(view)?.divided(32u32)).min(Count(1 << 17)).min(host))
    })
}

/// The pool of huge pages, as `HugePages_Total` of `/proc/meminfo` has it.
pub(super) fn nr_hugepages(view: &View<'_>, out: &mut Text) -> Rendered {
    let mut whole = out.another();
    or_host(view, out, |_| {
        (meminfo::ENTRY.render)(view, &mut whole)?;
        let pool = whole.amounts().find(|(name, _)| *name == "HugePages_Total");
        let none = || view.given().given("no pool", Count::ZERO);
        Ok(pool.map_or_else(none, |(_, count)| count))
    })
}

/// The group's own, which v1 has; else the host's.
pub(super) fn swappiness(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| {
        let own = own_found(view, SWAPPINESS)?;
        Ok(own.and_then(|own| own.number()).unwrap_or(host))
    })
}

const SWAPPINESS: &str = "memory.swappiness";

/// Where v1 says how readily a group swaps.
pub(super) const SWAPPINESS_NEEDS: &[Need] = &[Need::v1("memory", SWAPPINESS, Scope::Nearest)];

/// The CPUs that the watchdog looks after: all that there are.
pub(super) fn watchdog_cpumask(view: &View<'_>, out: &mut Text) -> Rendered {
    match view.is_host() {
        true => {
            out.push_str(view.text(ITSELF)?);
        }
        false => CpuView::read(view)?.shown_set().print(out),
    }
    Ok(None)
}
