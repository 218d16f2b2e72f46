//! Why a file says what it says.

use serde::Serialize;

/// A text, its fields, and the steps that led to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What a render gives.
    pub text: String,
    /// In the order of the text.
    pub fields: Vec<Field>,
    /// Operands come before what they are used for.
    pub steps: Vec<Step>,
    /// Keys of the inputs that were looked at.
    pub inputs: Vec<String>,
}

/// A number in the text, or a line that has none of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What the line is called; may be empty.
    pub label: String,
    /// What the number is called, where a line has several; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub column: String,
    /// Counted from 1; 0 for what decides which lines there are.
    pub line: u32,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// How the value is printed.
    pub layout: Layout,
    /// Where it comes from.
    pub provenance: Provenance,
    /// Why, where a rule says more than the steps do; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The value's place among the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<usize>,
    /// The key of the input that has this text word by word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
}

/// Where a field comes from, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// From the container's cgroup, tasks and processes.
    Computed,
    /// The host's, as far as the container's can reach.
    Clamped,
    /// The host's row or column, which belongs to the container.
    Filtered,
    /// The host's: a property of the machine.
    Passed,
    /// The same for every container.
    Constant,
}

impl Provenance {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::Computed => "computed",
            Provenance::Clamped => "clamped",
            Provenance::Filtered => "filtered",
            Provenance::Passed => "passed",
            Provenance::Constant => "constant",
        }
    }
}

/// How a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// As a decimal number.
    Number,
    /// Hundredths, as a number with two decimals.
    Hundredths,
    /// As a list of so many CPUs.
    CpuList,
    /// Not at all: it decides how many lines there are.
    Unprinted,
    /// It is text of which no value is known.
    Text,
}

/// A value and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The value.
    pub value: u64,
    /// What it counts.
    pub unit: Unit,
    /// How it came about.
    #[serde(flatten)]
    pub from: StepFrom,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Unit {
    Count,
    Bytes,
    Kibibytes,
    Nanoseconds,
    Ticks,
}

/// How a value came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepFrom {
    /// It stands in an input.
    Input {
        /// The key of the need.
        key: String,
        /// How far above the leaf the group is.
        level: u32,
        /// What stands there; empty where the input has one number.
        #[serde(skip_serializing_if = "String::is_empty")]
        item: String,
        /// The text that was read as the value.
        raw: String,
    },
    /// It is known without an input; empty for a number in a rule.
    Given(String),
    /// It was computed.
    Result {
        /// By what.
        operator: Operator,
        /// Places among the steps.
        operands: Vec<usize>,
    },
    /// Another step under a name.
    Named {
        /// The name.
        name: String,
        /// The step.
        of: usize,
    },
    /// Another step, and why it stands there.
    Noted {
        /// Why.
        note: String,
        /// The step.
        of: usize,
    },
}

/// What is done to operands: see `operator` in `wit/policy.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Operator {
    Plus,
    Minus,
    Times,
    Divided,
    DividedUp,
    DividedNearest,
    Aligned,
    Share,
    ShareNearest,
    Decayed,
    Least,
    Greatest,
    Common,
}

impl Step {
    /// Places of the steps that it follows from.
    pub fn operands(&self) -> &[usize] {
        match &self.from {
            StepFrom::Input { .. } | StepFrom::Given(_) => &[],
            StepFrom::Result { operands, .. } => operands,
            StepFrom::Named { of, .. } | StepFrom::Noted { of, .. } => std::slice::from_ref(of),
        }
    }
}

impl Explanation {
    /// What makes it one that cannot be shown.
    pub fn check(&self) -> Result<(), String> {
        for (place, step) in self.steps.iter().enumerate() {
            if step.operands().iter().any(|operand| *operand >= place) {
                return Err(format!("step {place} follows from one that comes later"));
            }
        }
        for field in &self.fields {
            let label = field.label.escape_debug();
            if self.text.get(field.start..field.end).is_none() {
                return Err(format!("the field `{label}` is not in the text"));
            }
            if field.value.is_some_and(|value| value >= self.steps.len()) {
                return Err(format!("the field `{label}` has a value without a step"));
            }
        }
        Ok(())
    }

    /// The inputs that a step follows from, each once: keys and levels.
    pub fn inputs_of(&self, step: usize) -> Vec<(&str, u32)> {
        let mut wanted = vec![false; self.steps.len()];
        if let Some(wanted) = wanted.get_mut(step) {
            *wanted = true;
        }
        let mut inputs = Vec::new();
        for place in (0..self.steps.len()).rev() {
            let (Some(step), Some(true)) = (self.steps.get(place), wanted.get(place)) else {
                continue;
            };
            for operand in step.operands() {
                if let Some(wanted) = wanted.get_mut(*operand) {
                    *wanted = true;
                }
            }
            if let StepFrom::Input { key, level, .. } = &step.from {
                inputs.push((key.as_str(), *level));
            }
        }
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn step(value: u64, from: StepFrom) -> Step {
        Step { value, unit: Unit::Count, from }
    }

    fn explanation() -> Explanation {
        let input = |key: &str| StepFrom::Input {
            key: key.to_owned(),
            level: 0,
            item: String::new(),
            raw: "1".to_owned(),
        };
        let sum = StepFrom::Result { operator: Operator::Plus, operands: vec![0, 1] };
        Explanation {
            text: "é 2\n".to_owned(),
            fields: vec![Field {
                label: "é".to_owned(),
                column: String::new(),
                line: 1,
                start: 3,
                end: 4,
                layout: Layout::Number,
                provenance: Provenance::Computed,
                reason: String::new(),
                value: Some(2),
                quoted: None,
            }],
            steps: vec![
                step(1, input("b")),
                step(1, input("a")),
                step(2, sum),
                step(9, input("c")),
            ],
            inputs: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        }
    }

    #[test]
    fn a_value_follows_from_inputs() {
        let explanation = explanation();
        assert_eq!(explanation.check(), Ok(()));
        assert_eq!(explanation.inputs_of(2), [("a", 0), ("b", 0)]);
        assert_eq!(explanation.inputs_of(77), []);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |change: fn(&mut Explanation)| {
            let mut explanation = explanation();
            change(&mut explanation);
            explanation.check().unwrap_err()
        };
        let circle = |explanation: &mut Explanation| {
            if let Some(Step { from: StepFrom::Result { operands, .. }, .. }) =
                explanation.steps.get_mut(2)
            {
                *operands = vec![2];
            }
        };
        assert_eq!(refused(circle), "step 2 follows from one that comes later");
        let inside = |explanation: &mut Explanation| {
            explanation.fields.iter_mut().for_each(|field| field.start = 1);
        };
        assert_eq!(refused(inside), "the field `é` is not in the text", "within a character");
        let beyond = |explanation: &mut Explanation| {
            explanation.fields.iter_mut().for_each(|field| field.end = 99);
        };
        assert_eq!(refused(beyond), "the field `é` is not in the text");
        let unknown = |explanation: &mut Explanation| explanation.steps.truncate(2);
        assert_eq!(refused(unknown), "the field `é` has a value without a step");
    }
}
