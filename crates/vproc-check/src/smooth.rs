//! Renders as recorded: it answers, and always the same.

use crate::report::{Check, Finding, Report, Severity};
use crate::trial::{File, Trial};
use std::collections::BTreeMap;
use vproc_runtime::{Error, Refusal};
use vproc_snapshot::Class;

/// The texts by their paths.
pub(crate) type Shown = BTreeMap<String, String>;

pub(crate) fn check(trial: &Trial<'_>, files: &[File<'_>], report: &mut Report) -> Shown {
    let mut shown = Shown::new();
    for file in files {
        if report.has_given_up(&file.path) {
            continue;
        }
        let Some(answer) = trial.render(file, &trial.readings) else { continue };
        report.tried(Check::Renders);
        match answer {
            Ok(rendered) => {
                if file.is_sample {
                    again(trial, file, &rendered.body, report);
                }
                let text = String::from_utf8_lossy(&rendered.body).into_owned();
                shown.insert(file.path.clone(), text);
            }
            Err(Error::Refused(Refusal::Denied)) if file.entry.class == Class::Denied => {}
            // The directory did not list the number.
            Err(Error::Refused(Refusal::UnsupportedPath)) if file.entry.path != file.path => {}
            Err(error) => {
                if let Error::Timeout(_) = error {
                    report.give_up(&file.path);
                }
                report.find(failed(Check::Renders, &error).on(trial.name).at(&file.path));
            }
        }
    }
    shown
}

/// What a render that should have succeeded says.
pub(crate) fn failed(check: Check, error: &Error) -> Finding {
    Finding::new(check, Severity::Error, error.to_string())
}

/// Renders again: in a fresh instance, and twice in another.
fn again(trial: &Trial<'_>, file: &File<'_>, first: &[u8], report: &mut Report) {
    let mut differs = |what: &str| {
        let message = format!("the same snapshot gives other bytes {what}");
        let finding = Finding::new(Check::Determinism, Severity::Error, message);
        report.find(finding.on(trial.name).at(&file.path));
    };
    if let Some(Ok(second)) = trial.render(file, &trial.readings)
        && second.body != first
    {
        differs("in another instance");
    }
    if let (Ok(mut instance), Ok(snapshot)) =
        (trial.policy.instance(), trial.readings.snapshot_at(file.entry, &file.path, None))
    {
        for _ in 0..2 {
            if let Ok(other) = instance.render(&file.path, &snapshot)
                && other.body != first
            {
                differs("in an instance that has rendered before");
            }
        }
    }
    report.tried(Check::Determinism);
}
