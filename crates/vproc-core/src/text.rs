//! Reading and printing text as the kernel lays it out.

use alloc::string::String;

/// Reads a decimal number; one that does not fit saturates. `None` where
/// `text` is not all digits.
pub fn number(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |value, byte| match byte {
        b'0'..=b'9' => Some(value.saturating_mul(10).saturating_add(u64::from(byte - b'0'))),
        _ => None,
    })
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
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, at_least_zero(value.trim())?))
    })
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
    pub fn push_right(&mut self, value: u64, width: usize) -> &mut Self {
        let mut digits = [b' '; MAX_DIGITS];
        let mut rest = value.min(i64::MAX.unsigned_abs());
        let mut length = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            length += 1;
            if rest == 0 {
                break;
            }
        }
        self.push_repeated(' ', width.saturating_sub(length));
        let digits = digits.get(MAX_DIGITS - length..).unwrap_or_default();
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
