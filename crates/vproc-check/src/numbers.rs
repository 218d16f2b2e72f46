//! No number that has wrapped below zero.

use crate::report::{Check, Finding, Report, Severity};
use crate::smooth::Shown;
use crate::trial::Trial;
use vproc_snapshot::{Class, Manifest};

/// Files in which a number below zero has a meaning: a priority of swap, a
/// parameter of the kernel.
const SIGNED: &[&str] = &["/proc/swaps", "/proc/cmdline", "/proc/bootconfig"];

pub(crate) fn check(trial: &Trial<'_>, manifest: &Manifest, shown: &Shown, report: &mut Report) {
    for (path, text) in shown {
        let is_computed = manifest
            .entry(path)
            .is_some_and(|entry| matches!(entry.class, Class::Virtual | Class::Filtered));
        if !is_computed {
            continue;
        }
        report.tried(Check::Numbers);
        if let Some(wrapped) = wrapped(path, text) {
            let message = format!("`{wrapped}` is a number that has wrapped below zero");
            let finding = Finding::new(Check::Numbers, Severity::Error, message);
            report.find(finding.on(trial.name).at(path));
        }
    }
}

/// A number that no count of a kernel reaches but by wrapping.
pub(crate) fn wrapped<'t>(path: &str, text: &'t str) -> Option<&'t str> {
    let mut words = text.split([' ', '\t', '\n', ':', '=', ',']);
    words.find(|word| {
        let (digits, is_negative) = match word.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (*word, false),
        };
        let whole = digits.split('.').next().unwrap_or_default();
        let is_number = !whole.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && digits.bytes().filter(|byte| *byte == b'.').count() <= 1;
        is_number
            && (is_negative && !SIGNED.contains(&path)
                || whole.parse::<u64>().is_ok_and(|number| number > i64::MAX.unsigned_abs()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_numbers_are_seen() {
        for text in ["SwapFree: 18446744073709551488 kB\n", "-1 2\n", "a=-184467440737095424.00"] {
            assert!(wrapped("/proc/meminfo", text).is_some(), "{text}");
        }
        for text in ["VmallocTotal: 34359738367 kB\n", "flags: x-1 -\n", "0-3,7\n", "1.2.3"] {
            assert_eq!(wrapped("/proc/meminfo", text), None, "{text}");
        }
        assert_eq!(wrapped("/proc/swaps", "/dev/zram0 partition 8 0 -2\n"), None);
    }
}
