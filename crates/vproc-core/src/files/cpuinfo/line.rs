//! A line of the form `key : value`.

use crate::Text;
use crate::text::number;
use crate::trace::Provenance;

/// A line with its parts. Put together again they are the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) key: &'a str,
    /// Up to the value: the key, the colon and the space between.
    before: &'a str,
    pub(super) value: &'a str,
    /// Behind the value: the line's end.
    after: &'a str,
}

impl<'a> Field<'a> {
    /// `None` where the line has no colon.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (label, rest) = line.split_once(':')?;
        let rest = rest.trim_start_matches([' ', '\t']);
        let value = rest.trim_ascii_end();
        Some(Field {
            key: label.trim_ascii(),
            before: line.strip_suffix(rest)?,
            value,
            after: rest.strip_prefix(value)?,
        })
    }

    /// The value of the line that begins a CPU's paragraph.
    pub(super) fn number_after(line: &'a str, key: &str) -> Option<(Self, u32)> {
        if !line.starts_with(key) {
            return None;
        }
        let field = Field::parse(line).filter(|field| field.key == key)?;
        Some((field, u32::try_from(number(field.value)?).ok()?))
    }

    /// Prints the line with what `print` prints in place of the value.
    pub(super) fn print_with(&self, out: &mut Text, print: impl FnOnce(&mut Text)) {
        out.push_str(self.before);
        print(out);
        out.push_str(self.after);
    }

    /// Prints the line with a number in place of the value.
    pub(super) fn print_number(&self, out: &mut Text, value: u32) {
        self.print_with(out, |out| {
            out.rule(Provenance::Computed, "among the CPUs that the container sees");
            out.push_number(u64::from(value));
        });
    }

    /// Prints the line with zeros in place of the value's digits and letters.
    pub(super) fn print_zeros(&self, out: &mut Text) {
        self.print_with(out, |out| push_zeros(out, self.value));
    }
}

/// Prints a text with zeros in place of digits and letters.
pub(super) fn push_zeros(out: &mut Text, text: &str) {
    for character in text.chars() {
        out.push_repeated(if character.is_alphanumeric() { '0' } else { character }, 1);
    }
}

/// Whether a line has nothing on it.
pub(super) fn is_blank(line: &str) -> bool {
    line.trim_ascii().is_empty()
}
