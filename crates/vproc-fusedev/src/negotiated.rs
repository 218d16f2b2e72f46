//! What kernel and server agree on when a connection begins.

use crate::wire::{InitIn, InitOut};
use std::fmt;
use std::str::FromStr;

/// The newest minor version whose requests are known here.
const MINOR: u32 = 40;
/// Linux 5.4. All structures have had their present sizes since 7.23.
const OLDEST_MINOR: u32 = 31;
/// The least that the kernel accepts. It keeps receive buffers small: they
/// must hold the largest write.
const MAX_WRITE: u32 = 4096;
/// 1 MiB, so that a large direct read is one request.
const MAX_PAGES: u16 = 256;
/// Releases are sent in the background, and the kernel's default of 12 is few
/// for files that many processes open and close.
const MAX_BACKGROUND: u16 = 64;

const ASYNC_READ: u64 = 1 << 0;
const ATOMIC_O_TRUNC: u64 = 1 << 3;
const DO_READDIRPLUS: u64 = 1 << 13;
const READDIRPLUS_AUTO: u64 = 1 << 14;
const PARALLEL_DIROPS: u64 = 1 << 18;
const MAX_PAGES_FLAG: u64 = 1 << 22;
const INIT_EXT: u64 = 1 << 30;
const HAS_RESEND: u64 = 1 << 39;

const WANTED: u64 = ASYNC_READ
    | ATOMIC_O_TRUNC
    | DO_READDIRPLUS
    | READDIRPLUS_AUTO
    | PARALLEL_DIROPS
    | MAX_PAGES_FLAG
    | INIT_EXT
    | HAS_RESEND;

/// What kernel and server agreed on.
///
/// It prints as one word, so that a process that resumes the connection can
/// get it as an argument:
///
/// ```
/// use vproc_fusedev::Negotiated;
/// let text = "minor=40,flags=0x8040446009,max_write=4096,max_pages=256";
/// let negotiated: Negotiated = text.parse()?;
/// assert!(negotiated.can_resend());
/// assert_eq!(negotiated.to_string(), text);
/// # Ok::<(), vproc_fusedev::NotNegotiated>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The minor version of the protocol; the major one is 7.
    pub minor: u32,
    /// `FUSE_*` flags of INIT that both sides have.
    pub flags: u64,
    /// The most bytes that one write request carries.
    pub max_write: u32,
    /// The most pages that one read request asks for.
    pub max_pages: u16,
}

impl Negotiated {
    /// Whether the kernel queues requests in flight again when asked to
    /// (Linux 6.9): see [`Connection::resend`](crate::Connection::resend).
    pub fn can_resend(&self) -> bool {
        self.flags & HAS_RESEND != 0
    }

    /// The same with a kernel that cannot do that.
    pub(crate) fn without_resend(self) -> Self {
        Negotiated { flags: self.flags & !HAS_RESEND, ..self }
    }

    /// The answer to INIT. `offered` are all 64 flags of the kernel.
    pub(crate) fn agree(init: &InitIn, offered: u64, resend: bool) -> (Negotiated, InitOut) {
        let mut flags = WANTED & offered;
        if !resend || flags & INIT_EXT == 0 {
            flags &= !HAS_RESEND;
        }
        let minor = init.minor.min(MINOR);
        let max_pages = if flags & MAX_PAGES_FLAG == 0 { 32 } else { MAX_PAGES };
        let answer = InitOut {
            major: 7,
            minor,
            max_readahead: init.max_readahead,
            flags: flags as u32,
            flags2: (flags >> 32) as u32,
            max_background: MAX_BACKGROUND,
            congestion_threshold: MAX_BACKGROUND / 4 * 3,
            max_write: MAX_WRITE,
            time_gran: 1,
            max_pages,
            ..InitOut::default()
        };
        (Negotiated { minor, flags, max_write: MAX_WRITE, max_pages }, answer)
    }

    /// Whether this crate can speak with such a kernel.
    pub(crate) fn supports(init: &InitIn) -> bool {
        init.major == 7 && init.minor >= OLDEST_MINOR
    }
}

/// All flags that the kernel offers. Without `FUSE_INIT_EXT` (Linux 5.17) the
/// request may end before the upper half.
pub(crate) fn offered(init: &InitIn, upper: Option<u32>) -> u64 {
    let lower = u64::from(init.flags);
    match upper {
        Some(upper) if lower & INIT_EXT != 0 => lower | u64::from(upper) << 32,
        _ => lower,
    }
}

impl fmt::Display for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Negotiated { minor, flags, max_write, max_pages } = self;
        write!(f, "minor={minor},flags={flags:#x},max_write={max_write},max_pages={max_pages}")
    }
}

/// A text that is not what [`Negotiated`] prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what a FUSE connection negotiates")]
pub struct NotNegotiated(String);

impl FromStr for Negotiated {
    type Err = NotNegotiated;

    fn from_str(text: &str) -> Result<Self, NotNegotiated> {
        words(text).ok_or_else(|| NotNegotiated(text.into()))
    }
}

fn words(text: &str) -> Option<Negotiated> {
    let mut words = text.split(',');
    let mut value = |key| words.next()?.strip_prefix(key)?.strip_prefix('=');
    let negotiated = Negotiated {
        minor: value("minor")?.parse().ok()?,
        flags: u64::from_str_radix(value("flags")?.strip_prefix("0x")?, 16).ok()?,
        max_write: value("max_write")?.parse().ok()?,
        max_pages: value("max_pages")?.parse().ok()?,
    };
    words.next().is_none().then_some(negotiated)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NEW: InitIn = InitIn { major: 7, minor: 45, max_readahead: 131072, flags: !0 };

    #[test]
    fn takes_no_more_than_is_offered() {
        let old = InitIn { minor: 31, flags: (ASYNC_READ | MAX_PAGES_FLAG) as u32, ..NEW };
        let (negotiated, answer) = Negotiated::agree(&old, offered(&old, None), true);
        assert_eq!(negotiated.flags, ASYNC_READ | MAX_PAGES_FLAG);
        assert_eq!((answer.minor, answer.flags2, answer.max_pages), (31, 0, 256));
        assert!(!negotiated.can_resend());
    }

    #[test]
    fn the_upper_flags_need_the_extension() {
        let (negotiated, answer) = Negotiated::agree(&NEW, offered(&NEW, Some(!0)), true);
        assert!(negotiated.can_resend());
        assert_eq!((answer.minor, answer.flags2), (MINOR, 1 << 7));
        let short = InitIn { flags: !(INIT_EXT as u32), ..NEW };
        assert_eq!(offered(&short, Some(!0)) >> 32, 0);
    }

    #[test]
    fn resending_can_be_declined() {
        let (negotiated, answer) = Negotiated::agree(&NEW, offered(&NEW, Some(!0)), false);
        assert!(!negotiated.can_resend());
        assert_eq!(answer.flags2, 0);
    }

    #[test]
    fn old_and_future_kernels_are_refused() {
        assert!(Negotiated::supports(&NEW));
        assert!(!Negotiated::supports(&InitIn { minor: 30, ..NEW }));
        assert!(!Negotiated::supports(&InitIn { major: 8, ..NEW }));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let (negotiated, _) = Negotiated::agree(&NEW, !0, true);
        assert_eq!(negotiated.to_string().parse::<Negotiated>().unwrap(), negotiated);
        for wrong in ["", "minor=1", "minor=1,flags=0x0,max_write=1,max_pages=1,more=1"] {
            assert!(wrong.parse::<Negotiated>().is_err(), "{wrong}");
        }
    }
}
