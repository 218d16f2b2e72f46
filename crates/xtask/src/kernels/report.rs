//! What a person wants to know at the end.

use super::boot::{Ended, Run};
use super::programs::Counts;
use std::time::Duration;

/// One kernel, and what became of each program.
pub(super) struct Row {
    pub(super) kernel: String,
    pub(super) layout: String,
    pub(super) run: Run,
    pub(super) counts: Vec<(String, Counts)>,
    pub(super) wall: Duration,
}

/// Prints a table; an error if anything in it is a failure.
pub(super) fn print(rows: &[Row]) -> Result<(), String> {
    let mut failures = 0;
    println!();
    for row in rows {
        let Run { booted, ended, failure, starts } = &row.run;
        let booted = booted.map_or("no boot".into(), |time| format!("booted in {}", short(time)));
        let again = if *starts > 1 { format!(" at start {starts}") } else { String::new() };
        println!(
            "Linux {}, cgroups {}: {booted}{again}, all in {}",
            row.kernel,
            row.layout,
            short(row.wall)
        );
        for (name, counts) in &row.counts {
            let ended = ended.iter().find(|one| one.name == *name);
            let verdict = verdict(ended, counts);
            failures += usize::from(verdict.is_err());
            let (Ok(verdict) | Err(verdict)) = verdict;
            let took = ended.map_or("".into(), |ended| short(ended.took));
            let Counts { passed, failed, skipped } = counts;
            println!(
                "  {name:<10} {passed:>3} passed {failed:>3} failed {skipped:>3} skipped \
                 {took:>8}  {verdict}"
            );
        }
        if let Some(failure) = failure {
            failures += 1;
            println!("  {failure}");
        }
    }
    if failures == 0 { Ok(()) } else { Err("not everything passed".into()) }
}

/// Whether a program did what it should, in words.
fn verdict(ended: Option<&Ended>, counts: &Counts) -> Result<String, String> {
    match ended.map(|ended| ended.code) {
        None => Err("did not end".into()),
        Some(0) if counts.failed == 0 => Ok("ok".into()),
        // As timeout(1) of coreutils has it.
        Some(124 | 137) => Err("took too long".into()),
        Some(code) => Err(format!("FAILED, exit code {code}")),
    }
}

fn short(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
