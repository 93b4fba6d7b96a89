//! JSON text → OTLP messages. The text is our own, so an error here means a damaged file or a foreign writer.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

/// The text is not what [`super::push_value`] writes.
#[derive(Debug, Error)]
#[error("stored attributes are not valid: {0}")]
pub struct ReadError(#[from] serde_json::Error);

/// Reads one value. `null` is an `AnyValue` without a value.
pub fn read_value(text: &str) -> Result<AnyValue, ReadError> {
    let Json(value) = serde_json::from_str(text)?;
    Ok(AnyValue { value })
}

/// Reads an attribute list, in the order of the text, duplicate keys included.
pub fn read_attributes(text: &str) -> Result<Vec<KeyValue>, ReadError> {
    let Attributes(attributes) = serde_json::from_str(text)?;
    Ok(attributes)
}

fn key_value(key: String, value: Option<Value>) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value }), key_strindex: 0 }
}

struct Attributes(Vec<KeyValue>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttributesVisitor;

        impl<'de> Visitor<'de> for AttributesVisitor {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = vec![];
                while let Some((key, Json(value))) = map.next_entry()? {
                    attributes.push(key_value(key, value));
                }
                Ok(Attributes(attributes))
            }
        }

        deserializer.deserialize_map(AttributesVisitor)
    }
}

struct Json(Option<Value>);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an attribute value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json(Some(Value::BoolValue(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json(Some(Value::IntValue(value))))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(value), &"an integer of 64 bits")),
        }
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json(Some(Value::DoubleValue(value))))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        self.visit_string(value.to_string())
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Json, E> {
        Ok(Json(Some(Value::StringValue(value))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut values = vec![];
        while let Some(Json(value)) = seq.next_element()? {
            values.push(AnyValue { value });
        }
        Ok(Json(Some(Value::ArrayValue(ArrayValue { values }))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut values = vec![];
        while let Some((key, Json(value))) = map.next_entry::<String, Json>()? {
            match key.strip_prefix('$') {
                None => values.push(key_value(key, value)),
                Some(escaped) if escaped.starts_with('$') => values.push(key_value(escaped.to_string(), value)),
                Some(special) => {
                    let special = special_value(special, value)?;
                    if !values.is_empty() || map.next_entry::<String, Json>()?.is_some() {
                        return Err(de::Error::custom(format!("{key:?} must be the only member of its object")));
                    }
                    return Ok(Json(Some(special)));
                }
            }
        }
        Ok(Json(Some(Value::KvlistValue(KeyValueList { values }))))
    }
}

fn special_value<E: de::Error>(name: &str, value: Option<Value>) -> Result<Value, E> {
    let Some(Value::StringValue(text)) = value else {
        return Err(E::custom(format!("\"${name}\" must hold a string")));
    };
    match (name, text.as_str()) {
        ("bytes", text) => STANDARD.decode(text).map(Value::BytesValue).map_err(E::custom),
        ("double", "NaN") => Ok(Value::DoubleValue(f64::NAN)),
        ("double", "Infinity") => Ok(Value::DoubleValue(f64::INFINITY)),
        ("double", "-Infinity") => Ok(Value::DoubleValue(f64::NEG_INFINITY)),
        _ => Err(E::custom(format!("unknown special value {{\"${name}\":{text:?}}}"))),
    }
}
