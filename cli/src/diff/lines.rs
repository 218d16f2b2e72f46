//! Two texts, line by line.
//!
//! Lines of `/proc` begin with a name, and nearly every number differs. So
//! lines are matched by their names, and not by their texts.

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// A line of one text beside that of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Pair {
    /// `None` where there is none.
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

impl Pair {
    pub(super) fn differs(&self) -> bool {
        self.old != self.new
    }
}

/// All lines of both.
pub(super) fn pairs(old: &str, new: &str) -> Vec<Pair> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let names = |lines: &[&str]| lines.iter().map(|line| name(line).to_owned()).collect();
    let (old_names, new_names): (Vec<String>, Vec<String>) = (names(&old), names(&new));
    let mut pairs = Vec::new();
    let line = |lines: &[&str], place: usize| lines.get(place).map(|line| (*line).to_owned());
    for op in capture_diff_slices(Algorithm::Myers, &old_names, &new_names) {
        let (old_range, new_range) = (op.old_range(), op.new_range());
        match op {
            DiffOp::Equal { .. } => pairs.extend(
                old_range
                    .zip(new_range)
                    .map(|(at, beside)| Pair { old: line(&old, at), new: line(&new, beside) }),
            ),
            _ => {
                pairs.extend(old_range.map(|at| Pair { old: line(&old, at), new: None }));
                pairs.extend(new_range.map(|at| Pair { old: None, new: line(&new, at) }));
            }
        }
    }
    pairs
}

/// What a line is called: all up to its first word with letters. `MemTotal`,
/// `cpu0`, `8 0 sda`; the same for all lines that have none.
fn name(line: &str) -> &str {
    let mut end = 0;
    for word in line.split([' ', '\t', ':']) {
        end += word.len();
        if word.contains(char::is_alphabetic) {
            return line.get(..end).unwrap_or_default();
        }
        end += 1;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(old: &str, new: &str) -> Vec<(Option<String>, Option<String>)> {
        let pairs = pairs(old, new).into_iter().filter(Pair::differs);
        pairs.map(|pair| (pair.old, pair.new)).collect()
    }

    #[test]
    fn lines_are_matched_by_their_names() {
        let some = |text: &str| Some(text.to_owned());
        let host = "cpu  9 9\ncpu0 4 4\ncpu1 5 5\nintr 7\nctxt 3\n";
        let container = "cpu  1 1\ncpu0 1 1\nintr 7\nctxt 0\n";
        let expected = [
            (some("cpu  9 9"), some("cpu  1 1")),
            (some("cpu0 4 4"), some("cpu0 1 1")),
            (some("cpu1 5 5"), None),
            (some("ctxt 3"), some("ctxt 0")),
        ];
        assert_eq!(changed(host, container), expected);
        assert_eq!(changed(host, host), []);
    }

    #[test]
    fn a_line_without_letters_has_no_name() {
        assert_eq!(name("0.00 0.01 0.05 1/99 7"), "");
        assert_eq!(name("   8       0 sda 1 2 3"), "   8       0 sda");
        assert_eq!(name("MemTotal:   5 kB"), "MemTotal");
        assert_eq!(changed("1.0 2.0\n", "1.0 3.0\n").len(), 1);
    }
}
