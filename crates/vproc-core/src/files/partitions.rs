//! `/proc/partitions`: the disks that the container can reach.
//!
//! The rows are the host's, of the devices that the container's cgroup has counted
//! I/O for, and of those that it has mounted. Cgroups count whole devices: a
//! partition has a row where it is mounted.
//!
//! Source of the layout: `show_partition` in `block/genhd.c`, which prints the
//! header only where there is a device.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use crate::cgroup::io::{self, Device, Reach};
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
    summary: "size and name of the disks that the container has had I/O with, or has mounted",
    reason: "names every disk of the machine (block/genhd.c)",
    needs: &[&[Need::host(HOST, "/proc/partitions")], io::NEEDS, io::MOUNT_NEEDS],
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
    let reach = Reach::read(view)?;
    let mut header = HEADER;
    for line in text.lines() {
        if Device::of_row(line).is_some_and(|(device, _)| reach.has(device)) {
            out.push_str(core::mem::take(&mut header)).push_line(line);
        }
    }
    Ok(None)
}
