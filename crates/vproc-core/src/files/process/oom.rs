//! `/proc/PID/oom_score`: how likely the OOM killer is to take a process.
//!
//! The kernel's number is a part of the host's memory and swap. With the knob
//! `oom-score=limit` it is the same part of what the container has.
//!
//! Prints: `proc_oom_score` in `fs/proc/base.c`, `oom_badness` in
//! `mm/oom_kill.c`.

use super::raw::{labelled, numbers};
use super::{Rendered, own};
use crate::cgroup::memory::{self, Memory, Swap};
use crate::contract::{Environment, Need};
use crate::knobs::Knobs;
use crate::units::Kib;
use crate::{Error, Text, View};

const SCORE: &str = "oom_score";
const ADJUSTMENT: &str = "oom_score_adj";
const STATUS: &str = "status";
const HOST: &str = "meminfo";

pub(super) const NEEDS: &[Need] = &[
    own(SCORE),
    own(ADJUSTMENT).when(by_limit),
    own(STATUS).when(by_limit),
    Need::host(HOST, "/proc/meminfo").when(by_limit),
];

/// The container's memory and swap.
pub(super) const LIMIT_NEEDS: [&[Need]; 2] = [memory::NEEDS, memory::SWAP_NEEDS];

fn by_limit(knobs: &Knobs, _: &Environment<'_>) -> bool {
    knobs.oom_score_of_limit
}

/// `OOM_SCORE_ADJ_MIN`: never.
const NEVER: i64 = -1000;

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    if !view.knobs().oom_score_of_limit {
        return super::pass(view, out, SCORE, crate::knobs::Rank::None);
    }
    let (status, adjustment) = (view.process_file(STATUS)?, view.process_file(ADJUSTMENT)?);
    let adjustment: i64 = super::raw::ascii(adjustment).trim_ascii().parse().unwrap_or(0);
    let used: u64 = ["VmRSS:", "VmSwap:", "VmPTE:"]
        .iter()
        .filter_map(|label| numbers(labelled(status, label)?).next())
        .map(u64::from)
        .sum();
    let total = total(view)?;
    let score = match adjustment {
        NEVER => 0,
        // Of a process without memory the kernel says what it adjusts to.
        _ => {
            let total = i64::try_from(total.0.max(1)).unwrap_or(i64::MAX);
            let used = i64::try_from(used).unwrap_or(i64::MAX);
            let points = used.saturating_add(adjustment.saturating_mul(total / 1000));
            ((1000 + points.saturating_mul(1000) / total) * 2 / 3).max(0)
        }
    };
    out.push_number(score.unsigned_abs()).push_str("\n");
    Ok(None)
}

/// Memory and swap of the container.
fn total(view: &View<'_>) -> Result<Kib, Error> {
    let host = view.text(HOST)?.as_bytes();
    let amount = |label| labelled(host, label).and_then(|line| numbers(line).next());
    let amount = |label| Kib(amount(label).map_or(0, u64::from));
    let memory = Memory::read(view)?;
    let size = memory.total(amount("MemTotal:"), view.environment().page_size);
    let swap = Swap::read(view, &memory, size, amount("SwapTotal:"))?;
    Ok(Kib(size.0.saturating_add(swap.total.0)))
}
