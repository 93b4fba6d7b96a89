//! Functions between scalars and vectors, and those of the time.

use super::math;
use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::points::Points;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    pub(super) fn scalar_function(&self, call: &Call) -> Result<Value, EvalError> {
        let seconds = |millis: i64| millis as f64 / 1000.0;
        let value = match call.function.name {
            "time" => return Ok(Value::Scalar(self.steps.iter().map(seconds).collect())),
            "min_of" => return self.fold_scalars(call, math::min),
            "max_of" => return self.fold_scalars(call, math::max),
            "start" => seconds(self.query.start),
            "end" => seconds(self.query.end),
            "range" => seconds(self.query.end.saturating_sub(self.query.start)),
            "step" if self.query.start == self.query.end => 0.0,
            "step" => seconds(self.query.interval),
            _ => std::f64::consts::PI,
        };
        Ok(Value::Scalar(vec![value; self.steps.count()]))
    }

    fn fold_scalars(&self, call: &Call, f: impl Fn(f64, f64) -> f64) -> Result<Value, EvalError> {
        let (a, b) = (self.scalar_arg(call, 0)?, self.scalar_arg(call, 1)?);
        Ok(Value::Scalar(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect()))
    }

    pub(super) fn constant_vector(&self, call: &Call) -> Result<Value, EvalError> {
        let points = Points::dense(self.scalar_arg(call, 0)?);
        Ok(Value::Vector(vec![StepSeries { labels: Labels::default(), drop_name: false, points }]))
    }

    /// The float of a step that has exactly one.
    pub(super) fn only_float(&self, call: &Call) -> Result<Value, EvalError> {
        let rows = self.vector_arg(call, 0)?;
        let only = |step: usize| {
            let mut floats = rows.iter().filter_map(|row| row.points.float(step));
            match (floats.next(), floats.next()) {
                (Some(value), None) => value,
                _ => f64::NAN,
            }
        };
        Ok(Value::Scalar((0..self.steps.count()).map(only).collect()))
    }

    /// Of a selector the times of samples are asked elsewhere; a value that was computed is of the time of its step.
    pub(super) fn timestamps(&self, call: &Call) -> Result<Value, EvalError> {
        let times: Vec<f64> = self.steps.iter().map(|time| time as f64 / 1000.0).collect();
        self.map(call, 0, |points| Points::masked(times.clone(), points.present().to_vec()))
    }
}
