//! Explanations.

use super::explainer as wit;
use vproc_snapshot::explanation::{
    Explanation, Field, Layout, Operator, Provenance, Step, StepFrom, Unit,
};

pub(super) fn from_explanation(explanation: wit::Explanation) -> Explanation {
    Explanation {
        text: explanation.text,
        fields: explanation.fields.into_iter().map(from_field).collect(),
        steps: explanation.steps.into_iter().map(from_step).collect(),
        inputs: explanation.inputs,
    }
}

fn place(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn from_field(field: wit::Field) -> Field {
    Field {
        label: field.label,
        column: field.column,
        line: field.line,
        start: place(field.start),
        end: place(field.end),
        layout: match field.layout {
            wit::Layout::Number => Layout::Number,
            wit::Layout::Hundredths => Layout::Hundredths,
            wit::Layout::CpuList => Layout::CpuList,
            wit::Layout::Unprinted => Layout::Unprinted,
            wit::Layout::Text => Layout::Text,
        },
        provenance: match field.provenance {
            wit::Provenance::Computed => Provenance::Computed,
            wit::Provenance::Clamped => Provenance::Clamped,
            wit::Provenance::Filtered => Provenance::Filtered,
            wit::Provenance::Passed => Provenance::Passed,
            wit::Provenance::Constant => Provenance::Constant,
        },
        reason: field.reason,
        value: field.value.map(place),
        quoted: field.quoted,
    }
}

fn from_step(step: wit::Step) -> Step {
    Step {
        value: step.value,
        unit: match step.unit {
            wit::Unit::Count => Unit::Count,
            wit::Unit::Bytes => Unit::Bytes,
            wit::Unit::Kibibytes => Unit::Kibibytes,
            wit::Unit::Nanoseconds => Unit::Nanoseconds,
            wit::Unit::Ticks => Unit::Ticks,
        },
        from: match step.from {
            wit::Origin::Input(wit::Quote { key, level, item, raw }) => {
                StepFrom::Input { key, level, item, raw }
            }
            wit::Origin::Given(name) => StepFrom::Given(name),
            wit::Origin::Operation(operation) => StepFrom::Result {
                operator: from_operator(operation.operator),
                operands: operation.operands.into_iter().map(place).collect(),
            },
            wit::Origin::Named(remark) => {
                StepFrom::Named { name: remark.text, of: place(remark.of) }
            }
            wit::Origin::Noted(remark) => {
                StepFrom::Noted { note: remark.text, of: place(remark.of) }
            }
        },
    }
}

fn from_operator(operator: wit::Operator) -> Operator {
    match operator {
        wit::Operator::Plus => Operator::Plus,
        wit::Operator::Minus => Operator::Minus,
        wit::Operator::Times => Operator::Times,
        wit::Operator::Divided => Operator::Divided,
        wit::Operator::DividedUp => Operator::DividedUp,
        wit::Operator::DividedNearest => Operator::DividedNearest,
        wit::Operator::Aligned => Operator::Aligned,
        wit::Operator::Share => Operator::Share,
        wit::Operator::ShareNearest => Operator::ShareNearest,
        wit::Operator::Decayed => Operator::Decayed,
        wit::Operator::Least => Operator::Least,
        wit::Operator::Greatest => Operator::Greatest,
        wit::Operator::Common => Operator::Common,
    }
}
