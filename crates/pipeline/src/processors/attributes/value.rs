//! Attribute values: from the configuration, compared, converted and hashed as the Collector does.

use std::fmt;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};

/// A value of a configuration file; its type is the one it has in YAML.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigValue(pub Value);

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConfigValueVisitor)
    }
}

struct ConfigValueVisitor;

impl<'de> Visitor<'de> for ConfigValueVisitor {
    type Value = ConfigValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<ConfigValue, E> {
        Ok(ConfigValue(Value::BoolValue(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<ConfigValue, E> {
        Ok(ConfigValue(Value::IntValue(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<ConfigValue, E> {
        let value =
            i64::try_from(value).map_err(|_| E::custom(format!("`{value}` is larger than an attribute's 2^63")))?;
        Ok(ConfigValue(Value::IntValue(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<ConfigValue, E> {
        Ok(ConfigValue(Value::DoubleValue(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<ConfigValue, E> {
        Ok(ConfigValue(Value::StringValue(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ConfigValue, A::Error> {
        let mut values = Vec::new();
        while let Some(ConfigValue(value)) = items.next_element()? {
            values.push(AnyValue { value: Some(value) });
        }
        Ok(ConfigValue(Value::ArrayValue(ArrayValue { values })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ConfigValue, A::Error> {
        let mut values = Vec::new();
        while let Some((key, ConfigValue(value))) = members.next_entry::<String, ConfigValue>()? {
            values.push(KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() });
        }
        Ok(ConfigValue(Value::KvlistValue(KeyValueList { values })))
    }
}

pub fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

/// Replaces the value, or adds the attribute.
pub fn put(attributes: &mut Vec<KeyValue>, key: &str, value: Value) {
    let value = Some(AnyValue { value: Some(value) });
    match attributes.iter_mut().find(|attribute| attribute.key == key) {
        Some(attribute) => attribute.value = value,
        None => attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() }),
    }
}

/// A scalar as text, for matching with a regular expression; other types have none.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::BoolValue(value) => Some(value.to_string()),
        Value::IntValue(value) => Some(value.to_string()),
        Value::DoubleValue(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Any value as text: scalars as they are, bytes in base64, the others in JSON.
pub fn text(value: &Value) -> String {
    match (scalar_text(value), value) {
        (Some(text), _) => text,
        (None, Value::BytesValue(bytes)) => base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes),
        (None, value) => json(value).to_string(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    let of = |value: &Option<AnyValue>| {
        value.as_ref().and_then(|any| any.value.as_ref()).map_or(serde_json::Value::Null, json)
    };
    match value {
        Value::StringValue(text) => text.as_str().into(),
        Value::BoolValue(value) => (*value).into(),
        Value::IntValue(value) => (*value).into(),
        Value::DoubleValue(value) => (*value).into(),
        Value::BytesValue(_) => text(value).into(),
        Value::ArrayValue(array) => {
            array.values.iter().map(|any| any.value.as_ref().map_or(serde_json::Value::Null, json)).collect()
        }
        Value::KvlistValue(list) => {
            let members = list.values.iter().map(|member| (member.key.clone(), of(&member.value)));
            serde_json::Value::Object(members.collect())
        }
        Value::StringValueStrindex(_) => serde_json::Value::Null,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    Int,
    Double,
    String,
}

/// The value as another type, or nothing where that makes no sense (a text that is no number).
pub fn converted(value: &Value, to: Type) -> Option<Value> {
    match (to, value) {
        (Type::String, value) => Some(Value::StringValue(text(value))),
        (Type::Int, Value::IntValue(value)) => Some(Value::IntValue(*value)),
        (Type::Int, Value::DoubleValue(value)) => Some(Value::IntValue(*value as i64)),
        (Type::Int, Value::BoolValue(value)) => Some(Value::IntValue((*value).into())),
        (Type::Int, Value::StringValue(text)) => text.parse().ok().map(Value::IntValue),
        (Type::Double, Value::DoubleValue(value)) => Some(Value::DoubleValue(*value)),
        (Type::Double, Value::IntValue(value)) => Some(Value::DoubleValue(*value as f64)),
        (Type::Double, Value::BoolValue(value)) => Some(Value::DoubleValue(f64::from(u8::from(*value)))),
        (Type::Double, Value::StringValue(text)) => text.parse().ok().map(Value::DoubleValue),
        _ => None,
    }
}

/// SHA-256 in hex of a scalar's bytes (numbers little-endian), as today's Collector does (older ones used SHA-1). Empty
/// text and what is no scalar give the empty text.
pub fn hashed(value: &Value) -> Value {
    let bytes = match value {
        Value::StringValue(text) => text.clone().into_bytes(),
        Value::BoolValue(value) => vec![u8::from(*value)],
        Value::IntValue(value) => value.to_le_bytes().to_vec(),
        Value::DoubleValue(value) => value.to_bits().to_le_bytes().to_vec(),
        _ => Vec::new(),
    };
    if bytes.is_empty() {
        return Value::StringValue(String::new());
    }
    Value::StringValue(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
