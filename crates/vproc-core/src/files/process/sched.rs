//! `/proc/PID/sched`: scheduling in numbers, for those who debug it.
//!
//! The container gets to see its own id in the first line. The node and the group of
//! NUMA balancing are 0: the kernel prints numbers of the host there.
//!
//! Prints: `proc_sched_show_task` in `kernel/sched/debug.c`.

use super::ids::Ids;
use super::raw::{Raw, lines};
use super::{Rendered, own};
use crate::contract::Need;
use crate::{Error, Text, View};

const SCHED: &str = "sched";
const STATUS: &str = "status";

/// What begins the line about NUMA: `current_node=0, numa_group_id=0`.
const NODE: &[u8] = b"current_node=";

pub(super) const NEEDS: &[Need] = &[own(SCHED), own(STATUS)];

/// Longer than a command, which may hold dashes and line ends.
const RULE: &[u8] = b"\n--------------------------------";

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    let (text, status) = (view.process_file(SCHED)?, view.process_file(STATUS)?);
    let ids = Ids::read(view)?;
    let find = |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|at| at == wanted);
    // `command (id, #threads: n)`: the command may hold all of it but the end.
    let end = find(text, RULE).ok_or(Error::malformed(SCHED, "no rule below the head"))?;
    let head = text.get(..end).unwrap_or_default();
    let open = head.windows(2).rposition(|at| at == b" (");
    let comma = head.iter().rposition(|byte| *byte == b',');
    let (Some(open), Some(comma)) = (open, comma) else {
        return Err(Error::malformed(SCHED, "no id in the head"));
    };
    let mut page = Raw::like(text);
    page.push(text.get(..open + 2).unwrap_or_default());
    page.push_number(u64::from(ids.own(status, "NSpid:", 0)));
    page.push(text.get(comma..end).unwrap_or_default());
    for line in lines(text.get(end..).unwrap_or_default()).skip(1) {
        page.push("\n");
        match line.starts_with(NODE) {
            true => page.push_replaced(line, |_| 0),
            false => page.push(line),
        };
    }
    page.push("\n");
    out.set_bytes(page.into_bytes());
    Ok(None)
}
