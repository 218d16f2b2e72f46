//! What a render leaves for the next one, as bytes.
//!
//! Numbers are written seven bits at a time, low ones first, as most are
//! small (LEB128). State may come from elsewhere: whatever does not read back
//! as it would have been written is refused as a whole.

use alloc::vec::Vec;

/// Writes numbers.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn push(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads numbers in the order in which they were written.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// The next number; `None` at the end, and where the bytes are not as
    /// [`Writer`] leaves them.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte < 0x80 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    /// Whether all has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_was_written(numbers: Vec<u64>) {
            let mut writer = Writer::default();
            for number in &numbers {
                writer.push(*number);
            }
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            for number in &numbers {
                prop_assert_eq!(reader.next(), Some(*number));
            }
            prop_assert!(reader.is_at_end());
            prop_assert_eq!(reader.next(), None);
        }

        #[test]
        fn what_reads_is_what_was_written(bytes: Vec<u8>) {
            let (mut reader, mut writer) = (Reader::new(&bytes), Writer::default());
            while let Some(number) = reader.next() {
                writer.push(number);
            }
            prop_assert!(bytes.starts_with(&writer.into_bytes()));
        }
    }
}
