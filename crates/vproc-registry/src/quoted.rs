//! What a stranger wrote, for a person to read.

use std::fmt;

/// A registry's words in quotes: without control characters, which could steer
/// a terminal, and not without end.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

const LONGEST: usize = 200;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(out, "{:?}…", self.0.get(..end).unwrap_or_default()),
            None => write!(out, "{:?}", self.0),
        }
    }
}

/// The same as a string, for errors that keep it.
pub(crate) fn quoted(text: impl AsRef<str>) -> String {
    Quoted(text.as_ref()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(quoted("a\x1b[2J\u{202e}\n\"ü"), r#""a\u{1b}[2J\u{202e}\n\"ü""#);
        assert_eq!(quoted("é".repeat(1000)).chars().count(), LONGEST + 3);
    }
}
