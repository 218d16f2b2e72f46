//! `vprocctl ls`: lists what the policy serves.

use crate::failure::Failure;
use crate::{output, policy, render, subject};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use vproc_linux::Host;
use vproc_snapshot::{Class, Entry, Kind, Knob, Manifest, Readings};

/// List the files that the policy serves, where their numbers come from, and
/// why
///
/// Of /proc, also what this machine has there and the policy does not serve.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: subject::Choice,

    #[command(flatten)]
    policy: policy::Choice,

    /// List the knobs that --set turns, instead of the files
    #[arg(long)]
    knobs: bool,

    /// Also print what each file shows and what it is rendered from; so it is
    /// where a single file is named
    #[arg(short, long)]
    long: bool,

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
    let mut loaded = arguments.policy.load(&environment)?;
    if arguments.knobs {
        return print_knobs(&loaded.manifest.knobs, arguments.json);
    }
    let strangers = strangers(&host, &loaded.manifest, &arguments.paths)?;
    if arguments.subject.pid.is_some() {
        loaded.leave_out_missing(&host, &arguments.paths);
    }
    let entries = loaded.listed(&arguments.paths)?;
    let readings = match arguments.subject.pid {
        Some(_) => {
            let subject = arguments.subject.resolve(&host)?;
            let read = loaded.entries(&arguments.paths)?;
            Some(host.read(&subject, environment, &loaded.sources(&read))?)
        }
        None => None,
    };
    let size = |entry: &Entry| {
        // One that stands for several files has no size.
        let readings = readings.as_ref().filter(|_| !entry.is_pattern())?;
        let text = render::text(&loaded, &entry.path, entry, readings).ok()?;
        (entry.kind != Kind::Directory).then_some(text.len())
    };
    let mut listed: Vec<Listed<'_>> =
        entries.into_iter().map(|entry| Listed { entry, size: size(entry) }).collect();
    listed.extend(strangers.iter().map(|entry| Listed { entry, size: None }));
    if arguments.json {
        return output::write_json(&listed);
    }
    let is_one = matches!(listed.as_slice(), [one] if one.entry.kind != Kind::Directory);
    let text = lines(&listed, readings.as_ref(), arguments.long || is_one);
    output::write(text.as_bytes())
}

/// What this machine has in `/proc` and the policy knows nothing of, where
/// that directory is listed.
fn strangers(host: &Host, manifest: &Manifest, paths: &[String]) -> Result<Vec<Entry>, Failure> {
    let is_root = |path: &String| matches!(path.trim_end_matches('/'), "" | "/proc");
    if !paths.is_empty() && !paths.iter().any(is_root) {
        return Ok(Vec::new());
    }
    let known: HashSet<&str> = manifest
        .entries
        .iter()
        .filter_map(|entry| entry.path.strip_prefix("/proc/")?.split('/').next())
        .collect();
    let names = host.names_in_proc()?.into_iter().filter(|name| !known.contains(name.as_str()));
    Ok(names.map(|name| stranger(&format!("/proc/{name}"))).collect())
}

fn stranger(path: &str) -> Entry {
    let metadata = std::fs::symlink_metadata(path);
    let mode = metadata.as_ref().map_or(0o444, |metadata| metadata.permissions().mode() & 0o777);
    let (kind, remedy) = match metadata.map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_symlink() => (Kind::Symlink, String::new()),
        Ok(kind) if kind.is_dir() => {
            (Kind::Directory, format!("; `--set {path}/FILE=pass` passes a file in it"))
        }
        // What only root may read is read for nobody.
        _ if mode & 0o004 == 0 => (Kind::File, String::new()),
        _ => (Kind::File, format!("; `--set {path}=pass` passes it")),
    };
    Entry {
        path: path.to_owned(),
        kind,
        mode: u16::try_from(mode).unwrap_or(0o444),
        class: Class::Denied,
        summary: "not served".to_owned(),
        reason: format!("the policy knows nothing of it{remedy}"),
        needs: Vec::new(),
        history: None,
        covers: false,
    }
}

/// Longer paths do not move the column after them.
const WIDEST_PATH: usize = 32;

/// A line for each entry, and more where it is wanted.
fn lines(listed: &[Listed<'_>], readings: Option<&Readings>, long: bool) -> String {
    let lengths = listed.iter().map(|listed| listed.entry.path.len());
    let width = lengths.filter(|length| *length <= WIDEST_PATH).max().unwrap_or(0);
    let mut text = String::new();
    for Listed { entry, size } in listed {
        let size = match (size, readings) {
            (Some(size), _) => format!("{size:>7} "),
            (None, Some(_)) => "      - ".to_owned(),
            (None, None) => String::new(),
        };
        let _ = write!(text, "{} {:<8} {size}", mode(entry), entry.class.as_str());
        if !long {
            let reason = entry.reason.as_str();
            let line = format!("{:<width$}  {reason}", entry.path);
            let _ = writeln!(text, "{}", line.trim_end());
            continue;
        }
        let _ = writeln!(text, "{}\n    {}", entry.path, entry.summary);
        if !entry.reason.is_empty() {
            let _ = writeln!(text, "    because: {}", entry.reason);
        }
        for need in &entry.needs {
            if exists(&need.source, readings) {
                let _ = writeln!(text, "    < {}", need.source);
            }
        }
    }
    text
}

/// Whether this machine has the hierarchy that a source names; assumed where
/// nothing was read.
fn exists(source: &vproc_snapshot::Source, readings: Option<&Readings>) -> bool {
    let readings = readings.filter(|_| !source.is_of_processes());
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
