//! `/proc/PID/cgroup` and `cpuset`: the groups of a process, below those of the
//! container.
//!
//! It is what the kernel prints within a cgroup namespace whose root are the
//! groups of the process whose cgroup counts (that of `init.scope` above,
//! which systemd moves to). Of a group elsewhere, the kernel prints the way
//! there; here only the way up, because the names are the host's.
//!
//! Prints: `proc_cgroup_show` and `cgroup_path_ns` in
//! `kernel/cgroup/cgroup.c`, `proc_cpuset_show` in `kernel/cgroup/cpuset.c`.

use super::raw::{Raw, labelled, lines, split_once};
use super::{Rendered, own};
use crate::contract::{Need, Process};
use crate::{Error, Text, View};
use alloc::vec::Vec;

pub(super) const BASE: Need = Need::process("container-cgroup", Process::Subject, "cgroup");
const CPUSET_BASE: Need = Need::process("container-cpuset", Process::Subject, "cpuset");

pub(super) const NEEDS: &[Need] = &[own("cgroup"), own(STATUS), BASE];
const STATUS: &str = "status";
pub(super) const CPUSET_NEEDS: &[Need] = &[own("cpuset"), CPUSET_BASE];

pub(super) fn render(view: &View<'_>, out: &mut Text) -> Rendered {
    let text = view.process_file("cgroup")?;
    let bases = Bases::read(view)?;
    // v1 says `/` of who has ended, whatever it was in (`proc_cgroup_show`).
    let state = labelled(view.process_file(STATUS)?, "State:").unwrap_or_default();
    let has_ended = matches!(state.trim_ascii_start().first(), Some(b'Z' | b'X'));
    let mut page = Raw::like(text);
    for line in lines(text) {
        let parts =
            split_once(line, b':').and_then(|(id, rest)| Some((id, split_once(rest, b':')?)));
        let Some((id, (controllers, path))) = parts else { continue };
        page.push(id).push(":").push(controllers).push(":");
        match has_ended && !controllers.is_empty() {
            true => page.push("/"),
            false => page.push(bases.relative(controllers, path)),
        };
        page.push("\n");
    }
    out.set_bytes(page.into_bytes());
    Ok(None)
}

pub(super) fn render_cpuset(view: &View<'_>, out: &mut Text) -> Rendered {
    let path = view.process_file("cpuset")?;
    let base = if view.is_host() { b"/" } else { view.process_file(CPUSET_BASE.key)? };
    let mut page = relative(path.trim_ascii_end(), above_scope(base.trim_ascii_end()));
    page.push(b'\n');
    out.set_bytes(page);
    Ok(None)
}

/// The groups of the container.
pub(super) struct Bases<'a> {
    text: &'a [u8],
    is_host: bool,
}

impl<'a> Bases<'a> {
    /// Reads [`BASE`].
    pub(super) fn read(view: &View<'a>) -> Result<Self, Error> {
        Ok(Bases { text: view.process_file(BASE.key)?, is_host: view.is_host() })
    }

    /// A path of the hierarchy with these controllers, below the container's.
    pub(super) fn relative(&self, controllers: &[u8], path: &[u8]) -> Vec<u8> {
        relative(path, self.of(|own| own == controllers))
    }

    /// The container's group in the hierarchy that a condition on controllers
    /// picks.
    pub(super) fn of(&self, wanted: impl Fn(&[u8]) -> bool) -> &'a [u8] {
        if self.is_host {
            return b"/";
        }
        let found = lines(self.text).find_map(|line| {
            let (_, rest) = split_once(line, b':')?;
            let (controllers, path) = split_once(rest, b':')?;
            wanted(controllers).then_some(path)
        });
        found.map_or(b"/", above_scope)
    }
}

fn above_scope(group: &[u8]) -> &[u8] {
    match group.strip_suffix(b"/init.scope") {
        Some(b"") => b"/",
        Some(above) => above,
        None => group,
    }
}

const DELETED: &[u8] = b" (deleted)";

/// A path below another, or how far up it is to where the two part.
pub(super) fn relative(path: &[u8], base: &[u8]) -> Vec<u8> {
    let (live, suffix) = match path.strip_suffix(DELETED) {
        Some(live) => (live, DELETED),
        None => (path, &b""[..]),
    };
    let base = base.strip_suffix(DELETED).unwrap_or(base);
    let names = |path: &'_ [u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.map(<[u8]>::to_vec).collect()
    };
    let (own, above) = (names(live), names(base));
    let common = own.iter().zip(&above).take_while(|(own, above)| own == above).count();
    let mut shown = Raw::default();
    if common < above.len() {
        for _ in common..above.len() {
            shown.push("/..");
        }
    } else if common == own.len() {
        shown.push("/");
    } else {
        for name in own.iter().skip(common) {
            shown.push("/").push(name);
        }
    }
    shown.push(suffix);
    shown.into_bytes()
}
