//! Files read as the kernel's do: by its grammar, by the crate `procfs-core`, which
//! many programs use, and line by line as the default policy's.

use crate::grammar::grammar;
use crate::readers::reader;
use crate::report::{Check, Finding, Report, Severity};
use crate::skeleton;
use crate::smooth::Shown;
use crate::trial::{File, Trial};
use vproc_snapshot::{Class, Kind};

pub(crate) fn check(trial: &Trial<'_>, files: &[File<'_>], shown: &Shown, report: &mut Report) {
    let default = trial.default_manifest();
    for file in files {
        let Some(text) = shown.get(&file.path) else { continue };
        let is_text = file.entry.kind == Kind::File;
        if !is_text || file.entry.class == Class::Passed || text.is_empty() && is_masked(file) {
            continue;
        }
        let of_default = || {
            let own = trial.of_default(default.as_ref()?, file)?;
            let rendered = trial.by_default(&own, &trial.readings)?.ok()?;
            String::from_utf8(rendered.body).ok()
        };
        let judged = Judged { trial, file, text, default: of_default() };
        if judged.default.is_none() && grammar(&file.path).is_none() {
            let message = "there is no grammar of it: its layout is not judged";
            let finding = Finding::new(Check::Layout, Severity::Warning, message);
            report.find(finding.on(trial.name).at(&file.path));
            continue;
        }
        report.tried(Check::Layout);
        if let Some(complaint) = judged.complaint() {
            let finding = Finding::new(Check::Layout, Severity::Error, complaint);
            report.find(finding.on(trial.name).at(&file.path));
        }
    }
}

fn is_masked(file: &File<'_>) -> bool {
    file.entry.class == Class::Masked
}

struct Judged<'a> {
    trial: &'a Trial<'a>,
    file: &'a File<'a>,
    text: &'a str,
    /// The default policy's text.
    default: Option<String>,
}

impl Judged<'_> {
    fn complaint(&self) -> Option<String> {
        let (text, path) = (self.text, self.file.path.as_str());
        let default = self.default.as_deref();
        let ends = |text: &str| text.is_empty() || text.ends_with('\n');
        if !ends(text) && default.is_none_or(ends) {
            return Some("it does not end with a newline".to_owned());
        }
        // As the host has it.
        if self.trial.readings.is_host && host_text(self.trial, path) == Some(text) {
            return None;
        }
        // What the default policy cannot print, either, is another kernel's.
        let grammar = grammar(path).filter(|obeys| default.is_none_or(|own| obeys(own).is_ok()));
        if let Some(Err(complaint)) = grammar.map(|obeys| obeys(text)) {
            return Some(complaint);
        }
        let is_read = |reads: &fn(&str) -> bool| {
            host_text(self.trial, path).is_none_or(reads) && default.is_none_or(reads)
        };
        if reader(path).filter(is_read).is_some_and(|reads| !reads(text)) {
            return Some("a parser of the kernel's file (procfs-core) cannot read it".to_owned());
        }
        // A constant is that of another kernel.
        if self.file.entry.class == Class::Constant && grammar.is_some() {
            return None;
        }
        skeleton::difference(path, text, default?)
    }
}

/// The host's own text of the file.
pub(crate) fn host_text<'t>(trial: &'t Trial<'_>, path: &str) -> Option<&'t str> {
    use vproc_snapshot::{Content, Source};
    let records = trial.readings.records.iter();
    let mut own = records.filter(|record| record.source == Source::Host(path.to_owned()));
    match &own.next()?.found.first()?.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}
