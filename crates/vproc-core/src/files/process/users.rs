//! User and group ids, as the container's user namespace has them.
//!
//! The kernel prints an id as the user namespace of the reader has it
//! (`from_kuid_munged`), and 65534 for one that it does not have
//! (`/proc/sys/kernel/overflowuid`); `uid_map` and `loginuid` say 4294967295
//! for those. A reader inside is taken to be in the namespace of the
//! container's init.
//!
//! Sources: `kernel/user_namespace.c` (`uid_m_show`), `user_namespaces(7)`,
//! `proc_loginuid_read` in `fs/proc/base.c`.

use super::places::link;
use super::raw::{Raw, lines, numbers};
use super::{Rendered, own};
use crate::contract::{Need, Process};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const OVERFLOW: u32 = 65_534;
const INVALID: u32 = u32::MAX;

pub(super) const UID: Need = Need::process("container-uid_map", Process::Subject, "uid_map");
pub(super) const GID: Need = Need::process("container-gid_map", Process::Subject, "gid_map");

/// The container's ids.
pub(super) const NEEDS: &[Need] = &[UID, GID];

const NAMESPACE: Need = Need::process("container-user", Process::Subject, "ns/user");

/// What the maps of a process are printed from.
pub(super) const MAP_NEEDS: &[Need] = &[own("uid_map"), own("gid_map"), own("ns/user"), NAMESPACE];

pub(super) const LOGIN_NEEDS: &[Need] = &[own("loginuid"), UID];

/// Ranges of ids: the first one inside, the first one outside, how many.
pub(super) struct Users(Vec<[u32; 3]>);

impl Users {
    /// Reads one of the container's maps.
    pub(super) fn read(view: &View<'_>, need: Need) -> Result<Self, Error> {
        let text = view.process_file(need.key)?;
        Ok(Users(lines(text).filter_map(range).collect()))
    }

    fn find(&self, outside: u32) -> Option<u32> {
        self.0.iter().find_map(|[inside, first, count]| {
            let place = outside.checked_sub(*first).filter(|place| place < count)?;
            inside.checked_add(place)
        })
    }

    /// An id of the host as the container has it.
    pub(super) fn shown(&self, outside: u32) -> u32 {
        self.find(outside).unwrap_or(OVERFLOW)
    }
}

fn range(line: &[u8]) -> Option<[u32; 3]> {
    let mut numbers = numbers(line);
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

pub(super) fn render_uids(view: &View<'_>, out: &mut Text) -> Rendered {
    render_map(view, out, "uid_map", UID)
}

pub(super) fn render_gids(view: &View<'_>, out: &mut Text) -> Rendered {
    render_map(view, out, "gid_map", GID)
}

/// A process of the container's own namespace has the map of that; the second
/// column is of the namespace above, as the kernel has it for such a reader.
/// Of one in a namespace below, it is the container's ids.
fn render_map(view: &View<'_>, out: &mut Text, name: &'static str, need: Need) -> Rendered {
    let text = view.process_file(name)?;
    let own = link(view.process_file("ns/user")?).1;
    if own == link(view.process_file(NAMESPACE.key)?).1 {
        out.set_bytes(text.to_vec());
        return Ok(None);
    }
    let users = Users::read(view, need)?;
    let mut page = Raw::like(text);
    for [inside, outside, count] in lines(text).filter_map(range) {
        let shown = users.find(outside).unwrap_or(INVALID);
        page.push_right(u64::from(inside), 10).push(" ");
        page.push_right(u64::from(shown), 10).push(" ");
        page.push_right(u64::from(count), 10).push("\n");
    }
    out.set_bytes(page.into_bytes());
    Ok(None)
}

pub(super) fn render_login(view: &View<'_>, out: &mut Text) -> Rendered {
    let outside = numbers(view.process_file("loginuid")?).next().unwrap_or(INVALID);
    out.push_number(u64::from(Users::read(view, UID)?.find(outside).unwrap_or(INVALID)));
    Ok(None)
}

pub(super) fn render_session(_: &View<'_>, out: &mut Text) -> Rendered {
    out.push_number(u64::from(INVALID));
    Ok(None)
}
