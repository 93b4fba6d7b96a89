//! The attributes of [`crate::native`], which become columns and are no part of a series.

use super::samples::Distribution;
use crate::attributes::{AnyValue, KeyValue};
use crate::native::{COUNTER_RESET_HINT, FLOAT_COUNTS, ResetHint};
use crate::wire::{Field, Reader, WireError};

/// What such an attribute says.
enum Native<'a> {
    ResetHint(ResetHint),
    /// An `ArrayValue` of doubles.
    FloatCounts(Reader<'a>),
}

impl<'a> Native<'a> {
    fn of(attribute: &KeyValue<'a>) -> Result<Option<Self>, WireError> {
        match attribute.value {
            AnyValue::Int(number) if attribute.key == COUNTER_RESET_HINT.as_bytes() => {
                Ok(ResetHint::of(number).map(Native::ResetHint))
            }
            AnyValue::Array(values) if attribute.key == FLOAT_COUNTS.as_bytes() => {
                let mut is_empty = true;
                for value in doubles(values) {
                    if value?.is_none() {
                        return Ok(None);
                    }
                    is_empty = false;
                }
                Ok((!is_empty).then_some(Native::FloatCounts(values)))
            }
            _ => Ok(None),
        }
    }
}

/// The items of an `ArrayValue`, `None` for what is no double.
fn doubles<'a>(array: Reader<'a>) -> impl Iterator<Item = Result<Option<f64>, WireError>> + 'a {
    let of = |field: Result<Field<'a>, WireError>| {
        let field = field?;
        if field.number != 1 {
            return Ok(None);
        }
        Ok(match AnyValue::parse(field.message()?)? {
            AnyValue::Double(value) => Some(value),
            _ => None,
        })
    };
    array.map(of)
}

/// Takes what an attribute of a histogram point says of it; false if it is one like all others.
#[inline]
pub fn take(field: &Field<'_>, row: &mut Distribution) -> Result<bool, WireError> {
    let attribute = KeyValue::parse(field.message()?)?;
    match Native::of(&attribute)? {
        None => return Ok(false),
        Some(Native::ResetHint(hint)) => row.reset_hint = Some(hint as i32),
        Some(Native::FloatCounts(values)) => {
            row.float_counts.clear();
            for value in doubles(values) {
                row.float_counts.extend(value?);
            }
        }
    }
    Ok(true)
}

/// Whether [`take`] takes it.
pub fn is_native(attribute: Reader<'_>) -> bool {
    let parsed = KeyValue::parse(attribute);
    parsed.and_then(|attribute| Native::of(&attribute)).is_ok_and(|native| native.is_some())
}
