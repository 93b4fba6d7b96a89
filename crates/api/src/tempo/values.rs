//! Values of TraceQL as OTLP has them.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use trefoil_traceql::value::Value;

pub(super) fn key_value(key: &str, value: &Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

/// What OTLP has no type for is its text.
fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Int(number) => Any::IntValue(*number),
        Value::Float(number) => Any::DoubleValue(*number),
        Value::String(text) => Any::StringValue(text.to_string()),
        Value::Bool(flag) => Any::BoolValue(*flag),
        Value::Ints(_) | Value::Floats(_) | Value::Strings(_) | Value::Bools(_) => {
            Any::ArrayValue(ArrayValue { values: value.elements().iter().map(any).collect() })
        }
        Value::Nil | Value::Duration(_) | Value::Status(_) | Value::Kind(_) => Any::StringValue(value.to_string()),
    };
    AnyValue { value: Some(value) }
}
