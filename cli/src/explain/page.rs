//! The explanation of one file, for a person.

use super::{Formulas, Inputs};
use crate::colour::{Look, Palette};
use serde::Serialize;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use vproc_snapshot::explanation::{Field, Layout, Provenance, Step, StepFrom};
use vproc_snapshot::{Entry, Explanation};

/// Which fields are wanted, by their places.
pub(super) struct Selection {
    pub(super) places: Vec<usize>,
    /// What was asked for and is there.
    pub(super) matched: BTreeSet<String>,
    is_all: bool,
}

impl Selection {
    pub(super) fn of(explanation: Option<&Explanation>, wanted: &[String]) -> Self {
        let fields = explanation.map_or(&[][..], |explanation| &explanation.fields);
        let mut selection =
            Selection { places: Vec::new(), matched: BTreeSet::new(), is_all: wanted.is_empty() };
        for (place, field) in fields.iter().enumerate() {
            let matches = |wanted: &&String| {
                let both = wanted.strip_prefix(field.label.as_str());
                let both = both.and_then(|rest| rest.strip_prefix('.'));
                [&field.label, &field.column].contains(wanted)
                    || both.is_some_and(|column| column == field.column)
            };
            let found: Vec<&String> = wanted.iter().filter(matches).collect();
            if selection.is_all || !found.is_empty() {
                selection.places.push(place);
                selection.matched.extend(found.into_iter().cloned());
            }
        }
        selection
    }
}

/// What fields can be asked for by, each once.
pub(super) fn names(explanation: &Explanation) -> Vec<String> {
    let mut names = Vec::new();
    for field in &explanation.fields {
        for name in [&field.label, &field.column] {
            if !name.is_empty() && !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

/// A field for scripts.
#[derive(Serialize)]
pub(super) struct Printed<'a> {
    #[serde(flatten)]
    field: &'a Field,
    printed: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    formula: Option<String>,
}

/// One file.
pub(super) struct Page<'a> {
    pub(super) path: &'a str,
    pub(super) entry: &'a Entry,
    pub(super) inputs: Inputs<'a>,
    pub(super) palette: Palette,
    pub(super) selection: &'a Selection,
}

impl<'a> Page<'a> {
    pub(super) fn printed(&self, explanation: &'a Explanation) -> Vec<Printed<'a>> {
        let formulas = self.formulas(explanation);
        self.fields(explanation)
            .map(|field| Printed {
                field,
                printed: text(explanation, field),
                formula: field.value.map(|step| formulas.formula(step).0),
            })
            .collect()
    }

    fn formulas(&self, explanation: &'a Explanation) -> Formulas<'a> {
        Formulas { steps: &explanation.steps, inputs: self.inputs, palette: self.palette }
    }

    fn fields(&self, explanation: &'a Explanation) -> impl Iterator<Item = &'a Field> {
        self.selection.places.iter().filter_map(|place| explanation.fields.get(*place))
    }

    pub(super) fn write(&self, explanation: Option<&'a Explanation>, out: &mut String) {
        let Entry { class, summary, reason, .. } = self.entry;
        let path = self.palette.paint(Look::Bold, self.path);
        let _ = writeln!(out, "{path}  {}: {summary}", class.as_str());
        if !reason.is_empty() {
            let _ = writeln!(out, "    because: {reason}");
        }
        let Some(explanation) = explanation else {
            out.push_str("This policy cannot explain its numbers. It asks for these inputs:\n");
            return self.inputs.write(&self.inputs.keys(None), out);
        };
        let formulas = self.formulas(explanation);
        let mut names = VecDeque::new();
        let fields: Vec<&Field> = self.fields(explanation).collect();
        let mut rest = fields.as_slice();
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|field| self.is_alike(explanation, first, field));
            let (group, after) = rest.split_at(alike.count().max(1));
            let line = self.line(explanation, &formulas, group, &mut names);
            let _ = writeln!(out, "{line}");
            rest = after;
        }
        self.write_names(&formulas, &fields, names, out);
        let keys = self.keys(explanation, &fields);
        if !keys.is_empty() {
            let _ = writeln!(out, "{}", self.palette.paint(Look::Faint, "read from"));
            self.inputs.write(&keys, out);
        }
    }

    /// Whether two fields that follow one another fit in a line: numbers that are
    /// the same for the same reason, lines that stand so in the same input, and
    /// lines of which the same is said. Lines that were asked for stay apart.
    fn is_alike(&self, explanation: &Explanation, first: &Field, other: &Field) -> bool {
        let are_whole = first.column.is_empty() && other.column.is_empty();
        let constants = first.provenance == Provenance::Constant
            && (first.line == other.line || self.selection.is_all && are_whole)
            && first.reason == other.reason
            && text(explanation, first) == text(explanation, other);
        let told = first.layout == Layout::Text
            && first.value.is_none()
            && !first.reason.is_empty()
            && first.reason == other.reason;
        let quotes = self.selection.is_all && (first.quoted.is_some() || told);
        first.provenance == other.provenance
            && first.layout == other.layout
            && first.quoted == other.quoted
            && (constants || quotes)
    }

    fn line(
        &self,
        explanation: &Explanation,
        formulas: &Formulas<'_>,
        group: &[&Field],
        names: &mut VecDeque<usize>,
    ) -> String {
        let [first, ..] = group else { return String::new() };
        let word = format!("{:<9}", first.provenance.as_str());
        let look = match first.provenance {
            Provenance::Computed => Look::Green,
            Provenance::Clamped => Look::Yellow,
            Provenance::Filtered => Look::Cyan,
            Provenance::Passed | Provenance::Constant => Look::Faint,
        };
        let word = self.palette.paint(look, &word);
        let step = first.value.and_then(|place| formulas.step(place));
        let printed = printed(explanation, first, step);
        let mut line =
            format!("{word} {}", self.palette.paint(Look::Bold, &called(group, &printed)));
        if let Some(place) = first.value {
            let (formula, own) = formulas.formula(place);
            names.extend(own);
            line = format!("{line} = {formula}");
        }
        if let Some(key) = &first.quoted {
            let input = self.inputs.name(key);
            line = format!("{line}: as in {input}{}", self.inputs.place(key, 0));
        }
        // Of a computed number the formula says it, and better.
        let is_told = first.value.is_some() && first.provenance == Provenance::Computed;
        if !first.reason.is_empty() && !is_told {
            line = format!("{line}: {}", first.reason);
        }
        line
    }

    /// The values that formulas called by a name, but for those that are a
    /// line of their own.
    fn write_names(
        &self,
        formulas: &Formulas<'_>,
        fields: &[&Field],
        mut names: VecDeque<usize>,
        out: &mut String,
    ) {
        const MOST: usize = 16;
        let (mut known, mut shown) = (BTreeSet::new(), 0);
        while let Some(place) = names.pop_front() {
            let Some(step) = formulas.step(place) else { continue };
            let StepFrom::Named { name, .. } = &step.from else { continue };
            let is_field = fields.iter().any(|field| field.label == *name || field.column == *name);
            if is_field || !known.insert((name.as_str(), step.value)) {
                continue;
            }
            shown += 1;
            if shown > MOST {
                let _ = writeln!(out, "    … (--json has all steps)");
                return;
            }
            let (formula, more) = formulas.formula(place);
            names.extend(more);
            let _ = writeln!(out, "    where {name} {} = {formula}", Formulas::amount(step));
        }
    }

    /// The inputs to show: what the chosen fields follow from.
    fn keys(&self, explanation: &Explanation, fields: &[&Field]) -> Vec<String> {
        if self.selection.is_all || fields.iter().any(|field| field.value.is_none()) {
            return explanation.inputs.clone();
        }
        let mut keys = BTreeSet::new();
        for step in fields.iter().filter_map(|field| field.value) {
            keys.extend(explanation.inputs_of(step).into_iter().map(|(key, _)| key.to_owned()));
        }
        let inputs = explanation.inputs.iter();
        inputs.filter(|key| keys.contains(key.as_str())).cloned().collect()
    }
}

fn text<'a>(explanation: &'a Explanation, field: &Field) -> &'a str {
    explanation.text.get(field.start..field.end).unwrap_or_default()
}

/// The value as the file has it, with its unit.
fn printed(explanation: &Explanation, field: &Field, step: Option<&Step>) -> String {
    match (field.layout, step) {
        (Layout::Number | Layout::Unprinted, Some(step)) => Formulas::amount(step),
        (Layout::Text, _) => String::new(),
        (Layout::CpuList, Some(step)) => {
            let plural = if step.value == 1 { "" } else { "s" };
            format!("{} ({} CPU{plural})", text(explanation, field), step.value)
        }
        _ => text(explanation, field).to_owned(),
    }
}

/// `cpu0 iowait, irq 0`, `5 lines, vendor_id to flags`.
fn called(group: &[&Field], printed: &str) -> String {
    let [first, .., last] = group else {
        let Some(field) = group.first() else { return String::new() };
        let name = match name(field) {
            name if name.is_empty() && printed.is_empty() => format!("line {}", field.line),
            name => name,
        };
        return format!("{name} {printed}").trim().to_owned();
    };
    if first.line != last.line {
        let lines: BTreeSet<u32> = group.iter().map(|field| field.line).collect();
        let lines = match first.label.is_empty() || last.label.is_empty() {
            true => format!("{} lines", lines.len()),
            false => format!("{} lines, {} to {}", lines.len(), first.label, last.label),
        };
        return match printed.is_empty() {
            true => lines,
            false => format!("{lines}: {printed}"),
        };
    }
    let columns: Vec<&str> = group.iter().map(|field| field.column.as_str()).collect();
    match columns.iter().all(|column| column.is_empty()) {
        true => format!("{} {printed} ({} times)", first.label, group.len()),
        false => format!("{} {} {printed}", first.label, columns.join(", ")).trim().to_owned(),
    }
}

fn name(field: &Field) -> String {
    format!("{} {}", field.label, field.column).trim().to_owned()
}
