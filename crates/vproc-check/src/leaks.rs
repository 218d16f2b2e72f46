//! No number of the host that the default policy would not show.
//!
//! Every large number in the host's files is made one that stands out. Where
//! one of them comes out again the policy has copied it. The default policy
//! copies a few, as a property of the machine or because the host has less
//! than the limit; what it shows is no leak.

use crate::report::{Check, Finding, Report, Severity};
use crate::trial::{File, Trial};
use std::collections::BTreeSet;
use vproc_snapshot::{Class, Content, Manifest, Readings, Source};

/// Digits from which a number is taken for an amount of the host, rather than
/// for the number of a CPU or a device.
const DIGITS: usize = 5;

pub(crate) fn check(trial: &Trial<'_>, manifest: &Manifest, report: &mut Report) {
    if trial.readings.is_host {
        return;
    }
    let marked = marked(&trial.readings);
    let mut plain = marked.clone();
    plain.environment.settings.clear();
    let default = trial.default_manifest();
    for file in trial.files(manifest) {
        if !matches!(file.entry.class, Class::Virtual | Class::Filtered) {
            continue;
        }
        let Some(Ok(rendered)) = trial.render(&file, &marked) else { continue };
        report.tried(Check::Leaks);
        let shown = marks(&rendered.body);
        if shown.is_empty() {
            continue;
        }
        let allowed = default.as_ref().and_then(|manifest| {
            let entry = manifest.entry(&file.entry.path)?;
            let file = File { entry, path: file.path.clone() };
            let snapshot = plain.snapshot(file.entry, None).ok()?;
            Some(marks(&trial.default.render(&file.path, &snapshot).ok()?.body))
        });
        let leaked = shown.difference(&allowed.unwrap_or_default()).count();
        if leaked > 0 {
            let message = format!("it shows {leaked} numbers of the host that it was given");
            let finding = Finding::new(Check::Leaks, Severity::Error, message);
            report.find(finding.on(trial.name).at(&file.path));
        }
    }
}

/// What marks begin with: no amount of a real machine does, and so many
/// digits no other number has.
const MARK: u64 = 7_346_100_000;

/// The readings with marks for the large numbers of the host's files.
fn marked(readings: &Readings) -> Readings {
    let mut marked = readings.clone();
    let mut next = MARK;
    for record in &mut marked.records {
        if !matches!(record.source, Source::Host(_)) {
            continue;
        }
        for reading in &mut record.found {
            if let Content::Text(text) = &mut reading.content {
                *text = mark(text, &mut next);
            }
        }
    }
    marked
}

fn mark(text: &str, next: &mut u64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (digits, after) = number.split_at(end);
        out.push_str(before);
        // Within a word it is part of a name.
        let stands_alone = !before.ends_with(|c: char| c.is_alphabetic() || c == '.' || c == '_');
        if digits.len() >= DIGITS && stands_alone {
            out.push_str(&next.to_string());
            *next += 1;
        } else {
            out.push_str(digits);
        }
        rest = after;
    }
    out + rest
}

/// The marks in a text.
fn marks(body: &[u8]) -> BTreeSet<u64> {
    let text = String::from_utf8_lossy(body);
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    numbers.filter(|number| (MARK..MARK + 100_000).contains(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_for_large_numbers_alone() {
        let mut next = MARK;
        let text = mark("MemTotal: 2468408 kB cpu0 12345 sda12345 1.23456", &mut next);
        let expected = format!("MemTotal: {MARK} kB cpu0 {} sda12345 1.23456", MARK + 1);
        assert_eq!(text, expected);
        assert_eq!(marks(text.as_bytes()).len(), 2);
    }
}
