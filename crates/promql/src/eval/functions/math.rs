//! Functions of one float, and those that limit and round them.

use std::f64::consts::PI;

use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::points::Points;
use crate::value::Value;

pub(super) fn unary(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => sinh,
        "cosh" => cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "deg" => |value| value * 180.0 / PI,
        "rad" => |value| value * PI / 180.0,
        "sgn" => sign,
        _ => return None,
    })
}

/// Go's, which overflows where e^x does, a little before the result would.
fn sinh(value: f64) -> f64 {
    match value.abs() > FAR {
        true => sign(value) * value.abs().exp() * 0.5,
        false => value.sinh(),
    }
}

/// Like [`sinh`].
fn cosh(value: f64) -> f64 {
    match value.abs() > FAR {
        true => value.abs().exp() * 0.5,
        false => value.cosh(),
    }
}

/// From here on e^-x adds nothing to e^x.
const FAR: f64 = 21.0;

/// Of zero and NaN themselves.
fn sign(value: f64) -> f64 {
    match value {
        value if value < 0.0 => -1.0,
        value if value > 0.0 => 1.0,
        value => value,
    }
}

/// NaN if any is NaN, unless the other is infinite and so the largest anyway.
pub(super) fn max(a: f64, b: f64) -> f64 {
    match (a, b) {
        (f64::INFINITY, _) | (_, f64::INFINITY) => f64::INFINITY,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        // 0 is larger than -0.
        _ if a == 0.0 && b == 0.0 => {
            if a.is_sign_negative() {
                b
            } else {
                a
            }
        }
        _ => {
            if a > b {
                a
            } else {
                b
            }
        }
    }
}

/// The counterpart of [`max`].
pub(super) fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

impl Evaluator<'_> {
    pub(super) fn clamp(&self, call: &Call) -> Result<Value, EvalError> {
        let (lower, upper) = match call.function.name {
            "clamp_min" => (Some(self.scalar_arg(call, 1)?), None),
            "clamp_max" => (None, Some(self.scalar_arg(call, 1)?)),
            _ => (Some(self.scalar_arg(call, 1)?), Some(self.scalar_arg(call, 2)?)),
        };
        let steps = self.steps.count();
        let lower = lower.unwrap_or_else(|| vec![f64::NEG_INFINITY; steps]);
        let upper = upper.unwrap_or_else(|| vec![f64::INFINITY; steps]);
        self.map(call, 0, |points| {
            map_steps(&points, |step, value| {
                let (lower, upper) = (*lower.get(step)?, *upper.get(step)?);
                match upper < lower {
                    true => None,
                    false => Some(max(lower, min(upper, value))),
                }
            })
        })
    }

    /// To the nearest multiple; halves go up.
    pub(super) fn round(&self, call: &Call) -> Result<Value, EvalError> {
        // By the inverse as Prometheus does, which is more exact for multiples like 0.1.
        let inverses: Vec<f64> = match call.args.len() {
            0 | 1 => vec![1.0; self.steps.count()],
            _ => self.scalar_arg(call, 1)?.into_iter().map(|multiple| 1.0 / multiple).collect(),
        };
        self.map(call, 0, |points| {
            map_steps(&points, |step, value| {
                let inverse = inverses.get(step)?;
                Some((value * inverse + 0.5).floor() / inverse)
            })
        })
    }
}

/// Floats only; steps of which `f` makes nothing lose their value.
fn map_steps(points: &Points, f: impl Fn(usize, f64) -> Option<f64>) -> Points {
    let mut mapped = Points::empty(points.len());
    for (step, point) in points.iter() {
        if let Some(value) = point.float().and_then(|value| f(step, value)) {
            mapped.set_float(step, value);
        }
    }
    mapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_treat_nan_as_go_does() {
        let nan = f64::NAN;
        for (a, b, expected_max, expected_min) in [
            (1.0, 2.0, 2.0, 1.0),
            (nan, 1.0, nan, nan),
            (nan, f64::INFINITY, f64::INFINITY, nan),
            (f64::NEG_INFINITY, nan, nan, f64::NEG_INFINITY),
            (-0.0, 0.0, 0.0, -0.0),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                let same = |x: f64, y: f64| (x.is_nan() && y.is_nan()) || x.to_bits() == y.to_bits();
                assert!(same(max(a, b), expected_max) && same(min(a, b), expected_min), "{a} {b}");
            }
        }
        assert!(sign(f64::NAN).is_nan() && sign(-3.0) == -1.0 && sign(-0.0).is_sign_negative());
    }
}
