//! OTLP's values as text and as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::Value;

/// Text as it is, lists and maps as JSON, bytes in base64.
pub(super) fn to_text(value: &AnyValue) -> String {
    match &value.value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::DoubleValue(number)) => number.to_string(),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes),
        Some(Any::ArrayValue(_) | Any::KvlistValue(_)) => to_json(value).to_string(),
        Some(Any::StringValueStrindex(_)) | None => String::new(),
    }
}

/// Where a name comes again, the last is meant. (What decodes a request bounds how deep it is nested.)
pub(super) fn to_json(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(flag)) => (*flag).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        // JSON has no numbers for them.
        Some(Any::DoubleValue(number)) if !number.is_finite() => number.to_string().into(),
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(to_json).collect(),
        Some(Any::KvlistValue(members)) => {
            let member = |member: &opentelemetry_proto::tonic::common::v1::KeyValue| {
                (member.key.clone(), member.value.as_ref().map_or(Value::Null, to_json))
            };
            Value::Object(members.values.iter().map(member).collect())
        }
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}
