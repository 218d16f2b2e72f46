//! Blanks what a stranger should not learn from a capture.
//!
//! What rendering needs stays, so that a redacted capture renders to the same
//! text. The exceptions are a capture of the host itself, whose files are
//! passed as they are, and files of single processes, which are names for the
//! most part: there the blanks show.

use crate::{Capture, Content, Process, Reading, Readings, Record, Source};
use std::collections::HashSet;

/// Stands where a name was.
const BLANK: &str = "redacted";

impl Capture {
    /// Blanks cgroup names, command names, serial numbers, swap devices, the
    /// kernel's caches, disks and arrays that the container does not use, and
    /// what the kernel was started with, but for parameters that containers
    /// see.
    pub fn redact(&mut self) {
        let used = Used::by(&self.readings);
        for record in &mut self.readings.records {
            for reading in &mut record.found {
                blank_group(reading);
                if let Content::Text(text) = &mut reading.content
                    && let Some(blanked) = blank(&record.source, text, &used)
                {
                    *text = blanked;
                }
                // Names and memory of a process that are not UTF-8.
                if let (Content::Bytes(bytes), Source::Process { .. }) =
                    (&mut reading.content, &record.source)
                {
                    bytes.clear();
                }
            }
        }
        self.origin.redacted = true;
    }
}

/// `/a/b` becomes `/redacted/redacted`: the depth says something, the names do
/// not.
fn blank_group(reading: &mut Reading) {
    if let Some(group) = &mut reading.group {
        let parts = group.split('/').map(|part| if part.is_empty() { "" } else { BLANK });
        *group = parts.collect::<Vec<_>>().join("/");
    }
}

/// The text without its secrets; `None` where it holds none.
fn blank(source: &Source, text: &str, used: &Used) -> Option<String> {
    match source {
        Source::Host(path) => match path.as_str() {
            "/proc/cpuinfo" => Some(lines(text, blank_serial)),
            "/proc/swaps" => Some(text.split_inclusive('\n').take(1).collect()),
            "/proc/slabinfo" => Some(text.split_inclusive('\n').take(2).collect()),
            "/proc/diskstats" | "/proc/partitions" => Some(keep(text, |line| {
                let mut words = line.split_whitespace();
                let device = words.next().zip(words.next());
                device.is_none_or(|(major, minor)| {
                    major.parse::<u32>().is_err()
                        || used.devices.contains(&(major.into(), minor.into()))
                })
            })),
            "/proc/mdstat" => Some(blank_arrays(text, &used.names)),
            "/proc/cmdline" => Some(blank_parameters(text)),
            "/proc/bootconfig" => Some(keep(text, |line| {
                line.strip_prefix("kernel.")
                    .and_then(|line| line.split_once('='))
                    .is_some_and(|(name, values)| is_public(name.trim(), values))
            })),
            _ => None,
        },
        Source::Process { of, name } => match name.as_str() {
            "stat" => blank_process(text),
            "status" => Some(lines(text, |line| {
                line.strip_prefix("Name:").map(|_| format!("Name:\t{BLANK}"))
            })),
            "cpuset" => (text.trim_end() != "/").then(|| format!("/{BLANK}\n")),
            "comm" => Some(format!("{BLANK}\n")),
            "cmdline" => Some(format!("{BLANK}\0")),
            "sched" => text.split_once("\n---").and_then(|(head, rest)| {
                let (_, id) = head.rsplit_once(" (")?;
                Some(format!("{BLANK} ({id}\n---{rest}"))
            }),
            // Which devices the container has mounted decides which rows it sees.
            "mountinfo" if *of == Process::Subject => Some(lines(text, blank_mount)),
            "environ" | "auxv" | "maps" | "mountinfo" | "mounts" => Some(String::new()),
            "exe" | "cwd" | "root" => Some(blank_link(text)),
            _ if name.starts_with("fd/") && name != "fd/" => Some(blank_link(text)),
            "cgroup" => Some(lines(text, |line| {
                let (hierarchy, path) = line.split_once(":/")?;
                (!path.is_empty()).then(|| format!("{hierarchy}:/{BLANK}"))
            })),
            _ => None,
        },
        _ => None,
    }
}

/// Disks that the container uses, or has mounted.
struct Used {
    /// Major and minor numbers that its I/O counters name.
    devices: HashSet<(String, String)>,
    names: HashSet<String>,
}

impl Used {
    fn by(readings: &Readings) -> Self {
        let is_io = |source: &Source| {
            matches!(source, Source::Cgroup { name, .. }
                if name.starts_with("io.") || name.starts_with("blkio."))
        };
        let is_mounts = |source: &Source| matches!(source, Source::Process { of: Process::Subject, name } if name == "mountinfo");
        let used = lines_of(readings, is_io).filter_map(|line| line.split_whitespace().next());
        let mounted = lines_of(readings, is_mounts).filter_map(|line| line.split(' ').nth(2));
        let devices: HashSet<(String, String)> = used
            .chain(mounted)
            .filter_map(|device| device.split_once(':'))
            .map(|(major, minor)| (major.to_owned(), minor.to_owned()))
            .collect();
        let is_disks =
            |source: &Source| matches!(source, Source::Host(path) if path == "/proc/partitions");
        let names = lines_of(readings, is_disks).filter_map(|line| {
            let mut words = line.split_whitespace();
            let device = (words.next()?.to_owned(), words.next()?.to_owned());
            words.nth(1).filter(|_| devices.contains(&device)).map(str::to_owned)
        });
        Used { names: names.collect(), devices }
    }
}

/// The lines of all texts of some sources.
fn lines_of(readings: &Readings, wanted: impl Fn(&Source) -> bool) -> impl Iterator<Item = &str> {
    let records = readings.records.iter().filter(move |record: &&Record| wanted(&record.source));
    let texts =
        records.flat_map(|record| &record.found).filter_map(|reading| match &reading.content {
            Content::Text(text) => Some(text.lines()),
            _ => None,
        });
    texts.flatten()
}

/// Keeps arrays in use: blocks that begin with a name at the start of a line.
fn blank_arrays(text: &str, used: &HashSet<String>) -> String {
    let mut is_kept = true;
    let kept = keep(text, |line| {
        let name = line.split(' ').next().unwrap_or_default();
        if !line.starts_with([' ', '\n']) {
            let is_array = name != "Personalities" && !line.starts_with(UNUSED);
            is_kept = !is_array || used.contains(name);
        }
        is_kept
    });
    lines(&kept, |line| line.strip_prefix(UNUSED).map(|_| format!("{UNUSED} <none>")))
}

/// The last line of `/proc/mdstat`: what no array uses.
const UNUSED: &str = "unused devices:";

/// Parameters that a container sees by default, a name on each line. They stand
/// where the default policy has them: this crate does not know it.
const PUBLIC: &str = include_str!("../../vproc-core/src/files/boot_parameters.txt");

fn is_public(name: &str, value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_,.:-\" \n".contains(c);
    PUBLIC.lines().any(|public| public == name) && value.chars().all(is_plain)
}

/// Parameters are separated by blanks that stand in no double quotes; what
/// follows `--` is for init.
fn blank_parameters(text: &str) -> String {
    let mut is_quoted = false;
    let parameters = text.split(|c: char| {
        is_quoted ^= c == '"';
        c.is_whitespace() && !is_quoted
    });
    let public = parameters.take_while(|parameter| *parameter != "--").filter(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        is_public(name, value)
    });
    public.collect::<Vec<_>>().join(" ") + "\n"
}

/// Serial numbers: `Serial` on arm, `identification` on s390x.
fn blank_serial(line: &str) -> Option<String> {
    if line.starts_with("Serial") {
        let (key, value) = line.split_once(':')?;
        return Some(format!("{key}:{}", zeros(value)));
    }
    let (before, rest) = line.split_once("identification = ")?;
    let end = rest.find(',').unwrap_or(rest.len());
    let (serial, after) = rest.split_at_checked(end)?;
    Some(format!("{before}identification = {}{after}", zeros(serial)))
}

fn zeros(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { '0' } else { c }).collect()
}

/// `/proc/PID/stat`: the command stands between the first parenthesis and the
/// last; addresses stand behind the start time, which is field 22
/// (proc_pid_stat(5)).
fn blank_process(text: &str) -> Option<String> {
    const START_TIME: usize = 22;
    let (pid, rest) = text.split_once('(')?;
    let (_, fields) = rest.rsplit_once(')')?;
    let fields = fields.split_ascii_whitespace().zip(3..);
    let kept = fields.map(|(field, number)| if number <= START_TIME { field } else { "0" });
    Some(format!("{pid}({BLANK}) {}\n", kept.collect::<Vec<_>>().join(" ")))
}

/// A mount by its numbers (proc_pid_mountinfo(5)).
fn blank_mount(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let numbers = [words.next()?, words.next()?, words.next()?];
    Some(format!("{} /{BLANK} /{BLANK} rw - {BLANK} {BLANK} rw", numbers.join(" ")))
}

/// The mount and the target of a link: what is no path says nothing, and the
/// root of a container that has changed its root is `/`.
fn blank_link(text: &str) -> String {
    match text.split_once(' ') {
        Some((mount, target)) if target.starts_with('/') && target != "/" => {
            format!("{mount} /{BLANK}")
        }
        _ => text.to_owned(),
    }
}

/// Replaces lines for which `change` has something else.
fn lines(text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let mut changed = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        match change(line) {
            Some(other) => changed.push_str(&other),
            None => changed.push_str(line),
        }
        changed.push_str(end);
    }
    changed
}

fn keep(text: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|line| wanted(line)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn blanked(source: &str, text: &str) -> String {
        let devices = HashSet::from([("8".to_owned(), "0".to_owned())]);
        let used = Used { devices, names: HashSet::from(["md1".to_owned()]) };
        blank(&source.parse().unwrap(), text, &used).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn names_and_serials_go_and_the_rest_stays() {
        let cases = [
            (
                "process:init/stat",
                "7 (my) (cmd) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 9405 9406\n",
                "7 (redacted) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 0 0 0\n",
            ),
            ("process:7/comm", "mine\n", "redacted\n"),
            ("process:7/mountinfo", "60 50 8:1 / / rw - ext4 /dev/sda1 rw\n", ""),
            (
                "process:subject/mountinfo",
                "60 50 8:1 /srv/c1 /data rw shared:1 - ext4 /dev/sda1 rw\n",
                "60 50 8:1 /redacted /redacted rw - redacted redacted rw\n",
            ),
            ("process:7/environ", "KEY=secret\0", ""),
            ("process:7/exe", "12 /usr/bin/mine", "12 /redacted"),
            ("process:7/fd/1", "- pipe:[8]", "- pipe:[8]"),
            (
                "process:7/task/8/sched",
                "my (cmd) (8, #threads: 2)\n-----\nx\n",
                "redacted (8, #threads: 2)\n-----\nx\n",
            ),
            ("process:init/cgroup", "3:cpu:/a/b\n0::/\n", "3:cpu:/redacted\n0::/\n"),
            ("host:/proc/cpuinfo", "Serial\t\t: 00ab\nmodel: x\n", "Serial\t\t: 0000\nmodel: x\n"),
            (
                "host:/proc/cpuinfo",
                "processor 0: version = FF,  identification = 0133E8,  machine = 2964\n",
                "processor 0: version = FF,  identification = 000000,  machine = 2964\n",
            ),
            ("host:/proc/diskstats", "   8 0 sda 1\n   8 16 sdb 2\n", "   8 0 sda 1\n"),
            (
                "host:/proc/partitions",
                "major minor  #blocks  name\n\n   8 0 1 sda\n 253 0 1 dm-0\n",
                "major minor  #blocks  name\n\n   8 0 1 sda\n",
            ),
            ("host:/proc/swaps", "Filename\tType\n/dev/secret\tx\n", "Filename\tType\n"),
            (
                "host:/proc/mdstat",
                "Personalities : [raid1]\nmd0 : active sdb[0]\n      4 blocks\n\n\
                 md1 : active sda[0]\n      5 blocks\n\nunused devices: sdc[0]\n",
                "Personalities : [raid1]\nmd1 : active sda[0]\n      5 blocks\n\n\
                 unused devices: <none>\n",
            ),
            (
                "host:/proc/cmdline",
                "root=UUID=01 quiet token=\"a quiet b\" psi=1 ip=10.0.0.7 -- fips=1\n",
                "quiet psi=1\n",
            ),
            (
                "host:/proc/bootconfig",
                "kernel.psi = \"1\"\nkernel.root = \"/dev/sda\"\n# root=/dev/sda\n",
                "kernel.psi = \"1\"\n",
            ),
            ("host:/proc/meminfo", "MemTotal: 1 kB\n", "MemTotal: 1 kB\n"),
        ];
        for (source, text, expected) in cases {
            assert_eq!(blanked(source, text), expected, "{source}");
        }
    }
}
