//! Lines, by what they look like.

/// Whether a whole text is one that a pattern describes:
///
/// | | |
/// |---|---|
/// | `#` | digits |
/// | `%` | digits, a full stop and two digits |
/// | `~` | anything without blanks |
/// | `_` | blanks |
/// | `^` | tabs |
/// | `*` | anything, also nothing |
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    let Some(first) = rest.next() else { return text.is_empty() };
    let rest = rest.as_str();
    match first {
        '#' => some(text, |c| c.is_ascii_digit()).is_some_and(|behind| fits(rest, behind)),
        '%' => {
            let whole = some(text, |c| c.is_ascii_digit());
            let fraction = whole.and_then(|behind| behind.strip_prefix('.')?.split_at_checked(2));
            fraction.is_some_and(|(digits, behind)| {
                digits.bytes().all(|byte| byte.is_ascii_digit()) && fits(rest, behind)
            })
        }
        '_' => some(text, |c| c == ' ' || c == '\t').is_some_and(|behind| fits(rest, behind)),
        '^' => some(text, |c| c == '\t').is_some_and(|behind| fits(rest, behind)),
        '~' => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            let (word, _) = text.split_at(end);
            let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
            ends.rev().any(|end| text.get(end..).is_some_and(|behind| fits(rest, behind)))
        }
        '*' => {
            rest.is_empty()
                || text
                    .char_indices()
                    .any(|(at, _)| text.get(at..).is_some_and(|behind| fits(rest, behind)))
                || fits(rest, "")
        }
        other => text.strip_prefix(other).is_some_and(|behind| fits(rest, behind)),
    }
}

/// What is behind one or more such characters.
fn some(text: &str, is_one: impl Fn(char) -> bool) -> Option<&str> {
    let behind = text.trim_start_matches(is_one);
    (behind.len() < text.len()).then_some(behind)
}
