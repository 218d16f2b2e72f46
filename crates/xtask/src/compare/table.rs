//! Who is right about a field, and the table that says so.

use super::rules::{Design, Expect, Rule};
use super::{Evidence, Shown};
use std::fmt;

/// A field as each one shows it.
pub(super) struct Row {
    cells: [String; 5],
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Both are right.
    Equal,
    /// Both are right, and differ.
    Design(&'static str),
    LxcfsWrong(&'static str),
    WeAreWrong,
}

impl Expect {
    fn holds(&self, shown: &str) -> bool {
        match self {
            Expect::Range(least, most) => {
                let number = shown.parse::<f64>();
                number.is_ok_and(|number| (*least..=*most).contains(&number))
            }
            Expect::Text(text) => text == shown,
            Expect::Nothing => false,
        }
    }

    fn print(&self) -> String {
        let number = |number: f64| match number.fract() == 0.0 {
            true => format!("{number}"),
            false => format!("{number:.2}"),
        };
        match self {
            Expect::Range(least, most) if least == most => number(*least),
            Expect::Range(0.0, most) => format!("at most {}", number(*most)),
            Expect::Range(least, most) => format!("{} to {}", number(*least), number(*most)),
            Expect::Text(text) => text.clone(),
            Expect::Nothing => String::new(),
        }
    }
}

impl Row {
    /// `None` for a field that one of the two does not have.
    pub(super) fn judge(
        rule: &'static Rule,
        evidence: &Evidence,
        host: &Shown,
        lxcfs: &Shown,
        vproc: &Shown,
    ) -> Option<Self> {
        let of = |shown| rule.place.of(rule.file, shown);
        let expected = (rule.expect)(evidence);
        let (theirs, ours) = (of(lxcfs), of(vproc));
        let host = of(host);
        if host.is_none() && theirs.is_none() && ours.is_none() {
            return None; // this kernel does not print it
        }
        let holds = |shown: &Option<String>| match shown {
            Some(shown) => expected.holds(shown),
            // An empty text is a line of nothing.
            None => expected == Expect::Text(String::new()),
        };
        let on_purpose = |shown: &Option<String>| match (&rule.design, shown) {
            (Design::Other(reason, other), Some(shown)) => {
                other(evidence).holds(shown).then_some(*reason)
            }
            _ => None,
        };
        let verdict = match (holds(&theirs), holds(&ours)) {
            (_, false) => Verdict::WeAreWrong,
            (true, true) => Verdict::Equal,
            (false, true) => match on_purpose(&theirs) {
                Some(reason) => Verdict::Design(reason),
                None if theirs == host => Verdict::LxcfsWrong("the host's, copied"),
                None => Verdict::LxcfsWrong(rule.wrong),
            },
        };
        let file = rule.file.trim_start_matches("/proc/");
        let file = file.trim_start_matches("/sys/devices/system/");
        let field = match file.ends_with(rule.field) {
            true => file.to_owned(),
            false => format!("{file} {}", rule.field),
        };
        let cell = |shown: Option<String>| {
            let shown = shown.unwrap_or_else(|| "–".into());
            shown.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        Some(Row {
            cells: [field, cell(host), cell(theirs), cell(ours), expected.print()],
            verdict,
        })
    }

    /// What should not be: the field, and what each shows.
    pub(super) fn fault(&self) -> Option<String> {
        let [field, _, theirs, ours, expected] = &self.cells;
        let is_fault = matches!(self.verdict, Verdict::WeAreWrong | Verdict::LxcfsWrong(""));
        is_fault.then(|| format!("{field}: lxcfs {theirs}, vproc {ours}, expected {expected}"))
    }

    fn verdict(&self) -> String {
        match self.verdict {
            Verdict::Equal => "equal".into(),
            Verdict::Design(reason) => format!("differs by design: {reason}"),
            Verdict::LxcfsWrong("") => "lxcfs wrong".into(),
            Verdict::LxcfsWrong(reason) => format!("lxcfs wrong: {reason}"),
            Verdict::WeAreWrong => "**we are wrong**".into(),
        }
    }
}

/// How many fields have which verdict.
#[derive(Default)]
pub(super) struct Tally {
    equal: u32,
    design: u32,
    theirs: u32,
    /// Of those, where nobody knows why.
    pub(super) unexplained: u32,
    pub(super) wrong: u32,
}

impl Tally {
    pub(super) fn add(&mut self, rows: &[Row]) {
        for row in rows {
            match row.verdict {
                Verdict::Equal => self.equal += 1,
                Verdict::Design(_) => self.design += 1,
                Verdict::LxcfsWrong(reason) => {
                    self.theirs += 1;
                    self.unexplained += u32::from(reason.is_empty());
                }
                Verdict::WeAreWrong => self.wrong += 1,
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { equal, design, theirs, wrong, .. } = self;
        let fields = equal + design + theirs + wrong;
        write!(
            formatter,
            "{fields} fields: {equal} equal, {design} differ by design, lxcfs is wrong in \
             {theirs}, vproc in {wrong}"
        )
    }
}

/// Prints Markdown that can be read as it is.
pub(super) fn print(rows: &[Row]) {
    let headings = ["field", "host", "lxcfs", "vproc", "expected"].map(str::to_owned);
    let mut widths = headings.clone().map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; 5], verdict: &str| {
        let padded =
            cells.iter().zip(widths).zip(0..).map(|((cell, width), column)| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
        println!("| {} | {verdict} |", padded.collect::<Vec<_>>().join(" | "));
    };
    line(&headings, "verdict");
    let rule = |column: usize, width: &usize| match column {
        0 => format!(":{}", "-".repeat(width + 1)),
        _ => format!("{}:", "-".repeat(width + 1)),
    };
    let rules: Vec<String> = widths.iter().enumerate().map(|(at, width)| rule(at, width)).collect();
    println!("|{}|:---|", rules.join("|"));
    for row in rows {
        line(&row.cells, &row.verdict());
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Facts;
    use super::super::rules::Place;
    use super::*;

    fn verdict(design: Design, theirs: &str, ours: &str) -> Verdict {
        let rule = Rule {
            file: "/proc/file",
            field: "Field",
            place: Place::Word("Field", 1),
            expect: |_| Expect::Range(5.0, 6.0),
            design,
            wrong: "why",
        };
        let facts = || [Facts::default(), Facts::default()];
        let evidence = Evidence { first: facts(), second: facts() };
        let shown = |value: &str| Shown {
            first: Default::default(),
            second: [("/proc/file".to_owned(), format!("Field: {value}\n"))].into(),
        };
        let rule = Box::leak(Box::new(rule));
        let row = Row::judge(rule, &evidence, &shown("99"), &shown(theirs), &shown(ours));
        row.map_or(Verdict::WeAreWrong, |row| row.verdict)
    }

    #[test]
    fn who_is_out_of_range_is_wrong() {
        assert_eq!(verdict(Design::No, "5", "6"), Verdict::Equal);
        assert_eq!(verdict(Design::No, "7", "6"), Verdict::LxcfsWrong("why"));
        assert_eq!(verdict(Design::No, "99", "6"), Verdict::LxcfsWrong("the host's, copied"));
        for theirs in ["5", "7", "99"] {
            assert_eq!(verdict(Design::No, theirs, "7"), Verdict::WeAreWrong);
            assert_eq!(verdict(Design::No, theirs, "nothing"), Verdict::WeAreWrong);
        }
    }

    #[test]
    fn what_is_meant_so_is_not_wrong() {
        let other = || Design::Other("meant", |_| Expect::Range(1.0, 2.0));
        assert_eq!(verdict(other(), "2", "6"), Verdict::Design("meant"));
        assert_eq!(verdict(other(), "3", "6"), Verdict::LxcfsWrong("why"));
        assert_eq!(verdict(other(), "2", "2"), Verdict::WeAreWrong);
    }
}
