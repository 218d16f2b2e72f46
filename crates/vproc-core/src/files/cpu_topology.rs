//! `/sys/devices/system/cpu/cpuN/topology`: which CPUs share a core and a
//! package.
//!
//! The ids are those of the `physical id` and `core id` lines of the virtual
//! `/proc/cpuinfo`, and the siblings are the CPUs with the same ones as far as
//! the container sees them, under its numbers. So sysfs says what cpuinfo
//! says. Where that says nothing of cores and packages (arm64, powerpc), each
//! CPU is a core and all are one package. Not told by any cpuinfo, and
//! therefore the same as the package: dies. Not shown: clusters, books and
//! drawers, which lscpu and hwloc do without.
//!
//! For the host itself the files are made in the same way; a CPU that is not
//! in use has none, as in the kernel.
//!
//! Masks have a digit for each four CPUs that could exist (`nr_cpu_ids`), and
//! for a container no others can than those that it sees.
//!
//! Sources: `drivers/base/topology.c`; `bitmap_string` and
//! `bitmap_list_string` in `lib/vsprintf.c`.
//!
//! # lxcfs
//!
//! lxcfs passes the host's.

use super::cpuinfo::{self, Seat};
use crate::cgroup::cpu::{self, CpuSet, CpuView};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

/// Key of the host's list of CPUs that could exist.
const POSSIBLE: &str = "possible";

const NEEDS: &[Need] = &[cpuinfo::TEXT, Need::host(POSSIBLE, "/sys/devices/system/cpu/possible")];

macro_rules! entries {
    ($($name:ident = $file:literal, $class:ident, $summary:expr, $render:expr;)*) => {$(
        pub(super) static $name: Entry = Entry {
            path: concat!("/sys/devices/system/cpu/cpu*/topology/", $file),
            kind: Kind::File,
            mode: 0o444,
            class: Class::$class,
            summary: $summary,
            reason: "lscpu and hwloc expect it to agree with cpuinfo and online (drivers/base/topology.c)",
            needs: &[NEEDS, cpu::NEEDS],
            history: None,
            render: $render,
        };
    )*};
}

const CORE_MASK: &str = "the CPUs of the same core, as a mask";
const CORE_LIST: &str = "the CPUs of the same core";
const PACKAGE_MASK: &str = "the CPUs of the same package, as a mask";
const PACKAGE_LIST: &str = "the CPUs of the same package";

entries! {
    PHYSICAL_PACKAGE_ID = "physical_package_id", Filtered, "the physical id in cpuinfo",
        |view, out| id(view, out, Seat::package_id);
    CORE_ID = "core_id", Filtered, "the core id in cpuinfo",
        |view, out| id(view, out, Seat::core_id);
    DIE_ID = "die_id", Constant, "0: a package is one die",
        |view, out| id(view, out, |_| 0);
    THREAD_SIBLINGS = "thread_siblings", Virtual, CORE_MASK, core_mask;
    THREAD_SIBLINGS_LIST = "thread_siblings_list", Virtual, CORE_LIST, core_list;
    CORE_CPUS = "core_cpus", Virtual, CORE_MASK, core_mask;
    CORE_CPUS_LIST = "core_cpus_list", Virtual, CORE_LIST, core_list;
    CORE_SIBLINGS = "core_siblings", Virtual, PACKAGE_MASK, package_mask;
    CORE_SIBLINGS_LIST = "core_siblings_list", Virtual, PACKAGE_LIST, package_list;
    PACKAGE_CPUS = "package_cpus", Virtual, PACKAGE_MASK, package_mask;
    PACKAGE_CPUS_LIST = "package_cpus_list", Virtual, PACKAGE_LIST, package_list;
    DIE_CPUS = "die_cpus", Virtual, PACKAGE_MASK, package_mask;
    DIE_CPUS_LIST = "die_cpus_list", Virtual, PACKAGE_LIST, package_list;
}

type Rendered = Result<Option<Vec<u8>>, Error>;

/// The CPU in the path, and all that are shown.
#[inline(never)] // called from several places
fn seats(view: &View<'_>) -> Result<(Seat, Vec<Seat>), Error> {
    let seats = cpuinfo::seats(view, &CpuView::read_or_host(view)?)?;
    let own = seats.iter().find(|seat| seat.shown == view.path_number());
    Ok((*own.ok_or(Error::UnsupportedPath)?, seats))
}

fn id(view: &View<'_>, out: &mut Text, id: fn(&Seat) -> u64) -> Rendered {
    out.push_number(id(&seats(view)?.0)).push_str("\n");
    Ok(None)
}

fn core_mask(view: &View<'_>, out: &mut Text) -> Rendered {
    mask(view, out, |own, other| own.core() == other.core())
}

fn core_list(view: &View<'_>, out: &mut Text) -> Rendered {
    list(view, out, |own, other| own.core() == other.core())
}

fn package_mask(view: &View<'_>, out: &mut Text) -> Rendered {
    mask(view, out, |own, other| own.package() == other.package())
}

fn package_list(view: &View<'_>, out: &mut Text) -> Rendered {
    list(view, out, |own, other| own.package() == other.package())
}

fn list(view: &View<'_>, out: &mut Text, are_siblings: fn(&Seat, &Seat) -> bool) -> Rendered {
    let (own, seats) = seats(view)?;
    let siblings = seats.iter().filter(|seat| are_siblings(&own, seat));
    CpuSet::from_ascending(siblings.map(|seat| seat.shown)).print(out);
    Ok(None)
}

fn mask(view: &View<'_>, out: &mut Text, are_siblings: fn(&Seat, &Seat) -> bool) -> Rendered {
    let (own, seats) = seats(view)?;
    let mut last = seats.last().map_or(0, |seat| seat.shown);
    if view.is_host()
        && let Some(list) = view.optional(POSSIBLE)?
    {
        last = CpuSet::parse(POSSIBLE, list)?.last().unwrap_or(0).max(last);
    }
    let siblings = seats.iter().filter(|seat| are_siblings(&own, seat));
    CpuSet::from_ascending(siblings.map(|seat| seat.shown)).print_mask(last, out);
    out.push_str("\n");
    Ok(None)
}

#[cfg(test)]
mod tests;
