//! Files that are shown as they are, or not at all, by the rank of the reader.
//!
//! The kernel asks `ptrace_may_access` for these, each time and for each pair
//! of a reader and a process. Here nobody is known who reads, so one rank holds
//! for all: the knob `process-rank`.

use super::{Rendered, check_rank, may_read, own};
use crate::contract::Need;
use crate::knobs::Rank;
use crate::{Error, Text, View};

/// The need and, with `@`, the renderer of a file that is passed.
macro_rules! passed {
    ($name:expr) => {
        &[crate::files::process::own($name)]
    };
    ($name:literal Read) => {
        &[crate::files::process::own($name).when(crate::files::process::may_read)]
    };
    ($name:literal Attach) => {
        &[crate::files::process::own($name).when(crate::files::process::may_attach)]
    };
    (@ $name:literal $rank:ident) => {
        |view, out| crate::files::process::pass(view, out, $name, crate::knobs::Rank::$rank)
    };
    (@ $name:expr) => {
        |view, out| crate::files::process::pass(view, out, $name, crate::knobs::Rank::None)
    };
}

/// The need and, with `@`, the renderer of a link to a file, or with `NS` to a
/// namespace.
macro_rules! links {
    ($name:literal) => {
        &[crate::files::process::own($name).when(crate::files::process::may_read)]
    };
    (@ NS $name:literal) => {
        |view, out| crate::files::process::guarded::render_namespace(view, out, $name)
    };
    (@ $name:literal) => {
        |view, out| crate::files::process::places::render_link(view, out, $name)
    };
}

pub(super) use {links, passed};

pub(super) const NAMESPACE: &str = "which namespace it is in";
pub(super) const NAMESPACE_REASON: &str =
    "guarded by PTRACE_MODE_READ; the number tells namespaces apart (proc_ns_readlink)";

const WCHAN_NAME: &str = "wchan";

pub(super) const WCHAN: &[Need] = &[own(WCHAN_NAME).when(may_read)];

/// `proc_pid_wchan`: a symbol without an address.
pub(super) fn render_wchan(view: &View<'_>, out: &mut Text) -> Rendered {
    match check_rank(view, Rank::Read) {
        Ok(()) => out.set_bytes(view.process_file(WCHAN_NAME)?.to_vec()),
        Err(_) => drop(out.push_str("0")),
    }
    Ok(None)
}

pub(super) fn render_stack(_: &View<'_>, _: &mut Text) -> Rendered {
    Err(Error::Denied)
}

/// A namespace's link, which no path is in.
#[inline(never)] // a renderer of many entries
pub(super) fn render_namespace(view: &View<'_>, out: &mut Text, name: &'static str) -> Rendered {
    check_rank(view, Rank::Read)?;
    let (_, target) = super::places::link(view.process_file(name)?);
    out.set_bytes(target.to_vec());
    Ok(None)
}
