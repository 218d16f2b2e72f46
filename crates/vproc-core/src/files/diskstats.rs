//! `/proc/diskstats`: the container's I/O with the disks that it used.
//!
//! The rows are the host's, in its order, of devices that the container has
//! had I/O with; the numbers are the container's. Where no group of its own
//! counts I/O the file is empty, as on a machine without disks. Cgroups count
//! whole devices, so partitions have no rows.
//!
//! Source of the layout: `diskstats_show` in `block/genhd.c`; of the columns:
//! `Documentation/admin-guide/iostats.rst`.
//!
//! # lxcfs
//!
//! lxcfs shows the host's: it reads files of an I/O scheduler that kernels since 5.0
//! do not have, and `io.stat` of cgroup v2 not at all.

use crate::cgroup::io::{self, Activity, Device, Io};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const HOST: &str = "diskstats";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/diskstats",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Virtual,
    summary: "reads, writes and discards of the container, by disk; no times and no partitions",
    reason: "counts the I/O of everybody; io.stat and blkio count the container's",
    needs: &[&[Need::host(HOST, "/proc/diskstats")], io::NEEDS],
    history: None,
    render,
};

/// A column after the device's name: what it is, and its number.
struct Column {
    #[allow(dead_code)] // for whoever reads the table
    label: &'static str,
    #[allow(dead_code)]
    rule: &'static str,
    value: fn(&Activity) -> u64,
}

const fn column(label: &'static str, rule: &'static str, value: fn(&Activity) -> u64) -> Column {
    Column { label, rule, value }
}

const UNCOUNTED: &str = "0: not counted by cgroups";
const MOMENTARY: &str = "0: cgroups count what was done, not what is under way";

/// 11 columns since 2.6, 15 since 4.18, 17 since 5.5.
static COLUMNS: &[Column] = &[
    column("reads", "rios", |io| io.read.operations),
    column("reads merged", UNCOUNTED, |_| 0),
    column("sectors read", "rbytes / 512", |io| io.read.bytes.sectors()),
    column("ms reading", UNCOUNTED, |_| 0),
    column("writes", "wios", |io| io.written.operations),
    column("writes merged", UNCOUNTED, |_| 0),
    column("sectors written", "wbytes / 512", |io| io.written.bytes.sectors()),
    column("ms writing", UNCOUNTED, |_| 0),
    column("in flight", MOMENTARY, |_| 0),
    column("ms busy", UNCOUNTED, |_| 0),
    column("ms busy, weighted", UNCOUNTED, |_| 0),
    column("discards", "dios", |io| io.discarded.operations),
    column("discards merged", UNCOUNTED, |_| 0),
    column("sectors discarded", "dbytes / 512", |io| io.discarded.bytes.sectors()),
    column("ms discarding", UNCOUNTED, |_| 0),
    column("flushes", UNCOUNTED, |_| 0),
    column("ms flushing", UNCOUNTED, |_| 0),
];

/// Columns of a whole device on the oldest kernels. 2.6 before 2.6.25 prints
/// four for a partition.
const FEWEST_COLUMNS: usize = 11;

/// A row of the host.
struct Row<'a> {
    device: Device,
    /// Number and name, as the host lays them out.
    start: &'a str,
    columns: usize,
}

impl<'a> Row<'a> {
    /// `   8      16 sdb 107552 …`.
    fn parse(line: &'a str) -> Option<Self> {
        let (device, rest) = Device::of_row(line)?;
        let (_, numbers) = rest.trim_start().split_once(' ')?;
        let start = line.get(..line.len().checked_sub(numbers.len() + 1)?)?;
        let columns = numbers.split_ascii_whitespace().count();
        (columns >= FEWEST_COLUMNS).then_some(Row { device, start, columns })
    }
}

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(HOST)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let io = Io::read(view)?;
    for row in text.lines().filter_map(Row::parse) {
        if let Some(activity) = io.with(row.device) {
            print(out, &row, activity);
        }
    }
    Ok(None)
}

/// A column that this policy does not know shows 0.
fn print(out: &mut Text, row: &Row<'_>, activity: &Activity) {
    out.push_str(row.start);
    for column in 0..row.columns {
        let value = COLUMNS.get(column).map_or(0, |column| (column.value)(activity));
        out.push_str(" ").push_number(value);
    }
    out.push_str("\n");
}
