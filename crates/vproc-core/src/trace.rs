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
//! [`explain`](crate::explain::explain) natively, such as a test, loses some kilobytes each time.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::AtomicU32;

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
        let place = AtomicU32::new(0);
        Origin(Some(Box::leak(Box::new(Node { value, unit, step, place }))))
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
    /// Its place in the list of steps, plus 1; 0 as long as it has none.
    pub(crate) place: AtomicU32,
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
    #[must_use]
    fn with_origin(self, origin: Origin) -> Self;

    /// As an operand of an operation.
    #[inline(always)]
    fn operand(self) -> Operand {
        Operand { value: self.number(), unit: Self::UNIT, origin: self.origin() }
    }

    /// The same amount as the result of an operation.
    #[inline(always)]
    #[must_use]
    fn made_by(self, operator: Operator, operands: &[Operand]) -> Self {
        self.with_origin(result(self.number(), Self::UNIT, operator, operands))
    }

    /// The same amount, called so in an explanation: `MemFree`.
    #[inline(always)]
    #[must_use]
    fn named(self, name: &'static str) -> Self {
        match self.origin().0 {
            None => self,
            Some(of) => self.with_origin(remark(of, name, true)),
        }
    }

    /// The same amount, and why it stands here: `no group has a limit`.
    #[inline(always)]
    #[must_use]
    fn noted(self, note: &'static str) -> Self {
        match self.origin().0 {
            None => self,
            Some(of) => self.with_origin(remark(of, note, false)),
        }
    }
}

/// An operand of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    value: u64,
    unit: Unit,
    origin: Origin,
}

impl Operand {
    /// Whether it is a number of no origin, and nothing.
    fn is_nothing(&self) -> bool {
        self.value == 0 && !self.origin.is_some()
    }
}

// These are called from every operation, so that they are no part of it.

#[cold]
#[inline(never)]
fn result(value: u64, unit: Unit, operator: Operator, operands: &[Operand]) -> Origin {
    // What is added to nothing, or is at least nothing, is what it is.
    if let ([a, b], Operator::Plus | Operator::Greatest) = (operands, operator) {
        match (a.is_nothing(), b.is_nothing()) {
            (true, _) => return b.origin,
            (_, true) => return a.origin,
            _ => {}
        }
    }
    let mut origins = Vec::with_capacity(operands.len());
    for operand in operands {
        origins.push(match operand.origin {
            Origin(None) => Origin::new(operand.value, operand.unit, Step::Given("")),
            known => known,
        });
    }
    Origin::new(value, unit, Step::Result { operator, operands: origins })
}

#[cold]
#[inline(never)]
fn remark(of: &'static Node, text: &'static str, is_name: bool) -> Origin {
    let step = match is_name {
        true => Step::Named { name: text, of },
        false => Step::Noted { note: text, of },
    };
    Origin::new(of.value, of.unit, step)
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
            Some(place) => amount.with_origin(quote(place, item, raw, amount.number(), A::UNIT)),
        }
    }

    /// As [`Trace::read`], of an item whose name is put together.
    #[inline(always)]
    pub fn read_at<A: Amount>(self, item: impl FnOnce() -> String, amount: A) -> A {
        match self.0 {
            None => amount,
            Some(place) => amount.with_origin(quote(place, &item(), "", amount.number(), A::UNIT)),
        }
    }

    /// An amount that is known without an input.
    #[inline(always)]
    pub fn given<A: Amount>(self, name: &'static str, amount: A) -> A {
        match self.0 {
            None => amount,
            Some(_) => amount.with_origin(give(name, amount.number(), A::UNIT)),
        }
    }
}

#[cold]
#[inline(never)]
fn quote(
    (key, level): (&'static str, u32),
    item: &str,
    raw: &str,
    value: u64,
    unit: Unit,
) -> Origin {
    let raw = match raw.trim() {
        "" => format!("{value}"),
        raw => raw.into(),
    };
    let quote = Quote { key, level, item: item.into(), raw: raw.into() };
    Origin::new(value, unit, Step::Input(quote))
}

#[cold]
#[inline(never)]
fn give(name: &'static str, value: u64, unit: Unit) -> Origin {
    Origin::new(value, unit, Step::Given(name))
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

impl Provenance {
    /// What an explanation says beside a number: nothing where the steps say
    /// it, and better.
    pub(crate) const fn reason(self, rule: &'static str) -> &'static str {
        match self {
            Provenance::Computed => "",
            _ => rule,
        }
    }
}
