//! Attribute values as label values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use trefoil_go::number;

/// As OpenTelemetry writes values that are no strings: its data model, "Attribute values to strings".
pub fn text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => double(*value),
        Some(Value::BytesValue(bytes)) => BASE64.encode(bytes),
        Some(Value::StringValueStrindex(_)) => String::new(),
        Some(Value::ArrayValue(_) | Value::KvlistValue(_)) => json(value).to_string(),
    }
}

/// As in JavaScript: an exponent only where the number is tiny or huge.
fn double(value: f64) -> String {
    match value.abs() {
        magnitude if value.is_finite() && magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) => {
            format!("{value:e}")
        }
        _ => number::decimal(value),
    }
}

fn json(value: &AnyValue) -> serde_json::Value {
    match &value.value {
        None => serde_json::Value::Null,
        Some(Value::BoolValue(value)) => (*value).into(),
        Some(Value::IntValue(value)) => (*value).into(),
        Some(Value::DoubleValue(value)) if value.is_finite() => (*value).into(),
        Some(Value::ArrayValue(array)) => array.values.iter().map(json).collect(),
        Some(Value::KvlistValue(list)) => {
            let members = list
                .values
                .iter()
                .map(|KeyValue { key, value, .. }| (key.clone(), value.as_ref().map_or(serde_json::Value::Null, json)));
            serde_json::Value::Object(members.collect())
        }
        Some(_) => text(value).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_short() {
        for (value, expected) in
            [(1.0, "1"), (0.5, "0.5"), (1e21, "1e21"), (1e-7, "1e-7"), (0.0, "0"), (f64::NAN, "NaN")]
        {
            assert_eq!(double(value), expected);
        }
    }
}
