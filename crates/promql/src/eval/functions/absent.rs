//! `absent`: what would be there.

use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::eval::range::labels_of_absent;
use crate::points::Points;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    pub(super) fn absent(&self, call: &Call) -> Result<Value, EvalError> {
        let rows = self.vector_arg(call, 0)?;
        let mut points = Points::dense(vec![1.0; self.steps.count()]);
        for row in &rows {
            for step in (0..points.len()).filter(|step| row.points.has(*step)) {
                points.clear(step);
            }
        }
        if points.is_empty() {
            return Ok(Value::Vector(Vec::new()));
        }
        let labels = labels_of_absent(super::arg(call, 0)?);
        Ok(Value::Vector(vec![StepSeries { labels, drop_name: false, points }]))
    }
}
