//! Attribute values as text, as OpenTelemetry's data model tells it ("Mapping attributes to strings").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::Value as Json;

/// A value that holds values, as JSON.
pub fn json(value: &Value) -> Json {
    match value {
        Value::StringValue(text) => text.as_str().into(),
        Value::BoolValue(value) => (*value).into(),
        Value::IntValue(value) => (*value).into(),
        Value::DoubleValue(value) if value.is_finite() => (*value).into(),
        Value::DoubleValue(value) => not_finite(*value).into(),
        Value::BytesValue(bytes) => BASE64.encode(bytes).into(),
        Value::StringValueStrindex(_) => Json::Null,
        Value::ArrayValue(array) => array.values.iter().map(or_null).collect(),
        Value::KvlistValue(list) => {
            let member =
                |KeyValue { key, value, .. }: &KeyValue| (key.clone(), value.as_ref().map_or(Json::Null, or_null));
            Json::Object(list.values.iter().map(member).collect())
        }
    }
}

fn or_null(value: &AnyValue) -> Json {
    value.value.as_ref().map_or(Json::Null, json)
}

/// The words that JSON has no number for.
pub fn not_finite(value: f64) -> &'static str {
    match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}
