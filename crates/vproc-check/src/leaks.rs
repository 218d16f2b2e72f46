//! Nothing of the host that the default policy would not show.
//!
//! One file of the host at a time is changed, and with it a policy's text may
//! change. It may where the default policy's does: that one copies some, as a
//! property of the machine or because the host has less than the limit. What
//! the default policy does not serve may show what it shows anywhere.

use crate::marks::{Change, Marked, differing};
use crate::report::{Check, Finding, Report, Severity};
use crate::smooth::Shown;
use crate::trial::{File, Trial};
use std::collections::{BTreeMap, BTreeSet};
use vproc_runtime::{Error, Refusal};
use vproc_snapshot::{Class, Content, Manifest, Readings, Source};

pub(crate) fn check(trial: &Trial<'_>, files: &[File<'_>], shown: &Shown, report: &mut Report) {
    if trial.readings.is_host {
        return;
    }
    let Some(manifest) = trial.default_manifest() else { return };
    let mut default = Default { trial, manifest: &manifest, plain: BTreeMap::new() };
    let is_meant = |file: &&File<'_>| {
        file.is_sample && !matches!(file.entry.class, Class::Passed | Class::Denied)
    };
    let files: Vec<&File<'_>> = files.iter().filter(is_meant).collect();
    let mut readings = trial.readings.clone();
    for place in 0..readings.records.len() {
        let Some((source, text)) = of_host(&readings, place) else { continue };
        let asks = |file: &&&File<'_>| file.entry.needs.iter().any(|need| need.source == source);
        let asking: Vec<&File<'_>> = files.iter().filter(asks).copied().collect();
        if asking.is_empty() {
            continue;
        }
        let mut found = Found::new();
        for change in Change::ALL {
            let marked = changed(&source, &text, change);
            if marked.text == text {
                continue;
            }
            put(&mut readings, place, &marked.text);
            for file in &asking {
                if report.has_given_up(&file.path) {
                    continue;
                }
                let Some(before) = shown.get(&file.path) else { continue };
                let Some(Ok(rendered)) = trial.render(file, &readings) else { continue };
                report.tried(Check::Leaks);
                let after = String::from_utf8_lossy(&rendered.body);
                if after != *before {
                    let leaked = default.leaked(file, &source, &marked, &readings, before, &after);
                    found.entry(&file.path).or_default().extend(leaked);
                }
            }
        }
        put(&mut readings, place, &text);
        tell(trial, &source, found, report);
    }
}

/// The labels of what leaked, by path.
type Found<'p> = BTreeMap<&'p str, BTreeSet<String>>;

fn tell(trial: &Trial<'_>, source: &Source, found: Found<'_>, report: &mut Report) {
    for (path, labels) in found.into_iter().filter(|(_, labels)| !labels.is_empty()) {
        let mut message = format!("it follows {source}, where the embedded policy does not");
        let named: Vec<String> = labels.iter().filter(|l| !l.is_empty()).cloned().collect();
        if let [first, rest @ ..] = named.as_slice() {
            message += &format!(", in `{first}`");
            if !rest.is_empty() {
                message += &format!(" and {} more", rest.len());
            }
        }
        let finding = Finding::new(Check::Leaks, Severity::Error, message);
        report.find(finding.on(trial.name).at(path));
    }
}

fn of_host(readings: &Readings, place: usize) -> Option<(Source, String)> {
    let record = readings.records.get(place)?;
    match (&record.source, &record.found.first()?.content) {
        (source @ Source::Host(_), Content::Text(text)) => Some((source.clone(), text.clone())),
        _ => None,
    }
}

fn put(readings: &mut Readings, place: usize, text: &str) {
    let record = readings.records.get_mut(place);
    if let Some(reading) = record.and_then(|record| record.found.first_mut()) {
        reading.content = Content::Text(text.to_owned());
    }
}

/// Below `/sys/devices/system`, where files say which CPUs and nodes there are,
/// the last number grows a little: with others the machine would make no sense.
fn changed(source: &Source, text: &str, change: Change) -> Marked {
    if !source.to_string().starts_with("host:/sys/") {
        return Marked::new(text, change);
    }
    let trimmed = text.trim_end();
    let digits = trimmed.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (before, last) = trimmed.split_at(trimmed.len() - digits);
    let text = match (change, last.parse::<u32>()) {
        (Change::Greater, Ok(number)) => format!("{before}{}\n", number.saturating_add(2)),
        _ => text.to_owned(),
    };
    Marked::of(text)
}

/// What the default policy says of the same.
struct Default<'a> {
    trial: &'a Trial<'a>,
    manifest: &'a Manifest,
    /// Its texts of what was recorded.
    plain: BTreeMap<String, Option<String>>,
}

impl Default<'_> {
    /// The labels of what a text of another policy shows or follows, and that of
    /// the default policy does not.
    fn leaked(
        &mut self,
        file: &File<'_>,
        source: &Source,
        marked: &Marked,
        readings: &Readings,
        before: &str,
        after: &str,
    ) -> BTreeSet<String> {
        let labels = |places: BTreeSet<&(String, usize)>| -> BTreeSet<String> {
            places.into_iter().map(|(label, _)| label.clone()).collect()
        };
        let shown = marked.shown(after, before);
        match self.texts(file, readings) {
            Text::Any => BTreeSet::new(),
            Text::Is { before: plain, after: own } => {
                let allowed = marked.shown(&own, &plain);
                let follows = differing(&plain, &own);
                let more = differing(before, after).into_iter().filter(|l| !follows.contains(l));
                let copied = labels(shown.difference(&allowed).copied().collect());
                more.chain(copied).collect()
            }
            Text::None => {
                let mut allowed = BTreeSet::new();
                let entries = self.manifest.entries.iter();
                let of_it = |need: &vproc_snapshot::Need| need.source == *source;
                let asking = entries.filter(|e| e.needs.iter().any(of_it) && !e.is_pattern());
                let paths: Vec<String> = asking.map(|entry| entry.path.clone()).collect();
                for path in paths {
                    let Some(text) = self.render(&path, readings) else { continue };
                    let Ok(text) = text else { continue };
                    allowed.extend(marked.shown(&text, ""));
                }
                labels(shown.difference(&allowed).copied().collect())
            }
        }
    }

    fn texts(&mut self, file: &File<'_>, readings: &Readings) -> Text {
        let Some(entry) = self.manifest.entry(&file.path) else { return Text::None };
        if entry.class == Class::Passed {
            return Text::Any;
        }
        if !self.plain.contains_key(&file.path) {
            let recorded = self.render(&file.path, &self.trial.readings);
            self.plain.insert(file.path.clone(), recorded.and_then(Result::ok));
        }
        match (self.render(&file.path, readings), self.plain.get(&file.path)) {
            (Some(Ok(after)), Some(Some(before))) => Text::Is { before: before.clone(), after },
            (Some(Err(Error::Refused(Refusal::Denied))), _) => Text::None,
            // It cannot make sense of what was changed, and is no measure.
            _ => Text::Any,
        }
    }

    fn render(&self, path: &str, readings: &Readings) -> Option<Result<String, Error>> {
        let entry = self.manifest.entry(path)?;
        let file = File { entry, path: path.to_owned(), is_sample: true };
        let answer = self.trial.by_default(&file, readings)?;
        Some(answer.map(|rendered| String::from_utf8_lossy(&rendered.body).into_owned()))
    }
}

enum Text {
    /// There is no measure.
    Any,
    /// It does not serve the file.
    None,
    /// Its text of what was recorded, and of what was changed.
    Is { before: String, after: String },
}
