//! Block I/O of a container, by device.
//!
//! Sources: `Documentation/admin-guide/cgroup-v2.rst` ("IO Interface Files"),
//! `Documentation/admin-guide/cgroup-v1/blkio-controller.rst`, and for the
//! shape of the lines `block/blk-cgroup.c`, `block/blk-throttle.c`.

use super::own_found;
use crate::contract::{Need, Process, Scope};
use crate::text::number;
use crate::trace::{Amount, Trace};
use crate::units::{Bytes, Count};
use crate::{Error, Found, View};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

/// Bytes and operations by device.
///
/// v1 has no file that always counts. `throttle` counts where no scheduler
/// does, but on newer kernels only once a throttle rule exists for the
/// device; `bfq` counts what goes through that scheduler. Files that are not
/// recursive are for kernels that have no others.
pub const NEEDS: &[Need] = &[
    Need::v2("io", "io.stat", Scope::Nearest),
    Need::v1("blkio", "blkio.throttle.io_service_bytes_recursive", Scope::Nearest),
    Need::v1("blkio", "blkio.throttle.io_serviced_recursive", Scope::Nearest),
    Need::v1("blkio", "blkio.throttle.io_service_bytes", Scope::Nearest),
    Need::v1("blkio", "blkio.throttle.io_serviced", Scope::Nearest),
    Need::v1("blkio", "blkio.bfq.io_service_bytes_recursive", Scope::Nearest),
    Need::v1("blkio", "blkio.bfq.io_serviced_recursive", Scope::Nearest),
];

/// A device's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The driver.
    pub major: u64,
    /// The device among the driver's.
    pub minor: u64,
}

impl Device {
    /// `8:16`.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once(':')?;
        Some(Device { major: number(major)?, minor: number(minor)? })
    }

    /// The first two columns of a row of `/proc/diskstats` and
    /// `/proc/partitions`, and what follows them.
    pub fn of_row(row: &str) -> Option<(Self, &str)> {
        let (major, rest) = row.trim_start().split_once(' ')?;
        let (minor, rest) = rest.trim_start().split_once(' ')?;
        Some((Device { major: number(major)?, minor: number(minor)? }, rest))
    }
}

const MOUNTS: &str = "container-mountinfo";

/// What the container has mounted.
pub const MOUNT_NEEDS: &[Need] = &[Need::process(MOUNTS, Process::Subject, "mountinfo")];

/// The devices that a container can reach: those that its group has counted I/O
/// for, and those that it has mounted. What it could open by a device node and
/// never did is not among them: a group's list of allowed devices names them by
/// numbers and patterns, and says of none that it is there.
#[derive(Debug)]
pub struct Reach {
    used: Io,
    mounted: Vec<Device>,
}

impl Reach {
    /// Reads [`NEEDS`] and [`MOUNT_NEEDS`]; a capture may lack the mounts.
    pub fn read(view: &View<'_>) -> Result<Self, Error> {
        let text = view.process_file(MOUNTS).unwrap_or_default();
        // The third word of a line, see proc_pid_mountinfo(5).
        let of_line = |line: &[u8]| {
            let word = line.split(|byte| *byte == b' ').nth(2)?;
            Device::parse(core::str::from_utf8(word).ok()?)
        };
        let mounted = text.split(|byte| *byte == b'\n').filter_map(of_line).collect();
        Ok(Reach { used: Io::read(view)?, mounted })
    }

    /// Whether a device is among them.
    pub fn has(&self, device: Device) -> bool {
        self.used.with(device).is_some() || self.mounted.contains(&device)
    }
}

/// What was moved in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// How much.
    pub bytes: Bytes,
    /// In how many operations.
    pub operations: Count,
}

/// I/O with one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// From the device.
    pub read: Transfer,
    /// To the device.
    pub written: Transfer,
    /// Told the device to forget.
    pub discarded: Transfer,
}

/// I/O of a container. Empty where no group of its own counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Io {
    devices: BTreeMap<Device, Activity>,
    given: Trace,
}

impl Io {
    /// Reads [`NEEDS`].
    pub fn read(view: &View<'_>) -> Result<Self, Error> {
        let mut io = Io { given: view.given(), ..Io::default() };
        if let Some(found) = own_found(view, "io.stat")? {
            io.add_v2(found.text, found.trace);
            return Ok(io);
        }
        let throttle = [
            ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"),
            ("blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"),
        ];
        for ((recursive, own), unit) in throttle.into_iter().zip([Unit::Bytes, Unit::Operations]) {
            match own_found(view, recursive)? {
                Some(found) => io.add_v1(Some(found), unit),
                None => io.add_v1(own_found(view, own)?, unit),
            }
        }
        for (key, unit) in [
            ("blkio.bfq.io_service_bytes_recursive", Unit::Bytes),
            ("blkio.bfq.io_serviced_recursive", Unit::Operations),
        ] {
            io.add_v1(own_found(view, key)?, unit);
        }
        Ok(io)
    }

    /// `8:16 rbytes=1459200 wbytes=0 rios=192 wios=0 dbytes=0 dios=0`.
    ///
    /// Keys of cost models and latency targets may follow, and a device
    /// without I/O may stand without keys, on a line of its own or, on some
    /// kernels of 5.x, before the next device.
    fn add_v2(&mut self, text: &str, trace: Trace) {
        for line in text.lines() {
            let mut device = None;
            for word in line.split_ascii_whitespace() {
                let Some((key, value)) = word.split_once('=') else {
                    // Some kernels print `(unknown)` for a device that is gone.
                    device = Device::parse(word);
                    if let Some(device) = device {
                        self.devices.entry(device).or_default();
                    }
                    continue;
                };
                if let (Some(device), Some(value)) = (device, number(value)) {
                    let Device { major, minor } = device;
                    let value = trace.read_at(|| format!("{major}:{minor} {key}"), Count(value));
                    self.devices.entry(device).or_default().set(key, value);
                }
            }
        }
    }

    /// `8:16 Read 1459200`, a line for each direction, besides sums and the
    /// split into `Sync` and `Async`.
    ///
    /// Throttling and BFQ see the same operations, so that the larger number
    /// counts and not the sum.
    fn add_v1(&mut self, found: Option<Found<'_>>, unit: Unit) {
        let Some(Found { text, trace, .. }) = found else { return };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(device), Some(direction), Some(value)) =
                (words.next().and_then(Device::parse), words.next(), words.next().and_then(number))
            else {
                continue;
            };
            let activity = self.devices.entry(device).or_default();
            let transfer = match direction {
                "Read" => &mut activity.read,
                "Write" => &mut activity.written,
                "Discard" => &mut activity.discarded,
                _ => continue,
            };
            let Device { major, minor } = device;
            let item = || format!("{major}:{minor} {direction}");
            match unit {
                Unit::Bytes => {
                    let bytes = trace.read_at(item, Bytes(value));
                    transfer.bytes = transfer.bytes.max(bytes);
                }
                Unit::Operations => {
                    let operations = trace.read_at(item, Count(value));
                    transfer.operations = transfer.operations.max(operations);
                }
            }
        }
    }

    /// I/O with one device, if the container has had any.
    pub fn with(&self, device: Device) -> Option<&Activity> {
        self.devices.get(&device)
    }

    /// A sum, also if there was nothing to add up.
    fn told(&self, sum: Bytes) -> Bytes {
        match sum.origin().is_some() {
            true => sum,
            false => self.given.given("no group counts bytes of any device", sum),
        }
    }

    /// Bytes read from all devices.
    ///
    /// What goes through a stacked device (`dm`, `md`, `loop`) counts for it
    /// and for the device below: nothing in the files tells one from the other.
    pub fn bytes_read(&self) -> Bytes {
        self.told(self.devices.values().map(|activity| activity.read.bytes).sum())
    }

    /// Bytes written to all devices; see [`Io::bytes_read`].
    pub fn bytes_written(&self) -> Bytes {
        self.told(self.devices.values().map(|activity| activity.written.bytes).sum())
    }
}

/// What a file of v1 counts.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Operations,
}

impl Activity {
    fn set(&mut self, key: &str, value: Count) {
        match key {
            "rbytes" => self.read.bytes = value.as_bytes(),
            "wbytes" => self.written.bytes = value.as_bytes(),
            "dbytes" => self.discarded.bytes = value.as_bytes(),
            "rios" => self.read.operations = value,
            "wios" => self.written.operations = value,
            "dios" => self.discarded.operations = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Found<'_>> {
        Some(Found { text, level: 0, depth: 1, trace: Trace::OFF })
    }

    fn transfer(bytes: u64, operations: u64) -> Transfer {
        Transfer { bytes: Bytes(bytes), operations: Count(operations) }
    }

    #[test]
    fn reads_io_stat_with_keys_that_it_does_not_know() {
        let mut io = Io::default();
        io.add_v2(
            "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=4096 dios=1 \
             cost.vrate=100.00 cost.usage=0\n\
             8:0\n\
             254:1 254:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n\
             (unknown) rbytes=1 wbytes=1 rios=1 wios=1\n",
            Trace::OFF,
        );
        let sdb = io.with(Device { major: 8, minor: 16 }).copied();
        let expected = Activity {
            read: transfer(1459200, 192),
            written: transfer(314773504, 353),
            discarded: transfer(4096, 1),
        };
        assert_eq!(sdb, Some(expected));
        for idle in [Device { major: 8, minor: 0 }, Device { major: 254, minor: 1 }] {
            assert_eq!(io.with(idle), Some(&Activity::default()));
        }
        assert_eq!(io.bytes_read(), Bytes(1459200 + 512));
        assert_eq!(io.bytes_written(), Bytes(314773504));
    }

    #[test]
    fn counts_once_what_throttling_and_bfq_both_saw() {
        let mut io = Io::default();
        io.add_v1(found("7:0 Read 4096\n7:0 Write 10\n7:0 Total 4106\nTotal 4106\n"), Unit::Bytes);
        io.add_v1(found("7:0 Read 4000\n7:0 Write 20\n7:0 Discard 5\nTotal 4025\n"), Unit::Bytes);
        io.add_v1(
            found("7:0 Read 2\n7:0 Write 1\n7:0 Sync 3\n7:0 Async 0\n7:0 Total 3\n"),
            Unit::Operations,
        );
        let expected = Activity {
            read: transfer(4096, 2),
            written: transfer(20, 1),
            discarded: transfer(5, 0),
        };
        assert_eq!(io.with(Device { major: 7, minor: 0 }), Some(&expected));
    }

    #[test]
    fn an_idle_hierarchy_has_no_devices() {
        let mut io = Io::default();
        io.add_v1(found("Total 0\n"), Unit::Bytes);
        assert_eq!(io, Io::default());
    }
}
