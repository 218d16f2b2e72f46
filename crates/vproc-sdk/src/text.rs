//! Reading and printing text as the kernel lays it out.
//!
//! ```
//! use vproc_sdk::text::{Text, as_pair, at_least_zero, number, pair, pairs};
//! use vproc_sdk::units::Kib;
//!
//! // Files with a key and a number on each line.
//! let stat = "anon 4096\nfile 8192\n";
//! assert_eq!(pair(stat, "file"), Some(8192));
//! assert_eq!(pairs(stat).map(|(_, bytes)| bytes).sum::<u64>(), 12288);
//! assert_eq!(as_pair("pgfault 7"), Some(("pgfault", 7)));
//!
//! // Numbers saturate, and what is none is none.
//! assert_eq!(number("99999999999999999999999"), Some(u64::MAX));
//! assert_eq!((number("max"), at_least_zero("-1")), (None, Some(0)));
//!
//! // Columns.
//! let mut text = Text::new();
//! text.push_str("MemTotal:").push_right(Kib(98304), 15).push_line(" kB");
//! text.push_hundredths(305u64).push_str(" ").push_left(42, 4).push_line("|");
//! assert_eq!(text.into_string(), "MemTotal:          98304 kB\n3.05 42  |\n");
//! ```

pub use vproc_core::text::{Text, as_pair, at_least_zero, digits, number, pair, pairs};

/// A text in which some lines are others. `change` gets what stands before and
/// behind the first colon of a line, without blanks; `None` keeps the line,
/// and a value replaces what stands behind the colon.
///
/// ```
/// use vproc_sdk::text::with_values;
///
/// let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC 7763\n";
/// let hidden = with_values(cpuinfo, |key, _| (key == "model name").then(|| "a CPU".into()));
/// assert_eq!(hidden, "processor\t: 0\nmodel name\t: a CPU\n");
/// ```
pub fn with_values(
    text: &str,
    mut change: impl FnMut(&str, &str) -> Option<alloc::string::String>,
) -> alloc::string::String {
    let mut changed = alloc::string::String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let other = line.split_once(':').and_then(|(key, value)| {
            let other = change(key.trim(), value.trim())?;
            let padding = value.len() - value.trim_start_matches([' ', '\t']).len();
            Some((key, value.get(..padding).unwrap_or_default(), other))
        });
        match other {
            None => changed.push_str(line),
            Some((key, blanks, value)) => {
                changed.extend([
                    key,
                    ":",
                    blanks,
                    &value,
                    if line.ends_with('\n') { "\n" } else { "" },
                ]);
            }
        }
    }
    changed
}
