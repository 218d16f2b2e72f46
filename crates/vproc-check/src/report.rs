//! What was found.

use crate::Cost;
use crate::trial::File;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use vproc_runtime::Policy;
use vproc_snapshot::{Class, Entry, Kind, Manifest};

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// What it imports and declares.
    Contract,
    /// It renders what was recorded, without a trap and within its limits.
    Renders,
    /// The same snapshot gives the same bytes, in whatever instance.
    Determinism,
    /// No number has wrapped below zero.
    Numbers,
    /// Files read as the kernel's do.
    Layout,
    /// Files say the same as one another.
    Agreement,
    /// No number of the host that the default policy would not show.
    Leaks,
    /// Inputs that are missing are refused or made up for.
    Missing,
    /// Inputs that are cut off or absurd do no harm.
    Malformed,
    /// The state of a file and what containers write serve it, and do no harm.
    State,
    /// The time of a render.
    Cost,
}

impl Check {
    /// Every check, in the order in which they are made.
    pub const ALL: [Check; 11] = [
        Check::Contract,
        Check::Renders,
        Check::Determinism,
        Check::Numbers,
        Check::Layout,
        Check::Agreement,
        Check::Leaks,
        Check::Missing,
        Check::Malformed,
        Check::State,
        Check::Cost,
    ];

    /// Its name, as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Contract => "contract",
            Check::Renders => "renders",
            Check::Determinism => "determinism",
            Check::Numbers => "numbers",
            Check::Layout => "layout",
            Check::Agreement => "agreement",
            Check::Leaks => "leaks",
            Check::Missing => "missing",
            Check::Malformed => "malformed",
            Check::State => "state",
            Check::Cost => "cost",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It may be meant.
    Warning,
    /// The policy must not be used like that.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// The capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
    /// On how many further captures, or with how many further inputs.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeated: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Finding {
    pub(crate) fn new(check: Check, severity: Severity, message: impl Into<String>) -> Self {
        let message = message.into();
        Finding { check, severity, capture: None, path: None, message, repeated: 0 }
    }

    pub(crate) fn on(self, capture: &str) -> Self {
        Finding { capture: Some(capture.to_owned()), ..self }
    }

    pub(crate) fn at(self, path: &str) -> Self {
        Finding { path: Some(path.to_owned()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(out, "{severity}: {}", self.check.as_str())?;
        for place in [&self.path, &self.capture].into_iter().flatten() {
            write!(out, ": {place}")?;
        }
        write!(out, ": {}", self.message)?;
        match self.repeated {
            0 => Ok(()),
            more => write!(out, " (and {more} times more)"),
        }
    }
}

/// What one check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What was looked at.
    pub check: Check,
    /// How often something was looked at: renders, or files.
    pub cases: u64,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
}

/// Everything that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The policy's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hex.
    pub sha256: String,
    /// Bytes of the component.
    pub size: usize,
    /// Entries that it declares.
    pub entries: usize,
    /// What is not as it should be; nothing twice.
    pub findings: Vec<Finding>,
    /// How long renders took.
    pub costs: Vec<Cost>,
    /// Entries that were rendered on no machine, because none has their inputs.
    pub not_rendered: BTreeSet<String>,
    /// Entries that pass on the host's file: neither leaks nor layout are looked for.
    pub passed: BTreeSet<String>,
    #[serde(skip)]
    rendered: BTreeSet<String>,
    #[serde(skip)]
    cases: BTreeMap<Check, u64>,
    /// Files whose render does not end: to wait for one is enough.
    #[serde(skip)]
    given_up: BTreeSet<String>,
}

impl Report {
    pub(crate) fn new(policy: &Policy, size: usize) -> Self {
        Report {
            name: String::new(),
            version: String::new(),
            sha256: policy.digest().to_string(),
            size,
            entries: 0,
            findings: Vec::new(),
            costs: Vec::new(),
            not_rendered: BTreeSet::new(),
            passed: BTreeSet::new(),
            rendered: BTreeSet::new(),
            cases: BTreeMap::new(),
            given_up: BTreeSet::new(),
        }
    }

    /// The file is not rendered any more.
    pub(crate) fn give_up(&mut self, path: &str) {
        self.given_up.insert(path.to_owned());
    }

    pub(crate) fn has_given_up(&self, path: &str) -> bool {
        self.given_up.contains(path)
    }

    pub(crate) fn declared(&mut self, manifest: &Manifest) {
        self.name.clone_from(&manifest.name);
        self.version.clone_from(&manifest.version);
        self.entries = manifest.entries.len();
        self.tried(Check::Contract);
    }

    /// These files were rendered on a machine.
    pub(crate) fn saw(&mut self, manifest: &Manifest, files: &[File<'_>]) {
        self.rendered.extend(files.iter().map(|file| file.entry.path.clone()));
        let has_text = |entry: &&Entry| entry.kind == Kind::File && entry.class != Class::Denied;
        let declared = manifest.entries.iter().filter(has_text).map(|entry| entry.path.clone());
        self.not_rendered.extend(declared);
        self.not_rendered.retain(|path| !self.rendered.contains(path));
        let passed = manifest.entries.iter().filter(|entry| entry.class == Class::Passed);
        self.passed.extend(passed.map(|entry| entry.path.clone()));
    }

    /// Something was looked at.
    pub(crate) fn tried(&mut self, check: Check) {
        *self.cases.entry(check).or_default() += 1;
    }

    /// Something is wrong. What is wrong with one file in the same words is
    /// counted, not repeated.
    pub(crate) fn find(&mut self, finding: Finding) {
        let same = |other: &&mut Finding| {
            (other.check, &other.path, &other.message)
                == (finding.check, &finding.path, &finding.message)
        };
        match self.findings.iter_mut().find(same) {
            Some(other) => other.repeated = other.repeated.saturating_add(1),
            None => self.findings.push(finding),
        }
    }

    /// Whether the policy may be used: whether no finding is an error.
    pub fn is_fit(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// What was left out, a line each.
    pub fn not_judged(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |why: &str, paths: Vec<&str>| {
            if let [first, rest @ ..] = paths.as_slice() {
                let more = if rest.is_empty() { "" } else { ", …" };
                lines.push(format!("{} {why} ({first}{more})", paths.len()));
            }
        };
        let of_processes = |path: &&String| path.starts_with("/proc/*/");
        let (processes, others): (Vec<_>, Vec<_>) =
            self.not_rendered.iter().partition(of_processes);
        fn names(paths: Vec<&String>) -> Vec<&str> {
            paths.into_iter().map(String::as_str).collect()
        }
        line("files of processes, which captures do not have", names(processes));
        line("files of which no capture has the inputs", names(others));
        line("files that are passed on as the host has them", names(self.passed.iter().collect()));
        let without = self.findings.iter().filter(|finding| {
            finding.check == Check::Layout && finding.severity == Severity::Warning
        });
        let paths = without.filter_map(|finding| finding.path.as_deref()).collect();
        line("files without a grammar, by their layout", paths);
        lines
    }

    /// A line for each check.
    pub fn summaries(&self) -> Vec<Summary> {
        let of = |check| {
            let count = |severity| {
                let found = self.findings.iter();
                found.filter(|f| f.check == check && f.severity == severity).count()
            };
            Summary {
                check,
                cases: self.cases.get(&check).copied().unwrap_or_default(),
                errors: count(Severity::Error),
                warnings: count(Severity::Warning),
            }
        };
        Check::ALL.map(of).to_vec()
    }
}
