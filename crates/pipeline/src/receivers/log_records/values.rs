//! Values of OTLP, made short.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

pub fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub fn string(text: impl Into<String>) -> AnyValue {
    any(Value::StringValue(text.into()))
}

pub fn int(value: impl Into<i64>) -> AnyValue {
    any(Value::IntValue(value.into()))
}

pub fn array(values: Vec<AnyValue>) -> AnyValue {
    any(Value::ArrayValue(ArrayValue { values }))
}

pub fn map(values: Vec<KeyValue>) -> AnyValue {
    any(Value::KvlistValue(KeyValueList { values }))
}

pub fn member(key: impl Into<String>, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

/// What a configuration adds to every record.
pub fn members(labels: &BTreeMap<String, String>) -> Vec<KeyValue> {
    labels.iter().map(|(key, value)| member(key, string(value))).collect()
}

/// Nanoseconds since the epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
