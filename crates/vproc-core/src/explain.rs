//! Why a file says what it says: the text of a render, and for each field of
//! it the steps that led to the value.
//!
//! The text is made by the same code as that of a render, with its numbers
//! traced ([`crate::trace`]). Here that is put in order: the fields line by
//! line, and the steps as a list in which operands come before results.

use crate::contract::{Class, Content, Entry, Need, Snapshot, Source};
use crate::text::{Layout, Mark, Marks, Rule, Text};
use crate::trace::{Node, Operator, Origin, Provenance, Step as Recorded, Unit};
use crate::view::Recorder;
use crate::{Error, Knobs, Treatment, chosen, write};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

/// A text, and where it comes from.
#[derive(Debug)]
pub struct Explanation {
    /// The text that a render gives.
    pub text: String,
    /// What there is to say of it, in its order.
    pub fields: Vec<Field>,
    /// How values came about. An operand comes before what it is used for.
    pub steps: Vec<Step>,
    /// Keys of the inputs that were looked at.
    pub inputs: Vec<&'static str>,
}

/// A number of a text, or a line that has no number of its own.
#[derive(Debug)]
pub struct Field {
    /// What the line is called.
    pub label: String,
    /// What the number is called, where the line has several.
    pub column: &'static str,
    /// The line, counted from 1; 0 for what decides which lines there are.
    pub line: u32,
    /// Where in the text it stands, in bytes.
    pub range: Range<usize>,
    /// How the value is printed there; `None` where the text stands so in an
    /// input, or nothing is known of it.
    pub layout: Option<Layout>,
    /// Where it comes from, in a word.
    pub provenance: Provenance,
    /// Why, where a rule says more than the steps do.
    pub reason: &'static str,
    /// The value's step, if it was traced.
    pub value: Option<u32>,
    /// The input that has the line word by word.
    pub quoted: Option<&'static str>,
}

/// A value and how it came about.
#[derive(Debug)]
pub struct Step {
    /// The value.
    pub value: u64,
    /// What it counts.
    pub unit: Unit,
    /// How it came about.
    pub from: From,
}

/// How a value came about.
#[derive(Debug)]
pub enum From {
    /// It stands in an input.
    Input {
        /// The key of the need.
        key: &'static str,
        /// How far above the leaf the group is.
        level: u32,
        /// What stands there, where the input has more than one number.
        item: &'static str,
        /// The text that was read as the value.
        raw: &'static str,
    },
    /// It is known without an input. The name is empty for a number that
    /// stands in the policy's rules.
    Given(&'static str),
    /// It was computed.
    Result(Operator, Vec<u32>),
    /// Another step under a name.
    Named(&'static str, u32),
    /// Another step, and why it stands there.
    Noted(&'static str, u32),
}

/// Explains the entry at `path`. The text is that of [`crate::render`].
///
/// What was recorded is not freed: see [`crate::trace`].
#[cold]
#[inline(never)]
pub fn explain(path: &str, snapshot: &Snapshot<'_>) -> Result<Explanation, Error> {
    let recorder = Recorder::default();
    let mut text = Text::marked();
    write(path, snapshot, Some(&recorder), &mut text)?;
    let (text, marks) = text.into_parts();
    let knobs = Knobs::parse(snapshot.environment.settings.iter().copied())?;
    let (entry, treatment) = chosen(path, &knobs)?;
    let class = match treatment {
        Treatment::Pass => Class::Passed,
        _ if snapshot.is_host => Class::Passed,
        _ => entry.class,
    };
    let inputs = recorder.seen.into_inner();
    let mut steps = Steps::default();
    let known = texts(snapshot, &inputs);
    let fields = Lines { text: &text, entry, class, known }.fields(marks, &mut steps);
    Ok(Explanation { text, fields, steps: steps.list, inputs })
}

/// A text of which nothing is known but where it comes from as a whole.
pub fn unexplained(
    text: String,
    provenance: Provenance,
    reason: &'static str,
    inputs: Vec<&'static str>,
) -> Explanation {
    let mut fields = Vec::new();
    let mut start = 0;
    for (line, at) in text.split_inclusive('\n').zip(1u32..) {
        if !line.trim().is_empty() {
            fields.push(Field {
                label: first_word(line),
                column: "",
                line: at,
                range: start..start + line.trim_end_matches('\n').len(),
                layout: None,
                provenance,
                reason,
                value: None,
                quoted: None,
            });
        }
        start += line.len();
    }
    Explanation { text, fields, steps: Vec::new(), inputs }
}

/// The texts of the inputs with these keys.
fn texts<'a>(snapshot: &Snapshot<'a>, keys: &[&'static str]) -> Vec<Known<'a>> {
    let mut known = Vec::new();
    for key in keys {
        for input in snapshot.inputs.iter().filter(|input| input.key == *key) {
            if let Content::Text(text) = input.content {
                known.push(Known { key, text, rest: text });
            }
        }
    }
    known
}

/// What the fields of a text are told from.
struct Lines<'a> {
    text: &'a str,
    entry: &'static Entry,
    class: Class,
    /// The texts that were looked at.
    known: Vec<Known<'a>>,
}

/// An input in which lines are looked up.
struct Known<'a> {
    key: &'static str,
    text: &'a str,
    /// What follows the last line that was found. Files keep the order of
    /// their inputs, so that the next one is mostly there.
    rest: &'a str,
}

impl Known<'_> {
    fn has(&mut self, wanted: &str) -> bool {
        for from in [self.rest, self.text] {
            let mut rest = from;
            while !rest.is_empty() {
                let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
                rest = after;
                if line == wanted {
                    self.rest = rest;
                    return true;
                }
            }
        }
        false
    }
}

impl Lines<'_> {
    #[cold]
    #[inline(never)]
    fn fields(&mut self, marks: Marks, steps: &mut Steps) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut numbers = marks.numbers.into_iter().peekable();
        let mut labels = marks.labels.into_iter().peekable();
        let mut rules = marks.rules.into_iter().peekable();
        let (mut start, mut rule) = (0, None);
        for (line, at) in self.text.split_inclusive('\n').zip(1u32..) {
            let end = start + line.len();
            let mut label = None;
            while let Some((_, own)) = labels.next_if(|(place, _)| *place < end) {
                label = Some(own);
            }
            while let Some((_, own)) = rules.next_if(|(place, _)| *place < end) {
                rule = Some(own);
            }
            let label = label.unwrap_or_else(|| first_word(line));
            let mut has_numbers = false;
            while let Some(mark) = numbers.next_if(|mark| mark.start < end) {
                if mark.layout == Layout::Unprinted {
                    fields.push(self.number(String::new(), 0, mark, steps));
                } else if mark.value.is_some() || !self.is_in_word(mark.start) {
                    has_numbers = true;
                    fields.push(self.number(label.clone(), at, mark, steps));
                }
            }
            if !has_numbers && !line.trim().is_empty() {
                let range = start..start + line.trim_end_matches('\n').len();
                fields.push(self.line(label, at, range, rule));
            }
            start = end;
        }
        fields.extend(numbers.map(|mark| self.number(String::new(), 0, mark, steps)));
        fields
    }

    #[cold]
    #[inline(never)]
    fn number(&self, label: String, line: u32, mark: Mark, steps: &mut Steps) -> Field {
        let value = mark.value.node().map(|node| steps.add(node));
        let (provenance, reason) = match (mark.about.provenance, mark.value.node()) {
            (Some(provenance), _) => (provenance, mark.about.reason),
            (None, Some(node)) => (self.provenance(node), mark.about.reason),
            (None, None) => (self.of_class(), self.summary()),
        };
        Field {
            label,
            column: mark.about.column,
            line,
            range: mark.start..mark.end,
            layout: Some(mark.layout),
            provenance,
            reason,
            value,
            quoted: None,
        }
    }

    /// A line in which no number is known.
    fn line(&mut self, label: String, line: u32, range: Range<usize>, rule: Option<Rule>) -> Field {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let mut quoted = self.known.iter_mut().filter(|_| rule.is_none());
        let quoted = quoted.find_map(|known| known.has(text).then_some(known.key));
        let (provenance, reason) = match (rule, quoted) {
            (Some(rule), _) => rule,
            (_, Some(key)) if self.is_hosts(key) && self.class == Class::Virtual => {
                (Provenance::Passed, "")
            }
            (_, Some(key)) if self.is_of_cgroup(key) => (Provenance::Computed, ""),
            (_, Some(_)) => (self.of_class(), ""),
            _ => (self.of_class(), self.summary()),
        };
        Field {
            label,
            column: "",
            line,
            range,
            layout: None,
            provenance,
            reason,
            value: None,
            quoted,
        }
    }

    /// Whether an input is of the host.
    fn is_hosts(&self, key: &str) -> bool {
        let mut needs = self.entry.needs.iter().copied().flatten();
        needs.any(|need| need.key == key && matches!(need.source, Source::Host(_)))
            || key == Need::ITSELF.key
    }

    /// Whether an input is the container's, and not of a process.
    fn is_of_cgroup(&self, key: &str) -> bool {
        let mut needs = self.entry.needs.iter().copied().flatten();
        !self.is_hosts(key) && !needs.any(|need| need.key == key && need.source.is_of_processes())
    }

    /// What the entry says of the whole file, if it has made it.
    fn summary(&self) -> &'static str {
        if self.class == self.entry.class { self.entry.summary } else { "" }
    }

    fn of_class(&self) -> Provenance {
        match self.class {
            Class::Virtual => Provenance::Computed,
            Class::Filtered => Provenance::Filtered,
            Class::Passed => Provenance::Passed,
            Class::Constant | Class::Masked | Class::Denied => Provenance::Constant,
        }
    }

    /// As the steps say.
    fn provenance(&self, node: &'static Node) -> Provenance {
        match &node.step {
            Recorded::Named { of, .. } | Recorded::Noted { of, .. } => self.provenance(of),
            Recorded::Input(quote) if self.is_hosts(quote.key) => Provenance::Passed,
            Recorded::Given("") => Provenance::Constant,
            _ => Provenance::Computed,
        }
    }

    /// Whether a number is a part of a word, such as that in `cpu0`.
    fn is_in_word(&self, start: usize) -> bool {
        let before = self.text.get(..start).and_then(|before| before.chars().next_back());
        before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    }
}

/// `MemTotal` of `MemTotal:  5 kB`. A word without letters is no name.
fn first_word(line: &str) -> String {
    let end = line.find([':', '\t']).unwrap_or(line.len());
    let name = line.get(..end).unwrap_or_default().trim();
    // In front of a colon there may be several: `cpu cores  : 2`.
    let name = match line.get(end..).is_some_and(|rest| rest.trim_start().starts_with(':')) {
        true => name,
        false => name.split(' ').next().unwrap_or_default(),
    };
    String::from(if name.contains(char::is_alphabetic) { name } else { "" })
}

/// Steps in the order in which they are needed, each once.
#[derive(Default)]
struct Steps {
    list: Vec<Step>,
}

/// The place of a node in the list, if it has one. A node belongs to one
/// explanation.
fn place(node: &'static Node) -> Option<u32> {
    node.place.load(Ordering::Relaxed).checked_sub(1)
}

impl Steps {
    /// The place of a node, after its operands. Without recursion: sums over
    /// thousands of CPUs are as deep.
    #[cold]
    #[inline(never)]
    fn add(&mut self, node: &'static Node) -> u32 {
        let mut open = alloc::vec![node];
        while let Some(next) = open.last().copied() {
            let before = open.len();
            open.extend(operands(next).filter(|of| place(of).is_none()));
            if open.len() > before {
                continue;
            }
            open.pop();
            if place(next).is_none() {
                self.list.push(step(next));
                let count = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                next.place.store(count, Ordering::Relaxed);
            }
        }
        place(node).unwrap_or(0)
    }
}

fn step(node: &'static Node) -> Step {
    let known = |node| place(node).unwrap_or(0);
    let from = match &node.step {
        Recorded::Input(quote) => {
            From::Input { key: quote.key, level: quote.level, item: &quote.item, raw: &quote.raw }
        }
        Recorded::Given(name) => From::Given(name),
        Recorded::Result { operator, .. } => {
            From::Result(*operator, operands(node).map(known).collect())
        }
        Recorded::Named { name, of } => From::Named(name, known(of)),
        Recorded::Noted { note, of } => From::Noted(note, known(of)),
    };
    Step { value: node.value, unit: node.unit, from }
}

fn operands(node: &'static Node) -> impl Iterator<Item = &'static Node> {
    let (named, computed): (Option<&'static Node>, &'static [Origin]) = match &node.step {
        Recorded::Result { operands, .. } => (None, operands),
        Recorded::Named { of, .. } | Recorded::Noted { of, .. } => (Some(*of), &[]),
        _ => (None, &[]),
    };
    named.into_iter().chain(computed.iter().filter_map(|origin| origin.node()))
}
