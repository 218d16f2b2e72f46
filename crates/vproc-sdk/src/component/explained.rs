//! Explanations.

use super::explainer as wit;
use super::{Component, Exported, from_error, to_snapshot};
use crate::answer;
use alloc::string::{String, ToString};
use vproc_core::explain::{Explanation, Field, From, Step};
use vproc_core::text::Layout;
use vproc_core::trace::{Operator, Provenance, Unit};

impl<E: Exported> wit::Guest for Component<E> {
    fn explain(path: String, snapshot: wit::Snapshot) -> Result<wit::Explanation, wit::Error> {
        let explained = answer::explain::<E::Policy>(&path, to_snapshot(&snapshot));
        explained.map(from_explanation).map_err(from_error)
    }
}

fn from_explanation(explanation: Explanation) -> wit::Explanation {
    wit::Explanation {
        text: explanation.text,
        fields: explanation.fields.into_iter().map(from_field).collect(),
        steps: explanation.steps.into_iter().map(from_step).collect(),
        inputs: explanation.inputs.into_iter().map(ToString::to_string).collect(),
    }
}

fn from_field(field: Field) -> wit::Field {
    wit::Field {
        label: field.label,
        column: field.column.into(),
        line: field.line,
        start: u32::try_from(field.range.start).unwrap_or(u32::MAX),
        end: u32::try_from(field.range.end).unwrap_or(u32::MAX),
        layout: match field.layout {
            Some(Layout::Number) => wit::Layout::Number,
            Some(Layout::Hundredths) => wit::Layout::Hundredths,
            Some(Layout::CpuList) => wit::Layout::CpuList,
            Some(Layout::Unprinted) => wit::Layout::Unprinted,
            None => wit::Layout::Text,
        },
        provenance: match field.provenance {
            Provenance::Computed => wit::Provenance::Computed,
            Provenance::Clamped => wit::Provenance::Clamped,
            Provenance::Filtered => wit::Provenance::Filtered,
            Provenance::Passed => wit::Provenance::Passed,
            Provenance::Constant => wit::Provenance::Constant,
        },
        reason: field.reason.into(),
        value: field.value,
        quoted: field.quoted.map(Into::into),
    }
}

fn from_step(step: Step) -> wit::Step {
    wit::Step {
        value: step.value,
        unit: match step.unit {
            Unit::Count => wit::Unit::Count,
            Unit::Bytes => wit::Unit::Bytes,
            Unit::Kib => wit::Unit::Kibibytes,
            Unit::Nanos => wit::Unit::Nanoseconds,
            Unit::Ticks => wit::Unit::Ticks,
        },
        from: match step.from {
            From::Input { key, level, item, raw } => wit::Origin::Input(wit::Quote {
                key: key.into(),
                level,
                item: item.into(),
                raw: raw.into(),
            }),
            From::Given(name) => wit::Origin::Given(name.into()),
            From::Result(operator, operands) => {
                let operator = from_operator(operator);
                wit::Origin::Operation(wit::Operation { operator, operands })
            }
            From::Named(name, of) => wit::Origin::Named(wit::Remark { text: name.into(), of }),
            From::Noted(note, of) => wit::Origin::Noted(wit::Remark { text: note.into(), of }),
        },
    }
}

fn from_operator(operator: Operator) -> wit::Operator {
    match operator {
        Operator::Plus => wit::Operator::Plus,
        Operator::Minus => wit::Operator::Minus,
        Operator::Times => wit::Operator::Times,
        Operator::Divided => wit::Operator::Divided,
        Operator::DividedUp => wit::Operator::DividedUp,
        Operator::DividedNearest => wit::Operator::DividedNearest,
        Operator::Aligned => wit::Operator::Aligned,
        Operator::Share => wit::Operator::Share,
        Operator::ShareNearest => wit::Operator::ShareNearest,
        Operator::Decayed => wit::Operator::Decayed,
        Operator::Least => wit::Operator::Least,
        Operator::Greatest => wit::Operator::Greatest,
        Operator::Common => wit::Operator::Common,
    }
}
