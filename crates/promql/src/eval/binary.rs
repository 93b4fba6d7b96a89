//! Operators between scalars and vectors.

use super::Evaluator;
use crate::ast::{Binary, Unary};
use crate::error::EvalError;
use crate::value::Value;

impl Evaluator<'_> {
    pub fn binary(&self, _binary: &Binary) -> Result<Value, EvalError> {
        todo!()
    }

    pub fn unary(&self, _unary: &Unary) -> Result<Value, EvalError> {
        todo!()
    }
}
