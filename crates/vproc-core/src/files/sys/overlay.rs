//! Files that a container may write to: what it writes stays in the container.
//!
//! The text that was written takes the place of the constant, or of the
//! computed number, and changes nothing else: neither the host, nor what the
//! kernel does with the container. It is checked and printed as the kernel
//! does it (`proc_dointvec`, `proc_doulongvec_minmax` and `proc_dostring` in
//! `kernel/sysctl.c`): numbers, of which one may write the first few; or one
//! line. What the kernel would cut off is refused.

use super::ITSELF;
use crate::contract::History;
use crate::{View, WriteError};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `CORENAME_MAX_SIZE` is 128 and `UMH_HELPER` paths have 256 bytes.
const LONGEST_LINE: usize = 255;

pub(super) const FORMAT: &str = "vproc.written/1";

/// The history of a file that keeps numbers as wide as the host's.
pub(super) const NUMBER: Option<History> = Some(History {
    format: FORMAT,
    interval_ms: 0,
    accept: Some(|view, written| {
        let before = view.text(ITSELF).map_err(WriteError::Refused)?;
        accept_numbers(before, &(0..=i64::MAX), written)
    }),
});

/// The history of a file that shows this constant, if its mode lets it be
/// written to.
macro_rules! overlay {
    (0o444 $text:literal) => {
        None
    };
    (0o644 $text:literal) => {
        Some(crate::contract::History {
            format: crate::files::sys::overlay::FORMAT,
            interval_ms: 0,
            accept: Some(|view, written| crate::files::sys::overlay::accept(view, $text, written)),
        })
    };
}

pub(super) use overlay;

/// Takes what is of the same kind as the constant.
#[inline(never)] // of many entries
pub(super) fn accept(view: &View<'_>, constant: &str, written: &str) -> Result<String, WriteError> {
    let values: Vec<Option<i64>> = fields(constant).map(|field| field.parse().ok()).collect();
    if values.is_empty() || values.contains(&None) {
        return accept_line(written);
    }
    // What does not fit into an `int` is a `long` without a sign.
    let int = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let is_int = values.iter().flatten().all(|value| int.contains(value));
    let before = view.state().and_then(|state| core::str::from_utf8(state).ok());
    let before = before.filter(|before| fields(before).count() == values.len());
    accept_numbers(before.unwrap_or(constant), &if is_int { int } else { 0..=i64::MAX }, written)
}

/// Takes numbers for the first of those that were there.
fn accept_numbers(
    before: &str,
    range: &core::ops::RangeInclusive<i64>,
    written: &str,
) -> Result<String, WriteError> {
    let mut values: Vec<String> = fields(before).map(ToString::to_string).collect();
    let mut places = values.iter_mut();
    let mut new = fields(written.trim_end_matches('\0')).peekable();
    if new.peek().is_none() {
        return Err(WriteError::Invalid);
    }
    for field in new {
        let value = integer(field).filter(|value| range.contains(value));
        let place = places.next().ok_or(WriteError::Invalid)?;
        *place = value.ok_or(WriteError::Invalid)?.to_string();
    }
    Ok(values.join("\t") + "\n")
}

/// Takes one line. The kernel keeps what stands before the first newline.
fn accept_line(written: &str) -> Result<String, WriteError> {
    let line = written.split(['\n', '\0']).next().unwrap_or_default();
    if line.len() > LONGEST_LINE {
        return Err(WriteError::Invalid);
    }
    Ok(String::from(line) + "\n")
}

fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
}

/// Decimal, or hexadecimal after `0x` (`proc_get_long` calls `strtoul_lenient`
/// with base 0).
fn integer(field: &str) -> Option<i64> {
    let (sign, digits) = match field.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, field),
    };
    // Of two signs, `parse` and `from_str_radix` would take the second.
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.starts_with(|first: char| first.is_ascii_hexdigit()) => {
            i64::from_str_radix(hex, 16).ok()?
        }
        Some(_) => return None,
        None => digits.parse::<i64>().ok()?,
    };
    value.checked_mul(sign)
}
