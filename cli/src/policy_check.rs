//! `policy check`: whether a policy is fit to be used.

use crate::admission::pinned;
use crate::failure::Failure;
use crate::output;
use crate::policy::setting;
use crate::policy_file::{engine, open};
use crate::readings::read_capture;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use vproc_check::{Cost, Finding, Named, Report, Severity, Summary, bundled};
use vproc_snapshot::Setting;
use vproc_trust::Pinned;

/// Say whether a policy is fit to be used
///
/// Renders recorded machines with it: as they are, twice, with inputs that are
/// missing, cut off or absurd, with a state that is its own and with others, and
/// with other numbers and words in one file of the host at a time, to see whether
/// they come out. Traps, limits, wrapped numbers, files that the kernel would not
/// print so or that contradict one another, and leaks are errors. Exits with 1 if
/// there is one. What was not judged is named.
#[derive(clap::Args)]
pub(crate) struct Check {
    /// The policy; the embedded one if left out
    #[arg(value_name = "FILE[@sha256:HEX]", value_parser = pinned())]
    file: Option<Pinned>,

    /// Captures to render beside the bundled ones
    #[arg(long = "capture", value_name = "CAPTURE.json")]
    captures: Vec<PathBuf>,

    /// Leave the bundled captures out
    #[arg(long, requires = "captures")]
    only: bool,

    /// Turn a knob of the policy, such as cpus=cpuset or /proc/stat=deny; may be
    /// given several times
    #[arg(long = "set", value_name = "KNOB=VALUE", value_parser = setting)]
    settings: Vec<Setting>,

    /// Print JSON for scripts
    #[arg(long)]
    json: bool,
}

pub(crate) fn check(arguments: &Check) -> Result<ExitCode, Failure> {
    let engine = engine()?;
    let opened = open(&engine, arguments.file.as_ref())?;
    let mut captures = if arguments.only { Vec::new() } else { bundled() };
    for path in &arguments.captures {
        captures.push(Named::new(path.display().to_string(), read_capture(path)?));
    }
    let report = vproc_check::check(
        &engine,
        &opened.policy,
        opened.component.len(),
        &arguments.settings,
        &captures,
    )
    .map_err(|error| Failure::policy(format_args!("cannot check {}", opened.name), &error, ""))?;
    if arguments.json {
        #[derive(Serialize)]
        struct Printed<'a> {
            fit: bool,
            checks: Vec<Summary>,
            #[serde(flatten)]
            report: &'a Report,
        }
        let checks = report.summaries();
        output::write_json(&Printed { fit: report.is_fit(), checks, report: &report })?;
    } else {
        output::write(page(&opened.name, &report, captures.len()).as_bytes())?;
    }
    Ok(if report.is_fit() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Findings that are printed of one check; --json has them all.
const SHOWN: usize = 5;

fn page(name: &str, report: &Report, captures: usize) -> String {
    let mut page = String::new();
    let (own, version) = (&report.name, &report.version);
    let _ = writeln!(page, "{own} {version} ({name}) on {captures} captures\n");
    for Summary { check, cases, errors, warnings } in report.summaries() {
        let verdict = match (errors, warnings) {
            (0, 0) => "ok".to_owned(),
            (0, warnings) => format!("{warnings} warnings"),
            (errors, 0) => format!("{errors} errors"),
            (errors, warnings) => format!("{errors} errors, {warnings} warnings"),
        };
        let _ = writeln!(page, "{:<12} {cases:>7} cases  {verdict}", check.as_str());
        let of = |severity| {
            let findings = report.findings.iter();
            findings.filter(move |f: &&Finding| f.check == check && f.severity == severity)
        };
        let findings: Vec<_> = of(Severity::Error).chain(of(Severity::Warning)).collect();
        for finding in findings.iter().take(SHOWN) {
            let _ = writeln!(page, "  {finding}");
        }
        if findings.len() > SHOWN {
            let _ = writeln!(page, "  … and {} more; --json has all", findings.len() - SHOWN);
        }
    }
    page.push_str(&costs(report));
    if report.is_fit() {
        page.push('\n');
        for line in report.not_judged() {
            let _ = writeln!(page, "Not judged: {line}");
        }
    }
    let verdict = if report.is_fit() { "Fit to be used." } else { "Not fit to be used." };
    let _ = writeln!(page, "\n{verdict}");
    page
}

/// Files that are printed with what they cost; --json has them all.
const DEAREST: usize = 5;

/// What renders cost beside the default policy's, of all files and of the dearest.
fn costs(report: &Report) -> String {
    let mut page = String::new();
    let both: Vec<(f64, f64)> =
        report.costs.iter().filter_map(|cost| Some((cost.micros, cost.default_micros?))).collect();
    if !both.is_empty() {
        let sum = |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>();
        let (own, default) = (sum(|both| both.0), sum(|both| both.1));
        let _ = writeln!(
            page,
            "\nTime to render the {} files that the default policy has, too: {own:.0} µs, \
             {:.2} times the default's.",
            both.len(),
            own / default.max(f64::MIN_POSITIVE)
        );
    }
    let mut dearest: Vec<&Cost> = report.costs.iter().collect();
    dearest.sort_by(|one, other| other.micros.total_cmp(&one.micros));
    if !dearest.is_empty() {
        page.push_str("\nThe dearest renders:\n");
    }
    for Cost { path, micros, default_micros, .. } in dearest.into_iter().take(DEAREST) {
        let ratio = match default_micros {
            Some(default) => {
                format!("{:.2} times the default's", micros / default.max(f64::MIN_POSITIVE))
            }
            None => "not in the default policy".to_owned(),
        };
        let _ = writeln!(page, "  {micros:>8.1} µs  {path}  {ratio}");
    }
    page
}
