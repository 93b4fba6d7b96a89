//! Operators between scalars and vectors.
//!
//! Operands are whole rows. Which rows belong together is found out once for all steps; only where several rows of one side
//! could meet are the steps looked at.

mod combine;
mod element;
mod float;
pub(in crate::eval) mod join;
pub(in crate::eval) mod mask;
mod matching;
mod notes;
mod set;
mod vector;

#[cfg(test)]
pub(in crate::eval) mod fixture;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Evaluator, names};
use crate::ast::{Binary, BinaryOp, Unary, VectorMatching};
use crate::error::EvalError;
use crate::points::{PointRef, Points};
use crate::value::{StepSeries, Value};
use combine::{Operand, Rule, combine};
use notes::Notes;

impl Evaluator<'_> {
    pub fn binary(&self, binary: &Binary) -> Result<Value, EvalError> {
        let (lhs, rhs) = (self.eval(&binary.lhs)?, self.eval(&binary.rhs)?);
        match (lhs, rhs) {
            (Value::Scalar(lhs), Value::Scalar(rhs)) => {
                float::rows(binary.op, &lhs, &rhs).map(Value::Scalar).ok_or_else(|| no_operator(binary.op))
            }
            (Value::Vector(lhs), Value::Scalar(rhs)) => self.vector_scalar(binary, lhs, &rhs, false).map(Value::Vector),
            (Value::Scalar(lhs), Value::Vector(rhs)) => self.vector_scalar(binary, rhs, &lhs, true).map(Value::Vector),
            (Value::Vector(lhs), Value::Vector(rhs)) => self.vectors(binary, lhs, rhs).map(Value::Vector),
            (Value::String(_), _) | (_, Value::String(_)) => Err(no_operator(binary.op)),
        }
    }

    pub fn unary(&self, unary: &Unary) -> Result<Value, EvalError> {
        let value = self.eval(&unary.expr)?;
        if unary.op != BinaryOp::Sub {
            return Ok(value);
        }
        match value {
            Value::Scalar(values) => Ok(Value::Scalar(values.into_iter().map(|value| -value).collect())),
            Value::String(_) => Err(no_operator(unary.op)),
            Value::Vector(mut rows) => {
                for row in &mut rows {
                    row.points = negated(&row.points);
                    row.drop_name = true;
                }
                self.finish(rows).map(Value::Vector)
            }
        }
    }

    /// `swapped`: the scalar is the left operand.
    fn vector_scalar(
        &self,
        binary: &Binary,
        mut rows: Vec<StepSeries>,
        scalar: &[f64],
        swapped: bool,
    ) -> Result<Vec<StepSeries>, EvalError> {
        // A comparison that filters keeps the vector's value, on whichever side it is.
        let rule = Rule { op: binary.op, return_bool: binary.return_bool, keeps_right: swapped };
        let mut notes = Notes::default();
        for row in &mut rows {
            self.check_running()?;
            let steps = mask::Mask::all_of(&[row.points.present()]);
            let (vector, scalar) = (Operand::of_points(&row.points), Operand::of_floats(scalar));
            let (lhs, rhs) = if swapped { (scalar, vector) } else { (vector, scalar) };
            row.points = combine(rule, lhs, rhs, steps, &mut notes).points;
            row.drop_name |= changes_metric(binary.op) || binary.return_bool;
        }
        notes.report(self, binary);
        rows.retain(|row| !row.points.is_empty());
        self.finish(rows)
    }

    fn vectors(
        &self,
        binary: &Binary,
        lhs: Vec<StepSeries>,
        rhs: Vec<StepSeries>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let matching = binary.matching.as_ref().unwrap_or(&DEFAULT_MATCHING);
        match binary.op {
            BinaryOp::And => Ok(set::and(matching, lhs, &rhs)),
            BinaryOp::Unless => Ok(set::unless(matching, lhs, &rhs)),
            BinaryOp::Or => self.joined(set::or(matching, lhs, rhs)),
            _ => self.matched(binary, matching, lhs, rhs),
        }
    }

    /// Rows of an operator whose labels may be the same, made one. At a single step those that meet are left, as they are
    /// only wrong if they still meet when names are dropped at the end.
    pub(in crate::eval) fn joined(&self, rows: Vec<StepSeries>) -> Result<Vec<StepSeries>, EvalError> {
        match self.options.delayed_name_removal && self.steps.count() > 1 {
            true => names::merge(rows),
            false => self.finish(rows),
        }
    }
}

/// What a query means that says nothing.
static DEFAULT_MATCHING: VectorMatching = VectorMatching {
    cardinality: crate::ast::Cardinality::OneToOne,
    labels: Vec::new(),
    on: false,
    include: Vec::new(),
    fill_left: None,
    fill_right: None,
};

/// The result is another quantity than the operands, so their name does not fit it.
fn changes_metric(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Div | Mod | Pow | Atan2)
}

fn no_operator(op: BinaryOp) -> EvalError {
    EvalError::Execution(format!("operator {:?} not allowed for Scalar operations", op.symbol()))
}

fn negated(points: &Points) -> Points {
    if !points.has_histograms() {
        let floats = points.floats().iter().map(|value| -value).collect();
        return Points::masked(floats, points.present().to_vec());
    }
    let mut negated = Points::empty(points.len());
    for (step, point) in points.iter() {
        match point {
            PointRef::Float(value) => negated.set_float(step, -value),
            PointRef::Histogram(histogram) => negated.set_histogram(step, Arc::new(histogram.mul(-1.0))),
        }
    }
    negated
}
