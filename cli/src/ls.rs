//! `vprocctl ls`: lists what the policy serves.

use crate::failure::Failure;
use crate::{output, policy, render, subject};
use serde::Serialize;
use std::fmt::Write;
use vproc_linux::Host;
use vproc_snapshot::{Entry, Kind, Knob, Readings};

/// List the files that the policy serves, where their numbers come from, and
/// what they are rendered from
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: subject::Choice,

    #[command(flatten)]
    policy: policy::Choice,

    /// List the knobs that --set turns, instead of the files
    #[arg(long)]
    knobs: bool,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,

    /// Only these files or directories
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// Bytes that the process would read; only with --pid.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let host = Host::open()?;
    let environment = host.environment(arguments.policy.settings.clone());
    let loaded = arguments.policy.load(&environment)?;
    if arguments.knobs {
        return print_knobs(&loaded.manifest.knobs, arguments.json);
    }
    let entries = loaded.entries(&arguments.paths)?;
    let readings = match arguments.subject.pid {
        Some(_) => {
            let subject = arguments.subject.resolve(&host)?;
            Some(host.read(&subject, environment, &loaded.sources(&entries))?)
        }
        None => None,
    };
    let size = |entry: &Entry| {
        // One that stands for several files has no size.
        let readings = readings.as_ref().filter(|_| !entry.is_pattern())?;
        let text = render::text(&loaded, &entry.path, entry, readings).ok()?;
        (entry.kind != Kind::Directory).then_some(text.len())
    };
    let listed: Vec<Listed<'_>> =
        entries.into_iter().map(|entry| Listed { entry, size: size(entry) }).collect();
    if arguments.json {
        return output::write_json(&listed);
    }
    let mut text = String::new();
    for Listed { entry, size } in &listed {
        let size = match (size, &readings) {
            (Some(size), _) => format!("{size:>7} "),
            (None, Some(_)) => "      - ".to_owned(),
            (None, None) => String::new(),
        };
        let mode = mode(entry);
        let class = entry.class.as_str();
        let _ = writeln!(text, "{mode} {class:<9} {size}{}", entry.path);
        let _ = writeln!(text, "    {}", entry.summary);
        if !entry.reason.is_empty() {
            let _ = writeln!(text, "    because: {}", entry.reason);
        }
        for need in &entry.needs {
            if exists(&need.source, readings.as_ref()) {
                let _ = writeln!(text, "    < {}", need.source);
            }
        }
    }
    output::write(text.as_bytes())
}

/// Whether this machine has the hierarchy that a source names; assumed where
/// nothing was read.
fn exists(source: &vproc_snapshot::Source, readings: Option<&Readings>) -> bool {
    readings.is_none_or(|readings| {
        readings.records.iter().any(|record| record.source == *source && !record.found.is_empty())
    })
}

/// As `ls -l` shows it.
pub(crate) fn mode(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
    };
    let bits = "rwxrwxrwx"
        .chars()
        .enumerate()
        .map(|(place, letter)| if entry.mode & (0o400 >> place) != 0 { letter } else { '-' });
    std::iter::once(kind).chain(bits).collect()
}

fn print_knobs(knobs: &[Knob], json: bool) -> Result<(), Failure> {
    if json {
        return output::write_json(&knobs);
    }
    let mut text = String::new();
    for knob in knobs {
        let _ = writeln!(text, "{}={}", knob.name, knob.values);
        let _ = writeln!(text, "    {} (default: {})", knob.summary, knob.default);
    }
    output::write(text.as_bytes())
}
