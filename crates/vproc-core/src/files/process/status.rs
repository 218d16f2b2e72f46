//! `/proc/PID/status`: the state of a process, for people.
//!
//! The container gets to see its own ids of processes, users and groups, and
//! the CPUs and the memory nodes as it numbers them. `Ngid` is always 0: the
//! kernel prints a number of the host there in every namespace.
//!
//! Prints: `proc_pid_status` in `fs/proc/array.c`.

use super::ids::Ids;
use super::raw::{Raw, ascii, labelled, lines, numbers, split_once};
use super::users::{GID, UID, Users};
use super::{Rendered, own};
use crate::cgroup::cpu::{CpuSet, CpuView};
use crate::cgroup::nodes::{self, Nodes};
use crate::contract::Need;
use crate::{Error, Text, View};

const STATUS: &str = "status";
const CPUS: &str = "Cpus_allowed_list:";
const NODES: &str = "Mems_allowed_list:";

pub(super) const NEEDS: &[Need] = &[own(STATUS)];

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    let text = view.process_file(STATUS)?;
    let ids = Ids::read(view)?;
    let (users, groups) = (Users::read(view, UID)?, Users::read(view, GID)?);
    let cpus = allowed(view, text)?;
    let mut page = Raw::like(text);
    for line in lines(text) {
        let Some((label, values)) = split_once(line, b':') else { continue };
        page.push(label).push(":");
        let id = || numbers(values).next().unwrap_or(0);
        match label {
            b"Tgid" => page.push("\t").push_number(u64::from(ids.own(text, "NStgid:", id()))),
            b"Pid" => page.push("\t").push_number(u64::from(ids.own(text, "NSpid:", id()))),
            b"PPid" | b"TracerPid" => page.push("\t").push_number(u64::from(ids.inside(id()))),
            b"Ngid" => page.push("\t0"),
            b"Uid" => page.push_replaced(values, |id| users.shown(id)),
            b"Gid" | b"Groups" => page.push_replaced(values, |id| groups.shown(id)),
            b"Cpus_allowed" => page.push(mask(values, &cpus)),
            b"Cpus_allowed_list" => page.push(set(&cpus)),
            b"Mems_allowed" => page.push(mask(values, &nodes(view, text)?)),
            b"Mems_allowed_list" => page.push(set(&nodes(view, text)?)),
            b"NStgid" | b"NSpid" => list(&mut page, ids.levels(values)),
            _ if label.starts_with(b"NS") => list(&mut page, ids.group_levels(values)),
            _ => page.push(values),
        };
        page.push("\n");
    }
    out.set_bytes(page.into_bytes());
    Ok(None)
}

fn list(page: &mut Raw, ids: impl Iterator<Item = u32>) -> &mut Raw {
    for id in ids {
        page.push("\t").push_number(u64::from(id));
    }
    page
}

/// The CPUs that the process may use, as far as the container sees them. One
/// that may use none of these may use some that a quota hides: then it is all.
fn allowed(view: &View<'_>, status: &[u8]) -> Result<CpuSet, Error> {
    let visible = CpuView::read_or_host(view)?;
    let Some(list) = labelled(status, CPUS) else { return Ok(visible.shown_set()) };
    let host = CpuSet::parse(STATUS, ascii(list))?;
    let shown = CpuSet::from_ascending(host.iter().filter_map(|cpu| visible.shown(cpu)));
    Ok(if shown.is_empty() { visible.shown_set() } else { shown })
}

/// The memory nodes that the process may use, in the same way. A machine that does
/// not say which nodes it has has one.
fn nodes(view: &View<'_>, status: &[u8]) -> Result<CpuSet, Error> {
    let Some(list) = labelled(status, NODES) else { return Ok(CpuSet::dense(1)) };
    let host = CpuSet::parse(STATUS, ascii(list))?;
    if view.is_host() {
        return Ok(host);
    }
    if view.optional(nodes::ZONES)?.is_none() {
        return Ok(CpuSet::dense(1));
    }
    let visible = Nodes::read(view)?;
    let shown = CpuSet::from_ascending(host.iter().filter_map(|node| visible.shown(node)));
    Ok(if shown.is_empty() { visible.shown_set() } else { shown })
}

/// A list, as a value.
fn set(set: &CpuSet) -> Raw {
    let (mut list, mut value) = (Text::default(), Raw::default());
    set.print_list(&mut list);
    value.push("\t").push(list.into_string());
    value
}

/// A mask as wide as the kernel's: four CPUs a digit, 32 between commas
/// (`%*pb`, `lib/vsprintf.c`).
fn mask(kernel: &[u8], set: &CpuSet) -> Raw {
    let mut digits = kernel.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    let mut mask = Raw::default();
    mask.push("\t");
    while let Some(place) = digits.checked_sub(1) {
        let first = u32::try_from(place * 4).unwrap_or(u32::MAX);
        let bits = (0..4).filter(|bit| set.contains(first.saturating_add(*bit)));
        let value = bits.fold(0u32, |value, bit| value | 1 << bit);
        let mut digit = [0; 4];
        mask.push(char::from_digit(value, 16).unwrap_or('0').encode_utf8(&mut digit).as_bytes());
        if place > 0 && place % 8 == 0 {
            mask.push(",");
        }
        digits = place;
    }
    mask
}
