//! Files that the kernel sizes by the memory, the tasks and the CPUs of the
//! machine, as it would size them on one of the container's size.

use super::{ITSELF, Rendered};
use crate::cgroup::cpu::CpuView;
use crate::cgroup::memory::Memory;
use crate::cgroup::own_text;
use crate::contract::{Need, Scope};
use crate::files::meminfo;
use crate::text::number;
use crate::units::Kib;
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
    value: impl FnOnce(u64) -> Result<u64, Error>,
) -> Rendered {
    let text = view.text(ITSELF)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let host = number(text.trim()).ok_or(Error::malformed(ITSELF, "not a number"))?;
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
        const FEWEST: u64 = 20;
        let by_memory = (memory(view)?.0 / (8 * 16)).max(FEWEST);
        let mut threads = host.min(by_memory);
        for key in [V2_TASKS, V1_TASKS] {
            for found in view.lineage(key) {
                let text = found?.text.trim();
                if text != "max" {
                    let limit = number(text).ok_or(Error::malformed(key, "not a number"))?;
                    threads = threads.min(limit);
                }
            }
        }
        Ok(threads)
    })
}

/// Key of the tasks.
pub(super) const TASKS: &str = "tasks";

/// The newest pid of the container's numbering. Read in its pid namespace, it
/// would be that of who reads it.
pub(super) fn ns_last_pid(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |_| Ok(view.tasks(TASKS).map_or(1, |tasks| tasks.last_pid.max(1)).into()))
}

/// `calculate_min_free_kbytes` in `mm/page_alloc.c`: 4 √memory, in KiB.
pub(super) fn min_free_kbytes(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| {
        let free = memory(view)?.0.saturating_mul(16).isqrt();
        Ok(free.clamp(128, 262_144).min(host))
    })
}

/// `init_user_reserve` in `mm/util.c`: a 32th of memory, at most 128 MiB.
pub(super) fn user_reserve_kbytes(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| Ok((memory(view)?.0 / 32).min(1 << 17).min(host)))
}

/// The pool of huge pages, as `HugePages_Total` of `/proc/meminfo` has it.
pub(super) fn nr_hugepages(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |_| {
        let mut whole = Text::new();
        (meminfo::ENTRY.render)(view, &mut whole)?;
        let whole = whole.into_string();
        let mut lines = whole.lines().filter_map(|line| line.strip_prefix("HugePages_Total:"));
        Ok(lines.next().and_then(|count| number(count.trim())).unwrap_or(0))
    })
}

/// The group's own, which v1 has; else the host's.
pub(super) fn swappiness(view: &View<'_>, out: &mut Text) -> Rendered {
    or_host(view, out, |host| {
        let own = own_text(view, SWAPPINESS)?;
        Ok(own.and_then(|own| number(own.trim())).unwrap_or(host))
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
