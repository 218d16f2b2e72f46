//! What a text has in common with the default policy's of the same file: labels,
//! columns, and where numbers end.

use crate::marks::label;
use std::collections::BTreeSet;

/// Files of lines that begin with a label, of which the kernel prints each.
fn has_fixed_lines(path: &str) -> bool {
    let names = ["meminfo", "vmstat", "stat", "cpuinfo", "zoneinfo", "interrupts", "softirqs"];
    let is_of_node = path.starts_with("/sys/devices/system/node/node");
    let name = path.strip_prefix("/proc/").unwrap_or_default();
    names.contains(&name)
        || is_of_node && ["/meminfo", "/vmstat", "/numastat"].iter().any(|n| path.ends_with(n))
}

/// Files whose columns are CPUs: their number is another matter.
const OF_CPUS: &[&str] = &["/proc/interrupts", "/proc/softirqs", "/proc/schedstat"];

/// Where what stands in a line is for the policy to say.
const FREE: &[&str] = &["/proc/cmdline", "/proc/bootconfig", "/proc/version"];

/// What is different, if something is.
pub(crate) fn difference(path: &str, own: &str, default: &str) -> Option<String> {
    if own.is_empty() || default.is_empty() || FREE.contains(&path) {
        return None;
    }
    if path.starts_with("/proc/sys/") {
        return scalar(own, default);
    }
    // Lists, masks and numbers, of which the grammar says all.
    if path.starts_with("/sys/") && !has_fixed_lines(path) {
        return None;
    }
    let known: BTreeSet<String> = default.lines().map(label).collect();
    if has_fixed_lines(path) {
        let shown: BTreeSet<String> = own.lines().map(label).collect();
        if let Some(new) = shown.difference(&known).next() {
            return Some(format!("it has a line `{new}`, which this kernel does not print"));
        }
        if let Some(missing) = known.difference(&shown).next() {
            return Some(format!("it lacks the line `{missing}`, which this kernel prints"));
        }
    }
    if OF_CPUS.contains(&path) {
        return None;
    }
    own.lines().find_map(|line| {
        let name = label(line);
        let mut same = default.lines().filter(|known| label(known) == name).peekable();
        same.peek()?;
        let reasons: Vec<String> = same.map(|known| unlike(line, known)).collect::<Option<_>>()?;
        let short: String = line.chars().take(60).collect();
        Some(format!("`{short}` {}, unlike this kernel's", reasons.first()?))
    })
}

/// A number where there is a number.
fn scalar(own: &str, default: &str) -> Option<String> {
    let kinds = |text: &str| -> Vec<bool> {
        let words = text.split_ascii_whitespace();
        words.map(|word| word.trim_start_matches('-').parse::<f64>().is_ok()).collect()
    };
    let of_default = kinds(default);
    let is_numeric = !of_default.is_empty() && of_default.iter().all(|is_number| *is_number);
    (is_numeric && kinds(own) != of_default)
        .then(|| format!("`{}` is not {} numbers", own.trim_end(), of_default.len()))
}

/// A number and the blanks before it, or a word.
struct Token<'l> {
    gap: &'l str,
    word: &'l str,
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        let (gap, at) = rest.split_at(start);
        let end = at.find(char::is_whitespace).unwrap_or(at.len());
        let (word, after) = at.split_at(end);
        tokens.push(Token { gap, word });
        rest = after;
    }
    tokens
}

/// How a line differs from one with the same label.
fn unlike(own: &str, known: &str) -> Option<String> {
    let (own, known) = (tokens(own), tokens(known));
    let is_number = |word: &str| {
        let digits = word.trim_start_matches('-');
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok()
    };
    let is_all = |tokens: &[Token<'_>]| tokens.iter().skip(1).all(|token| is_number(token.word));
    if is_all(&own) && is_all(&known) && own.len() != known.len() {
        return Some(format!("has {} words, not {}", own.len(), known.len()));
    }
    let mut before: Option<(&Token<'_>, &Token<'_>)> = None;
    for (one, other) in own.iter().zip(&known) {
        if is_number(other.word) && !is_number(one.word) {
            return Some(format!("has `{}` where a number stands", one.word));
        }
        if !is_number(other.word) {
            if one.word != other.word {
                // From here on it is text.
                return None;
            }
        } else if !is_in_column(one, other, before) {
            return Some(format!("has `{}` in another column", one.word));
        }
        before = Some((one, other));
    }
    None
}

/// Aligned on the right or on the left, or as far as long numbers let it.
fn is_in_column(
    own: &Token<'_>,
    known: &Token<'_>,
    before: Option<(&Token<'_>, &Token<'_>)>,
) -> bool {
    let has_tabs = own.gap.contains('\t') && known.gap.contains('\t');
    let width = |token: &Token<'_>| token.gap.len() + token.word.len();
    let is_left = before.is_some_and(|(one, other)| {
        one.word.len() + own.gap.len() == other.word.len() + known.gap.len()
    });
    // A long label leaves too little room.
    let is_behind_label = before.is_some_and(|(one, _)| one.word.len() > 15);
    // As do amounts of more than eight digits.
    let is_long = known.word.len() > 8 && own.gap.len() > 1;
    has_tabs
        || is_long
        || is_behind_label && width(own) > width(known)
        || own.gap == known.gap
        || width(own) == width(known)
        || is_left
        || own.gap.len() <= 1 && width(own) > width(known)
        || known.gap.len() <= 1 && width(own) < width(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "/proc/meminfo";

    #[test]
    fn lines_are_those_of_the_default() {
        let default = "MemTotal:       262144 kB\nMemFree:           12 kB\n";
        let difference = |own: &str| difference(MEMINFO, own, default);
        assert_eq!(difference("MemTotal:         4096 kB\nMemFree:            7 kB\n"), None);
        assert_eq!(difference("MemTotal:       9999999999 kB\nMemFree:            7 kB\n"), None);
        for (own, part) in [
            ("MemTotal:       262144 kB\n", "lacks the line `MemFree`"),
            ("MemTotal: 262144 kB\nMemFree: 7 kB\n", "another column"),
            ("MemTotal:       262144 kB\nMemFree:           12 kB\nX: 1 kB\n", "a line `X`"),
            ("MemTotal:       nothing kB\nMemFree:           12 kB\n", "where a number"),
        ] {
            let found = difference(own);
            assert!(found.as_ref().is_some_and(|why| why.contains(part)), "{own}: {found:?}");
        }
    }

    #[test]
    fn numbers_stand_where_numbers_do() {
        let path = "/proc/sys/kernel/pid_max";
        assert_eq!(difference(path, "64\n", "32768\n"), None);
        assert!(difference(path, "many\n", "32768\n").is_some());
        assert_eq!(difference("/proc/sys/kernel/ostype", "BSD\n", "Linux\n"), None);
    }
}
