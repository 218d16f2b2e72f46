//! The limits of a sandbox, and how people write them.

use std::fmt;
use std::str::FromStr;

/// What the group of a sandbox is limited to. What is `None` is left as the
/// kernel sets it up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory.
    pub memory: Option<Size>,
    /// Swap on top of memory.
    pub swap: Option<Size>,
    /// CPU time.
    pub cpus: Option<Cpus>,
    /// CPUs to run on, as the kernel writes a set of them: `0-3,8`.
    pub cpuset: Option<String>,
    /// Processes and threads; the sandbox's own init is one of them.
    pub pids: Option<u32>,
}

/// A number of bytes, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// So many bytes.
    Bytes(u64),
    /// No limit.
    Max,
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Bytes(bytes) => write!(out, "{bytes}"),
            Size::Max => out.write_str("max"),
        }
    }
}

/// Text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSize {
    /// Not a number with an optional unit.
    #[error(
        "`{0}` is not a size: write bytes, or a number with K, M, G or T (`256M`, `1.5G`), or `max`"
    )]
    Syntax(String),
    /// More than 64 bits of bytes.
    #[error("`{0}` is more than a kernel can count; `max` means no limit")]
    TooLarge(String),
}

impl FromStr for Size {
    type Err = MalformedSize;

    /// Reads `256M`, `1.5G`, `4096`, `max`. Units are powers of 1024, in
    /// either case, with or without a `B` or `iB` after them.
    fn from_str(text: &str) -> Result<Self, MalformedSize> {
        if text == "max" {
            return Ok(Size::Max);
        }
        let malformed = || MalformedSize::Syntax(text.to_owned());
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let number = Decimal::parse(number).ok_or_else(malformed)?;
        let shift = binary_unit(unit).ok_or_else(malformed)?;
        let bytes = number.times(1 << shift);
        bytes.map(Size::Bytes).ok_or_else(|| MalformedSize::TooLarge(text.to_owned()))
    }
}

fn binary_unit(text: &str) -> Option<u32> {
    let text = text.to_ascii_lowercase();
    let letter = text.strip_suffix("ib").or(text.strip_suffix('b')).unwrap_or(&text);
    match letter {
        "" if text == "ib" => None,
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        _ => None,
    }
}

/// A share of CPU time, in thousandths of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cpus {
    thousandths: u32,
}

impl Cpus {
    /// The kernel refuses a quota of less than a millisecond
    /// (`min_cfs_quota_period` in kernel/sched/core.c), which is a hundredth
    /// of the period that a sandbox uses.
    const LEAST: u32 = 10;

    /// The period of a sandbox's quota in microseconds; the kernel's default.
    pub const PERIOD: u64 = 100_000;

    /// So many thousandths of a CPU, at least ten.
    pub fn from_thousandths(thousandths: u32) -> Option<Self> {
        (thousandths >= Self::LEAST).then_some(Cpus { thousandths })
    }

    /// The amount in thousandths of a CPU.
    pub fn thousandths(self) -> u32 {
        self.thousandths
    }

    /// The microseconds of CPU time in each [`Cpus::PERIOD`].
    pub fn quota(self) -> u64 {
        u64::from(self.thousandths) * (Self::PERIOD / 1000)
    }
}

/// Text that is no amount of CPU time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCpus {
    /// Not a decimal number.
    #[error("`{0}` is not a number of CPUs: write `2`, `1.5` or `0.25`")]
    Syntax(String),
    /// Less than the kernel can give.
    #[error("`{0}` CPUs are less than the kernel gives: the least is 0.01")]
    TooFew(String),
    /// More than can be said.
    #[error("`{0}` CPUs are more than any machine has")]
    TooMany(String),
}

impl FromStr for Cpus {
    type Err = MalformedCpus;

    fn from_str(text: &str) -> Result<Self, MalformedCpus> {
        let number = Decimal::parse(text).ok_or_else(|| MalformedCpus::Syntax(text.to_owned()))?;
        let thousandths = number
            .times(1000)
            .and_then(|thousandths| u32::try_from(thousandths).ok())
            .ok_or_else(|| MalformedCpus::TooMany(text.to_owned()))?;
        Cpus::from_thousandths(thousandths).ok_or_else(|| MalformedCpus::TooFew(text.to_owned()))
    }
}

/// An exact decimal number: a float would turn `0.07` CPUs into 69
/// thousandths.
struct Decimal {
    digits: u128,
    scale: u128,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let decimal = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !decimal(whole) || !decimal(fraction) || fraction.len() > 9 {
            return None;
        }
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        // Only digits: what does not parse is too large, which `times` reports.
        let whole = whole.parse().unwrap_or(u128::MAX);
        let fraction: u128 = fraction.parse().ok()?;
        Some(Decimal { digits: whole.saturating_mul(scale).saturating_add(fraction), scale })
    }

    /// The number times `factor`, rounded down; `None` if it does not fit.
    fn times(&self, factor: u64) -> Option<u64> {
        let product = self.digits.checked_mul(u128::from(factor))?;
        u64::try_from(product / self.scale).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("1k", 1024),
            ("256M", 256 << 20),
            ("256MiB", 256 << 20),
            ("256mb", 256 << 20),
            ("1.5G", 3 << 29),
            ("2T", 2 << 40),
            ("0.5", 0),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Size::Bytes(bytes)), "{text}");
        }
        assert_eq!("max".parse(), Ok(Size::Max));
    }

    #[test]
    fn what_is_no_size_is_named() {
        for text in ["", "M", "-1", "1.", ".5", "1e9", "12X", "1 G", "1ib", "1.0.0", "unlimited"] {
            assert_eq!(text.parse::<Size>(), Err(MalformedSize::Syntax(text.to_owned())));
        }
        for text in ["99999999999999999999", "99999999T", "18446744073709551616"] {
            assert_eq!(text.parse::<Size>(), Err(MalformedSize::TooLarge(text.to_owned())));
        }
    }

    #[test]
    fn cpus_are_exact() {
        let cases = [("1", 1000), ("1.5", 1500), ("0.07", 70), ("0.01", 10), ("64", 64000)];
        for (text, thousandths) in cases {
            assert_eq!(text.parse(), Ok(Cpus { thousandths }), "{text}");
        }
        assert_eq!("1.5".parse::<Cpus>().map(Cpus::quota), Ok(150_000));
    }

    #[test]
    fn what_is_no_cpu_count_is_named() {
        assert_eq!("two".parse::<Cpus>(), Err(MalformedCpus::Syntax("two".into())));
        assert_eq!("0.001".parse::<Cpus>(), Err(MalformedCpus::TooFew("0.001".into())));
        assert_eq!("0".parse::<Cpus>(), Err(MalformedCpus::TooFew("0".into())));
        assert_eq!("9999999999".parse::<Cpus>(), Err(MalformedCpus::TooMany("9999999999".into())));
    }
}
