//! Values inside a log entry.

use std::fmt;

use indexmap::IndexMap;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Members stay in the order in which they came.
pub type Map = IndexMap<String, Value>;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Map),
}

impl Value {
    /// For messages: `a string`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nil",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Double(_) => "a number",
            Value::String(_) => "a string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The map that is here from now on, whatever was here before.
    pub fn make_map(&mut self) -> &mut Map {
        if !matches!(self, Value::Map(_)) {
            *self = Value::Map(Map::new());
        }
        match self {
            Value::Map(map) => map,
            _ => unreachable!("it was made one"),
        }
    }

    /// All whole numbers as doubles, as Go reads JSON.
    pub fn with_doubles(self) -> Value {
        match self {
            Value::Int(number) => Value::Double(number as f64),
            Value::List(items) => Value::List(items.into_iter().map(Value::with_doubles).collect()),
            Value::Map(map) => Value::Map(map.into_iter().map(|(key, value)| (key, value.with_doubles())).collect()),
            other => other,
        }
    }

    /// Bytes that it holds, about.
    pub fn size(&self) -> usize {
        const OWN: usize = size_of::<Value>();
        OWN + match self {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(items) => items.iter().map(Value::size).sum(),
            Value::Map(map) => map.iter().map(|(key, value)| key.len() + value.size()).sum(),
            _ => 0,
        }
    }

    pub fn into_any(self) -> AnyValue {
        let value = match self {
            Value::Null => None,
            Value::Bool(value) => Some(Any::BoolValue(value)),
            Value::Int(value) => Some(Any::IntValue(value)),
            Value::Double(value) => Some(Any::DoubleValue(value)),
            Value::String(text) => Some(Any::StringValue(text)),
            Value::Bytes(bytes) => Some(Any::BytesValue(bytes)),
            Value::List(items) => {
                Some(Any::ArrayValue(ArrayValue { values: items.into_iter().map(Value::into_any).collect() }))
            }
            Value::Map(map) => Some(Any::KvlistValue(KeyValueList { values: pairs(map) })),
        };
        AnyValue { value }
    }
}

/// OTLP's attributes as members; of several with the same key the last one counts.
pub fn members_of(attributes: Vec<KeyValue>) -> Map {
    attributes.into_iter().map(|attribute| (attribute.key, Value::from(attribute.value.unwrap_or_default()))).collect()
}

impl From<AnyValue> for Value {
    fn from(value: AnyValue) -> Self {
        match value.value {
            Some(Any::BoolValue(value)) => Value::Bool(value),
            Some(Any::IntValue(value)) => Value::Int(value),
            Some(Any::DoubleValue(value)) => Value::Double(value),
            Some(Any::StringValue(text)) => Value::String(text),
            Some(Any::BytesValue(bytes)) => Value::Bytes(bytes),
            Some(Any::ArrayValue(list)) => Value::List(list.values.into_iter().map(Value::from).collect()),
            Some(Any::KvlistValue(list)) => Value::Map(members_of(list.values)),
            _ => Value::Null,
        }
    }
}

/// The members as OTLP's attributes.
pub fn pairs(map: Map) -> Vec<KeyValue> {
    let pair = |(key, value): (String, Value)| KeyValue { key, value: Some(value.into_any()), ..KeyValue::default() };
    map.into_iter().map(pair).collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

/// As text where text is asked for: a string as it is, the others as JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::String(text) => f.write_str(text),
            Value::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            other => f.write_str(&serde_json::to_string(other).map_err(|_| fmt::Error)?),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Double(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            Value::List(items) => serializer.collect_seq(items),
            Value::Map(map) => serializer.collect_map(map),
        }
    }
}

/// From JSON, and from a configuration.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Double(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Double(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = members.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

/// Reads a JSON object; the error says what is wrong with the text.
pub fn object(text: &str) -> Result<Map, String> {
    match serde_json::from_str(text) {
        Ok(Value::Map(map)) => Ok(map),
        Ok(other) => Err(format!("expected a JSON object, found {}", other.kind())),
        Err(error) => Err(format!("this is not JSON: {error}")),
    }
}

/// For errors of `serde` with a reason of our own.
pub(crate) fn from_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).map_err(de::Error::custom)
}
