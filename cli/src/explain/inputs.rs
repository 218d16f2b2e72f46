//! The inputs of an entry, as a person calls them.

use serde::Serialize;
use std::fmt::Write;
use vproc_snapshot::{Content, Entry, Explanation, Process, Reading, Readings, Scope, Source};

/// Where the numbers of an entry were read.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) entry: &'a Entry,
    /// One of the paths that the entry stands for.
    pub(crate) path: &'a str,
    pub(crate) readings: &'a Readings,
}

/// One input for scripts.
#[derive(Serialize)]
pub(crate) struct Listed<'a> {
    key: &'a str,
    source: &'a Source,
    found: &'a [Reading],
}

impl<'a> Inputs<'a> {
    fn source(&self, key: &str) -> Option<&'a Source> {
        self.entry.needs.iter().find(|need| need.key == key).map(|need| &need.source)
    }

    fn found(&self, key: &str) -> &'a [Reading] {
        let Some(source) = self.source(key) else { return &[] };
        let source = source.at(&self.entry.path, self.path);
        let mut records = self.readings.records.iter();
        records.find(|record| record.source == source).map_or(&[], |record| &record.found)
    }

    /// Keys of the inputs that were looked at; of all where nobody says.
    pub(crate) fn keys(&self, explanation: Option<&Explanation>) -> Vec<String> {
        match explanation {
            Some(explanation) => explanation.inputs.clone(),
            None => self.entry.needs.iter().map(|need| need.key.clone()).collect(),
        }
    }

    pub(crate) fn listed(&self, keys: &[String]) -> Vec<Listed<'a>> {
        let needs = self.entry.needs.iter().filter(|need| keys.contains(&need.key));
        needs
            .map(|need| Listed {
                key: &need.key,
                source: &need.source,
                found: self.found(&need.key),
            })
            .collect()
    }

    /// What a person calls an input: `memory.max`, `host`, `/proc/meminfo`.
    pub(crate) fn name(&self, key: &str) -> String {
        match self.source(key) {
            Some(Source::Host(path)) if *path == self.entry.path => "host".to_owned(),
            Some(Source::Host(path)) => format!("host {path}"),
            Some(Source::Namespaced(path)) => format!("the container's {path}"),
            Some(Source::Cgroup { name, .. }) => name.clone(),
            Some(Source::Process { of: Process::Init, name }) => format!("init's {name}"),
            Some(Source::Process { of: Process::Subject, name }) => format!("the process's {name}"),
            Some(Source::Process { of: Process::Reader, name }) => format!("the reader's {name}"),
            Some(Source::Process { name, .. }) => format!("its {name}"),
            Some(Source::Tasks) => "tasks".to_owned(),
            Some(Source::Processes) => "processes".to_owned(),
            None => key.to_owned(),
        }
    }

    /// In which group an input was found, where that is worth a word: ` at
    /// /kubepods/pod7 (2 above the leaf)`.
    pub(crate) fn place(&self, key: &str, level: u32) -> String {
        let is_limit =
            matches!(self.source(key), Some(Source::Cgroup { scope: Scope::Lineage, .. }));
        if level == 0 && !is_limit {
            return String::new();
        }
        let above = above(level);
        match self.group(key, level) {
            Some(group) => format!(" at {group} ({above})"),
            None => format!(", {above}"),
        }
    }

    fn group(&self, key: &str, level: u32) -> Option<&'a str> {
        let mut found = self.found(key).iter();
        found.find(|reading| reading.level == level)?.group.as_deref()
    }

    /// Adds a table of inputs and what was found there.
    pub(crate) fn write(&self, keys: &[String], out: &mut String) {
        let mut rows = Vec::new();
        for key in keys {
            let is_cgroup = matches!(self.source(key), Some(Source::Cgroup { .. }));
            let mut name = self.name(key);
            if name == "host" {
                name = format!("host {}", self.entry.path);
            }
            for reading in self.found(key) {
                let place = match (&reading.group, is_cgroup) {
                    (Some(group), true) => format!("{group} ({})", above(reading.level)),
                    (None, true) => above(reading.level),
                    _ => String::new(),
                };
                rows.push((std::mem::take(&mut name), place, raw(&reading.content)));
            }
        }
        let width = |column: fn(&(String, String, String)) -> &str| {
            rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
        };
        let (names, places) = (width(|row| &row.0), width(|row| &row.1));
        for (name, place, raw) in rows.iter().filter(|(_, _, raw)| !raw.is_empty()) {
            let line = format!("  {name:<names$}  {place:<places$}  {raw}");
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

/// How far above the leaf a group is, in words.
fn above(level: u32) -> String {
    match level {
        0 => "the leaf".to_owned(),
        level => format!("{level} above the leaf"),
    }
}

/// What was found, on one line.
fn raw(content: &Content) -> String {
    match content {
        Content::Text(text) => {
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            match lines.count() {
                0 if first.is_empty() => "empty".to_owned(),
                0 => format!("\"{}\"", first.escape_debug()),
                more => format!("{} lines", more + 1),
            }
        }
        Content::Bytes(bytes) => format!("{} bytes that are not UTF-8", bytes.len()),
        Content::Tasks(tasks) => format!(
            "{} tasks, {} running, {} blocked, newest {}",
            tasks.total, tasks.running, tasks.blocked, tasks.last_pid
        ),
        Content::Absent(errno) => {
            let error = i32::try_from(*errno).map(std::io::Error::from_raw_os_error);
            let words =
                error.map_or_else(|_| format!("errno {errno}"), |e| crate::failure::words(&e));
            format!("not there: {words}")
        }
    }
}
