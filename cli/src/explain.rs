//! `vprocctl explain`: why a file says what it says.

mod formula;
mod inputs;
mod page;

use crate::colour::Palette;
use crate::failure::{EXIT_CODES, Exit, Failure};
use crate::files::{File, files};
use crate::policy::Loaded;
use crate::{output, policy, readings, render, subject};
pub(crate) use formula::Formulas;
pub(crate) use inputs::Inputs;
use page::{Page, Selection};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use vproc_runtime::Error;
use vproc_snapshot::{Class, Entry, Explanation, Readings};

const EXAMPLES: &str = "\
Examples:
  vprocctl explain --pid 4242 /proc/meminfo             every line of a file
  vprocctl explain --pid 4242 /proc/meminfo MemTotal    one line, and what decides it
  vprocctl explain --pid 4242 /proc/stat cpu0 CPUs      a CPU; how many there are, and why
  vprocctl explain --from box.json /proc/loadavg load1  from a capture, anywhere

Each number has its class (computed from the cgroup, clamped to what the
container can reach, filtered, passed as the host has it, constant) and the
arithmetic that led to it, with the values that were read:

  computed  MemTotal 262144 kB = min(memory.max 268435456 B at /pod7 (1 above
            the leaf), host MemTotal 24113424 kB)

Of a min() the one that decides comes first. Limits count in every group from
the leaf, which is the process's own, up to the root. The steps are recorded
while the file is rendered. Rounding to units and pages that changed nothing is
left out; --json has every step.";

/// Say why a file shows what it shows
///
/// For each line or number: where it comes from, the formula with the values
/// that were read and their files, and which group of the lineage decided.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: subject::Choice,

    /// Explain a capture instead of this machine; needs no privileges
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["pid", "identity"])]
    from: Option<PathBuf>,

    #[command(flatten)]
    policy: policy::Choice,

    /// Print a JSON array with an object for each file: its fields with their
    /// formulas, all steps, and the inputs with their raw texts
    #[arg(long)]
    json: bool,

    /// Absolute path of a file or directory, as the container sees it
    #[arg(value_name = "PATH")]
    path: String,

    /// Only these: a line (MemTotal, cpu0, sda), a number (load1, idle), or
    /// both (cpu0.user); all if left out
    #[arg(value_name = "FIELD")]
    fields: Vec<String>,
}

/// What is known of a file.
#[derive(Serialize)]
struct Explained<'a> {
    path: String,
    class: Class,
    summary: &'a str,
    reason: &'a str,
    /// Whether the policy explains; else there are only inputs.
    explained: bool,
    fields: Vec<page::Printed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
    inputs: Vec<inputs::Listed<'a>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Arguments { subject, from, policy, path, .. } = arguments;
    let paths = std::slice::from_ref(path);
    let (loaded, facts, paths) =
        readings::obtain("explain", subject, from.as_deref(), policy, paths)?;
    let files: Vec<File<'_>> =
        files(&loaded, &paths, &facts)?.into_iter().collect::<Result<_, _>>()?;
    let mut documents = Vec::new();
    let palette = if arguments.json { Palette::PLAIN } else { Palette::of_stdout() };
    let (mut text, mut unmatched) = (String::new(), Unmatched::new(&arguments.fields));
    let is_alone = files.len() == 1;
    for File { path, entry } in files {
        facts.complete(entry, &path)?;
        let readings = facts.readings();
        let explanation = explanation(&loaded, &path, entry, &readings)?;
        let selection = Selection::of(explanation.as_ref(), &arguments.fields);
        unmatched.met(&selection, explanation.as_ref());
        let inputs = Inputs { entry, path: &path, readings: &readings };
        let page = Page { path: &path, entry, inputs, palette, selection: &selection };
        if arguments.json {
            let explained = Explained {
                path: path.clone(),
                class: entry.class,
                summary: &entry.summary,
                reason: &entry.reason,
                explained: explanation.is_some(),
                fields: explanation.as_ref().map(|e| page.printed(e)).unwrap_or_default(),
                explanation: explanation.as_ref(),
                inputs: inputs.listed(&inputs.keys(explanation.as_ref())),
            };
            let document = serde_json::to_value(&explained)
                .map_err(|error| Failure::new(Exit::InputOutput, error.to_string()))?;
            documents.push(document);
        } else if is_alone || arguments.fields.is_empty() || !selection.places.is_empty() {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            page.write(explanation.as_ref(), &mut text);
        }
    }
    unmatched.failure(&arguments.path)?;
    match arguments.json {
        true => output::write_json(&documents)?,
        false => output::write(text.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The explanation of a file; `None` where the policy cannot explain.
pub(crate) fn explanation(
    loaded: &Loaded,
    path: &str,
    entry: &Entry,
    readings: &Readings,
) -> Result<Option<Explanation>, Failure> {
    if !loaded.policy.can_explain() {
        // It may fail all the same, and that is an answer.
        render::text(loaded, path, entry, readings)?;
        return Ok(None);
    }
    let snapshot = render::snapshot(entry, path, readings)?;
    match loaded.policy.explain(path, &snapshot) {
        Ok(explanation) => Ok(Some(explanation)),
        // A part of an overlay that says no more than the manifest does.
        Err(Error::CannotExplain) => {
            render::text(loaded, path, entry, readings)?;
            Ok(None)
        }
        // A render says it better.
        Err(Error::Refused(refusal)) => match render::text(loaded, path, entry, readings) {
            Ok(_) => Err(loaded.failure(path, &Error::Refused(refusal))),
            Err(failure) => Err(failure),
        },
        Err(error) => Err(loaded.failure(path, &error)),
    }
}

/// Fields that were asked for and that no file has.
struct Unmatched {
    fields: BTreeSet<String>,
    known: Vec<String>,
    /// Whether the policy explains anything.
    is_explained: bool,
}

impl Unmatched {
    fn new(fields: &[String]) -> Self {
        let fields = fields.iter().cloned().collect();
        Unmatched { fields, known: Vec::new(), is_explained: false }
    }

    fn met(&mut self, selection: &Selection, explanation: Option<&Explanation>) {
        self.is_explained |= explanation.is_some();
        self.fields.retain(|field| !selection.matched.contains(field));
        let names = explanation.map(page::names).unwrap_or_default();
        for name in names {
            if !self.known.contains(&name) {
                self.known.push(name);
            }
        }
    }

    fn failure(self, path: &str) -> Result<(), Failure> {
        let Some(field) = self.fields.first() else { return Ok(()) };
        let field = field.escape_debug();
        let message = match self.is_explained {
            false => {
                format!("this policy cannot explain, so it has no field `{field}`; leave it out")
            }
            true => {
                let known = self.known.join(", ");
                format!("{path} has no field `{field}`; it has: {known}")
            }
        };
        Err(Failure::new(Exit::Usage, message))
    }
}
