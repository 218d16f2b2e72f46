//! Two columns, or lines one above the other where two do not fit.

use super::lines::Pair;
use crate::colour::{Look, Palette};
use std::fmt::Write;

/// Columns of a terminal, or of a page where there is none.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(120)
}

/// Adds the pairs, with `<` and `>` where there is a line on one side only
/// and `|` where both differ, as `diff -y` has it.
pub(super) fn write(pairs: &[&Pair], palette: Palette, out: &mut String) {
    let text = |line: &Option<String>| line.as_deref().unwrap_or_default().replace('\t', "  ");
    let rows: Vec<(String, char, String)> = pairs
        .iter()
        .map(|pair| {
            let sign = match (&pair.old, &pair.new) {
                (Some(old), Some(new)) if old == new => ' ',
                (Some(_), None) => '<',
                (None, Some(_)) => '>',
                _ => '|',
            };
            (text(&pair.old), sign, text(&pair.new))
        })
        .collect();
    let longest = |column: fn(&(String, char, String)) -> &str| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
    };
    let (left, right) = (longest(|row| &row.0), longest(|row| &row.2));
    let is_beside = left + right + 3 <= width();
    for (old, sign, new) in rows {
        if is_beside {
            let padding = " ".repeat(left.saturating_sub(old.chars().count()));
            let (old, new) = match sign {
                ' ' => (old, new),
                _ => (palette.paint(Look::Red, &old), palette.paint(Look::Green, &new)),
            };
            let _ = writeln!(out, "{}", format!("{old}{padding} {sign} {new}").trim_end());
        } else if sign == ' ' {
            let _ = writeln!(out, "  {old}");
        } else {
            if sign != '>' {
                let _ = writeln!(out, "{}", palette.paint(Look::Red, &format!("< {old}")));
            }
            if sign != '<' {
                let _ = writeln!(out, "{}", palette.paint(Look::Green, &format!("> {new}")));
            }
        }
    }
}
