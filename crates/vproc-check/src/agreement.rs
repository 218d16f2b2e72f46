//! Files say the same as one another, where programs read several.

use crate::invariants::{Contradiction, Texts, compare};
use crate::report::{Check, Finding, Report, Severity};
use crate::smooth::Shown;
use crate::trial::Trial;

pub(crate) fn check(trial: &Trial<'_>, shown: &Shown, report: &mut Report) {
    // Real hosts have CPUs that are not in use, and sums that were rounded.
    if trial.readings.is_host {
        return;
    }
    // What is empty says nothing.
    let texts: Texts = shown
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect();
    let compared = compare(&texts, trial.readings.environment.page_size);
    (0..compared.cases).for_each(|_| report.tried(Check::Agreement));
    for Contradiction { path, message } in compared.found {
        let finding = Finding::new(Check::Agreement, Severity::Error, message);
        report.find(finding.on(trial.name).at(&path));
    }
}
