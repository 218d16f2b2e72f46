//! `/proc/sys` and `/proc/sysvipc`: what a container may read of the kernel's
//! settings.
//!
//! One table ([`TABLE`]) has every file, and a file that is not in it is not
//! served. The rules:
//!
//! | rule | shows | why |
//! |---|---|---|
//! | `namespaced` | the file in the container's namespaces | it is the container's own: names, limits of IPC, network, counts of a user namespace |
//! | `passed` | the host's | how the kernel treats every process, the container's too; set by an operator, and by no activity |
//! | `fixed` | a constant, mostly the kernel's default | counts everybody, names files of the host, or rules what happens to the machine as a whole |
//! | `computed` | from the cgroup | sized by the memory, tasks or CPUs of the machine |
//!
//! A file that the host's kernel lacks is not there. Files that only root may
//! read, or that are there to be written to, are not in the table.
//!
//! `pid_max` is that of the container's pid namespace from Linux 6.14 on. Before,
//! it is one of the host's settings, and the container gets to see what it can be
//! at most. It is not bounded by `pids.max`: that limits how many processes there
//! are, and their numbers go on. `threads-max` is how many there can be, and is bounded by it.
//! `random/uuid` is denied: it must be another at each read, and a text may be
//! handed out to two readers.
//!
//! A container may write to what is `fixed`, and to `computed` numbers, where the
//! kernel's mode has a `w`: the text stays in the container, and changes nothing
//! but what this file shows there ([`overlay`]). To all else it cannot write.
//!
//! Sources: `Documentation/admin-guide/sysctl/{kernel,vm,fs,user,net}.rst`,
//! `kernel/utsname_sysctl.c`, `ipc/ipc_sysctl.c`, `ipc/mq_sysctl.c`,
//! `kernel/ucount.c`, `ipc/util.c` (sysvipc).
//!
//! # lxcfs
//!
//! lxcfs does not have these files.

mod boot_id;
mod overlay;
mod sizes;
mod table;

pub(super) use table::TABLE;

use crate::{Error, Text, View};
use alloc::vec::Vec;

/// Key of the file itself, in the container's namespaces or on the host.
const ITSELF: &str = "host";

type Rendered = Result<Option<Vec<u8>>, Error>;

/// Shows the file as it was read.
#[inline(never)] // of most entries
fn itself(view: &View<'_>, out: &mut Text) -> Rendered {
    out.push_str(view.text(ITSELF)?);
    Ok(None)
}

/// Shows a constant, and the host itself its own.
#[inline(never)] // of most entries
fn fixed(view: &View<'_>, out: &mut Text, text: &str) -> Rendered {
    match view.is_host() {
        true => out.push_str(view.text(ITSELF)?),
        false => out.push_line(text),
    };
    Ok(None)
}

#[cfg(test)]
mod tests;
