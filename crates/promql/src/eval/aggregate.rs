//! Aggregations: many series to one for each group, step by step.

use super::Evaluator;
use crate::ast::Aggregate;
use crate::error::EvalError;
use crate::value::StepSeries;

impl Evaluator<'_> {
    pub fn aggregate(&self, _aggregate: &Aggregate) -> Result<Vec<StepSeries>, EvalError> {
        todo!()
    }
}
