//! Reading and printing text as the kernel lays it out.

use crate::trace::{Amount, Origin, Provenance};
use crate::units::Count;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Reads a decimal number; one that does not fit saturates. `None` where
/// `text` is not all digits.
// Called from everywhere: inlined, it would be a tenth of the component.
#[cfg_attr(target_family = "wasm", inline(never))]
pub fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digit = |byte: u8| u64::from(byte - b'0');
    if text.len() < MAX_DIGITS {
        // Cannot overflow, and checking is dear in wasm.
        return Some(
            text.bytes().fold(0u64, |value, byte| value.wrapping_mul(10).wrapping_add(digit(byte))),
        );
    }
    Some(
        text.bytes().fold(0u64, |value, byte| value.saturating_mul(10).saturating_add(digit(byte))),
    )
}

/// Like [`number`], for a field that may carry a sign: below zero is zero.
pub fn at_least_zero(text: &str) -> Option<u64> {
    match text.strip_prefix('-') {
        Some(digits) => number(digits).map(|_| 0),
        None => number(text),
    }
}

/// The pairs of a file that has a key and a number on each line, such as
/// `memory.stat`. Lines of another shape are skipped: a newer kernel adds
/// some.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(as_pair)
}

/// A key and a number, as on each line of [`pairs`].
pub fn as_pair(line: &str) -> Option<(&str, u64)> {
    let gap = line.bytes().position(|byte| byte == b' ')?;
    let (key, value) = line.split_at_checked(gap)?;
    Some((key, at_least_zero(value.trim_ascii())?))
}

/// The number that follows `key` in such a file.
pub fn pair(text: &str, key: &str) -> Option<u64> {
    pairs(text).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The text of a virtual file under construction.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    /// In place of the text, what is not UTF-8.
    bytes: Option<Vec<u8>>,
    /// Where which number stands; only in an explanation.
    marks: Option<Box<Marks>>,
}

/// What an explanation knows of a text.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// In the order of the text.
    pub(crate) numbers: Vec<Mark>,
    /// Names of lines, and where in a line each was given.
    pub(crate) labels: Vec<(usize, String)>,
    /// What is said of lines without numbers, and from where on.
    pub(crate) rules: Vec<(usize, Rule)>,
    next: About,
}

/// Where a line comes from, and why.
pub(crate) type Rule = (Provenance, &'static str);

/// A number in a text.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) start: usize,
    /// Where it ends; equal to `start` if it is not in the text.
    pub(crate) end: usize,
    pub(crate) layout: Layout,
    pub(crate) value: Origin,
    pub(crate) about: About,
}

/// What is said of a number before it is printed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    pub(crate) column: &'static str,
    pub(crate) provenance: Option<Provenance>,
    pub(crate) reason: &'static str,
}

/// How a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As a decimal number, at most 2^63 − 1.
    Number,
    /// Hundredths, as a number with two decimals.
    Hundredths,
    /// A list of so many CPUs.
    CpuList,
    /// Not at all: it decides how many lines there are.
    Unprinted,
}

/// Most numbers have one of them.
const DIGITS: &str = "0123456789";

/// Digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

/// More blanks than any field of `/proc` is padded with.
const BLANKS: &str = "                                                ";

impl Text {
    /// An empty file, with room for a typical one.
    pub fn new() -> Self {
        Text { text: String::with_capacity(2048), bytes: None, marks: None }
    }

    /// An empty file that remembers where its numbers stand.
    pub(crate) fn marked() -> Self {
        Text { marks: Some(Box::default()), ..Text::new() }
    }

    /// An empty text that remembers as much as this one: for another file that
    /// this one takes its numbers from.
    pub(crate) fn another(&self) -> Self {
        if self.marks.is_some() { Text::marked() } else { Text::new() }
    }

    /// The word that each line begins with, up to a colon, and the number behind
    /// it.
    pub(crate) fn amounts(&self) -> impl Iterator<Item = (&str, Count)> {
        let mut end = 0;
        self.text.split_inclusive('\n').filter_map(move |line| {
            let start = end;
            end += line.len();
            let (name, rest) = line.split_once([':', ' '])?;
            let amount = Count(number(rest.trim_ascii().trim_end_matches(" kB"))?);
            let mut marks = self.marks.iter().flat_map(|marks| &marks.numbers);
            let mark = marks.find(|mark| start <= mark.start && mark.end <= end);
            // One that saturated where it was printed is not what it was.
            let is_same = |origin: &Origin| origin.node().is_some_and(|n| n.value == amount.0);
            let origin = mark.map(|mark| mark.value).filter(is_same).unwrap_or_default();
            Some((name, amount.with_origin(origin)))
        })
    }

    /// Replaces all of it by bytes, which need not be UTF-8: a file of a process
    /// holds names that somebody chose.
    pub fn set_bytes(&mut self, bytes: Vec<u8>) {
        if let Some(marks) = &mut self.marks {
            **marks = Marks::default();
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.text = text,
            Err(other) => {
                self.text.clear();
                self.bytes = Some(other.into_bytes());
            }
        }
    }

    /// The bytes in place of the text, where it is not UTF-8.
    pub(crate) fn take_bytes(&mut self) -> Option<Vec<u8>> {
        self.bytes.take()
    }

    /// The finished text.
    pub fn into_string(self) -> String {
        self.text
    }

    /// The finished text, and what is known of it.
    pub(crate) fn into_parts(self) -> (String, Marks) {
        (self.text, self.marks.map_or_else(Marks::default, |marks| *marks))
    }

    /// Adds text.
    pub fn push_str(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// What an explanation calls this line; its first word if nothing is said.
    #[inline(always)]
    pub fn label(&mut self, label: &str) -> &mut Self {
        if self.marks.is_some() {
            self.add_label(label);
        }
        self
    }

    /// What an explanation calls the next number, if the line has several.
    #[inline(always)]
    pub fn column(&mut self, column: &'static str) -> &mut Self {
        if let Some(marks) = &mut self.marks {
            marks.next.column = column;
        }
        self
    }

    /// Where the next number comes from, and why, in words. Only for what
    /// the number's own origin cannot tell.
    #[inline(always)]
    pub fn rule(&mut self, provenance: Provenance, reason: &'static str) -> &mut Self {
        if let Some(marks) = &mut self.marks {
            marks.next.provenance = Some(provenance);
            marks.next.reason = reason;
        }
        self
    }

    /// Where the lines from here on come from, and why, in words: those that
    /// have no numbers of their own.
    #[inline(always)]
    pub fn lines_are(&mut self, provenance: Provenance, reason: &'static str) -> &mut Self {
        if let Some(marks) = &mut self.marks {
            marks.rules.push((self.text.len(), (provenance, reason)));
        }
        self
    }

    /// A number that is not printed and decides which lines there are.
    #[inline(always)]
    pub fn decided_by(&mut self, name: &'static str, number: Count) -> &mut Self {
        if self.marks.is_some() {
            let start = self.text.len();
            self.column(name).mark(start, Layout::Unprinted, number);
        }
        self
    }

    /// Adds a list of CPUs, of which there are so many.
    pub fn push_cpus(&mut self, count: Count, print: impl FnOnce(&mut Text)) -> &mut Self {
        let start = self.text.len();
        print(self);
        if self.marks.is_some() {
            self.mark(start, Layout::CpuList, count);
        }
        self
    }

    #[cold]
    fn add_label(&mut self, label: &str) {
        if let Some(marks) = &mut self.marks {
            marks.labels.push((self.text.len(), label.into()));
        }
    }

    #[cold]
    #[inline(never)]
    fn mark(&mut self, start: usize, layout: Layout, value: Count) {
        if let Some(marks) = &mut self.marks {
            let about = core::mem::take(&mut marks.next);
            let (end, value) = (self.text.len(), value.origin());
            marks.numbers.push(Mark { start, end, layout, value, about });
        }
    }

    /// Adds the same character several times.
    pub fn push_repeated(&mut self, character: char, times: usize) -> &mut Self {
        for _ in 0..times {
            self.text.push(character);
        }
        self
    }

    /// Adds blanks.
    pub fn push_spaces(&mut self, times: usize) -> &mut Self {
        match BLANKS.get(..times) {
            Some(blanks) => self.push_str(blanks),
            None => self.push_repeated(' ', times),
        }
    }

    /// Adds a line and its end.
    pub fn push_line(&mut self, line: &str) -> &mut Self {
        self.push_str(line).push_str("\n")
    }

    /// Adds a number.
    #[inline(always)]
    pub fn push_number(&mut self, value: impl Into<Count>) -> &mut Self {
        self.push_right(value, 0)
    }

    /// Adds a number, to the right of a field of `width`: C's `%*lu`.
    ///
    /// Saturates where a reader that parses into a signed `long` would: no
    /// count of a kernel gets there, other than by wrapping below zero.
    #[inline(always)]
    pub fn push_right(&mut self, value: impl Into<Count>, width: usize) -> &mut Self {
        let value = value.into();
        self.push_digits(value.0, width);
        if self.marks.is_some() {
            let digits = digits(value.0.min(i64::MAX.unsigned_abs()));
            self.mark(self.text.len().saturating_sub(digits), Layout::Number, value);
        }
        self
    }

    /// Adds a number that counts nothing, such as that of a CPU.
    #[inline(never)]
    pub fn push_digits(&mut self, value: u64, width: usize) -> &mut Self {
        let digit = (value < 10).then_some(value as usize);
        if let Some(digit) = digit.and_then(|at| DIGITS.get(at..at + 1)) {
            self.push_spaces(width.saturating_sub(1));
            return self.push_str(digit);
        }
        let mut digits = [b'0'; MAX_DIGITS];
        let mut rest = value.min(i64::MAX.unsigned_abs());
        let mut start = MAX_DIGITS;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            start -= 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(start..).unwrap_or_default();
        self.push_spaces(width.saturating_sub(digits.len()));
        self.push_str(core::str::from_utf8(digits).unwrap_or_default())
    }

    /// Adds a number, to the left of a field of `width`: C's `%-*lu`.
    pub fn push_left(&mut self, value: u64, width: usize) -> &mut Self {
        self.push_number(value).push_spaces(width.saturating_sub(digits(value)))
    }

    /// Adds hundredths as a number with two decimals: C's `%lu.%02lu`.
    pub fn push_hundredths(&mut self, value: impl Into<Count>) -> &mut Self {
        let (value, start) = (value.into(), self.text.len());
        self.push_digits(value.0 / 100, 0).push_str(if value.0 % 100 < 10 { ".0" } else { "." });
        self.push_digits(value.0 % 100, 0);
        if self.marks.is_some() {
            self.mark(start, Layout::Hundredths, value);
        }
        self
    }
}

/// Digits of a number in decimal.
pub fn digits(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_saturate_and_refuse_what_is_not_one() {
        assert_eq!(number("18446744073709551616"), Some(u64::MAX));
        assert_eq!(number("9223372036854771712"), Some(9223372036854771712));
        for text in ["", "-1", "1 ", "0x1", "max"] {
            assert_eq!(number(text), None, "{text:?}");
        }
        assert_eq!(at_least_zero("-1"), Some(0));
    }

    #[test]
    fn prints_as_printf_does() {
        let mut text = Text::new();
        text.push_right(0u64, 8).push_right(u64::MAX, 3).push_str("|").push_right(42u64, 0);
        text.push_str("|").push_hundredths(305u64).push_str("|").push_hundredths(99u64);
        text.push_str("|").push_left(42, 4).push_left(12345, 4).push_str("|");
        assert_eq!(text.into_string(), "       09223372036854775807|42|3.05|0.99|42  12345|");
    }

    #[test]
    fn counts_digits() {
        assert_eq!([0, 9, 10, u64::MAX].map(digits), [1, 1, 2, 20]);
    }
}
