//! What changed between two captures, and why.

use super::{Arguments, lines, table};
use crate::colour::{Look, Palette};
use crate::explain::{Formulas, Inputs, explanation};
use crate::facts::Facts;
use crate::failure::Failure;
use crate::files::{File, files};
use crate::policy::Loaded;
use crate::{output, readings, render};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use vproc_snapshot::explanation::{Field, StepFrom};
use vproc_snapshot::{Explanation, Readings};

/// A file of which something changed.
#[derive(Serialize)]
struct Changed {
    path: String,
    fields: Vec<ChangedField>,
    /// Lines, where the policy cannot explain, or one side has no such file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<lines::Pair>,
}

/// A number that changed, and what explains it.
#[derive(Serialize)]
struct ChangedField {
    field: String,
    old: Option<String>,
    new: Option<String>,
    because: Vec<ChangedInput>,
}

/// A value that was read, and that the number follows from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct ChangedInput {
    input: String,
    old: Option<String>,
    new: Option<String>,
}

/// A capture, and the policy that renders it.
struct Loading {
    loaded: Loaded,
    facts: Facts,
}

/// One of the two captures.
struct Side<'c> {
    loaded: &'c Loaded,
    facts: &'c Facts,
    readings: &'c Readings,
}

/// Prints it, and says whether anything changed.
pub(super) fn compare(
    arguments: &Arguments,
    [old, new]: [&String; 2],
    paths: &[String],
    palette: Palette,
) -> Result<bool, Failure> {
    let load = |file: &String| {
        let (loaded, readings) = readings::replay(Path::new(file), &arguments.policy)?;
        Ok::<_, Failure>(Loading { loaded, facts: Facts::recorded(readings) })
    };
    let (old, new) = (load(old)?, load(new)?);
    let (then, now) = (old.facts.readings(), new.facts.readings());
    let (old, new) = (old.side(&then), new.side(&now));
    let root = ["/".to_owned()];
    let wanted = if paths.is_empty() { &root[..] } else { paths };
    let mut served = old.paths(wanted)?;
    for path in new.paths(wanted)? {
        if !served.contains(&path) {
            served.push(path);
        }
    }
    let mut changes = Vec::new();
    for path in served {
        let change = changed(&path, &old, &new)?;
        if !change.fields.is_empty() || !change.lines.is_empty() {
            changes.push(change);
        }
    }
    if arguments.json {
        output::write_json(&changes)?;
    } else {
        output::write(page(&changes, palette).as_bytes())?;
    }
    Ok(!changes.is_empty())
}

impl Loading {
    fn side<'c>(&'c self, readings: &'c Readings) -> Side<'c> {
        Side { loaded: &self.loaded, facts: &self.facts, readings }
    }
}

impl<'c> Side<'c> {
    fn paths(&self, wanted: &[String]) -> Result<Vec<String>, Failure> {
        let wanted = self.facts.follow(self.loaded, wanted)?;
        let files = files(self.loaded, &wanted, self.facts)?.into_iter().flatten();
        Ok(files.map(|File { path, .. }| path).collect())
    }

    /// The file's text and, if there is one, its explanation; `None` where
    /// the capture has no such file.
    fn text(&self, path: &'c str) -> Option<(String, Option<Explanation>, Inputs<'c>)> {
        let paths = [path.to_owned()];
        let Side { loaded, facts, readings } = *self;
        let File { entry, .. } = files(loaded, &paths, facts).ok()?.into_iter().next()?.ok()?;
        let inputs = Inputs { entry, path, readings };
        match explanation(loaded, path, entry, readings).ok()? {
            Some(explanation) => Some((explanation.text.clone(), Some(explanation), inputs)),
            None => {
                let text = render::text(loaded, path, entry, readings).ok()?;
                Some((String::from_utf8_lossy(&text).into_owned(), None, inputs))
            }
        }
    }
}

fn changed<'c>(path: &'c str, old: &Side<'c>, new: &Side<'c>) -> Result<Changed, Failure> {
    let (old, new) = (old.text(path), new.text(path));
    let text = |side: &Option<(String, _, _)>| side.as_ref().map(|(text, _, _)| text.clone());
    let (mut fields, mut lines) = (Vec::new(), Vec::new());
    if text(&old) != text(&new) {
        match (&old, &new) {
            (Some((_, Some(old), then)), Some((_, Some(new), now))) => {
                fields = changed_fields((old, *then), (new, *now));
            }
            _ => {
                let (then, now) = (text(&old), text(&new));
                lines = lines::pairs(&then.unwrap_or_default(), &now.unwrap_or_default());
                lines.retain(lines::Pair::differs);
            }
        }
    }
    Ok(Changed { path: path.to_owned(), fields, lines })
}

/// Fields by what they are called, and by how many are called so before.
fn by_name(explanation: &Explanation) -> Vec<((String, usize), &Field)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let name = |field: &Field| match (field.label.is_empty(), field.column.is_empty()) {
        (false, true) => field.label.clone(),
        (true, false) => field.column.clone(),
        (true, true) => format!("line {}", field.line),
        (false, false) => format!("{}.{}", field.label, field.column),
    };
    let named = explanation.fields.iter().map(|field| {
        let name = name(field);
        let count = counts.entry(name.clone()).or_insert(0);
        *count += 1;
        ((name, *count), field)
    });
    named.collect()
}

type Explained<'a> = (&'a Explanation, Inputs<'a>);

fn changed_fields(old: Explained<'_>, new: Explained<'_>) -> Vec<ChangedField> {
    let (then, now) = (by_name(old.0), by_name(new.0));
    let known: BTreeMap<_, &Field> =
        then.iter().map(|(name, field)| (name.clone(), *field)).collect();
    let kept: BTreeSet<_> = now.iter().map(|(name, _)| name.clone()).collect();
    let mut changed = Vec::new();
    for (name, field) in &now {
        let before = known.get(name).copied();
        changed.extend(changed_field(name, before.map(|field| (old, field)), Some((new, *field))));
    }
    for (name, field) in then.iter().filter(|(name, _)| !kept.contains(name)) {
        changed.extend(changed_field(name, Some((old, *field)), None));
    }
    changed
}

type Place<'a> = (Explained<'a>, &'a Field);

fn changed_field(
    (name, count): &(String, usize),
    old: Option<Place<'_>>,
    new: Option<Place<'_>>,
) -> Option<ChangedField> {
    let text = |((explanation, _), field): Place<'_>| {
        let value = field.value.and_then(|step| explanation.steps.get(step));
        match value.filter(|_| field.start == field.end) {
            Some(step) => Formulas::amount(step),
            None => explanation.text.get(field.start..field.end).unwrap_or_default().to_owned(),
        }
    };
    let (before, after) = (old.map(text), new.map(text));
    if before == after {
        return None;
    }
    let (then, now) = (old.map(leaves).unwrap_or_default(), new.map(leaves).unwrap_or_default());
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let because = names
        .into_iter()
        .filter(|name| then.get(*name) != now.get(*name))
        .map(|name| ChangedInput {
            input: name.clone(),
            old: then.get(name).cloned(),
            new: now.get(name).cloned(),
        })
        .collect();
    let field = if *count > 1 { format!("{name} ({count})") } else { name.clone() };
    Some(ChangedField { field, old: before, new: after, because })
}

/// What a field follows from: the inputs by name and place, with their raw
/// texts.
fn leaves(((explanation, inputs), field): Place<'_>) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut wanted: BTreeSet<usize> = field.value.into_iter().collect();
    while let Some(place) = wanted.pop_last() {
        let Some(step) = explanation.steps.get(place) else { continue };
        wanted.extend(step.operands());
        match &step.from {
            StepFrom::Input { key, level, item, raw } => {
                let item = if item.is_empty() { String::new() } else { format!(" {item}") };
                let place = inputs.place(key, *level);
                leaves.insert(format!("{}{item}{place}", inputs.name(key)), raw.clone());
            }
            StepFrom::Given(name) if !name.is_empty() => {
                leaves.insert(name.clone(), Formulas::amount(step));
            }
            StepFrom::Noted { note, .. } => {
                leaves.insert(note.clone(), "true".to_owned());
            }
            _ => {}
        }
    }
    if let Some(key) = &field.quoted {
        let text = explanation.text.get(field.start..field.end).unwrap_or_default();
        leaves.insert(inputs.name(key), text.to_owned());
    }
    leaves
}

fn page(changes: &[Changed], palette: Palette) -> String {
    let mut out = String::new();
    for change in changes {
        let blank = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{blank}{}", palette.paint(Look::Bold, &change.path));
        let pairs: Vec<&lines::Pair> = change.lines.iter().collect();
        table::write(&pairs, palette, &mut out);
        let mut rest = change.fields.as_slice();
        while let Some(first) = rest.first() {
            // What changed for the same reasons stands together.
            let alike = rest.iter().take_while(|field| field.because == first.because).count();
            let (group, after) = rest.split_at(alike.max(1));
            for ChangedField { field, old, new, .. } in group {
                let _ = writeln!(out, "  {field}  {}", arrow(old, new, palette));
            }
            for ChangedInput { input, old, new } in &first.because {
                let _ = writeln!(out, "      {input}  {}", arrow(old, new, Palette::PLAIN));
            }
            rest = after;
        }
    }
    out
}

fn arrow(old: &Option<String>, new: &Option<String>, palette: Palette) -> String {
    let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
    let (old, new) = (text(old), text(new));
    format!("{} → {}", palette.paint(Look::Red, &old), palette.paint(Look::Green, &new))
}
