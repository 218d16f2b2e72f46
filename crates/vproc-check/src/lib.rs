//! Says whether a policy is fit to be used: what it declares, and how it
//! renders recorded machines, as they are and with inputs that are missing,
//! cut off or absurd, or with a state that is not its own.
//!
//! The default policy stands beside it as the measure: what of the host only the
//! other one shows is a leak, its lines are those of the kernel, and its time is
//! what a render may cost. [`Report::not_judged`] says what was left out.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = vproc_runtime::Engine::new(Default::default())?;
//! let component = std::fs::read("policy.wasm")?;
//! let policy = vproc_runtime::Policy::compile(&engine, &component)?;
//! let captures = vproc_check::bundled();
//! let report = vproc_check::check(&engine, &policy, component.len(), &[], &captures)?;
//! for finding in &report.findings {
//!     println!("{finding}");
//! }
//! # Ok(()) }
//! ```

mod agreement;
mod bundled;
mod cost;
mod figures;
mod grammar;
mod invariants;
mod layout;
mod leaks;
mod marks;
mod numbers;
mod pattern;
mod readers;
mod report;
mod rough;
mod skeleton;
mod smooth;
mod state;
mod trial;

pub use bundled::{Named, bundled, recorded};
pub use cost::Cost;
pub use report::{Check, Finding, Report, Severity, Summary};

use trial::Trial;
use vproc_linux::check_sources;
use vproc_runtime::{Engine, Error, Policy};
use vproc_snapshot::{Manifest, Setting};

/// Checks a policy of `size` bytes with these settings over these captures. Fails
/// only where there is none to compare it with; everything else is a finding.
pub fn check(
    engine: &Engine,
    policy: &Policy,
    size: usize,
    settings: &[Setting],
    captures: &[Named],
) -> Result<Report, Error> {
    let default = vproc_default::load(engine, None)?;
    let mut report = Report::new(policy, size);
    for import in policy.imports() {
        report.find(Finding::new(
            Check::Contract,
            Severity::Warning,
            format!("it imports {import}, and traps where it calls it; a policy needs no import"),
        ));
    }
    for Named { name, capture } in captures {
        let trial = Trial::new(policy, &default, name, capture, settings);
        let manifest = match trial.declare() {
            Ok(manifest) => manifest,
            Err(error) => {
                let finding = format!("it cannot declare what it serves: {error}");
                report.find(Finding::new(Check::Contract, Severity::Error, finding).on(name));
                continue;
            }
        };
        report.declared(&manifest);
        if let Err(refused) = check_sources(&Manifest::sources(&manifest.entries)) {
            report.find(Finding::new(Check::Contract, Severity::Error, refused.to_string()));
            break;
        }
        let files = trial.files(&manifest);
        let shown = smooth::check(&trial, &files, &mut report);
        report.saw(&manifest, &files);
        numbers::check(&trial, &manifest, &shown, &mut report);
        layout::check(&trial, &files, &shown, &mut report);
        agreement::check(&trial, &shown, &mut report);
        leaks::check(&trial, &files, &shown, &mut report);
        rough::check(&trial, &files, &mut report);
        state::check(&trial, &files, &mut report);
        cost::check(&trial, &files, &mut report);
    }
    Ok(report)
}
