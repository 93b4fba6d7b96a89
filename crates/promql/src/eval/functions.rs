//! What the functions of scalars and instant vectors do.

mod absent;
mod classic;
mod dates;
mod histogram;
mod info;
mod labels;
mod math;
mod natural;
mod order;
mod quantile;
mod scalars;
#[cfg(test)]
mod tests;

use super::Evaluator;
use crate::ast::{Call, Expr};
use crate::error::EvalError;
use crate::points::Points;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    pub fn call(&self, call: &Call) -> Result<Value, EvalError> {
        if let Some(value) = self.range_call(call) {
            return value;
        }
        let name = call.function.name;
        if let Some(f) = math::unary(name) {
            return self.map(call, 0, |points| points.map_floats(f));
        }
        if let Some(f) = dates::part(name) {
            return self.date(call, f);
        }
        if let Some(f) = histogram::unary(name) {
            return self.map(call, 0, |points| histogram::map(&points, f));
        }
        match name {
            "clamp" | "clamp_max" | "clamp_min" => self.clamp(call),
            "round" => self.round(call),
            "timestamp" => self.timestamps(call),
            "vector" => self.constant_vector(call),
            "scalar" => self.only_float(call),
            "pi" | "time" | "start" | "end" | "step" | "range" | "min_of" | "max_of" => self.scalar_function(call),
            "absent" => self.absent(call),
            "sort" | "sort_desc" => self.sort(call),
            "sort_by_label" | "sort_by_label_desc" => self.sort_by_label(call),
            "label_replace" => self.label_replace(call),
            "label_join" => self.label_join(call),
            "histogram_quantile" => self.histogram_quantile(call),
            "histogram_quantiles" => self.histogram_quantiles(call),
            "histogram_fraction" => self.histogram_fraction(call),
            "info" => self.info_function(call),
            _ => Err(EvalError::Execution(format!("unknown function {name}"))),
        }
    }

    /// A function of each row of an instant vector, which is not the metric any more.
    fn map(&self, call: &Call, index: usize, f: impl Fn(Points) -> Points) -> Result<Value, EvalError> {
        let mut rows = self.vector_arg(call, index)?;
        for row in &mut rows {
            self.check_running()?;
            row.points = f(std::mem::replace(&mut row.points, Points::empty(0)));
            row.drop_name = true;
        }
        rows.retain(|row| !row.points.is_empty());
        self.finish(rows).map(Value::Vector)
    }

    fn vector_arg(&self, call: &Call, index: usize) -> Result<Vec<StepSeries>, EvalError> {
        match self.eval(arg(call, index)?)? {
            Value::Vector(rows) => Ok(rows),
            _ => Err(wrong_type(call, index, "an instant vector")),
        }
    }

    /// A value for each step.
    fn scalar_arg(&self, call: &Call, index: usize) -> Result<Vec<f64>, EvalError> {
        match self.eval(arg(call, index)?)? {
            Value::Scalar(values) => Ok(values),
            _ => Err(wrong_type(call, index, "a scalar")),
        }
    }
}

/// An argument, without parentheses.
fn arg(call: &Call, index: usize) -> Result<&Expr, EvalError> {
    let missing = || EvalError::Execution(format!("argument {} of {} is missing", index + 1, call.function.name));
    call.args.get(index).map(Expr::unwrapped).ok_or_else(missing)
}

fn text_arg(call: &Call, index: usize) -> Result<&str, EvalError> {
    match arg(call, index)? {
        Expr::String(string) => Ok(&string.value),
        _ => Err(wrong_type(call, index, "a string")),
    }
}

fn wrong_type(call: &Call, index: usize, expected: &str) -> EvalError {
    EvalError::Execution(format!("argument {} of {} must be {expected}", index + 1, call.function.name))
}
