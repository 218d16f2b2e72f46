//! Blanks what a stranger should not learn from a capture.
//!
//! What rendering needs stays, so that a redacted capture renders to the same
//! text. The one exception is a capture of the host itself, whose files are
//! passed as they are: there the blanks show.

use crate::{Capture, Content, Reading, Readings, Record, Source};
use std::collections::HashSet;

/// Stands where a name was.
const BLANK: &str = "redacted";

impl Capture {
    /// Blanks cgroup names, command names, serial numbers, swap devices, the
    /// kernel's caches, and disks that the container does not use.
    pub fn redact(&mut self) {
        let used = devices_in_use(&self.readings);
        for record in &mut self.readings.records {
            for reading in &mut record.found {
                blank_group(reading);
                if let Content::Text(text) = &mut reading.content
                    && let Some(blanked) = blank(&record.source, text, &used)
                {
                    *text = blanked;
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
fn blank(source: &Source, text: &str, used: &HashSet<(String, String)>) -> Option<String> {
    match source {
        Source::Host(path) => match path.as_str() {
            "/proc/cpuinfo" => Some(lines(text, blank_serial)),
            "/proc/swaps" => Some(text.split_inclusive('\n').take(1).collect()),
            "/proc/slabinfo" => Some(text.split_inclusive('\n').take(2).collect()),
            "/proc/diskstats" | "/proc/partitions" => Some(keep(text, |line| {
                let mut words = line.split_whitespace();
                let device = words.next().zip(words.next());
                device.is_none_or(|(major, minor)| {
                    major.parse::<u32>().is_err() || used.contains(&(major.into(), minor.into()))
                })
            })),
            _ => None,
        },
        Source::Process { name, .. } => match name.as_str() {
            "stat" => blank_process(text),
            "status" => Some(lines(text, |line| {
                line.strip_prefix("Name:").map(|_| format!("Name:\t{BLANK}"))
            })),
            "cgroup" => Some(lines(text, |line| {
                let (hierarchy, path) = line.split_once(":/")?;
                (!path.is_empty()).then(|| format!("{hierarchy}:/{BLANK}"))
            })),
            _ => None,
        },
        _ => None,
    }
}

/// Major and minor numbers that the container's I/O counters name.
fn devices_in_use(readings: &Readings) -> HashSet<(String, String)> {
    let io = |record: &&Record| {
        matches!(&record.source, Source::Cgroup { name, .. }
            if name.starts_with("io.") || name.starts_with("blkio."))
    };
    let texts = readings.records.iter().filter(io).flat_map(|record| &record.found);
    texts
        .filter_map(|reading| match &reading.content {
            Content::Text(text) => Some(text.lines()),
            _ => None,
        })
        .flatten()
        .filter_map(|line| line.split_whitespace().next()?.split_once(':'))
        .map(|(major, minor)| (major.to_owned(), minor.to_owned()))
        .collect()
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

fn keep(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|line| wanted(line)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn blanked(source: &str, text: &str) -> String {
        let used = HashSet::from([("8".to_owned(), "0".to_owned())]);
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
            ("host:/proc/meminfo", "MemTotal: 1 kB\n", "MemTotal: 1 kB\n"),
        ];
        for (source, text, expected) in cases {
            assert_eq!(blanked(source, text), expected, "{source}");
        }
    }
}
