//! Process ids: the host's, and what the container calls the same process.
//!
//! The kernel prints each id in the pid namespace of the procfs that is read,
//! and 0 for a process that is not in it (`pid_nr_ns` in `kernel/pid.c`). A
//! process that is has an id at each level from the host's namespace down; the
//! lines `NStgid`, `NSpid`, `NSpgid` and `NSsid` of `status` list them.

use super::raw::{labelled, lines, numbers};
use crate::contract::{Need, Process};
use crate::{Error, View};
use alloc::vec::Vec;

const PROCESSES: &str = "processes";
const INIT: &str = "init-status";

/// The container's processes, and how deep its pid namespace is.
pub(super) const NEEDS: &[Need] =
    &[Need::processes(PROCESSES), Need::process(INIT, Process::Init, "status")];

/// Who is who.
#[derive(Debug)]
pub(super) struct Ids {
    /// By the host's number.
    known: Vec<(u32, u32)>,
    level: usize,
    /// Whether the container shares the host's pid namespace: then its numbers
    /// are the host's, and those of others are there too.
    is_shared: bool,
}

impl Ids {
    /// Reads [`NEEDS`].
    pub(super) fn read(view: &View<'_>) -> Result<Self, Error> {
        let mut known: Vec<(u32, u32)> = rows(view)?.map(|(ids, _)| ids).collect();
        known.sort_unstable();
        let count =
            labelled(view.process_file(INIT)?, "NSpid:").map_or(1, |ids| numbers(ids).count());
        let level = count.saturating_sub(1);
        Ok(Ids { known, level, is_shared: level == 0 && !view.is_host() })
    }

    /// The container's number of a process; 0 for one outside.
    pub(super) fn inside(&self, outside: u32) -> u32 {
        self.find(outside).unwrap_or(0)
    }

    /// The container's number of a process that is one of its own.
    pub(super) fn find(&self, outside: u32) -> Option<u32> {
        let place = self.known.binary_search_by_key(&outside, |(outside, _)| *outside).ok()?;
        self.known.get(place).map(|(_, inside)| *inside)
    }

    /// The numbers of a line such as `NSpid` from the container's level down.
    pub(super) fn levels(&self, values: &[u8]) -> impl Iterator<Item = u32> {
        numbers(values).skip(self.level)
    }

    /// The same of a line that names a process group or a session, whose leader
    /// may be outside.
    pub(super) fn group_levels(&self, values: &[u8]) -> impl Iterator<Item = u32> {
        let levels = self.levels(values);
        levels.map(|id| if self.is_shared { self.inside(id) } else { id })
    }

    /// What a line such as `NSpgid` of `status` has for the container; without
    /// that line, as of a kernel without namespaces, what `outside` is.
    pub(super) fn group(&self, status: &[u8], label: &str, outside: u32) -> u32 {
        match labelled(status, label) {
            Some(values) if !self.is_shared => self.levels(values).next().unwrap_or(0),
            _ => self.inside(outside),
        }
    }

    /// The same for the process or thread itself, which is the container's.
    pub(super) fn own(&self, status: &[u8], label: &str, outside: u32) -> u32 {
        let own = labelled(status, label).and_then(|values| self.levels(values).next());
        own.unwrap_or(if self.level == 0 { outside } else { 0 })
    }
}

/// The numbers of the container's processes, in ascending order.
pub(super) fn processes<'a>(view: &View<'a>) -> Result<impl Iterator<Item = u32> + use<'a>, Error> {
    let rows = rows(view)?.filter(|(_, kind)| *kind == b"process");
    Ok(rows.map(|((_, inside), _)| inside))
}

type Row<'a> = ((u32, u32), &'a [u8]);

fn rows<'a>(view: &View<'a>) -> Result<impl Iterator<Item = Row<'a>> + use<'a>, Error> {
    let text = view.text(PROCESSES)?.as_bytes();
    Ok(lines(text).filter_map(|line| {
        let mut ids = numbers(line);
        let kind = line.rsplit(|byte| *byte == b' ').next()?;
        Some(((ids.next()?, ids.next()?), kind))
    }))
}
