//! `/proc/PID/mountinfo` and `mounts`: the mounts that a process sees.
//!
//! The kernel prints them relative to the root of the process whose file it is,
//! and leaves out what that hides: the container gets to see the same. What it
//! prints relative to the reader is the root of a mount of cgroups; here it is
//! below the groups of the container.
//!
//! A process in another mount namespace than the container's is shown without
//! mounts: it may have come from the host with the host's.
//!
//! Prints: `show_mountinfo` and `show_vfsmnt` in `fs/proc_namespace.c`,
//! `cgroup_show_path` in `kernel/cgroup/cgroup.c`.

use super::groups::{self, Bases, relative};
use super::places::{NAMESPACE, in_container};
use super::raw::{Raw, lines};
use super::{Rendered, own};
use crate::contract::Need;
use crate::{Text, View};
use alloc::vec::Vec;

const MOUNTINFO: &str = "mountinfo";
const MOUNTS: &str = "mounts";

pub(super) const NEEDS: &[Need] = &[own(MOUNTINFO), own("ns/mnt"), NAMESPACE, groups::BASE];
pub(super) const TABLE_NEEDS: &[Need] = &[own(MOUNTS), own("ns/mnt"), NAMESPACE];

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    let text = view.process_file(MOUNTINFO)?;
    if !in_container(view)? {
        return Ok(None);
    }
    let bases = Bases::read(view)?;
    let mut page = Raw::like(text);
    for line in lines(text) {
        match of_cgroups(line, &bases) {
            Some(changed) => page.push(changed),
            None => page.push(line),
        };
        page.push("\n");
    }
    out.set_bytes(page.into_bytes());
    Ok(None)
}

pub(super) fn render_table(view: &View<'_>, out: &mut Text) -> Rendered {
    let text = view.process_file(MOUNTS)?;
    if in_container(view)? {
        out.set_bytes(text.to_vec());
    }
    Ok(None)
}

/// The line of a mount of cgroups. Blanks in names are written `\040`, so that
/// words are fields: the root is the fourth; behind a lone `-` stand the type,
/// the source and the options, among which are the controllers.
fn of_cgroups(line: &[u8], bases: &Bases<'_>) -> Option<Raw> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = words.iter().position(|word| *word == b"-")?;
    let options = || {
        let options = words.get(dash + 3).copied().unwrap_or_default();
        options.split(|byte| *byte == b',')
    };
    let base = match *words.get(dash + 1)? {
        b"cgroup2" => bases.of(<[u8]>::is_empty),
        b"cgroup" => bases.of(|own| {
            let mut own =
                own.split(|byte| *byte == b',').filter(|name| !name.is_empty()).peekable();
            own.peek().is_some() && own.all(|name| options().any(|option| option == name))
        }),
        _ => return None,
    };
    let root = words.get(3)?;
    let mut changed = Raw::like(line);
    for (word, place) in words.iter().zip(0..) {
        changed.push(if place > 0 { " " } else { "" });
        match place {
            3 => changed.push(relative(root, base)),
            _ => changed.push(word),
        };
    }
    Some(changed)
}
