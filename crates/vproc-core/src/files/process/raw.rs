//! Text that is not always UTF-8: names of commands and files are bytes.

use alloc::vec::Vec;

/// The lines of a text, without their ends.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let is_empty = text.is_empty();
    text.split(|byte| *byte == b'\n').filter(move |_| !is_empty)
}

/// What follows the label of a line that is one of a text.
pub(super) fn labelled<'t>(text: &'t [u8], label: &str) -> Option<&'t [u8]> {
    lines(text).find_map(|line| line.strip_prefix(label.as_bytes()))
}

/// Bytes as text; nothing where they are none.
pub(super) fn ascii(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// The numbers between blanks.
pub(super) fn numbers(text: &[u8]) -> impl Iterator<Item = u32> {
    ascii(text).split_ascii_whitespace().filter_map(|word| word.parse().ok())
}

/// What stands before and behind the first of some bytes.
pub(super) fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// A file under construction.
#[derive(Debug, Default)]
pub(super) struct Raw(Vec<u8>);

impl Raw {
    /// An empty one, with room for as much as another has.
    pub(super) fn like(text: &[u8]) -> Self {
        Raw(Vec::with_capacity(text.len() + 64))
    }

    pub(super) fn push(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(super) fn push_number(&mut self, value: u64) -> &mut Self {
        self.push_right(value, 0)
    }

    /// Adds a number, to the right of a field of `width`.
    pub(super) fn push_right(&mut self, value: u64, width: usize) -> &mut Self {
        let mut text = crate::Text::default();
        text.push_right(value, width);
        self.push(text.into_string())
    }

    /// Adds a text in which each number is replaced.
    pub(super) fn push_replaced(&mut self, text: &[u8], replace: impl Fn(u32) -> u32) -> &mut Self {
        for run in text.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            match ascii(run).parse() {
                Ok(number) => self.push_number(u64::from(replace(number))),
                Err(_) => self.push(run),
            };
        }
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for Raw {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
