//! The attributes of [`crate::native`], which become columns and are no part of a series.

use xxhash_rust::xxh3::Xxh3;

use super::points::Kind;
use super::samples::Distribution;
use crate::attributes::{AnyValue, KeyValue};
use crate::native::{COUNTER_RESET_HINT, FLOAT_COUNTS, ResetHint};
use crate::wire::{Field, Reader, Value, WireError};

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

/// What a histogram's sample is judged by ([`crate::active`]): equal for points of equal contents, whatever their times, labels,
/// exemplars and reset hints. (Prometheus compares without hints, too.) `data` is the field of OTLP's `Metric` that the
/// point is in; the point as the same program encodes it.
pub fn histogram_fingerprint(data: u32, point: &[u8]) -> Result<u64, WireError> {
    const TIMES: std::ops::RangeInclusive<u32> = 2..=3;
    let layout = Kind::of(data).unwrap_or(Kind::Histogram).layout();
    let mut hasher = Xxh3::new();
    for field in Reader::new(point) {
        let field = field?;
        let is_contents = match field.number {
            number if TIMES.contains(&number) || number == layout.exemplars => false,
            number if number == layout.attributes => KeyValue::parse(field.message()?)?.key == FLOAT_COUNTS.as_bytes(),
            _ => true,
        };
        if !is_contents {
            continue;
        }
        hasher.update(&field.number.to_le_bytes());
        match field.value {
            Value::Varint(value) | Value::Fixed64(value) => hasher.update(&value.to_le_bytes()),
            Value::Fixed32(value) => hasher.update(&value.to_le_bytes()),
            Value::Bytes(message) => {
                hasher.update(&message.bytes().len().to_le_bytes());
                hasher.update(message.bytes());
            }
        }
    }
    Ok(hasher.digest())
}
