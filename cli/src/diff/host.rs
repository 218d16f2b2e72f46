//! The host's text beside the container's.

use super::lines::{self, Pair};
use super::{Arguments, table};
use crate::colour::{Look, Palette};
use crate::failure::{Exit, Failure};
use crate::files::{File, files};
use crate::{output, readings};
use serde::Serialize;
use std::fmt::Write;
use vproc_snapshot::{Content, Entry, Process, Readings, Source};

/// A file of both.
#[derive(Serialize)]
struct Compared {
    path: String,
    /// Whether there is a text of the host to compare with.
    compared: bool,
    /// Lines that differ.
    differing: usize,
    /// Lines of both, `old` the host's; those that differ, or all.
    lines: Vec<Pair>,
    /// Why there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Prints it, and says whether anything differs.
pub(super) fn compare(
    arguments: &Arguments,
    paths: &[String],
    palette: Palette,
) -> Result<bool, Failure> {
    let Arguments { subject, from, policy, all, .. } = arguments;
    let root = ["/".to_owned()];
    let wanted = if paths.is_empty() { &root[..] } else { paths };
    let (loaded, facts, wanted) =
        readings::obtain("diff", subject, from.as_deref(), policy, wanted)?;
    let mut compared = Vec::new();
    for file in files(&loaded, &wanted, &facts)? {
        let Ok(File { path, entry }) = file else { continue };
        let own = facts.text(&loaded, &path, entry);
        let hosts = hosts_text(&path, entry, &facts.readings(), from.is_none());
        compared.push(match (hosts, own) {
            (Some(host), Ok(own)) => {
                let mut lines = lines::pairs(&host, &String::from_utf8_lossy(&own));
                let differing = lines.iter().filter(|pair| pair.differs()).count();
                lines.retain(|pair| *all || pair.differs());
                Compared { path, compared: true, differing, lines, reason: None }
            }
            (host, own) => {
                let reason = match (host, own) {
                    (_, Err(failure)) => failure.to_string(),
                    _ if from.is_none() => "the host has no such text of its own".to_owned(),
                    _ => "the host's text was not recorded".to_owned(),
                };
                let reason = Some(reason);
                Compared { path, compared: false, differing: 0, lines: Vec::new(), reason }
            }
        });
    }
    let differs = compared.iter().any(|file| file.differing > 0);
    if arguments.json {
        output::write_json(&compared)?;
        return Ok(differs);
    }
    let mut text = String::new();
    match paths.is_empty() {
        true => summary(&compared, palette, &mut text),
        false => details(&compared, palette, &mut text)?,
    }
    output::write(text.as_bytes())?;
    Ok(differs)
}

/// The host's own text: as it was read for the render, else as it is now. A
/// process has another number there, and its text was read.
fn hosts_text(path: &str, entry: &Entry, readings: &Readings, is_live: bool) -> Option<String> {
    let source = match entry.path.strip_prefix("/proc/*/") {
        Some(below) => {
            let own = below.strip_prefix("task/*/").unwrap_or(below);
            let is_own = |source: &&Source| match source {
                Source::Process { of: Process::Path, name } => name == own,
                _ => false,
            };
            entry.needs.iter().map(|need| &need.source).find(is_own)?.at(&entry.path, path)
        }
        None if entry.is_of_processes() => return None,
        None => Source::Host(path.to_owned()),
    };
    let is_live = is_live && matches!(source, Source::Host(_));
    let record = readings.records.iter().find(|record| record.source == source);
    match record.and_then(|record| record.found.first()).map(|reading| &reading.content) {
        Some(Content::Text(text)) => Some(text.clone()),
        Some(_) => None,
        None if is_live => std::fs::read_to_string(path).ok(),
        None => None,
    }
}

fn summary(compared: &[Compared], palette: Palette, out: &mut String) {
    let width = compared.iter().map(|file| file.path.len()).max().unwrap_or(0);
    for file in compared {
        let path = format!("{:<width$}", file.path);
        let verdict = match (&file.reason, file.differing) {
            (Some(reason), _) => reason.clone(),
            (None, 0) => "the same".to_owned(),
            (None, 1) => "1 line differs".to_owned(),
            (None, lines) => format!("{lines} lines differ"),
        };
        let look = if file.differing > 0 { Look::Bold } else { Look::Faint };
        let _ = writeln!(out, "{}  {verdict}", palette.paint(look, &path));
    }
}

fn details(compared: &[Compared], palette: Palette, out: &mut String) -> Result<(), Failure> {
    for file in compared {
        if let (Some(reason), [_]) = (&file.reason, compared) {
            let message = format!("cannot compare {}: {reason}", file.path);
            return Err(Failure::new(Exit::InputOutput, message));
        }
        if file.lines.is_empty() {
            continue;
        }
        let blank = if out.is_empty() { "" } else { "\n" };
        let path = palette.paint(Look::Bold, &file.path);
        let _ = writeln!(out, "{blank}{path}: the host's and the container's");
        table::write(&file.lines.iter().collect::<Vec<_>>(), palette, out);
    }
    Ok(())
}
