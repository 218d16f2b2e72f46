//! `/proc/mdstat`: the arrays that the container can reach.
//!
//! An array is a block of lines that begins with its name. It is shown where the
//! container's cgroup has counted I/O for it, or the container has mounted it, as
//! `/proc/partitions` shows disks; that says which device a name is. With an
//! array come the disks that it is made of. The kernel's personalities are
//! passed; disks that no array uses are nobody's here.
//!
//! Source of the layout: `md_seq_show` in `drivers/md/md.c`.
//!
//! # lxcfs
//!
//! lxcfs does not have this file.

use crate::cgroup::io::{self, Device, Reach};
use crate::contract::{Class, Entry, Kind, Need};
use crate::{Error, Text, View};
use alloc::vec::Vec;

const PARTITIONS: &str = "partitions";

/// The entry.
pub(super) static ENTRY: Entry = Entry {
    path: "/proc/mdstat",
    kind: Kind::File,
    mode: 0o444,
    class: Class::Filtered,
    summary: "the arrays that the container has had I/O with, or has mounted",
    reason: "names every array and disk of the machine (drivers/md/md.c)",
    needs: &[&[Need::ITSELF, Need::host(PARTITIONS, "/proc/partitions")], io::NEEDS, io::MOUNT_NEEDS],
    history: None,
    render,
};

const UNUSED: &str = "unused devices:";

fn render(view: &View<'_>, out: &mut Text) -> Result<Option<Vec<u8>>, Error> {
    let text = view.text(Need::ITSELF.key)?;
    if view.is_host() {
        out.push_str(text);
        return Ok(None);
    }
    let reach = Reach::read(view)?;
    let partitions = view.optional(PARTITIONS)?.unwrap_or_default();
    let is_used = |name: &str| {
        partitions.lines().filter_map(Device::of_row).any(|(device, columns)| {
            columns.trim_start().split_once(' ').is_some_and(|(_, own)| own.trim() == name)
                && reach.has(device)
        })
    };
    let mut is_shown = false;
    for line in text.lines() {
        if line.starts_with("Personalities") {
            out.push_line(line);
            is_shown = false;
        } else if line.starts_with(UNUSED) {
            out.push_str(UNUSED).push_line(" <none>");
            is_shown = false;
        } else {
            // What belongs to an array is indented, or a blank line.
            if !line.starts_with(' ') && !line.is_empty() {
                is_shown = line.split(' ').next().is_some_and(is_used);
            }
            if is_shown {
                out.push_line(line);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{cgroup, host, snapshot};
    use alloc::vec;

    const HOST: &str = "\
Personalities : [raid1] [raid6] [raid5] [raid4]
md127 : active raid1 sdb1[1] sda1[0]
      1048512 blocks super 1.2 [2/2] [UU]
      [=>...................]  resync =  5.0% (1/20) finish=0.1min speed=1K/sec

md0 : inactive sdd[1](S)
      976762584 blocks

unused devices: sde[0](S)
";

    const PARTITIONS_TEXT: &str = "major minor  #blocks  name\n\n   9        0  976762584 md0\n   \
                                   9      127    1048512 md127\n   8        0  4194304 sda\n";

    fn rendered(io: &str) -> alloc::string::String {
        let inputs = vec![
            host(Need::ITSELF.key, HOST),
            host(PARTITIONS, PARTITIONS_TEXT),
            cgroup("io.stat", 0, 1, io),
        ];
        crate::render(ENTRY.path, &snapshot(inputs)).unwrap().text
    }

    #[test]
    fn an_array_in_use_is_whole_and_others_are_not_there() {
        let text =
            rendered("9:127 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n8:0 rios=1\n");
        assert!(text.contains("md127 : active raid1 sdb1[1] sda1[0]\n      1048512"), "{text}");
        assert!(text.contains("resync =  5.0%"), "{text}");
        for other in ["md0", "sdd", "sde", "976762584"] {
            assert!(!text.contains(other), "{other}: {text}");
        }
        assert!(text.ends_with("\n\nunused devices: <none>\n"), "{text}");
    }

    #[test]
    fn what_is_mounted_is_reached_without_io() {
        let mounts = "60 50 0:31 / / rw - overlay overlay rw\n61 60 9:127 / /data rw - ext4 /dev/md127 rw\n";
        let inputs = vec![
            host(Need::ITSELF.key, HOST),
            host(PARTITIONS, PARTITIONS_TEXT),
            host("container-mountinfo", mounts),
        ];
        let mut snapshot = snapshot(inputs);
        let text = crate::render(ENTRY.path, &snapshot).unwrap().text;
        assert!(text.contains("md127") && !text.contains("md0"), "{text}");
        snapshot.inputs = vec![host(PARTITIONS, PARTITIONS_TEXT), host("container-mountinfo", mounts)];
        let rows = crate::render("/proc/partitions", &snapshot).unwrap().text;
        assert_eq!(rows, "major minor  #blocks  name\n\n   9      127    1048512 md127\n");
    }

    #[test]
    fn without_io_there_is_no_array() {
        let expected = "Personalities : [raid1] [raid6] [raid5] [raid4]\nunused devices: <none>\n";
        assert_eq!(rendered(""), expected);
    }
}
