//! Selectors: raw samples to a value for each step.

use super::Evaluator;
use crate::ast::VectorSelector;
use crate::error::EvalError;
use crate::value::StepSeries;

impl Evaluator<'_> {
    /// The newest sample of each series no older than the lookback delta, at each step.
    pub fn instant_selector(&self, _selector: &VectorSelector) -> Result<Vec<StepSeries>, EvalError> {
        todo!()
    }
}
