//! Amounts with their units. Mixing two of them does not compile, and none
//! of them wraps: a kernel value that is too large saturates.

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum, or the largest amount.
            pub const fn plus(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference, or zero where `other` is larger.
            pub const fn minus(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The amount times `n`, or the largest amount.
            pub const fn times(self, n: u64) -> Self {
                Self(self.0.saturating_mul(n))
            }
        }

        impl core::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Self::plus)
            }
        }
    };
}

unit! {
    /// Bytes, as cgroup v2 and most of v1 count memory and I/O.
    Bytes
}
unit! {
    /// Kibibytes, which `/proc` prints as `kB`.
    Kib
}
unit! {
    /// Nanoseconds: `CLOCK_BOOTTIME`, v1 `cpuacct.usage`.
    Nanos
}
unit! {
    /// Ticks of `USER_HZ`, as `/proc/stat` counts CPU time.
    Ticks
}

impl Bytes {
    /// Whole kibibytes.
    pub const fn kib(self) -> Kib {
        Kib(self.0 / 1024)
    }

    /// Whole sectors of 512 bytes, as `/proc/diskstats` counts them.
    pub const fn sectors(self) -> u64 {
        self.0 / 512
    }

    /// Whole pages.
    pub fn pages(self, page_size: u32) -> u64 {
        self.0 / u64::from(page_size.max(1))
    }

    /// Rounds down to whole pages, as the kernel does with limits.
    pub fn page_aligned(self, page_size: u32) -> Self {
        let page_size = u64::from(page_size.max(1));
        Self(self.0 / page_size * page_size)
    }
}

impl Kib {
    /// The same amount in bytes.
    pub const fn bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(1024))
    }
}

impl Nanos {
    /// From microseconds, as cgroup v2 `cpu.stat` counts CPU time.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1000))
    }

    /// Whole ticks.
    pub fn ticks(self, user_hz: u32) -> Ticks {
        Ticks(self.0 / Nanos::per_tick(user_hz))
    }

    /// Length of a tick.
    pub fn per_tick(user_hz: u32) -> u64 {
        (1_000_000_000 / u64::from(user_hz.max(1))).max(1)
    }

    /// Whole hundredths of a second, as `/proc/uptime` prints time.
    pub const fn centiseconds(self) -> u64 {
        self.0 / 10_000_000
    }
}

impl Ticks {
    /// The same time in nanoseconds.
    pub fn nanos(self, user_hz: u32) -> Nanos {
        Nanos(self.0.saturating_mul(Nanos::per_tick(user_hz)))
    }
}
