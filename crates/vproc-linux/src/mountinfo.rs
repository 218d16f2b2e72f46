//! `/proc/PID/mountinfo`: what is mounted where.

use std::borrow::Cow;
use vproc_snapshot::CgroupVersion;

/// A mount of a cgroup hierarchy that can be reached by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    pub(crate) version: CgroupVersion,
    /// Controllers of a v1 hierarchy, or its name as `name=systemd`.
    pub(crate) controllers: Vec<String>,
    /// The group that is mounted, from the root of our cgroup namespace.
    pub(crate) root: Vec<u8>,
    /// Where.
    pub(crate) point: Vec<u8>,
}

/// A mount, with paths as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    /// The number of the file system, as `major:minor`.
    pub(crate) device: Vec<u8>,
    /// What of the file system is mounted.
    pub(crate) root: Vec<u8>,
    /// Where, from the root of the process whose file was read.
    pub(crate) point: Vec<u8>,
    /// The type, as `fuse.lxcfs`.
    pub(crate) fs: String,
    pub(crate) source: Vec<u8>,
    /// The peer group of a mount that is shared.
    pub(crate) peers: Option<u32>,
}

/// A line, see proc_pid_mountinfo(5). Paths keep their escapes.
struct Line<'a> {
    id: u32,
    parent: u32,
    device: &'a [u8],
    root: &'a [u8],
    point: &'a [u8],
    peers: Option<u32>,
    fs: &'a [u8],
    source: &'a [u8],
    options: &'a [u8],
}

/// All mounts, in the order of the file.
pub(crate) fn mounts(text: &[u8]) -> Vec<Mount> {
    let owned = |line: Line<'_>| Mount {
        id: line.id,
        parent: line.parent,
        device: line.device.to_vec(),
        root: unescape(line.root).into_owned(),
        point: unescape(line.point).into_owned(),
        fs: String::from_utf8_lossy(&unescape(line.fs)).into_owned(),
        source: unescape(line.source).into_owned(),
        peers: line.peers,
    };
    text.split(|byte| *byte == b'\n').filter_map(line).map(owned).collect()
}

/// Finds the cgroup mounts.
pub(crate) fn cgroup_mounts(text: &[u8]) -> Vec<CgroupMount> {
    let lines: Vec<Line<'_>> = text.split(|byte| *byte == b'\n').filter_map(line).collect();
    lines
        .iter()
        .filter(|line| matches!(line.fs, b"cgroup" | b"cgroup2") && !is_covered(line, &lines))
        .map(|line| {
            let version = if line.fs == b"cgroup2" { CgroupVersion::V2 } else { CgroupVersion::V1 };
            CgroupMount {
                version,
                controllers: match version {
                    CgroupVersion::V1 => v1_controllers(line.options),
                    CgroupVersion::V2 => Vec::new(),
                },
                root: unescape(line.root).into_owned(),
                point: unescape(line.point).into_owned(),
            }
        })
        .collect()
}

/// Finds whatever is mounted below a directory, and its file system's name.
pub(crate) fn mounts_below(text: &[u8], directory: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    text.split(|byte| *byte == b'\n')
        .filter_map(line)
        .map(|line| (unescape(line.point).into_owned(), line.fs.to_vec()))
        .filter(|(point, _)| point != directory && leads_to(directory, point))
        .collect()
}

fn line(text: &[u8]) -> Option<Line<'_>> {
    let mut fields = text.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let device = fields.next()?;
    let root = fields.next()?;
    let point = fields.next()?;
    let mut peers = None;
    // Mount options and any number of optional fields, up to a lone dash.
    loop {
        match fields.next()? {
            b"-" => break,
            field => peers = peers.or(field.strip_prefix(b"shared:").and_then(number)),
        }
    }
    let (fs, source, options) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Line { id, parent, device, root, point, peers, fs, source, options })
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Whether a path walk to the mount point ends on another mount: one on the
/// mount itself, or one on a directory between an ancestor's mount point and
/// the mount's.
fn is_covered(mount: &Line<'_>, lines: &[Line<'_>]) -> bool {
    let mut at = mount;
    let mut below: Option<u32> = None;
    for _ in 0..lines.len() {
        let covers = |other: &&Line<'_>| {
            other.parent == at.id
                && other.id != at.id
                && Some(other.id) != below
                && leads_to(other.point, mount.point)
        };
        if lines.iter().any(|other| covers(&other)) {
            return true;
        }
        match lines.iter().find(|other| other.id == at.parent && other.id != at.id) {
            Some(parent) => (below, at) = (Some(at.id), parent),
            None => return false,
        }
    }
    false
}

fn leads_to(above: &[u8], point: &[u8]) -> bool {
    match point.strip_prefix(above) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/") || above == b"/",
        None => false,
    }
}

/// The controllers among the options of a v1 hierarchy. The other words are
/// those of `cgroup_show_options` (kernel/cgroup/cgroup-v1.c) and the generic
/// ones of a super block.
fn v1_controllers(options: &[u8]) -> Vec<String> {
    const OTHER: [&str; 10] = [
        "rw",
        "ro",
        "noprefix",
        "xattr",
        "cpuset_v2_mode",
        "favordynmods",
        "clone_children",
        "sync",
        "dirsync",
        "mand",
    ];
    String::from_utf8_lossy(options)
        .split(',')
        .filter(|word| !OTHER.contains(word))
        .filter(|word| !word.contains('=') || word.starts_with("name="))
        .map(str::to_owned)
        .collect()
}

/// Undoes the kernel's `\040` for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.first_chunk::<3>().filter(|_| *first == b'\\').and_then(octal);
        plain.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    Cow::Owned(plain)
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(text: &str) -> Vec<(String, String, String)> {
        cgroup_mounts(text.as_bytes())
            .into_iter()
            .map(|mount| {
                let kind = match mount.version {
                    CgroupVersion::V1 => mount.controllers.join(","),
                    CgroupVersion::V2 => "v2".to_owned(),
                };
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                (kind, text(mount.root), text(mount.point))
            })
            .collect()
    }

    fn row(kind: &str, root: &str, point: &str) -> (String, String, String) {
        (kind.to_owned(), root.to_owned(), point.to_owned())
    }

    #[test]
    fn hybrid_with_co_mounted_and_named_hierarchies() {
        let text = "\
20 1 8:1 / / rw shared:1 - ext4 /dev/sda rw
31 20 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 master:3 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,noprefix,release_agent=/x,clone_children
";
        assert_eq!(
            mounts(text),
            [
                row("v2", "/", "/sys/fs/cgroup/unified"),
                row("name=systemd", "/", "/sys/fs/cgroup/systemd"),
                row("cpu,cpuacct", "/", "/sys/fs/cgroup/cpu,cpuacct"),
                row("cpuset", "/", "/sys/fs/cgroup/cpuset"),
            ]
        );
    }

    #[test]
    fn bind_mounts_and_namespaces_keep_their_roots() {
        let text = "\
20 1 8:1 / / rw - overlay overlay rw
32 20 0:29 /docker/4f3c /sys/fs/cgroup/memory ro master:11 - cgroup cgroup rw,memory
33 20 0:30 /../.. /host/cg rw - cgroup2 cgroup rw
34 20 0:31 /a\\040b\\134c /m\\011n rw - cgroup2 cgroup rw
";
        assert_eq!(
            mounts(text),
            [
                row("memory", "/docker/4f3c", "/sys/fs/cgroup/memory"),
                row("v2", "/../..", "/host/cg"),
                row("v2", "/a b\\c", "/m\tn"),
            ]
        );
    }

    #[test]
    fn covered_mounts_are_left_out() {
        let base = "20 1 8:1 / / rw - ext4 /dev/sda rw
31 20 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
33 31 0:30 / /sys/fs/cgroup/uni rw - cgroup cgroup rw,pids
";
        assert_eq!(mounts(base).len(), 2);
        let on_itself = "50 32 0:40 / /sys/fs/cgroup/unified rw - tmpfs tmpfs rw\n";
        let pids = [row("pids", "/", "/sys/fs/cgroup/uni")];
        assert_eq!(mounts(&format!("{base}{on_itself}")), pids);
        let on_the_parent = "50 31 0:40 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
        assert_eq!(mounts(&format!("{base}{on_the_parent}")), []);
        let on_an_ancestor = "50 20 0:40 / /sys rw - tmpfs tmpfs rw\n";
        assert_eq!(mounts(&format!("{base}{on_an_ancestor}")), []);
        let beside = "50 31 0:40 / /sys/fs/cgroup/un rw - tmpfs tmpfs rw\n";
        assert_eq!(mounts(&format!("{base}{beside}")).len(), 2);
        let on_a_child = "50 32 0:40 / /sys/fs/cgroup/unified/x rw - tmpfs tmpfs rw\n";
        assert_eq!(mounts(&format!("{base}{on_a_child}")).len(), 2);
    }

    #[test]
    fn a_mount_over_the_root_that_is_its_own_parent_ends() {
        assert_eq!(
            mounts("1 1 0:2 / / rw - rootfs rootfs rw\n2 1 0:3 / /c rw - cgroup2 c rw\n").len(),
            1
        );
    }

    #[test]
    fn mounts_below_a_directory_are_found() {
        let text = b"20 1 0:5 / /proc rw - proc proc rw
21 20 0:6 /meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw
22 1 0:7 / /process rw - tmpfs none rw
";
        let expected = [(b"/proc/meminfo".to_vec(), b"fuse.lxcfs".to_vec())];
        assert_eq!(mounts_below(text, b"/proc"), expected);
    }

    #[test]
    fn a_line_says_all_of_a_mount() {
        let text =
            b"31 20 0:29 /a\\040b /m\\134 rw,nosuid master:3 shared:17 - fuse.x me rw\nshort 1\n";
        let expected = Mount {
            id: 31,
            parent: 20,
            device: b"0:29".to_vec(),
            root: b"/a b".to_vec(),
            point: b"/m\\".to_vec(),
            fs: "fuse.x".to_owned(),
            source: b"me".to_vec(),
            peers: Some(17),
        };
        assert_eq!(super::mounts(text), [expected]);
    }

    #[test]
    fn broken_escapes_stay() {
        for text in ["\\", "a\\04", "\\999", "\\400"] {
            assert_eq!(unescape(text.as_bytes()).as_ref(), text.as_bytes());
        }
        assert_eq!(unescape(b"\\134040").as_ref(), b"\\040");
    }
}
