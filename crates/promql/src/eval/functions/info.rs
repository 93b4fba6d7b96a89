//! `info`: series with the labels of what they are about.
use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::value::Value;

impl Evaluator<'_> {
    pub(super) fn info_function(&self, call: &Call) -> Result<Value, EvalError> {
        self.vector_arg(call, 0).map(Value::Vector)
    }
}
