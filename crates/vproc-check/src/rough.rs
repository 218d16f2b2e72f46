//! Inputs that are missing, cut off or absurd: the policy refuses or makes up
//! for them. It does not trap, hang or print what has wrapped.

use crate::numbers::wrapped;
use crate::report::{Check, Finding, Report, Severity};
use crate::trial::{Answer, File, Trial};
use vproc_runtime::Error;
use vproc_snapshot::{Class, Content, Readings};

/// errno(3): no such file, not permitted, the group is gone.
const ERRNOS: [u32; 3] = [2, 13, 116];

pub(crate) fn check(trial: &Trial<'_>, files: &[File<'_>], report: &mut Report) {
    for file in files.iter().filter(|file| file.is_sample) {
        if report.has_given_up(&file.path) {
            continue;
        }
        // Changed and put right again: a copy for each render takes longer
        // than the render.
        let mut readings = trial.readings.clone();
        for need in &file.entry.needs {
            let records = trial.readings.records.iter().enumerate();
            let own = records.filter(|(_, record)| record.source == need.source);
            let places =
                own.flat_map(|(place, record)| (0..record.found.len()).map(move |of| (place, of)));
            for place in places {
                tamper(trial, file, &need.key, place, &mut readings, report);
            }
        }
    }
}

/// Renders with each content that may stand in place of one reading: that of a
/// file, or of one group in a lineage.
fn tamper(
    trial: &Trial<'_>,
    file: &File<'_>,
    key: &str,
    place: (usize, usize),
    readings: &mut Readings,
    report: &mut Report,
) {
    let Some(own) = content(readings, place).cloned() else { return };
    let missing = ERRNOS.map(|errno| (Check::Missing, Content::Absent(errno)));
    let malformed = malformed(&own).into_iter().map(|content| (Check::Malformed, content));
    for (check, content) in missing.into_iter().chain(malformed) {
        if report.has_given_up(&file.path) {
            break;
        }
        replace(readings, place, content);
        let Some(answer) = trial.render(file, readings) else { continue };
        report.tried(check);
        judge(trial, file, check, key, &answer, report);
    }
    replace(readings, place, own);
}

/// Of a record and one of its readings.
fn content(readings: &mut Readings, (record, of): (usize, usize)) -> Option<&mut Content> {
    Some(&mut readings.records.get_mut(record)?.found.get_mut(of)?.content)
}

fn replace(readings: &mut Readings, place: (usize, usize), by: Content) {
    if let Some(content) = content(readings, place) {
        *content = by;
    }
}

/// What a text may be in place of what it is.
fn malformed(content: &Content) -> Vec<Content> {
    let Content::Text(text) = content else { return Vec::new() };
    let until = |end: usize| text.get(..end).unwrap_or_default().to_owned();
    let largest: String = numbers(text, "18446744073709551615");
    let beyond: String = numbers(text, "99999999999999999999999");
    let below: String = numbers(text, "-1");
    let mut texts = vec![String::new(), "\n".into(), "\u{0}\u{fffd} ::\n".into()];
    texts.extend([until(text.len() / 3), until(text.len().saturating_sub(2))]);
    texts.extend([largest, beyond, below]);
    let mut contents: Vec<Content> = texts.into_iter().map(Content::Text).collect();
    contents.push(Content::Bytes(vec![0xff, 0, b'1', b'\n']));
    contents
}

/// The text with each number that stands alone replaced.
fn numbers(text: &str, by: &str) -> String {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive([' ', '\t', '\n']) {
        let end = word.trim_end_matches([' ', '\t', '\n']).len();
        let (word, gap) = word.split_at_checked(end).unwrap_or((word, ""));
        out.push_str(if is_number(word) { by } else { word });
        out.push_str(gap);
    }
    out
}

fn judge(
    trial: &Trial<'_>,
    file: &File<'_>,
    check: Check,
    key: &str,
    answer: &Answer,
    report: &mut Report,
) {
    let message = match answer {
        Err(Error::Refused(_)) => return,
        Err(Error::Timeout(_)) if report.has_given_up(&file.path) => return,
        Err(error) => format!("where the input `{key}` is {}: {error}", kind(check)),
        Ok(rendered) => {
            let text = String::from_utf8_lossy(&rendered.body);
            // What is passed on or picked out may be as absurd as it came.
            let is_own = file.entry.class == Class::Virtual;
            match wrapped(&file.path, &text).filter(|_| is_own && !trial.readings.is_host) {
                Some(number) => format!("it shows `{number}` where the input `{key}` is absurd"),
                None => return,
            }
        }
    };
    if let Err(Error::Timeout(_)) = answer {
        report.give_up(&file.path);
    }
    report.find(Finding::new(check, Severity::Error, message).on(trial.name).at(&file.path));
}

fn kind(check: Check) -> &'static str {
    if check == Check::Missing { "missing" } else { "malformed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_stand_alone_are_replaced() {
        assert_eq!(numbers("a 1 b2\t33\n4", "-1"), "a -1 b2\t-1\n-1");
        assert_eq!(numbers("", "1"), "");
    }
}
