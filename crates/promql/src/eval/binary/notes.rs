//! What an operator has to say about its operands.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Binary, BinaryOp};
use crate::eval::Evaluator;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Float,
    Histogram,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Float => "float",
            Kind::Histogram => "histogram",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    /// There is no such operator between such values.
    Types(Kind, Kind),
    /// Exponential buckets on one side, custom ones on the other.
    Layout,
    /// One histogram is known to be a counter reset, the other not to be one.
    Collision,
    /// Custom buckets with different bounds were brought to common ones.
    Reconciled,
}

/// Of each step the last one, as Prometheus keeps only that.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<usize, Note>);

impl Notes {
    pub fn add(&mut self, step: usize, note: Note) {
        self.0.insert(step, note);
    }

    pub fn report(self, evaluator: &Evaluator<'_>, binary: &Binary) {
        let operator = binary.op.symbol();
        let operation = if binary.op == BinaryOp::Sub { "subtraction" } else { "addition" };
        for note in self.0.into_values().collect::<BTreeSet<_>>() {
            match note {
                Note::Types(lhs, rhs) => evaluator.info(
                    format!(
                        "incompatible sample types encountered for binary operator {operator:?}: {} {operator} {}",
                        lhs.name(),
                        rhs.name()
                    ),
                    binary.position,
                ),
                Note::Layout => evaluator.warn(
                    format!("incompatible bucket layout encountered for binary operator {operator}"),
                    binary.position,
                ),
                Note::Collision => {
                    evaluator.warn(format!("conflicting counter resets during histogram {operation}"), binary.position)
                }
                Note::Reconciled => evaluator
                    .info(format!("mismatched custom buckets were reconciled during {operation}"), binary.position),
            }
        }
    }
}
