//! Numbers. Whatever is not one is made one first, as sprig does.

use crate::number;
use crate::value::Value;

/// Floats lose their fraction, texts have a base by their prefix (`0x1f`; `010` is eight), what is no number is zero.
pub(crate) fn to_int(value: &Value<'_>) -> i64 {
    match value {
        Value::Int(value) | Value::Duration(value) => *value,
        Value::Float(value)
            if value.is_finite() && (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(value) =>
        {
            *value as i64
        }
        Value::Bool(value) => i64::from(*value),
        Value::String(text) => number::integer(without_fraction(text)).unwrap_or(0),
        _ => 0,
    }
}

/// `12.5` is `12`, and `.5` is `0`.
fn without_fraction(text: &str) -> &str {
    let Some((whole, fraction)) = text.split_once('.') else { return text };
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let is_decimal = [digits, fraction].iter().all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match (is_decimal, digits) {
        (false, _) => text,
        (true, "") => "0",
        (true, _) => whole,
    }
}

pub(crate) fn to_float(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(value) | Value::Duration(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::String(text) => number::float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// The error is Go's.
pub(crate) fn divided(one: i64, other: i64) -> Result<i64, String> {
    match other {
        0 => Err("runtime error: integer divide by zero".to_owned()),
        other => Ok(one.wrapping_div(other)),
    }
}

pub(crate) fn remainder(one: i64, other: i64) -> Result<i64, String> {
    match other {
        0 => Err("runtime error: integer divide by zero".to_owned()),
        other => Ok(one.wrapping_rem(other)),
    }
}

/// To so many digits behind the point. A fraction of at least `on` goes up; a negative one never does: that is sprig's way.
pub(crate) fn round(value: f64, digits: i64, on: f64) -> f64 {
    // As exact as a float can be, which `powf` is not.
    let power = format!("1e{digits}").parse().unwrap_or(f64::NAN);
    let shifted = power * value;
    let rounded = if shifted.fract() >= on { shifted.ceil() } else { shifted.floor() };
    rounded / power
}
