//! OTLP's values as text and as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde_json::{Map, Value};
use trefoil_model::wire::otlp;

pub(crate) fn string(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Any::StringValue(text.into())) }
}

pub(crate) fn int(number: i64) -> AnyValue {
    AnyValue { value: Some(Any::IntValue(number)) }
}

pub(crate) fn double(number: f64) -> AnyValue {
    AnyValue { value: Some(Any::DoubleValue(number)) }
}

pub(crate) fn bool(flag: bool) -> AnyValue {
    AnyValue { value: Some(Any::BoolValue(flag)) }
}

#[cfg(test)]
pub(crate) fn bytes(bytes: Vec<u8>) -> AnyValue {
    AnyValue { value: Some(Any::BytesValue(bytes)) }
}

/// What a tag says, by its looks: numbers and truth values in their usual spelling, as the Collector's `parse_string_tags`.
pub(crate) fn parsed(text: &str) -> otlp::Any<'_> {
    match text {
        "true" => return otlp::Any::Bool(true),
        "false" => return otlp::Any::Bool(false),
        _ => {}
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    // Beyond 64 bits it stays the text that it is.
    let number = match unsigned.split_once('.') {
        None if digits(unsigned) => text.parse().ok().map(otlp::Any::Int),
        Some((whole, fraction)) if digits(whole) && digits(fraction) => text.parse().ok().map(otlp::Any::Double),
        _ => None,
    };
    number.unwrap_or(otlp::Any::String(text))
}

/// The text of a tag: text as it is, lists and maps as JSON, bytes in base64.
pub(crate) fn to_text(value: &AnyValue) -> String {
    match &value.value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::DoubleValue(number)) => format!("{number:?}"),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes),
        Some(Any::ArrayValue(_) | Any::KvlistValue(_)) => to_json(value).to_string(),
        Some(Any::StringValueStrindex(_)) | None => String::new(),
    }
}

pub(crate) fn to_json(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => text.clone().into(),
        Some(Any::BoolValue(flag)) => (*flag).into(),
        Some(Any::IntValue(number)) => (*number).into(),
        // JSON has no infinities.
        Some(Any::DoubleValue(number)) if !number.is_finite() => format!("{number:?}").into(),
        Some(Any::DoubleValue(number)) => (*number).into(),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(to_json).collect(),
        Some(Any::KvlistValue(list)) => object(&list.values),
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

pub(crate) fn object(attributes: &[KeyValue]) -> Value {
    let member = |attribute: &KeyValue| (attribute.key.clone(), attribute.value.as_ref().map_or(Value::Null, to_json));
    Value::Object(attributes.iter().map(member).collect())
}

pub(crate) fn from_json(value: Value) -> AnyValue {
    match value {
        Value::Null => AnyValue { value: None },
        Value::Bool(flag) => bool(flag),
        Value::Number(number) => number
            .as_i64()
            .map(int)
            .unwrap_or_else(|| number.as_f64().map_or_else(|| string(number.to_string()), double)),
        Value::String(text) => string(text),
        Value::Array(list) => {
            let values = list.into_iter().map(from_json).collect();
            AnyValue { value: Some(Any::ArrayValue(ArrayValue { values })) }
        }
        Value::Object(members) => {
            AnyValue { value: Some(Any::KvlistValue(KeyValueList { values: attributes(members) })) }
        }
    }
}

pub(crate) fn attributes(members: Map<String, Value>) -> Vec<KeyValue> {
    members.into_iter().map(|(key, value)| attribute(key, from_json(value))).collect()
}

pub(crate) fn attribute(key: impl Into<String>, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_parsed_by_their_looks() {
        use trefoil_model::wire::otlp::Any;
        for (text, expected) in [
            ("0", Any::Int(0)),
            ("-17", Any::Int(-17)),
            ("99999999999999999999", Any::String("99999999999999999999")),
            ("1.50", Any::Double(1.5)),
            ("-0.25", Any::Double(-0.25)),
            (".5", Any::String(".5")),
            ("1.", Any::String("1.")),
            ("1e3", Any::String("1e3")),
            ("+1", Any::String("+1")),
            ("--1", Any::String("--1")),
            ("-", Any::String("-")),
            ("", Any::String("")),
            ("true", Any::Bool(true)),
            ("false", Any::Bool(false)),
            ("True", Any::String("True")),
            ("10.0.0.1", Any::String("10.0.0.1")),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn values_have_a_text() {
        let list = from_json(serde_json::json!(["a", 1, 1.5, null, {"b": true}]));
        for (value, expected) in [
            (string("a b"), "a b"),
            (int(-3), "-3"),
            (double(1.0), "1.0"),
            (double(f64::NAN), "NaN"),
            (bool(true), "true"),
            (bytes(vec![0, 255]), "AP8="),
            (list, r#"["a",1,1.5,null,{"b":true}]"#),
            (AnyValue { value: None }, ""),
        ] {
            assert_eq!(to_text(&value), expected);
        }
    }
}
