//! `/proc/PID/fdinfo/N`: where a process stands in an open file.
//!
//! Most lines name nothing of the host. Those that name processes are shown in
//! the container's ids: of a pidfd (`Pid`, `NSpid`), of who holds a lock
//! (`lock`), and of the thread that serves an io_uring (`SqThread`, which the
//! kernel prints as a number of the host in every namespace).
//!
//! Prints: `seq_show` in `fs/proc/fd.c`, `pidfd_show_fdinfo` in `fs/pidfs.c`,
//! `lock_get_status` in `fs/locks.c`.

use super::ids::Ids;
use super::raw::{Raw, lines, numbers, split_once};
use super::{Rendered, check_rank, may_read, own};
use crate::contract::Need;
use crate::knobs::Rank;
use crate::{Text, View};

const FDINFO: &str = "fdinfo/*";

pub(super) const NEEDS: &[Need] = &[own(FDINFO).when(may_read)];

/// The word of a line that tells of a lock which is a process, as in
/// `lock: 1: POSIX ADVISORY WRITE 17 08:02:99 0 EOF`.
const LOCK_OWNER: usize = 4;

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    check_rank(view, Rank::Read)?;
    let text = view.process_file(FDINFO)?;
    let ids = Ids::read(view)?;
    let mut page = Raw::like(text);
    for line in lines(text) {
        let (label, values) = split_once(line, b':').unwrap_or((line, b""));
        match label {
            b"Pid" | b"SqThread" => {
                page.push(label).push(":").push_replaced_unless_negative(values, &ids);
            }
            b"NSpid" => {
                page.push("NSpid:");
                match numbers(values).next().and_then(|outside| ids.find(outside)) {
                    Some(_) => ids.levels(values).for_each(|id| {
                        page.push("\t").push_number(u64::from(id));
                    }),
                    // -1 of a process that has ended.
                    None => drop(page.push(if values.contains(&b'-') { values } else { b"\t0" })),
                }
            }
            b"lock" => lock(&mut page, line, &ids),
            _ => drop(page.push(line)),
        }
        page.push("\n");
    }
    out.set_bytes(page.into_bytes());
    Ok(None)
}

fn lock(page: &mut Raw, line: &[u8], ids: &Ids) {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    let mut words = 0;
    for run in line.chunk_by(|a, b| is_blank(a) == is_blank(b)) {
        let is_word = !run.first().is_some_and(is_blank);
        match is_word && words == LOCK_OWNER + 1 {
            true => page.push_replaced_unless_negative(run, ids),
            false => drop(page.push(run)),
        }
        words += usize::from(is_word);
    }
}

impl Raw {
    /// An id that is -1 where nobody is meant.
    fn push_replaced_unless_negative(&mut self, text: &[u8], ids: &Ids) {
        match text.contains(&b'-') {
            true => self.push(text),
            false => self.push_replaced(text, |id| ids.inside(id)),
        };
    }
}
