//! Texts in which each CPU has a paragraph that begins with `processor : N`.
//!
//! Before the first there can be a heading (`Processor` of arm before 3.8,
//! `system type` of mips and loongarch), and behind the last a trailer, set
//! off by an empty line (`Hardware`, `Revision`, `Serial` of arm; `timebase`,
//! `platform`, `model`, `machine` of powerpc). These belong to no CPU.

use super::line::{Field, is_blank};
use super::outside;
use super::topology::Survey;
use crate::Text;
use crate::cgroup::cpu::CpuView;

const PROCESSOR: &str = "processor";

/// Prints what a container sees of the host's text.
pub(super) fn print(text: &str, cpus: &CpuView, out: &mut Text) {
    let (survey, trailer) = survey(text, cpus);
    let topology = survey.count();
    let (mut at, mut next, mut is_kept) = (0, 0usize, None);
    for line in text.split_inclusive('\n') {
        if at < trailer
            && let Some((field, host)) = Field::number_after(line, PROCESSOR)
        {
            let shown = cpus.shown(host);
            is_kept = Some(shown.is_some());
            next += 1;
            if let Some(shown) = shown {
                field.print_number(out, shown);
            }
        } else {
            match is_kept {
                Some(true) if at < trailer => topology.print(next.saturating_sub(1), line, out),
                Some(false) if at < trailer => {}
                _ => outside::print(line, cpus, out),
            }
        }
        at += line.len();
    }
}

/// Where CPUs sit, and where the trailer begins: behind the last CPU's
/// paragraph and the empty lines that end it.
#[inline(never)] // called from several places
pub(super) fn survey(text: &str, cpus: &CpuView) -> (Survey, usize) {
    let mut survey = Survey::default();
    let (mut at, mut trailer) = (0, 0);
    let (mut is_in_block, mut is_ended) = (false, false);
    for line in text.split_inclusive('\n') {
        at += line.len();
        if let Some((_, host)) = Field::number_after(line, PROCESSOR) {
            survey.begin(cpus.shown(host));
            (is_in_block, is_ended) = (true, false);
        } else if is_blank(line) {
            is_ended = true;
        } else {
            is_in_block &= !is_ended;
            if is_in_block {
                survey.line(line);
            }
        }
        if is_in_block {
            trailer = at;
        }
    }
    (survey, trailer)
}
