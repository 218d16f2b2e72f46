//! The time of a render, beside the default policy's.

use crate::report::{Check, Finding, Report, Severity};
use crate::trial::{File, Trial};
use serde::Serialize;
use std::time::{Duration, Instant};
use vproc_runtime::Policy;
use vproc_snapshot::Readings;

/// What a render of one file takes, in an instance that has rendered before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// The file.
    pub path: String,
    /// The capture.
    pub capture: String,
    /// Microseconds: the median.
    pub micros: f64,
    /// Microseconds of the default policy, if it serves the file.
    pub default_micros: Option<f64>,
}

/// Renders for each of the two.
const ROUNDS: usize = 15;

/// What is worth a word: longer than a reader would notice.
const SLOW: Duration = Duration::from_millis(10);

pub(crate) fn check(trial: &Trial<'_>, files: &[File<'_>], report: &mut Report) {
    // One machine is enough.
    if trial.readings.is_host || !report.costs.is_empty() {
        return;
    }
    let default = trial.default_manifest();
    let mut plain = trial.readings.clone();
    plain.environment.settings.clear();
    for file in files.iter().filter(|file| file.is_sample) {
        let Some(own) = median(trial.policy, file, &trial.readings) else { continue };
        let other = default
            .as_ref()
            .and_then(|manifest| median(trial.default, &trial.of_default(manifest, file)?, &plain));
        report.tried(Check::Cost);
        if own > SLOW {
            let message = format!("a render takes {own:?}");
            let finding = Finding::new(Check::Cost, Severity::Warning, message);
            report.find(finding.on(trial.name).at(&file.path));
        }
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        report.costs.push(Cost {
            path: file.path.clone(),
            capture: trial.name.to_owned(),
            micros: micros(own),
            default_micros: other.map(micros),
        });
    }
}

fn median(policy: &Policy, file: &File<'_>, readings: &Readings) -> Option<Duration> {
    let snapshot = readings.snapshot_at(file.entry, &file.path, None).ok()?;
    let mut instance = policy.instance().ok()?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        instance.render(&file.path, &snapshot).ok()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    times.get(ROUNDS / 2).copied()
}
