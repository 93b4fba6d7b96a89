//! What the functions do.

use super::Evaluator;
use crate::ast::Call;
use crate::error::EvalError;
use crate::value::Value;

impl Evaluator<'_> {
    pub fn call(&self, _call: &Call) -> Result<Value, EvalError> {
        todo!()
    }
}
