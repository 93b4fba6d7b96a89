//! What an attribute adds to a series' identity.

use crate::Limits;
use crate::attributes::{AnyValue, KeyValue, Refusal, Tally, push_value, truncate_string};
use crate::series_id::{AttributesHash, ValueKind};
use crate::wire::WireError;

/// Hashes an attribute as it will be stored. False if a limit cut or dropped it.
#[inline]
pub fn hash_attribute(
    hash: &mut AttributesHash,
    attribute: &KeyValue<'_>,
    limits: &Limits,
    text: &mut String,
) -> Result<bool, WireError> {
    let key = attribute.key;
    if key.len() > limits.max_attribute_key_bytes {
        return Ok(false);
    }
    let longest = limits.max_attribute_value_bytes;
    match attribute.value {
        AnyValue::String(value) => {
            hash.add(key, ValueKind::String, truncate_string(value, longest));
            return Ok(value.len() <= longest);
        }
        AnyValue::Int(value) => hash.add(key, ValueKind::Int, &value.to_le_bytes()),
        AnyValue::Bool(value) => hash.add(key, ValueKind::Bool, &[value as u8]),
        AnyValue::Double(value) => hash.add(key, ValueKind::Double, &value.to_bits().to_le_bytes()),
        AnyValue::Empty => hash.add(key, ValueKind::Empty, &[]),
        AnyValue::Bytes(value) if value.len() <= longest => hash.add(key, ValueKind::Bytes, value),
        AnyValue::Array(message) | AnyValue::KvList(message) if message.bytes().len() <= longest => {
            text.clear();
            match push_value(text, attribute.value, limits.max_nesting, &mut Tally::default()) {
                Ok(()) => hash.add(key, ValueKind::Json, text.as_bytes()),
                Err(Refusal::TooDeep) => return Ok(false),
                Err(Refusal::Malformed(error)) => return Err(error),
            }
        }
        AnyValue::Bytes(_) | AnyValue::Array(_) | AnyValue::KvList(_) => return Ok(false),
    }
    Ok(true)
}
