//! The steps to a value, as a formula that a person reads.

use super::Inputs;
use crate::colour::{Look, Palette};
use vproc_snapshot::explanation::{Operator, Step, StepFrom, Unit};

/// Steps, and where their inputs are from.
#[derive(Clone, Copy)]
pub(crate) struct Formulas<'a> {
    pub(crate) steps: &'a [Step],
    pub(crate) inputs: Inputs<'a>,
    pub(crate) palette: Palette,
}

/// Operands in one formula. A sum over the CPUs of a large machine has
/// thousands, and steps of a hostile policy could unfold without end.
const MOST: usize = 24;

/// `PAGE_COUNTER_MAX` with the largest pages.
const V1_UNLIMITED: u64 = (1 << 63) - (1 << 20);

/// What a formula still may have, and the names that it used.
struct Writer {
    left: usize,
    names: Vec<usize>,
}

/// How tightly the outermost operator of a formula binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tightness {
    Sum,
    Product,
    Atom,
}

type Written = (String, Tightness);

impl<'a> Formulas<'a> {
    /// The formula of a step, and the steps that it calls by a name.
    pub(crate) fn formula(&self, step: usize) -> (String, Vec<usize>) {
        let mut writer = Writer { left: MOST, names: Vec::new() };
        let mut root = self.peeled(step);
        while let Some(StepFrom::Named { of, .. }) = self.from(root) {
            root = self.peeled(*of);
        }
        (self.written(root, &mut writer).0, writer.names)
    }

    /// A value with its unit.
    pub(crate) fn amount(step: &Step) -> String {
        match step.unit {
            Unit::Count => step.value.to_string(),
            Unit::Bytes => format!("{} B", step.value),
            Unit::Kibibytes => format!("{} kB", step.value),
            Unit::Ticks => format!("{} ticks", step.value),
            Unit::Nanoseconds => {
                let (seconds, rest) = (step.value / 1_000_000_000, step.value % 1_000_000_000);
                let digits = format!("{seconds}.{rest:09}");
                format!("{} s", digits.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }

    pub(crate) fn step(&self, place: usize) -> Option<&'a Step> {
        self.steps.get(place)
    }

    fn from(&self, place: usize) -> Option<&'a StepFrom> {
        self.steps.get(place).map(|step| &step.from)
    }

    fn value(&self, place: usize) -> Option<u64> {
        self.steps.get(place).map(|step| step.value)
    }

    /// A number in a rule.
    fn is_literal(&self, place: usize) -> bool {
        matches!(self.from(place), Some(StepFrom::Given(name)) if name.is_empty())
    }

    /// The step below conversions to another unit, and below what changed
    /// nothing: rounding to pages, a minimum that was exceeded.
    fn peeled(&self, mut place: usize) -> usize {
        while let Some(step) = self.steps.get(place) {
            let StepFrom::Result { operator, operands } = &step.from else { break };
            let &[first, second] = operands.as_slice() else { break };
            let Some(inner) = self.steps.get(first) else { break };
            let is_same = inner.value == step.value && inner.unit == step.unit;
            let is_plain = match operator {
                Operator::Divided | Operator::Times => {
                    inner.unit != step.unit && self.is_literal(second)
                }
                Operator::Aligned => is_same,
                Operator::Greatest => {
                    is_same
                        && !matches!(
                            self.from(second),
                            Some(StepFrom::Input { .. } | StepFrom::Result { .. })
                        )
                }
                Operator::Minus => is_same && self.operands(second).is_empty(),
                _ => false,
            };
            if !is_plain {
                break;
            }
            place = first;
        }
        place
    }

    fn operands(&self, place: usize) -> &'a [usize] {
        self.steps.get(place).map_or(&[], Step::operands)
    }

    /// The operands of nested operations of one kind.
    fn flat(&self, place: usize, wanted: Operator, into: &mut Vec<usize>) {
        let mut open = vec![place];
        while let Some(next) = open.pop() {
            let peeled = self.peeled(next);
            match self.from(peeled) {
                Some(StepFrom::Result { operator, operands }) if *operator == wanted => {
                    open.extend(operands.iter().rev());
                }
                _ => into.push(peeled),
            }
            if into.len() > MOST {
                break;
            }
        }
    }

    /// Which of the operands of a minimum decides.
    fn decider(&self, place: usize) -> usize {
        let mut place = self.peeled(place);
        while let Some(StepFrom::Result { operator: Operator::Least, operands }) = self.from(place)
        {
            let is_it = |operand: &&usize| self.value(**operand) == self.value(place);
            let Some(next) = operands.iter().find(is_it) else { break };
            place = self.peeled(*next);
        }
        place
    }

    fn written(&self, place: usize, writer: &mut Writer) -> Written {
        let place = self.peeled(place);
        let Some(step) = self.steps.get(place) else { return ("?".to_owned(), Tightness::Atom) };
        if writer.left == 0 {
            return (format!("{} …", Self::amount(step)), Tightness::Atom);
        }
        writer.left -= 1;
        let atom = |text| (text, Tightness::Atom);
        match &step.from {
            StepFrom::Input { key, level, item, raw } => {
                atom(self.quoted(step, (key, *level), item, raw))
            }
            StepFrom::Given(name) if name.is_empty() => atom(Self::amount(step)),
            StepFrom::Given(name) => atom(format!("{} ({name})", Self::amount(step))),
            StepFrom::Named { name, .. } => {
                writer.names.push(place);
                atom(format!("{name} {}", Self::amount(step)))
            }
            StepFrom::Noted { note, of } => {
                let (text, _) = self.written(*of, writer);
                atom(format!("{text} ({note})"))
            }
            StepFrom::Result { operator, operands } => {
                self.operation(place, *operator, operands, writer)
            }
        }
    }

    fn quoted(&self, step: &Step, (key, level): (&str, u32), item: &str, raw: &str) -> String {
        let name = self.inputs.name(key);
        let place = self.inputs.place(key, level);
        let item = if item.is_empty() { String::new() } else { format!(" {item}") };
        // "No limit" of v1 is the largest page-aligned number.
        let is_unlimited = step.unit == Unit::Bytes && step.value >= V1_UNLIMITED;
        let value = match raw.parse() == Ok(step.value) || raw.is_empty() {
            true if is_unlimited => format!("{} (no limit)", Self::amount(step)),
            true => Self::amount(step),
            false => format!("\"{}\" ({})", raw.escape_debug(), Self::amount(step)),
        };
        format!("{name}{item} {value}{place}")
    }

    fn operation(
        &self,
        place: usize,
        operator: Operator,
        operands: &[usize],
        writer: &mut Writer,
    ) -> Written {
        let infix = |sign| (sign, Tightness::Product);
        let (sign, tightness) = match operator {
            Operator::Plus => return self.sum(place, writer),
            Operator::Least | Operator::Greatest => return self.extreme(place, operator, writer),
            Operator::Minus => ("−", Tightness::Sum),
            Operator::Times => infix("×"),
            Operator::Divided => infix("÷"),
            Operator::DividedUp => return self.call("round up", "÷", operands, writer),
            Operator::DividedNearest => return self.call("round", "÷", operands, writer),
            Operator::Share | Operator::ShareNearest => return self.share(operands, writer),
            Operator::Aligned => return self.call("whole pages", ",", operands, writer),
            Operator::Common => return self.call("CPUs in both", ",", operands, writer),
            Operator::Decayed => return self.call("decayed", ",", operands, writer),
        };
        (self.joined(operands, &format!(" {sign} "), tightness, writer), tightness)
    }

    /// Operands with a sign between them, in parentheses where they need it.
    /// On the right of a `−` and a `÷` that is also where they bind as tightly.
    fn joined(
        &self,
        operands: &[usize],
        sign: &str,
        tightness: Tightness,
        writer: &mut Writer,
    ) -> String {
        let mut parts = Vec::new();
        for (index, operand) in operands.iter().enumerate() {
            let (text, own) = self.written(*operand, writer);
            let is_loose = own < tightness || (index > 0 && own == tightness);
            parts.push(if is_loose { format!("({text})") } else { text });
        }
        parts.join(sign)
    }

    fn call(&self, name: &str, sign: &str, operands: &[usize], writer: &mut Writer) -> Written {
        let sign = if sign == "," { ", ".to_owned() } else { format!(" {sign} ") };
        let inner = self.joined(operands, &sign, Tightness::Sum, writer);
        (format!("{name}({inner})"), Tightness::Atom)
    }

    fn share(&self, operands: &[usize], writer: &mut Writer) -> Written {
        let &[total, part, whole] = operands else {
            return self.call("share", ",", operands, writer);
        };
        let product = self.joined(&[total, part], " × ", Tightness::Product, writer);
        let whole = self.joined(&[whole], "", Tightness::Atom, writer);
        (format!("{product} ÷ {whole}"), Tightness::Product)
    }

    fn sum(&self, place: usize, writer: &mut Writer) -> Written {
        let mut terms = Vec::new();
        self.flat(place, Operator::Plus, &mut terms);
        if terms.len() > MOST / 2 {
            let shown = terms.get(..2).unwrap_or_default();
            let first = self.joined(shown, " + ", Tightness::Sum, writer);
            return (format!("{first} + … ({} numbers)", many(terms.len())), Tightness::Sum);
        }
        (self.joined(&terms, " + ", Tightness::Sum, writer), Tightness::Sum)
    }

    fn extreme(&self, place: usize, operator: Operator, writer: &mut Writer) -> Written {
        let mut operands = Vec::new();
        self.flat(place, operator, &mut operands);
        let name = if operator == Operator::Least { "min" } else { "max" };
        if operator == Operator::Least {
            let decider = self.decider(place);
            operands.sort_by_key(|operand| *operand != decider);
        }
        let limits = self.lowest_of_each(&mut operands, operator);
        let mut parts = Vec::new();
        for (index, operand) in operands.iter().enumerate() {
            let (mut text, _) = self.written(*operand, writer);
            if let Some((_, groups)) = limits.iter().find(|(limit, _)| limit == operand) {
                let lowest = format!(", the lowest of {groups}");
                match text.strip_suffix(')').map(str::to_owned) {
                    Some(open) => text = format!("{open}{lowest})"),
                    None => text.push_str(&lowest),
                }
            }
            let decides = index == 0 && operator == Operator::Least;
            let decides = decides && operands.len() > 1;
            parts.push(if decides { self.palette.paint(Look::Bold, &text) } else { text });
        }
        match parts.as_slice() {
            // Of the groups of one limit.
            [one] => (one.clone(), Tightness::Atom),
            parts => (format!("{name}({})", parts.join(", ")), Tightness::Atom),
        }
    }

    /// Of a limit that several groups have, keeps the lowest; returns these
    /// and how many groups there are. The others stand in the table of inputs.
    fn lowest_of_each(&self, operands: &mut Vec<usize>, operator: Operator) -> Vec<(usize, usize)> {
        let key = |place: usize| match self.from(place) {
            Some(StepFrom::Input { key, item, .. }) if item.is_empty() => Some(key),
            _ => None,
        };
        let mut limits: Vec<(usize, usize)> = Vec::new();
        if operator != Operator::Least {
            return limits;
        }
        let mut kept = Vec::new();
        for operand in operands.iter().copied() {
            let mut same = kept.iter_mut().filter(|kept| key(**kept).is_some());
            match same.find(|kept| key(**kept) == key(operand)) {
                Some(lowest) => {
                    let known = limits.iter_mut().find(|(limit, _)| limit == lowest);
                    let groups = known.as_ref().map_or(1, |(_, groups)| *groups) + 1;
                    let before = *lowest;
                    if self.value(operand) < self.value(*lowest) {
                        *lowest = operand;
                    }
                    limits.retain(|(limit, _)| *limit != before);
                    limits.push((*lowest, groups));
                }
                None => kept.push(operand),
            }
        }
        *operands = kept;
        limits
    }
}

fn many(count: usize) -> String {
    if count > MOST { format!("more than {MOST}") } else { count.to_string() }
}
