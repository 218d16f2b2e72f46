//! Reading and printing text as the kernel lays it out.

use alloc::string::String;

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
pub struct Text(String);

/// Digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

/// More blanks than any field of `/proc` is padded with.
const BLANKS: &str = "                                                ";

impl Text {
    /// An empty file, with room for a typical one.
    pub fn new() -> Self {
        Text(String::with_capacity(2048))
    }

    /// The finished text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Adds text.
    pub fn push_str(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// Adds the same character several times.
    pub fn push_repeated(&mut self, character: char, times: usize) -> &mut Self {
        for _ in 0..times {
            self.0.push(character);
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
    pub fn push_number(&mut self, value: u64) -> &mut Self {
        self.push_right(value, 0)
    }

    /// Adds a number, to the right of a field of `width`: C's `%*lu`.
    ///
    /// Saturates where a reader that parses into a signed `long` would: no
    /// count of a kernel gets there, other than by wrapping below zero.
    #[inline(never)]
    pub fn push_right(&mut self, value: u64, width: usize) -> &mut Self {
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

    /// Adds hundredths as a number with two decimals: C's `%lu.%02lu`.
    pub fn push_hundredths(&mut self, value: u64) -> &mut Self {
        self.push_number(value / 100).push_str(if value % 100 < 10 { ".0" } else { "." });
        self.push_number(value % 100)
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
        text.push_right(0, 8).push_right(u64::MAX, 3).push_str("|").push_right(42, 0);
        text.push_str("|").push_hundredths(305).push_str("|").push_hundredths(99);
        assert_eq!(text.into_string(), "       09223372036854775807|42|3.05|0.99");
    }

    #[test]
    fn counts_digits() {
        assert_eq!([0, 9, 10, u64::MAX].map(digits), [1, 1, 2, 20]);
    }
}
