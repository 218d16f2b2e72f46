//! The format of s390: a heading, a list of CPUs with a line each, and on
//! newer kernels a paragraph for each, set off by an empty line before it.
//!
//! ```text
//! vendor_id       : IBM/S390
//! # processors    : 2
//! bogomips per cpu: 3033.00
//! processor 0: version = FF,  identification = 0133E8,  machine = 2964
//! processor 1: version = FF,  identification = 0133E8,  machine = 2964
//!
//! cpu number      : 0
//! physical id     : 0
//! ```
//!
//! `identification` is the machine's serial number. Source:
//! `arch/s390/kernel/processor.c`.

use super::line::{Field, is_blank, push_zeros};
use super::topology::{Survey, Topology};
use crate::Text;
use crate::cgroup::cpu::CpuView;
use crate::text::number;

/// Whether a text is of this format: its first line names the vendor.
pub(super) fn is_format_of(text: &str) -> bool {
    let first = text.lines().next().and_then(Field::parse);
    first.is_some_and(|field| field.key == "vendor_id" && field.value == "IBM/S390")
}

const PARAGRAPH: &str = "cpu number";

/// Prints what a container sees of the host's text.
pub(super) fn print(text: &str, cpus: &CpuView, out: &mut Text) {
    let (survey, listed) = survey(text, cpus);
    let topology = survey.count();
    let (mut next, mut is_kept, mut blank) = (0usize, true, "");
    for line in text.split_inclusive('\n') {
        if is_blank(line) {
            // It belongs to the paragraph that follows.
            if is_kept {
                out.push_str(blank);
            }
            blank = line;
            continue;
        }
        let number = Field::number_after(line, PARAGRAPH);
        if let Some((_, host)) = number {
            is_kept = cpus.shown(host).is_some();
            next += 1;
        }
        let blank = core::mem::take(&mut blank);
        if !is_kept {
            continue;
        }
        out.push_str(blank);
        match number.map(|(field, host)| (field, cpus.shown(host))) {
            Some((field, Some(shown))) => field.print_number(out, shown),
            _ => print_line(line, cpus, listed, &topology, next.saturating_sub(1), out),
        }
    }
    if is_kept {
        out.push_str(blank);
    }
}

fn print_line(
    line: &str,
    cpus: &CpuView,
    listed: u32,
    topology: &Topology,
    index: usize,
    out: &mut Text,
) {
    if let Some((host, rest)) = entry(line) {
        if let Some(shown) = cpus.shown(host) {
            out.push_str("processor ").push_digits(u64::from(shown), 0).push_str(":");
            print_anonymous(rest, out);
        }
        return;
    }
    match Field::parse(line) {
        Some(field) if field.key == "# processors" => field.print_number(out, listed),
        Some(field) if field.key == "identification" => field.print_zeros(out),
        _ => topology.print(index, line, out),
    }
}

/// Splits `processor 3: …` behind the colon.
fn entry(line: &str) -> Option<(u32, &str)> {
    let (host, rest) = line.strip_prefix("processor ")?.split_once(':')?;
    Some((u32::try_from(number(host)?).ok()?, rest))
}

fn print_anonymous(rest: &str, out: &mut Text) {
    const LABEL: &str = "identification = ";
    let Some((before, behind)) = rest.split_once(LABEL) else {
        out.push_str(rest);
        return;
    };
    let end = behind.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    out.push_str(before).push_str(LABEL);
    push_zeros(out, behind.strip_suffix(end).unwrap_or_default());
    out.push_str(end);
}

/// Where CPUs sit, and how many the list shows.
#[inline(never)] // called from several places
pub(super) fn survey(text: &str, cpus: &CpuView) -> (Survey, u32) {
    let (mut survey, mut listed) = (Survey::default(), 0);
    for line in text.lines() {
        if let Some((host, _)) = entry(line) {
            listed += u32::from(cpus.shown(host).is_some());
        } else if let Some((_, host)) = Field::number_after(line, PARAGRAPH) {
            survey.begin(cpus.shown(host));
        } else {
            survey.line(line);
        }
    }
    (survey, listed)
}
