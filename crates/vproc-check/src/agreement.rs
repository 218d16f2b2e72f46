//! Files say the same as one another, where programs read several.

use crate::report::{Check, Finding, Report, Severity};
use crate::smooth::Shown;
use crate::trial::Trial;

pub(crate) fn check(trial: &Trial<'_>, shown: &Shown, report: &mut Report) {
    let mut complain = |severity, path: &str, message: String| {
        report.find(Finding::new(Check::Agreement, severity, message).on(trial.name).at(path));
    };
    let mut cases = 0;
    if let Some(text) = shown.get("/proc/meminfo") {
        let amount = |label: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(label)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        for (part, whole) in [
            ("MemFree", "MemTotal"),
            ("MemAvailable", "MemTotal"),
            ("Cached", "MemTotal"),
            ("SwapFree", "SwapTotal"),
        ] {
            if let (Some(part_kib), Some(whole_kib)) = (amount(part), amount(whole)) {
                cases += 1;
                if part_kib > whole_kib {
                    let message =
                        format!("{part} {part_kib} kB is more than {whole} {whole_kib} kB");
                    complain(Severity::Error, "/proc/meminfo", message);
                }
            }
        }
    }
    let counts: Vec<(&str, usize)> = COUNTS
        .iter()
        .filter_map(|(path, count)| Some((*path, count(shown.get(*path)?)?)))
        .filter(|(_, count)| *count > 0)
        .collect();
    for pair in counts.windows(2) {
        let [(first, left), (second, right)] = *pair else { continue };
        cases += 1;
        if left != right {
            let message = format!("it shows {right} CPUs where {first} shows {left}");
            complain(Severity::Error, second, message);
        }
    }
    (0..cases).for_each(|_| report.tried(Check::Agreement));
}

/// How many CPUs a file shows, where it can be told.
type Count = fn(&str) -> Option<usize>;

const COUNTS: &[(&str, Count)] = &[
    ("/sys/devices/system/cpu/online", |text| list(text.trim())),
    ("/proc/stat", |text| {
        let is_cpu = |line: &&str| {
            let number = line.strip_prefix("cpu").and_then(|rest| rest.split(' ').next());
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        Some(text.lines().filter(is_cpu).count())
    }),
    // Other architectures have other lines.
    ("/proc/cpuinfo", |text| {
        Some(text.lines().filter(|line| line.starts_with("processor\t")).count())
    }),
];

/// The length of `0-3,7`.
fn list(text: &str) -> Option<usize> {
    text.split(',').try_fold(0usize, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(count.saturating_add(last.checked_sub(first)?.saturating_add(1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_counted() {
        assert_eq!(list("0"), Some(1));
        assert_eq!(list("0-3,7"), Some(5));
        for text in ["", "3-0", "x", "0-3,"] {
            assert_eq!(list(text), None, "{text}");
        }
    }
}
