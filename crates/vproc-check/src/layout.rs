//! Files read as the kernel's do: the crate `procfs-core`, which many programs
//! use, can read them.

use crate::readers::reader;
use crate::report::{Check, Finding, Report, Severity};
use crate::smooth::Shown;
use crate::trial::Trial;

pub(crate) fn check(trial: &Trial<'_>, shown: &Shown, report: &mut Report) {
    for (path, text) in shown {
        let Some(reads) = reader(path) else { continue };
        // Files of another architecture or an older kernel it may not read.
        if host_text(trial, path).is_some_and(|own| !reads(own)) {
            continue;
        }
        report.tried(Check::Layout);
        let complaint = if !text.is_empty() && !text.ends_with('\n') {
            "it does not end with a newline"
        } else if !reads(text) {
            "a parser of the kernel's file (procfs-core) cannot read it"
        } else {
            continue;
        };
        let finding = Finding::new(Check::Layout, Severity::Error, complaint);
        report.find(finding.on(trial.name).at(path));
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
