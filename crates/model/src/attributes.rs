//! OTLP attribute values as JSON text, and back, without loss.
//!
//! | OTLP | JSON |
//! |---|---|
//! | string | string (invalid UTF-8 becomes U+FFFD) |
//! | bool | `true`, `false` |
//! | int | digits without `.`, all 64 bits |
//! | double | shortest text that reads back equal, always with `.` or `e` (`200.0`, `-0.0`, `1e300`) |
//! | NaN, infinities | `{"$double":"NaN"}`, `{"$double":"Infinity"}`, `{"$double":"-Infinity"}` |
//! | bytes | `{"$bytes":"<base64>"}` |
//! | array | array |
//! | kvlist | object; a member whose key starts with `$` gets one more `$` in front |
//! | no value | `null` |
//!
//! An attribute list is an object too; its own keys stay as they are (an attribute list is never mistaken for a special
//! value, and queries look keys up by their name). Duplicate keys and the order of keys are kept in the text.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{ReadError, read_attributes, read_value};
pub use write::{Refusal, Tally, close_object, push_attributes, push_member, push_string, push_value, truncate_string};

use crate::wire::{Reader, WireError};

/// `opentelemetry.proto.common.v1.KeyValue`, borrowed from the request. The key's UTF-8 is not checked yet.
#[derive(Debug, Clone, Copy)]
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    pub value: AnyValue<'a>,
}

/// `opentelemetry.proto.common.v1.AnyValue`, borrowed from the request.
#[derive(Debug, Clone, Copy, Default)]
pub enum AnyValue<'a> {
    #[default]
    Empty,
    /// UTF-8 not checked yet.
    String(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// The message `ArrayValue`.
    Array(Reader<'a>),
    /// The message `KeyValueList`.
    KvList(Reader<'a>),
}

impl<'a> KeyValue<'a> {
    #[inline]
    pub fn parse(message: Reader<'a>) -> Result<Self, WireError> {
        match Self::parse_usual(message.bytes()) {
            Some(attribute) => Ok(attribute),
            None => Self::parse_any(message),
        }
    }

    /// What nearly all attributes look like: key, then value, both short, the value a scalar.
    #[inline]
    fn parse_usual(message: &'a [u8]) -> Option<Self> {
        let (key, rest) = short_field::<0x0a>(message)?;
        let (value, rest) = short_field::<0x12>(rest)?;
        let value = match value {
            [0x18, number @ ..0x80] => AnyValue::Int(i64::from(*number)),
            [0x10, flag @ 0..=1] => AnyValue::Bool(*flag == 1),
            _ => match short_field::<0x0a>(value)? {
                (text, []) => AnyValue::String(text),
                _ => return None,
            },
        };
        rest.is_empty().then_some(KeyValue { key, value })
    }

    fn parse_any(message: Reader<'a>) -> Result<Self, WireError> {
        let mut attribute = KeyValue { key: &[], value: AnyValue::Empty };
        for field in message {
            let field = field?;
            match field.number {
                1 => attribute.key = field.bytes()?,
                2 => attribute.value = AnyValue::parse(field.message()?)?,
                _ => {}
            }
        }
        Ok(attribute)
    }
}

/// A length-delimited field of that tag and less than 128 bytes, and what follows it.
#[inline]
fn short_field<const TAG: u8>(message: &[u8]) -> Option<(&[u8], &[u8])> {
    match message {
        [tag, length @ ..0x80, rest @ ..] if *tag == TAG => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

impl<'a> AnyValue<'a> {
    /// The last member of the oneof wins, as everywhere in protobuf. `string_value_strindex` (profiles only) is unknown here.
    #[inline]
    pub fn parse(message: Reader<'a>) -> Result<Self, WireError> {
        let mut value = AnyValue::Empty;
        for field in message {
            let field = field?;
            value = match field.number {
                1 => AnyValue::String(field.bytes()?),
                2 => AnyValue::Bool(field.bool()?),
                3 => AnyValue::Int(field.int64()?),
                4 => AnyValue::Double(field.double()?),
                5 => AnyValue::Array(field.message()?),
                6 => AnyValue::KvList(field.message()?),
                7 => AnyValue::Bytes(field.bytes()?),
                _ => value,
            };
        }
        Ok(value)
    }
}
