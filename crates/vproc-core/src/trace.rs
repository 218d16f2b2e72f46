//! Where a number comes from, recorded by the arithmetic that makes it.
//!
//! An amount of [`crate::units`] carries an [`Origin`]. It is empty in a
//! render, and then arithmetic is arithmetic. In an explanation the numbers
//! that are read from inputs have one ([`Trace::read`]), and each operation on
//! such a number gives its result one, with the operator and the operands. So
//! what is explained is what was computed: there is no second set of formulas.
//! Who takes the bare number out of an amount (`.0`) loses its origin, and the
//! explanation says less, but nothing wrong.
//!
//! Nodes are never freed: an amount is `Copy` and has no lifetime, so that
//! renderers need not know about any of this. A policy explains in an instance
//! that is dropped afterwards, with all of its memory. Whoever calls
//! [`crate::explain`] natively, such as a test, loses some kilobytes each time.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Where an amount comes from; empty where nothing is recorded.
#[derive(Clone, Copy, Default)]
pub struct Origin(Option<&'static Node>);

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "recorded" } else { "-" })
    }
}

impl Origin {
    /// No origin.
    pub const NONE: Origin = Origin(None);

    /// Whether one is recorded.
    #[inline(always)]
    pub const fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// What is recorded.
    pub const fn node(self) -> Option<&'static Node> {
        self.0
    }

    fn new(value: u64, unit: Unit, step: Step) -> Self {
        Origin(Some(Box::leak(Box::new(Node { value, unit, step }))))
    }
}

/// A value and how it came about.
#[derive(Debug)]
pub struct Node {
    /// The value.
    pub value: u64,
    /// What it counts.
    pub unit: Unit,
    /// How it came about.
    pub step: Step,
}

/// How a value came about.
#[derive(Debug)]
pub enum Step {
    /// It stands in an input.
    Input(Quote),
    /// It is known without an input: the clock, a setting, a number in the
    /// policy's rules.
    Given(&'static str),
    /// It was computed.
    Result {
        /// By what.
        operator: Operator,
        /// From what, in order.
        operands: Vec<Origin>,
    },
    /// Another value under a name.
    Named {
        /// What a person calls it: `MemTotal`.
        name: &'static str,
        /// The value.
        of: &'static Node,
    },
    /// Another value, and why it stands there.
    Noted {
        /// Why: `no group has a limit`.
        note: &'static str,
        /// The value.
        of: &'static Node,
    },
}

/// A place in an input.
#[derive(Debug)]
pub struct Quote {
    /// The key of the need.
    pub key: &'static str,
    /// How far above the leaf the group is.
    pub level: u32,
    /// What stands there, where the input has more than one number:
    /// `MemTotal`, `anon`.
    pub item: Box<str>,
    /// The text that was read as the value; the value where a line has both
    /// a name and a number.
    pub raw: Box<str>,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Anything: pages, CPUs, operations.
    Count,
    /// Bytes.
    Bytes,
    /// Kibibytes.
    Kib,
    /// Nanoseconds.
    Nanos,
    /// Ticks of `USER_HZ`.
    Ticks,
}

/// What is done to operands. All of them saturate: at 0 and at 2^64 − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The sum.
    Plus,
    /// The first less the second.
    Minus,
    /// The product.
    Times,
    /// The first by the second, rounded down.
    Divided,
    /// The first by the second, rounded up.
    DividedUp,
    /// The first by the second, rounded to the nearest, halves up.
    DividedNearest,
    /// The first, rounded down to a multiple of the second.
    Aligned,
    /// The first times the second, by the third, rounded down.
    Share,
    /// As `Share`, rounded to the nearest, halves up.
    ShareNearest,
    /// The first, moved towards the second as `calc_load` does
    /// (`include/linux/sched/loadavg.h`): of 2048 parts as many stay as the
    /// third says, as often as the fourth says.
    Decayed,
    /// The lowest.
    Least,
    /// The highest.
    Greatest,
    /// How many CPUs are in both lists.
    Common,
}

/// An amount that can carry an origin.
pub trait Amount: Copy {
    /// What it counts.
    const UNIT: Unit;

    /// The bare number.
    fn number(self) -> u64;

    /// Where it comes from.
    fn origin(self) -> Origin;

    /// The same number from elsewhere.
    fn from_origin(self, origin: Origin) -> Self;

    /// Its origin, or that of a number in a rule.
    #[doc(hidden)]
    fn operand(self) -> Origin {
        match self.origin() {
            Origin(None) => Origin::new(self.number(), Self::UNIT, Step::Given("")),
            known => known,
        }
    }

    /// The same amount as the result of an operation.
    #[cold]
    #[inline(never)]
    #[must_use]
    fn made_by(self, operator: Operator, operands: &[Origin]) -> Self {
        let step = Step::Result { operator, operands: operands.to_vec() };
        self.from_origin(Origin::new(self.number(), Self::UNIT, step))
    }

    /// The same amount, called so in an explanation: `MemFree`.
    #[inline(always)]
    #[must_use]
    fn named(self, name: &'static str) -> Self {
        match self.origin().0 {
            None => self,
            Some(of) => self.wrapped(Step::Named { name, of }),
        }
    }

    /// The same amount, and why it stands here: `no group has a limit`.
    #[inline(always)]
    #[must_use]
    fn noted(self, note: &'static str) -> Self {
        match self.origin().0 {
            None => self,
            Some(of) => self.wrapped(Step::Noted { note, of }),
        }
    }

    #[doc(hidden)]
    #[cold]
    fn wrapped(self, step: Step) -> Self {
        self.from_origin(Origin::new(self.number(), Self::UNIT, step))
    }
}

/// Gives numbers their origin as they are read; does nothing in a render.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace(Option<(&'static str, u32)>);

impl Trace {
    /// Records nothing.
    pub const OFF: Trace = Trace(None);

    /// Records what is read from this input.
    pub(crate) const fn of(key: &'static str, level: u32) -> Self {
        Trace(Some((key, level)))
    }

    /// Whether anything is recorded.
    #[inline(always)]
    pub const fn is_on(self) -> bool {
        self.0.is_some()
    }

    /// An amount that was read from `raw`, which the input has at `item`.
    #[inline(always)]
    pub fn read<A: Amount>(self, item: &str, raw: &str, amount: A) -> A {
        match self.0 {
            None => amount,
            Some(place) => quote(place, item, raw, amount),
        }
    }

    /// As [`Trace::read`], of an item whose name is put together.
    #[inline(always)]
    pub fn read_at<A: Amount>(self, item: impl FnOnce() -> String, amount: A) -> A {
        match self.0 {
            None => amount,
            Some(place) => quote(place, &item(), "", amount),
        }
    }

    /// An amount that is known without an input.
    #[inline(always)]
    pub fn given<A: Amount>(self, name: &'static str, amount: A) -> A {
        match self.0 {
            None => amount,
            Some(_) => give(name, amount),
        }
    }
}

#[cold]
fn quote<A: Amount>((key, level): (&'static str, u32), item: &str, raw: &str, amount: A) -> A {
    let number = amount.number();
    let raw = if raw.is_empty() { format!("{number}") } else { raw.trim().into() };
    let quote = Quote { key, level, item: item.into(), raw: raw.into() };
    amount.from_origin(Origin::new(amount.number(), A::UNIT, Step::Input(quote)))
}

#[cold]
fn give<A: Amount>(name: &'static str, amount: A) -> A {
    amount.from_origin(Origin::new(amount.number(), A::UNIT, Step::Given(name)))
}

/// Where a number of the text comes from, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// From the container's cgroup, tasks and processes.
    Computed,
    /// The host's, as far as the container's can reach.
    Clamped,
    /// The host's row or column, which belongs to the container.
    Filtered,
    /// The host's: a property of the machine, not an amount in use.
    Passed,
    /// The same for every container.
    Constant,
}
