//! Which processes and threads there are: `/proc` itself, `task`, `children`,
//! and the links `self` and `thread-self`, with `mounts` and `net` that lead there.
//!
//! `/proc/self` names whoever reads it. Where a text is rendered for a container
//! and not for one of its processes, that is its process 1.
//!
//! Sources: `proc_pid_readdir` and `proc_task_readdir` in `fs/proc/base.c`,
//! `children_seq_show` in `fs/proc/array.c`, `fs/proc/self.c`,
//! `fs/proc/thread_self.c`.

use super::ids::{self, Ids};
use super::raw::{Raw, labelled, lines, numbers};
use super::{Rendered, own};
use crate::contract::{Class, Entry, Kind, Need, Process};
use crate::{Error, Text, View};

const READER: &str = "reader-status";
const READER_NEED: &[Need] = &[Need::process(READER, Process::Reader, "status")];
const THREADS: &str = "task/";
const CHILDREN: &str = "children";

/// The entry of a file.
const fn entry(
    path: &'static str,
    (kind, mode): (Kind, u16),
    (summary, reason): (&'static str, &'static str),
    needs: &'static [&'static [Need]],
    render: crate::contract::Render,
) -> Entry {
    Entry {
        path,
        kind,
        mode,
        class: Class::Filtered,
        summary,
        reason,
        needs,
        history: None,
        render,
    }
}

pub(super) static ENTRIES: &[Entry] = &[
    entry(
        "/proc",
        (Kind::Directory, 0o555),
        ("a directory for each of the container's processes", "proc_pid_readdir of fs/proc/base.c"),
        &[ids::NEEDS],
        render_processes,
    ),
    entry(
        "/proc/self",
        (Kind::Symlink, 0o777),
        ("the directory of the process that reads", "proc_self_get_link of fs/proc/self.c"),
        &[ids::NEEDS, READER_NEED],
        render_self,
    ),
    entry(
        "/proc/thread-self",
        (Kind::Symlink, 0o777),
        ("the directory of the thread that reads", "proc_thread_self_get_link"),
        &[ids::NEEDS, READER_NEED],
        render_thread_self,
    ),
    entry(
        "/proc/mounts",
        (Kind::Symlink, 0o777),
        ("the mounts of the process that reads", "self/mounts (proc_root_init of fs/proc/root.c)"),
        &[READER_NEED],
        |_, out| link(out, "self/mounts"),
    ),
    entry(
        "/proc/net",
        (Kind::Symlink, 0o777),
        ("the network of the process that reads", "self/net (proc_net_init of fs/proc/proc_net.c)"),
        &[READER_NEED],
        |_, out| link(out, "self/net"),
    ),
    entry(
        "/proc/*/task",
        (Kind::Directory, 0o555),
        ("a directory for each thread of the process", "proc_task_readdir of fs/proc/base.c"),
        &[&[own(THREADS)]],
        render_threads,
    ),
    entry(
        "/proc/*/task/*/children",
        (Kind::File, 0o444),
        ("the processes that the thread has started", "children_seq_show of fs/proc/array.c"),
        &[&[own(CHILDREN)], ids::NEEDS],
        render_children,
    ),
];

fn render_processes(view: &View<'_>, out: &mut Text) -> Rendered {
    for pid in ids::processes(view)? {
        out.push_number(u64::from(pid)).push_str("\n");
    }
    Ok(None)
}

fn render_self(view: &View<'_>, out: &mut Text) -> Rendered {
    out.push_number(reader(view, "NStgid:")?);
    Ok(None)
}

fn render_thread_self(view: &View<'_>, out: &mut Text) -> Rendered {
    out.push_number(reader(view, "NStgid:")?).push_str("/task/");
    out.push_number(reader(view, "NSpid:")?);
    Ok(None)
}

/// A link to what the reader has. Its text needs nothing, but the reader: who has
/// none, such as a tree without processes, does not have the link either.
fn link(out: &mut Text, target: &str) -> Rendered {
    out.push_str(target);
    Ok(None)
}

fn reader(view: &View<'_>, label: &str) -> Result<u64, Error> {
    let status = view.process_file(READER)?;
    let outside = labelled(status, "Tgid:").and_then(|id| numbers(id).next()).unwrap_or(0);
    match Ids::read(view)?.own(status, label, outside) {
        0 => Err(Error::UnsupportedPath),
        id => Ok(u64::from(id)),
    }
}

/// Lines of the number outside and the number inside.
fn render_threads(view: &View<'_>, out: &mut Text) -> Rendered {
    for line in lines(view.process_file(THREADS)?) {
        if let Some(inside) = numbers(line).nth(1) {
            out.push_number(u64::from(inside)).push_str("\n");
        }
    }
    Ok(None)
}

/// Ids with a blank behind each. One that is not known was born after the list
/// was taken.
fn render_children(view: &View<'_>, out: &mut Text) -> Rendered {
    let ids = Ids::read(view)?;
    let mut raw = Raw::default();
    for child in numbers(view.process_file(CHILDREN)?).filter_map(|child| ids.find(child)) {
        raw.push_number(u64::from(child)).push(" ");
    }
    out.set_bytes(raw.into_bytes());
    Ok(None)
}
