//! The parameter of an aggregation: a number that may be another at each step.

use trefoil_go::number::general;

use crate::ast::Expr;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::value::Value;

#[derive(Debug)]
pub(super) struct Param {
    pub values: Vec<f64>,
    min: f64,
    max: f64,
    has_nan: bool,
}

impl Evaluator<'_> {
    pub(super) fn param(&self, param: &Expr) -> Result<Param, EvalError> {
        match self.eval(param)? {
            Value::Scalar(values) => Ok(Param::new(values)),
            _ => Err(EvalError::Execution("the parameter of an aggregation is no scalar".to_owned())),
        }
    }
}

impl Param {
    fn new(values: Vec<f64>) -> Self {
        let min = values.iter().copied().fold(f64::MAX, f64::min);
        let max = values.iter().copied().fold(-f64::MAX, f64::max);
        let has_nan = values.iter().any(|value| value.is_nan());
        Self { values, min, max, has_nan }
    }

    /// How many to select at each step (less than 1: none); `None` where no step selects any.
    pub fn counts(&self) -> Result<Option<Vec<i64>>, EvalError> {
        if self.has_nan {
            return Err(EvalError::Execution("Parameter value is NaN".to_owned()));
        }
        if self.max < 1.0 {
            return Ok(None);
        }
        // Both limits as floats: 2^63 is the first that is no integer of 64 bits any more.
        if self.min <= i64::MIN as f64 {
            return Err(EvalError::Execution(format!("Scalar value {} underflows int64", general(self.min))));
        }
        if self.max >= i64::MAX as f64 {
            return Err(EvalError::Execution(format!("Scalar value {} overflows int64", general(self.max))));
        }
        Ok(Some(self.values.iter().map(|value| *value as i64).collect()))
    }

    /// The ratio at each step, within -1 and 1 (0: none); `None` where no step selects any.
    pub fn ratios(&self, evaluator: &Evaluator<'_>, param: &Expr) -> Result<Option<Vec<f64>>, EvalError> {
        if self.has_nan {
            return Err(EvalError::Execution("Ratio value is NaN".to_owned()));
        }
        if self.max == 0.0 && self.min == 0.0 {
            return Ok(None);
        }
        for (value, bound, is_beyond) in [(self.max, 1.0, self.max > 1.0), (self.min, -1.0, self.min < -1.0)] {
            if is_beyond {
                let (value, bound) = (general(value), general(bound));
                let message = format!("ratio value should be between -1 and 1, got {value}, capping to {bound}");
                evaluator.warn(message, param.unwrapped().position());
            }
        }
        Ok(Some(self.values.iter().map(|value| value.clamp(-1.0, 1.0)).collect()))
    }

    pub fn warn_of_quantiles(&self, evaluator: &Evaluator<'_>, param: &Expr) {
        let mut wrong = Vec::new();
        match self.has_nan {
            true => wrong.push(f64::NAN),
            false => {
                wrong.extend((self.max > 1.0).then_some(self.max));
                wrong.extend((self.min < 0.0).then_some(self.min));
            }
        }
        for value in wrong {
            let message = format!("quantile value should be between 0 and 1, got {}", general(value));
            evaluator.warn(message, param.unwrapped().position());
        }
    }
}
