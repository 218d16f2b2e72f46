//! `/proc/partitions`: the disks that the container used.
//!
//! The rows are the host's, of the devices in the container's
//! `/proc/diskstats`: those that its cgroup has counted I/O for. Cgroups
//! count whole devices, so that a partition has no row, even if the
//! container's files are on it.
//!
//! Source of the layout: `show_partition` in `block/genhd.c`, which prints the
//! header only where there is a device.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use crate::cgroup::io::{self, Device, Io};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "partitions";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/partitions",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "size and name of the disks that the container has had I/O with",
    reason: "names every disk of the machine (block/genhd.c)",
    needs: &[&[Need::host(HOST, "/proc/partitions")], io::NEEDS],
    history: None,
    render,
};

const HEADER: &str = "major minor  #blocks  name\n\n";

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let io = Io::read(view)?;
    let mut header = HEADER;
    for line in text.lines() {
        if Device::of_row(line).is_some_and(|(device, _)| io.with(device).is_some()) {
            out.push_str(core::mem::take(&mut header)).push_line(line);
        }
    }
    Ok(None)
}
