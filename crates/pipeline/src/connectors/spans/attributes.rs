//! Attributes that are wanted by name, found in lists of them without decoding the others.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message as _;
use trefoil_model::wire::{Reader, WireError};
use trefoil_prometheus::attributes::text;

/// Bytes of a value that are kept: values become parts of series, which are held for long. Longer ones are cut.
pub const MOST_VALUE_BYTES: usize = 2048;

/// The names of attributes that are looked for, each once.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<String>);

impl Keys {
    /// The place of a name, which is added if it is new.
    pub fn add(&mut self, name: &str) -> usize {
        match self.0.iter().position(|known| known == name) {
            Some(place) => place,
            None => {
                self.0.push(name.to_owned());
                self.0.len() - 1
            }
        }
    }

    fn place(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|known| known.as_bytes() == name)
    }
}

/// The values of [`Keys`] in one list of attributes, by place.
#[derive(Debug, Clone, Default)]
pub struct Found<'a>(Vec<Option<Reader<'a>>>);

impl<'a> Found<'a> {
    pub fn clear(&mut self, keys: &Keys) {
        self.0.clear();
        self.0.resize(keys.0.len(), None);
    }

    /// Looks at a `KeyValue`; of equal keys the first counts. One that cannot be read is not there.
    #[inline]
    pub fn take(&mut self, keys: &Keys, attribute: Reader<'a>) {
        if self.0.is_empty() {
            return;
        }
        if let Ok((key, value)) = key_value(attribute)
            && let Some(place) = keys.place(key)
            && self.0[place].is_none()
        {
            self.0[place] = Some(value);
        }
    }

    /// The `AnyValue` at a place.
    pub fn get(&self, place: usize) -> Option<Reader<'a>> {
        self.0.get(place).copied().flatten()
    }
}

/// Key and value of a `KeyValue`.
#[inline]
pub fn key_value(attribute: Reader<'_>) -> Result<(&[u8], Reader<'_>), WireError> {
    let (mut key, mut value) = (&[][..], Reader::default());
    for field in attribute {
        let field = field?;
        match field.number {
            1 => key = field.bytes()?,
            2 => value = field.message()?,
            _ => {}
        }
    }
    Ok((key, value))
}

enum Scalar<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    /// Anything else, decoded; what cannot be is empty.
    Other(AnyValue),
}

fn scalar(value: Reader<'_>) -> Scalar<'_> {
    let read = || -> Result<Option<Scalar<'_>>, WireError> {
        let mut found = Some(Scalar::Text(&[]));
        for field in value {
            let field = field?;
            found = match field.number {
                1 => Some(Scalar::Text(field.bytes()?)),
                2 => Some(Scalar::Bool(field.bool()?)),
                3 => Some(Scalar::Int(field.int64()?)),
                _ => None,
            };
        }
        Ok(found)
    };
    match read() {
        Ok(Some(scalar)) => scalar,
        _ => Scalar::Other(AnyValue::decode(value.bytes()).unwrap_or_default()),
    }
}

/// Appends the text of an `AnyValue`: equal ones look the same to whoever reads labels.
pub fn push_text(value: Reader<'_>, out: &mut Vec<u8>) {
    match scalar(value) {
        Scalar::Text(bytes) => out.extend_from_slice(clipped(bytes)),
        Scalar::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Scalar::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Scalar::Other(value) => out.extend_from_slice(clipped(text(&value).as_bytes())),
    }
}

/// The text of an `AnyValue`.
pub fn value_text(value: Reader<'_>) -> String {
    let mut bytes = Vec::new();
    push_text(value, &mut bytes);
    string(&bytes)
}

/// What a point has for an attribute's value: numbers and bools as such, everything else as text.
pub fn point_value(value: Reader<'_>) -> Value {
    match scalar(value) {
        Scalar::Bool(value) => Value::BoolValue(value),
        Scalar::Int(value) => Value::IntValue(value),
        Scalar::Other(AnyValue { value: Some(Value::DoubleValue(value)) }) => Value::DoubleValue(value),
        Scalar::Text(_) | Scalar::Other(_) => Value::StringValue(value_text(value)),
    }
}

/// At most [`MOST_VALUE_BYTES`], cut between characters.
pub fn clipped(bytes: &[u8]) -> &[u8] {
    if bytes.len() <= MOST_VALUE_BYTES {
        return bytes;
    }
    let is_continued = |place: &usize| bytes[*place] & 0xc0 == 0x80;
    let end = (MOST_VALUE_BYTES - 3..=MOST_VALUE_BYTES).rev().find(|place| !is_continued(place));
    &bytes[..end.unwrap_or(MOST_VALUE_BYTES)]
}

/// Text from outside, cut and with everything that is not UTF-8 replaced.
pub fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(clipped(bytes)).into_owned()
}

/// An attribute of a point.
pub fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// An attribute of a point whose value is a text.
pub fn text_attribute(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::ArrayValue;

    use super::*;

    #[test]
    fn values_are_found_by_name_and_shown_as_labels_show_them() {
        let mut keys = Keys::default();
        let places = ["b", "a", "missing", "b"].map(|name| keys.add(name));
        assert_eq!(places, [0, 1, 2, 0]);
        let list = [
            attribute("a", Value::IntValue(-7)),
            attribute("c", Value::BoolValue(true)),
            text_attribute("b", "first"),
            text_attribute("b", "second"),
        ];
        let encoded: Vec<Vec<u8>> = list.iter().map(|attribute| attribute.encode_to_vec()).collect();
        let mut found = Found::default();
        found.clear(&keys);
        encoded.iter().for_each(|attribute| found.take(&keys, Reader::new(attribute)));
        assert_eq!(value_text(found.get(0).unwrap()), "first");
        assert_eq!(point_value(found.get(1).unwrap()), Value::IntValue(-7));
        assert!(found.get(2).is_none());
        found.clear(&keys);
        assert!(found.get(0).is_none());
        found.take(&keys, Reader::new(&[0x0a, 1, b'b', 0x12, 9, 1]));
        assert!(found.get(0).is_none(), "it cannot be read");
    }

    #[test]
    fn every_type_has_a_text() {
        let array = ArrayValue { values: vec![AnyValue { value: Some(Value::IntValue(1)) }] };
        for (value, expected, kept) in [
            (Value::StringValue("x".into()), "x", true),
            (Value::BoolValue(false), "false", true),
            (Value::IntValue(12), "12", true),
            (Value::DoubleValue(0.5), "0.5", true),
            (Value::BytesValue(vec![1, 2]), "AQI=", false),
            (Value::ArrayValue(array), "[1]", false),
        ] {
            let encoded = AnyValue { value: Some(value.clone()) }.encode_to_vec();
            assert_eq!(value_text(Reader::new(&encoded)), expected);
            assert_eq!(point_value(Reader::new(&encoded)) == value, kept, "{expected}");
        }
        assert_eq!(value_text(Reader::default()), "");
        assert_eq!(value_text(Reader::new(&[0x0a, 2, 0xff, b'a'])), "\u{fffd}a");
        assert_eq!(value_text(Reader::new(&[0xff])), "", "what is malformed is empty");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = "é".repeat(MOST_VALUE_BYTES);
        let cut = clipped(&long.as_bytes()[1..]);
        assert_eq!(cut.len(), MOST_VALUE_BYTES - 1);
        assert_eq!(string(long.as_bytes()), "é".repeat(MOST_VALUE_BYTES / 2));
        assert_eq!(clipped(&[0x80; 5000]).len(), MOST_VALUE_BYTES);
    }
}
