//! Amounts with their units. Mixing two of them does not compile, and none
//! of them wraps: a kernel value that is too large saturates.
//!
//! Each carries its [`Origin`], which is empty but in an explanation: see
//! [`crate::trace`]. `Bytes(5)` makes one and `.0` is its number, as if it had
//! no other part; two amounts are equal if their numbers are.

use crate::trace::{Amount, Operator, Origin, Unit};
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name {
            amount: (u64,),
            origin: Origin,
        }

        $(#[$doc])*
        #[allow(non_snake_case)] // looks like the tuple that it nearly is
        #[inline(always)]
        pub const fn $name(amount: u64) -> $name {
            $name { amount: (amount,), origin: Origin::NONE }
        }

        impl Deref for $name {
            type Target = (u64,);

            #[inline(always)]
            fn deref(&self) -> &(u64,) {
                &self.amount
            }
        }

        impl Amount for $name {
            const UNIT: Unit = Unit::$name;

            #[inline(always)]
            fn number(self) -> u64 {
                self.0
            }

            #[inline(always)]
            fn origin(self) -> Origin {
                self.origin
            }

            #[inline(always)]
            fn with_origin(self, origin: Origin) -> Self {
                Self { origin, ..self }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl PartialEq for $name {
            #[inline(always)]
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            #[inline(always)]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            #[inline(always)]
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.cmp(&other.0)
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl $name {
            /// Nothing.
            pub const ZERO: Self = $name(0);

            /// The sum, or the largest amount.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                let sum = $name(self.0.saturating_add(other.0));
                binary(sum, Operator::Plus, self, other)
            }

            /// The difference, or zero where `other` is larger.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn minus(self, other: Self) -> Self {
                let difference = $name(self.0.saturating_sub(other.0));
                binary(difference, Operator::Minus, self, other)
            }

            /// The amount times `n`, or the largest amount.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn times(self, n: impl Into<Count>) -> Self {
                let n = n.into();
                binary($name(self.0.saturating_mul(n.0)), Operator::Times, self, n)
            }

            /// The amount by `n`, which counts as at least 1, rounded down.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn divided(self, n: impl Into<Count>) -> Self {
                let n = n.into();
                binary($name(self.0 / n.0.max(1)), Operator::Divided, self, n)
            }

            /// How often `part`, which counts as at least 1, is in the amount.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn in_parts_of(self, part: Self) -> Count {
                binary(Count(self.0 / part.0.max(1)), Operator::Divided, self, part)
            }

            /// The lower of both.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                binary($name(self.0.min(other.0)), Operator::Least, self, other)
            }

            /// The higher of both.
            #[cfg_attr(target_family = "wasm", inline(never))]
            #[cfg_attr(not(target_family = "wasm"), inline(always))]
            #[must_use]
            pub fn max(self, other: Self) -> Self {
                binary($name(self.0.max(other.0)), Operator::Greatest, self, other)
            }
        }

        impl core::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Self::plus)
            }
        }
    };
}

/// A result with its origin, where an operand has one.
#[inline(always)]
fn binary<R: Amount, A: Amount, B: Amount>(result: R, operator: Operator, a: A, b: B) -> R {
    if a.origin().is_some() | b.origin().is_some() {
        return result.made_by(operator, &[a.operand(), b.operand()]);
    }
    result
}

unit! {
    /// Anything that is counted: pages, operations, CPUs, tasks.
    Count
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

macro_rules! countable {
    ($($unit:ident),*) => {$(
        /// The bare number, as it is printed.
        impl From<$unit> for Count {
            #[inline(always)]
            fn from(amount: $unit) -> Count {
                Count { amount: amount.amount, origin: amount.origin }
            }
        }
    )*};
}

countable!(Bytes, Kib, Nanos, Ticks);

impl From<u64> for Count {
    #[inline(always)]
    fn from(number: u64) -> Count {
        Count(number)
    }
}

impl From<u32> for Count {
    #[inline(always)]
    fn from(number: u32) -> Count {
        Count(u64::from(number))
    }
}

impl Count {
    /// The count by `n`, which counts as at least 1, rounded to the nearest.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn divided_nearest(self, n: Count) -> Count {
        let (number, by) = (u128::from(self.0), u128::from(n.0.max(1)));
        let nearest = u64::try_from((2 * number + by) / (2 * by)).unwrap_or(u64::MAX);
        binary(Count(nearest), Operator::DividedNearest, self, n)
    }

    /// As much of `self` as `part` is of `whole`, rounded down.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn share(self, part: Count, whole: Count) -> Count {
        let share = product(self, part) / u128::from(whole.0.max(1));
        let share = Count(u64::try_from(share).unwrap_or(u64::MAX));
        ternary(share, Operator::Share, self, part, whole)
    }

    /// A number that turned out to count bytes.
    pub fn as_bytes(self) -> Bytes {
        Bytes { amount: self.amount, origin: self.origin }
    }

    /// A number that turned out to count nanoseconds.
    pub fn as_nanos(self) -> Nanos {
        Nanos { amount: self.amount, origin: self.origin }
    }

    /// How many CPUs two lists of so many have in common.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn common(self, one: Count, other: Count) -> Count {
        binary(self, Operator::Common, one, other)
    }

    /// The count by `n`, which counts as at least 1, rounded up.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn divided_up(self, n: impl Into<Count>) -> Count {
        let n = n.into();
        binary(Count(self.0.div_ceil(n.0.max(1))), Operator::DividedUp, self, n)
    }
}

impl Bytes {
    /// Whole kibibytes.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub fn kib(self) -> Kib {
        binary(Kib(self.0 / 1024), Operator::Divided, self, Count(1024))
    }

    /// Whole sectors of 512 bytes, as `/proc/diskstats` counts them.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn sectors(self) -> Count {
        self.in_parts_of(Bytes(512))
    }

    /// Whole pages.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn pages(self, page_size: u32) -> Count {
        self.in_parts_of(Bytes(u64::from(page_size)))
    }

    /// Parts of which the last need not be whole. A part counts as at least 1.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn in_parts_of_up(self, part: Bytes) -> Count {
        binary(Count(self.0.div_ceil(part.0.max(1))), Operator::DividedUp, self, part)
    }

    /// Rounds down to whole pages, as the kernel does with limits.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn page_aligned(self, page_size: u32) -> Self {
        let page = u64::from(page_size.max(1));
        binary(Bytes(self.0 / page * page), Operator::Aligned, self, Bytes(page))
    }
}

impl Kib {
    /// The same amount in bytes.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub fn bytes(self) -> Bytes {
        binary(Bytes(self.0.saturating_mul(1024)), Operator::Times, self, Count(1024))
    }

    /// As much of `self` as `part` is of `whole`, rounded to the nearest.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn share_nearest(self, part: Kib, whole: Kib) -> Kib {
        let (product, by) = (product(self, part), u128::from(whole.0.max(1)));
        let share = Kib(u64::try_from((product + by / 2) / by).unwrap_or(u64::MAX));
        ternary(share, Operator::ShareNearest, self, part, whole)
    }
}

/// Nanoseconds of a microsecond, of a hundredth of a second.
const MICROSECOND: u64 = 1000;
const CENTISECOND: u64 = 10_000_000;

impl Nanos {
    /// From microseconds, as cgroup v2 `cpu.stat` counts CPU time.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn from_micros(micros: impl Into<Count>) -> Self {
        let micros = micros.into();
        let time = Nanos(micros.0.saturating_mul(MICROSECOND));
        binary(time, Operator::Times, micros, Count(MICROSECOND))
    }

    /// Whole ticks.
    pub fn ticks(self, user_hz: u32) -> Ticks {
        self.in_ticks_of(Nanos(Nanos::per_tick(user_hz)))
    }

    /// Whole ticks of this length, which counts as at least 1.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn in_ticks_of(self, tick: Nanos) -> Ticks {
        binary(Ticks(self.0 / tick.0.max(1)), Operator::Divided, self, tick)
    }

    /// Length of a tick.
    pub fn per_tick(user_hz: u32) -> u64 {
        (1_000_000_000 / u64::from(user_hz.max(1))).max(1)
    }

    /// Whole hundredths of a second, as `/proc/uptime` prints time.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn centiseconds(self) -> Count {
        self.in_parts_of(Nanos(CENTISECOND))
    }

    /// As much of `self` as `part` is of `whole`, rounded down.
    #[cfg_attr(target_family = "wasm", inline(never))]
    #[must_use]
    pub fn share(self, part: Nanos, whole: Nanos) -> Nanos {
        let share = product(self, part) / u128::from(whole.0.max(1));
        let share = Nanos(u64::try_from(share).unwrap_or(u64::MAX));
        ternary(share, Operator::Share, self, part, whole)
    }
}

fn product<A: Amount>(a: A, b: A) -> u128 {
    u128::from(a.number()) * u128::from(b.number())
}

fn ternary<A: Amount>(result: A, operator: Operator, a: A, b: A, c: A) -> A {
    if a.origin().is_some() | b.origin().is_some() | c.origin().is_some() {
        return result.made_by(operator, &[a.operand(), b.operand(), c.operand()]);
    }
    result
}

impl Ticks {
    /// The same time in nanoseconds.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub fn nanos(self, user_hz: u32) -> Nanos {
        let tick = Nanos::per_tick(user_hz);
        binary(Nanos(self.0.saturating_mul(tick)), Operator::Times, self, Nanos(tick))
    }
}
