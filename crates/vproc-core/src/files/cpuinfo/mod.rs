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

mod blocks;
mod line;
mod outside;
mod s390;
mod topology;

use crate::cgroup::cpu::{self, CpuView};
use crate::contract::{Class, Entry, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "cpuinfo";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/cpuinfo",
    mode: 0o444,
    class: Class::Filtered,
    summary: "the CPUs of the cpuset, clipped by the CPU quota and renumbered",
    needs: &[&[Need::host(HOST, "/proc/cpuinfo")], cpu::NEEDS],
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
    match s390::is_format_of(text) {
        true => s390::print(text, &cpus, out),
        false => blocks::print(text, &cpus, out),
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
