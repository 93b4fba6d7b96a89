//! Range vectors: windows over samples, and the functions that look at them.

use super::Evaluator;
use crate::ast::{Call, MatrixSelector, VectorSelector};
use crate::error::EvalError;
use crate::labels::Labels;
use crate::source::Samples;
use crate::value::{StepSeries, Value};

impl Evaluator<'_> {
    /// The value of a call of a function over range vectors; `None` where the function is none.
    pub fn range_call(&self, _call: &Call) -> Option<Result<Value, EvalError>> {
        None
    }

    pub(super) fn raw_samples(&self, _selector: &MatrixSelector) -> Result<Vec<(Labels, Samples)>, EvalError> {
        Ok(Vec::new())
    }

    pub(super) fn smoothed_selector(&self, _selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        Ok(Vec::new())
    }
}
