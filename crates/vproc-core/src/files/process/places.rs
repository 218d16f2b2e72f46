//! Paths of files: the links `exe`, `cwd`, `root` and `fd/N`, and `maps`.
//!
//! The kernel prints the path of an open file as the reader's root has it, and
//! where the file lies elsewhere, the path there all the same. The host's
//! procfs prints it up to the root of the mount namespace that it is in. So a
//! path is the container's if its mount is one that the container's root shows,
//! and then it is what follows that root. All others are `(unreachable)`: an
//! open file that the container was handed may be anywhere on the host.
//!
//! `maps` does not tell mounts. There, a path is the container's if it follows
//! its root, and the process is in the container's mount namespace.
//!
//! Prints: `d_path` in `fs/d_path.c`, `do_proc_readlink` in `fs/proc/base.c`,
//! `show_map_vma` in `fs/proc/task_mmu.c`.

use super::raw::{Raw, ascii, lines, numbers, split_once};
use super::{Rendered, check_rank, may_read, own};
use crate::contract::{Need, Process};
use crate::knobs::Rank;
use crate::{Error, Text, View};

const ROOT: &str = "container-root";
const MOUNTS: &str = "container-mountinfo";
const MAPS: &str = "maps";

/// Where the container's root is, and what is mounted below it.
pub(super) const NEEDS: &[Need] = &[
    Need::process(ROOT, Process::Subject, "root").when(may_read),
    Need::process(MOUNTS, Process::Subject, "mountinfo").when(may_read),
];

/// The container's mount namespace.
pub(super) const NAMESPACE: Need = Need::process("container-mnt", Process::Subject, "ns/mnt");

pub(super) const MAPS_NEEDS: &[Need] =
    &[own(MAPS).when(may_read), own("ns/mnt").when(may_read), NAMESPACE.when(may_read)];

const UNREACHABLE: &[u8] = b"(unreachable)";

/// A link's mount, if it has one, and its target.
pub(super) fn link(text: &[u8]) -> (Option<u64>, &[u8]) {
    match split_once(text, b' ') {
        Some((mount, target)) => (ascii(mount).parse().ok(), target),
        None => (None, text),
    }
}

/// Whether the process is in the container's mount namespace.
pub(super) fn in_container(view: &View<'_>) -> Result<bool, Error> {
    let own = link(view.process_file("ns/mnt")?).1;
    Ok(own == link(view.process_file(NAMESPACE.key)?).1)
}

#[inline(never)] // a renderer of many entries
pub(super) fn render_link(view: &View<'_>, out: &mut Text, name: &'static str) -> Rendered {
    check_rank(view, Rank::Read)?;
    let (mount, target) = link(view.process_file(name)?);
    let (root_mount, root) = link(view.process_file(ROOT)?);
    let is_shown = mount.is_some() && (mount == root_mount || is_mounted(view, mount)?);
    let shown =
        if is_no_place(target) { Some(target) } else { below(target, root).filter(|_| is_shown) };
    out.set_bytes(shown.unwrap_or(UNREACHABLE).to_vec());
    Ok(None)
}

/// Whether the container's root shows a mount.
fn is_mounted(view: &View<'_>, mount: Option<u64>) -> Result<bool, Error> {
    let mut mounts = lines(view.process_file(MOUNTS)?).map(|line| numbers(line).next());
    Ok(mounts.any(|known| known.map(u64::from) == mount))
}

/// What follows the container's root in a path.
fn below<'p>(path: &'p [u8], root: &[u8]) -> Option<&'p [u8]> {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    match path.strip_prefix(root)? {
        b"" => Some(b"/"),
        rest if rest.starts_with(b"/") => Some(rest),
        _ => None,
    }
}

/// Whether a target is no path but an object of the kernel: `pipe:[7]`, or
/// memory that has a name as if it were a file that was removed.
fn is_no_place(target: &[u8]) -> bool {
    const MEMORY: [&[u8]; 4] = [b"/memfd:", b"/SYSV", b"/anon_hugepage", b"/[aio]"];
    let is_memory = || MEMORY.iter().any(|name| target.starts_with(name));
    !target.starts_with(b"/")
        || target == b"/dev/zero (deleted)"
        || target.ends_with(b" (deleted)") && is_memory()
}

pub(super) fn render_maps(view: &View<'_>, out: &mut Text) -> Rendered {
    check_rank(view, Rank::Read)?;
    let text = view.process_file(MAPS)?;
    if text.is_empty() {
        // It has ended, and has neither memory nor namespaces.
        return Ok(None);
    }
    let (_, root) = link(view.process_file(ROOT)?);
    let is_inside = in_container(view)?;
    let mut page = Raw::like(text);
    for line in lines(text) {
        let start = path_start(line);
        let (fields, path) = line.split_at_checked(start).unwrap_or((line, b""));
        page.push(fields);
        // What is no path here are names in brackets, and nothing.
        page.push(match path.starts_with(b"/") && !is_no_place(path) {
            true => below(path, root).filter(|_| is_inside).unwrap_or(UNREACHABLE),
            false => path,
        });
        page.push("\n");
    }
    out.set_bytes(page.into_bytes());
    Ok(None)
}

/// Where the sixth field of a line begins, behind five words.
fn path_start(line: &[u8]) -> usize {
    let mut words = 0;
    let mut was_blank = true;
    for (place, byte) in line.iter().enumerate() {
        let is_blank = *byte == b' ';
        words += usize::from(was_blank && !is_blank);
        if words == 6 {
            return place;
        }
        was_blank = is_blank;
    }
    line.len()
}
