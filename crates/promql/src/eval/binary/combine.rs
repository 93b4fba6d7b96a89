//! An operator between two rows.

use super::element::{Outcome, element};
use super::float;
use super::mask::Mask;
use super::notes::Notes;
use crate::ast::BinaryOp;
use crate::points::{PointRef, Points};

/// What an operator does with its operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub op: BinaryOp,
    /// A comparison says 1 and 0 instead of filtering.
    pub return_bool: bool,
    /// A comparison that filters keeps the right operand's value instead of the left one's.
    pub keeps_right: bool,
}

/// One side at all steps; it has a value at least where it is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand<'a> {
    floats: &'a [f64],
    /// Where there are histograms among them.
    points: Option<&'a Points>,
}

impl<'a> Operand<'a> {
    pub fn of_points(points: &'a Points) -> Self {
        Self { floats: points.floats(), points: points.has_histograms().then_some(points) }
    }

    pub fn of_floats(floats: &'a [f64]) -> Self {
        Self { floats, points: None }
    }

    fn at(self, step: usize) -> PointRef<'a> {
        match self.points.and_then(|points| points.histogram(step)) {
            Some(histogram) => PointRef::Histogram(histogram),
            None => PointRef::Float(self.floats.get(step).copied().unwrap_or(f64::NAN)),
        }
    }
}

pub(super) struct Combined {
    pub points: Points,
    /// Where the operator was fit for the operands, whether or not a comparison then held.
    pub matched: Mask,
}

/// The operator at `steps`.
pub(super) fn combine(rule: Rule, lhs: Operand<'_>, rhs: Operand<'_>, steps: Mask, notes: &mut Notes) -> Combined {
    let floats = match (lhs.points, rhs.points) {
        (None, None) => float::rows(rule.op, lhs.floats, rhs.floats),
        _ => None,
    };
    let Some(floats) = floats else { return combine_each(rule, lhs, rhs, steps, notes) };
    if !rule.op.is_comparison() || rule.return_bool {
        return Combined { points: Points::masked(floats, steps.words().to_vec()), matched: steps };
    }
    let kept = if rule.keeps_right { rhs.floats } else { lhs.floats };
    let mut held = steps.clone();
    held.and_true(&floats);
    Combined { points: Points::masked(kept.to_vec(), held.into_words()), matched: steps }
}

/// Step by step: there are histograms, or the operator is for histograms only.
fn combine_each(rule: Rule, lhs: Operand<'_>, rhs: Operand<'_>, steps: Mask, notes: &mut Notes) -> Combined {
    let mut points = Points::empty(lhs.floats.len());
    let mut matched = steps.clone();
    for step in steps.steps() {
        let (left, right) = (lhs.at(step), rhs.at(step));
        match element(rule.op, left, right) {
            Err(note) => {
                notes.add(step, note);
                matched.clear(step);
            }
            Ok(Outcome::Truth(holds)) if rule.return_bool => points.set_float(step, f64::from(u8::from(holds))),
            Ok(Outcome::Truth(false)) => {}
            Ok(Outcome::Truth(true)) => points.set(step, if rule.keeps_right { right } else { left }.to_owned()),
            Ok(Outcome::Value(point, info)) => {
                points.set(step, point);
                if let Some(info) = info {
                    notes.add(step, info);
                }
            }
        }
    }
    Combined { points, matched }
}
