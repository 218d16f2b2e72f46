//! What a person wants to know at the end.

use super::boot::Ended;
use super::programs::Counts;
use std::time::Duration;

/// One kernel, and what became of each program.
pub(super) struct Row {
    pub(super) kernel: String,
    pub(super) layout: String,
    /// From the start to the first program; `None` if it did not come to that.
    pub(super) booted: Option<Duration>,
    pub(super) starts: u32,
    /// Why the guest did not come to its end.
    pub(super) failure: Option<String>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) wall: Duration,
}

/// What became of one program.
pub(super) struct Outcome {
    name: String,
    counts: Counts,
    took: Option<Duration>,
    verdict: Result<String, String>,
}

impl Outcome {
    pub(super) fn new(name: &str, ended: Option<&Ended>, counts: Counts) -> Self {
        let verdict = verdict(ended.map(|ended| ended.code), &counts);
        Outcome { name: name.to_owned(), counts, took: ended.map(|ended| ended.took), verdict }
    }
}

impl Row {
    /// The programs that did not do what they should.
    pub(super) fn failed(&self) -> Vec<String> {
        let failed = self.outcomes.iter().filter(|outcome| outcome.verdict.is_err());
        failed.map(|outcome| outcome.name.clone()).collect()
    }

    /// Takes in what became of the programs that failed, in another guest.
    pub(super) fn repeat(&mut self, again: Row) {
        self.wall += again.wall;
        self.failure = again.failure;
        for mut second in again.outcomes {
            let first = self.outcomes.iter_mut().find(|first| first.name == second.name);
            let Some(first) = first else { continue };
            second.verdict = match (&first.verdict, second.verdict) {
                (Err(before), Ok(_)) => Ok(format!("ok the second time (before: {before})")),
                (_, verdict) => verdict,
            };
            *first = second;
        }
    }
}

/// Prints a table; an error if anything in it is a failure.
pub(super) fn print(rows: &[Row]) -> Result<(), String> {
    let mut failures = 0;
    println!();
    for row in rows {
        let booted =
            row.booted.map_or("no boot".into(), |time| format!("booted in {}", short(time)));
        let again =
            if row.starts > 1 { format!(" at start {}", row.starts) } else { String::new() };
        println!(
            "Linux {}, cgroups {}: {booted}{again}, all in {}",
            row.kernel,
            row.layout,
            short(row.wall)
        );
        for Outcome { name, counts, took, verdict } in &row.outcomes {
            failures += usize::from(verdict.is_err());
            let (Ok(verdict) | Err(verdict)) = verdict;
            let took = took.map_or("".into(), short);
            let Counts { passed, failed, skipped } = counts;
            println!(
                "  {name:<14} {passed:>3} passed {failed:>3} failed {skipped:>3} skipped \
                 {took:>8}  {verdict}"
            );
        }
        if let Some(failure) = &row.failure {
            failures += 1;
            println!("  {failure}");
        }
    }
    if failures == 0 { Ok(()) } else { Err("not everything passed".into()) }
}

/// Whether a program did what it should, in words.
fn verdict(code: Option<i32>, counts: &Counts) -> Result<String, String> {
    match code {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(codes: &[(&str, i32)]) -> Row {
        let outcome = |(name, code): &(&str, i32)| {
            let ended = Ended { name: (*name).to_owned(), code: *code, took: Duration::ZERO };
            Outcome::new(name, Some(&ended), Counts::default())
        };
        Row {
            kernel: "6.1".into(),
            layout: "v2".into(),
            booted: None,
            starts: 1,
            failure: None,
            outcomes: codes.iter().map(outcome).collect(),
            wall: Duration::ZERO,
        }
    }

    #[test]
    fn the_second_time_counts() {
        let mut rows = [row(&[("a", 0), ("b", 101), ("c", 101)])];
        assert_eq!(rows[0].failed(), ["b", "c"]);
        rows[0].repeat(row(&[("b", 0), ("c", 124)]));
        assert_eq!(rows[0].failed(), ["c"]);
        assert!(print(&rows).is_err());
        rows[0].repeat(row(&[("c", 0)]));
        assert!(print(&rows).is_ok());
    }
}
