//! `/proc/cpuinfo`: the host's paragraphs of the CPUs that the container sees.
//!
//! Every architecture prints its own format, and most of them alike:
//!
//! | architecture | rule |
//! |---|---|
//! | x86, arm, arm64, riscv, ia64, mips, powerpc, loongarch, … | paragraphs that begin with `processor : N`: see [`blocks`] |
//! | s390 | a list and then paragraphs of another kind: see [`s390`] |
//! | alpha, sparc, xtensa | no paragraphs; counts and lines of CPUs: see [`outside`] |
//!
//! Of a visible CPU all is kept but its number, and the counts of what shares
//! its package where part of that is hidden. What identifies the machine, a
//! serial number, is zeros. A text without anything that a rule knows is
//! passed: it says of what kind the CPUs are, not how many.
//!
//! Sources of the layouts: `show_cpuinfo` in `arch/*/kernel`.
//!
//! # lxcfs
//!
//! lxcfs keeps the paragraphs of the cpuset and, with `--enable-cfs`, as many of
//! them as the quota allows; `siblings` and `cpu cores` stay the host's. It takes
//! the configured cpuset, which may be wider than what the group can use.

mod blocks;
mod line;
mod outside;
mod s390;
mod topology;

pub(super) use topology::Seat;

use crate::cgroup::cpu::{self, CpuView};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "cpuinfo";

/// The host's text, for others that ask for [`seats`].
pub(super) const TEXT: Need = Need::host(HOST, "/proc/cpuinfo");

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/cpuinfo",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the CPUs of the cpuset, clipped by the CPU quota and renumbered",
    reason: "lists every CPU of the machine (arch/*/kernel/cpu/proc.c)",
    needs: &[&[TEXT], cpu::NEEDS],
    history: None,
    render,
};

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let cpus = CpuView::read(view)?;
    out.decided_by("CPUs", cpus.number());
    match s390::is_format_of(text) {
        true => s390::print(text, &cpus, out),
        false => blocks::print(text, &cpus, out),
    }
    Ok(None)
}

/// Where the visible CPUs sit, each of them once, as the text says that is
/// shown. A CPU of which it says nothing is a core of its own.
#[inline(never)] // called from several files
pub(super) fn seats(view: &View<'_>, cpus: &CpuView) -> Result<Vec<Seat>, Error> {
    let told = survey(view, cpus)?.seats();
    let mut next = 0;
    let seat = |shown: u32| {
        // The kernel prints them in ascending order.
        let is_it = |seat: &&Seat| seat.shown == shown;
        let found = told.get(next).filter(is_it).or_else(|| told.iter().find(is_it));
        next += usize::from(found.is_some());
        found.copied().unwrap_or_else(|| Seat::untold(shown))
    };
    Ok(cpus.iter().map(|cpu| cpu.shown).map(seat).collect())
}

/// Whether two of the visible CPUs share a core.
pub(super) fn has_threads(view: &View<'_>, cpus: &CpuView) -> Result<bool, Error> {
    Ok(survey(view, cpus)?.count().has_threads())
}

fn survey(view: &View<'_>, cpus: &CpuView) -> Result<topology::Survey, Error> {
    let text = view.optional(HOST)?.unwrap_or_default();
    Ok(match s390::is_format_of(text) {
        true => s390::survey(text, cpus).0,
        false => blocks::survey(text, cpus).0,
    })
}

#[cfg(test)]
mod tests;
