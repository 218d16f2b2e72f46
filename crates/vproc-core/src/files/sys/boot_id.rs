//! `/proc/sys/kernel/random/boot_id`: a name for the time that the container
//! has run.
//!
//! Programs take it for the machine's identity since its boot: systemd-journald
//! files messages by it, and services find stale locks by it. A container's is
//! computed from the host's by a keyed hash of when its init was started and
//! as which process: the same as long as the container runs, another after it
//! was started again, another in each container, and nothing from which the
//! host's could be found. It is of version 4, as the kernel's
//! (`generate_random_uuid` in `drivers/char/random.c`).

use super::{ITSELF, Rendered};
use crate::{Error, Text, View, process};

pub(super) fn boot_id(view: &View<'_>, out: &mut Text) -> Rendered {
    let host = view.text(ITSELF)?;
    if view.is_host() {
        out.push_str(host);
        return Ok(None);
    }
    let key = uuid(host.trim()).ok_or(Error::malformed(ITSELF, "not a UUID"))?;
    let started = process::start(view)?.0;
    let init = process::id(view)?;
    let high = siphash(key, [started, init, 1]);
    let low = siphash(key, [started, init, 2]);
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    print(out, u128::from(high) << 64 | u128::from(low));
    Ok(None)
}

/// The two halves of `8f7cdfa3-ce77-41e6-b972-9be4e123030d`.
fn uuid(text: &str) -> Option<[u64; 2]> {
    let mut value = 0u128;
    let mut digits = 0;
    for char in text.chars().filter(|char| *char != '-') {
        value = value << 4 | u128::from(char.to_digit(16)?);
        digits += 1;
    }
    (digits == 32).then_some([(value >> 64) as u64, value as u64])
}

fn print(out: &mut Text, value: u128) {
    for place in 0..32u32 {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.push_str("-");
        }
        let digit = (value >> (124 - 4 * place)) as u32 & 0xf;
        out.push_repeated(char::from_digit(digit, 16).unwrap_or('0'), 1);
    }
    out.push_str("\n");
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) of three words, whose key cannot
/// be found from what it gives.
fn siphash(key: [u64; 2], words: [u64; 3]) -> u64 {
    let [k0, k1] = key;
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    const LENGTH: u64 = 24 << 56;
    for word in words.into_iter().chain([LENGTH]) {
        v[3] ^= word;
        v = round(round(v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    let [a, b, c, d] = round(round(round(round(v))));
    a ^ b ^ c ^ d
}

fn round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let a = a.wrapping_add(b);
    let b = b.rotate_left(13) ^ a;
    let a = a.rotate_left(32);
    let c = c.wrapping_add(d);
    let d = d.rotate_left(16) ^ c;
    let a = a.wrapping_add(d);
    let d = d.rotate_left(21) ^ a;
    let c = c.wrapping_add(b);
    let b = b.rotate_left(17) ^ c;
    let c = c.rotate_left(32);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of 24 bytes of the authors' implementation.
    #[test]
    fn hashes_as_the_paper_does() {
        let word = |at: u8| u64::from_le_bytes(core::array::from_fn(|i| at + i as u8));
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let hash = siphash(key, [word(0), word(8), word(16)]);
        assert_eq!(hash.to_le_bytes(), [0x94, 0xaf, 0x49, 0xf6, 0xc6, 0x50, 0xad, 0xb8]);
    }
}
