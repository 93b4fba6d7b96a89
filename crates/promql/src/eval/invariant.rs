//! Expressions whose value is the same at all steps, by `@`: evaluated once.

use super::profile::Looked;
use super::{Evaluator, budget, memory};
use crate::ast::{Call, Expr};
use crate::error::EvalError;
use crate::points::{PointRef, Points};
use crate::steps::Steps;
use crate::value::Value;

/// Functions that look at the time of the step (or are folded away).
const TIMELY: [&str; 14] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "year",
];

/// Whether it pays to evaluate the expression once: it is the same at all steps, and not a literal.
pub(super) fn is_worth_evaluating_once(expr: &Expr) -> bool {
    match expr.unwrapped() {
        Expr::Number(_) | Expr::String(_) | Expr::Matrix(_) | Expr::Subquery(_) => false,
        expr => is_invariant(expr),
    }
}

fn is_invariant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(selector) => selector.at.is_some(),
        Expr::Matrix(matrix) => matrix.selector.at.is_some(),
        Expr::Subquery(subquery) => subquery.at.is_some(),
        Expr::Call(call) => is_invariant_call(call),
        // Prometheus does not look at the parameter: it is that of the first step.
        Expr::Aggregate(aggregate) => is_invariant(&aggregate.expr),
        // The right side first: chains of operators are deep on the left.
        Expr::Binary(binary) => is_invariant(&binary.rhs) && is_invariant(&binary.lhs),
        Expr::Unary(unary) => is_invariant(&unary.expr),
        Expr::Paren(paren) => is_invariant(&paren.expr),
    }
}

fn is_invariant_call(call: &Call) -> bool {
    // The time of a sample is the same at all steps only if it is that of the sample itself.
    if call.function.name == "timestamp" {
        return call.args.iter().all(|arg| matches!(arg.unwrapped(), Expr::Vector(selector) if selector.at.is_some()));
    }
    !TIMELY.contains(&call.function.name) && call.args.iter().all(is_invariant)
}

impl Evaluator<'_> {
    /// The value at the first step, at all steps.
    pub(super) fn once(&self, expr: &Expr) -> Result<Value, EvalError> {
        let looked = Looked::on(1);
        let first = Evaluator { steps: Steps::instant(self.steps.start), looked: &looked, ..*self };
        let len = self.steps.count();
        let (before, bytes_before) = (self.shared.samples.get(), self.shared.memory.bytes());
        let value = match first.eval(expr)? {
            Value::Scalar(values) => Value::Scalar(vec![values.first().copied().unwrap_or(f64::NAN); len]),
            Value::String(value) => Value::String(value),
            Value::Vector(mut rows) => {
                self.check_rows(rows.len())?;
                self.hold_rows(rows.len())?;
                for row in &mut rows {
                    row.points = repeated(&row.points, len);
                }
                Value::Vector(rows)
            }
        };
        self.settle(before, budget::size_of_value(&value))?;
        self.settle_bytes(bytes_before, memory::bytes_of_value(&value))?;
        // Each step looks at them, as far as statistics are concerned.
        (0..len).for_each(|step| self.looked.at(step, looked.total()));
        Ok(value)
    }
}

fn repeated(points: &Points, len: usize) -> Points {
    match points.get(0) {
        None => Points::empty(len),
        Some(PointRef::Float(value)) => Points::dense(vec![value; len]),
        Some(PointRef::Histogram(histogram)) => {
            let mut repeated = Points::empty(len);
            for step in 0..len {
                repeated.set_histogram(step, histogram.clone());
            }
            repeated
        }
    }
}
