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
use crate::trace::{Amount, Provenance};
use crate::units::Count;
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
    label: &'static str,
    rule: &'static str,
    value: fn(&Activity) -> Count,
}

const fn column(label: &'static str, rule: &'static str, value: fn(&Activity) -> Count) -> Column {
    Column { label, rule, value }
}

const UNCOUNTED: &str = "not counted by cgroups";
const UNREPORTED: &str = "the group's files have no such number of this device";
const MOMENTARY: &str = "cgroups count what was done, not what is under way";

/// 11 columns since 2.6, 15 since 4.18, 17 since 5.5.
static COLUMNS: &[Column] = &[
    column("reads", "rios", |io| io.read.operations),
    column("reads merged", UNCOUNTED, |_| Count::ZERO),
    column("sectors read", "rbytes / 512", |io| io.read.bytes.sectors()),
    column("ms reading", UNCOUNTED, |_| Count::ZERO),
    column("writes", "wios", |io| io.written.operations),
    column("writes merged", UNCOUNTED, |_| Count::ZERO),
    column("sectors written", "wbytes / 512", |io| io.written.bytes.sectors()),
    column("ms writing", UNCOUNTED, |_| Count::ZERO),
    column("in flight", MOMENTARY, |_| Count::ZERO),
    column("ms busy", UNCOUNTED, |_| Count::ZERO),
    column("ms busy, weighted", UNCOUNTED, |_| Count::ZERO),
    column("discards", "dios", |io| io.discarded.operations),
    column("discards merged", UNCOUNTED, |_| Count::ZERO),
    column("sectors discarded", "dbytes / 512", |io| io.discarded.bytes.sectors()),
    column("ms discarding", UNCOUNTED, |_| Count::ZERO),
    column("flushes", UNCOUNTED, |_| Count::ZERO),
    column("ms flushing", UNCOUNTED, |_| Count::ZERO),
];

/// A column that the table does not know.
static UNKNOWN: Column = column("", "not known to this policy, so not shown", |_| Count::ZERO);

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
    out.label(row.start.rsplit(' ').next().unwrap_or_default());
    for column in 0..row.columns {
        let column = COLUMNS.get(column).unwrap_or(&UNKNOWN);
        let value = (column.value)(activity);
        if !value.origin().is_some() {
            let is_counted = ![UNCOUNTED, MOMENTARY, UNKNOWN.rule].contains(&column.rule);
            out.rule(Provenance::Constant, if is_counted { UNREPORTED } else { column.rule });
        }
        out.push_str(" ").column(column.label).push_number(value);
    }
    out.push_str("\n");
}
