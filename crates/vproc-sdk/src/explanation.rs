//! Saying why, for texts that a policy writes itself.
//!
//! ```
//! use vproc_sdk::explanation::{Explanation, Provenance, everywhere, with_other_lines};
//! use vproc_sdk::prelude::*;
//!
//! const REASON: &str = "which kernel it is is nobody's business";
//!
//! struct NoKernel;
//!
//! impl Policy for NoKernel {
//!     const NAME: &str = "no-kernel";
//!
//!     fn render(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Rendered, Error> {
//!         match path {
//!             "/proc/version" => Ok("Linux\n".into()),
//!             "/proc/swaps" => Ok(next.render(path, snapshot)?.map(without_blanks)),
//!             _ => next.render(path, snapshot),
//!         }
//!     }
//!
//!     fn explain(path: &str, snapshot: &Snapshot<'_>, next: Next) -> Result<Explanation, Error> {
//!         if path == "/proc/version" {
//!             return Ok(everywhere("Linux\n", Provenance::Constant, REASON));
//!         }
//!         let explained = next.explain(path, snapshot)?;
//!         let text = Self::render(path, snapshot, next)?.text;
//!         Ok(with_other_lines(explained, text, Provenance::Computed, "blanks are of no use"))
//!     }
//! }
//!
//! fn without_blanks(text: &str) -> String {
//!     text.split_inclusive('\n').map(|line| line.trim_start_matches(' ')).collect()
//! }
//! # let machine = vproc_sdk::capture::Machine::read("../../fixtures/v1-run-256m.json").unwrap();
//! # let version = machine.explanation::<NoKernel>("/proc/version").unwrap();
//! # assert_eq!((version.fields.len(), version.fields[0].reason), (1, REASON));
//! ```

pub use vproc_core::explain::{Explanation, Field, From as Origin, Step};
pub use vproc_core::trace::{Operator, Provenance, Unit};

use alloc::string::String;
use alloc::vec::Vec;
use vproc_core::explain::unexplained;

/// One reason for each line of a text.
pub fn everywhere(
    text: impl Into<String>,
    provenance: Provenance,
    reason: &'static str,
) -> Explanation {
    unexplained(text.into(), provenance, reason, Vec::new())
}

/// The explanation of a text in which some lines are others: these have the reason
/// that is given, and the rest has what was said of it.
pub fn with_other_lines(
    explained: Explanation,
    text: String,
    provenance: Provenance,
    reason: &'static str,
) -> Explanation {
    let mut other = everywhere(text, provenance, reason);
    let Explanation { text: before, fields: mut known, steps, inputs } = explained;
    let mut of_others = core::mem::take(&mut other.fields);
    // What decides which lines there are stands in none of them.
    other.fields.extend(known.extract_if(.., |field| field.line == 0).map(|mut field| {
        field.range = 0..0;
        field
    }));
    let mut lines_before = before.split_inclusive('\n');
    let (mut start_before, mut start) = (0, 0);
    for (line, at) in other.text.split_inclusive('\n').zip(1u32..) {
        let line_before = lines_before.next();
        let is_same = line_before == Some(line);
        let fields = if is_same { &mut known } else { &mut of_others };
        for mut field in fields.extract_if(.., |field| field.line == at) {
            if is_same {
                let moved = |place: usize| place.saturating_sub(start_before) + start;
                field.range = moved(field.range.start)..moved(field.range.end);
            }
            other.fields.push(field);
        }
        start_before += line_before.map_or(0, str::len);
        start += line.len();
    }
    Explanation { steps, inputs, ..other }
}
