//! `vprocctl doctor`: tells what this machine offers.

use crate::failure::Failure;
use crate::output;
use serde::Serialize;
use std::fmt::Write;
use std::io::IsTerminal;
use vproc_linux::doctor::{Check, Status, examine};

/// Tell what this machine offers, and what each lack costs
///
/// Changes nothing and needs no privileges, though a root user learns more.
/// The exit code is 0 whatever is found.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    status: String,
    finding: &'a str,
    cost: &'a str,
    remedy: &'a str,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let checks = examine();
    if arguments.json {
        let lines: Vec<Line<'_>> = checks
            .iter()
            .map(|check| Line {
                name: &check.name,
                status: check.status.to_string(),
                finding: &check.finding,
                cost: &check.cost,
                remedy: &check.remedy,
            })
            .collect();
        return output::write_json(&lines);
    }
    let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    output::write(report(&checks, coloured).as_bytes())
}

fn report(checks: &[Check], coloured: bool) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (on, off) = if coloured { (colour(check.status), "\x1b[0m") } else { ("", "") };
        let status = check.status.to_string();
        let _ = writeln!(text, "{on}{status:<8}{off}{:<width$}  {}", check.name, check.finding);
        for (label, detail) in [("cost", &check.cost), ("do", &check.remedy)] {
            if !detail.is_empty() {
                let _ = writeln!(text, "{:width$}  {label}: {detail}", "", width = width + 8);
            }
        }
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (limited, missing) = (count(Status::Limited), count(Status::Missing));
    let _ = writeln!(text, "{} ok, {limited} limited, {missing} missing", count(Status::Ok));
    text
}

fn colour(status: Status) -> &'static str {
    match status {
        Status::Ok => "\x1b[32m",
        Status::Limited => "\x1b[33m",
        Status::Missing => "\x1b[31m",
    }
}
