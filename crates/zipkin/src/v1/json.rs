//! JSON of version 1.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Annotation, BinaryAnnotation, Span, Value};
use crate::fields::{Object, for_each};
use crate::problem::Problem;
use crate::tree::Json;

pub(crate) fn read(body: &[u8], mut each: impl FnMut(Result<Span<'_>, Problem>)) -> Result<(), String> {
    for_each(body, |value| match value {
        Ok(value) => each(span(&value)),
        Err(problem) => each(Err(problem)),
    })
}

fn span<'a>(value: &'a Json<'a>) -> Result<Span<'a>, Problem> {
    let object = Object::of(value)?;
    Ok(Span {
        trace_id: object.trace_id("traceId")?,
        parent_id: object.span_id("parentId")?,
        id: object.span_id("id")?.ok_or_else(|| Problem::new("id", "is missing or zero"))?,
        name: object.text("name")?.unwrap_or_default(),
        timestamp: object.micros("timestamp")?.filter(|micros| *micros > 0),
        duration: object.micros("duration")?.filter(|micros| *micros > 0),
        annotations: object.list("annotations", |annotation| {
            Ok(Annotation {
                timestamp: annotation.micros("timestamp")?.unwrap_or_default(),
                value: annotation.text("value")?.unwrap_or_default(),
                endpoint: annotation.endpoint("endpoint")?,
            })
        })?,
        binary_annotations: object.list("binaryAnnotations", |binary| {
            let key = binary.text("key")?.ok_or_else(|| Problem::new("key", "is missing"))?;
            Ok(BinaryAnnotation { key, value: binary_value(&binary)?, endpoint: binary.endpoint("endpoint")? })
        })?,
        debug: object.flag("debug")?,
    })
}

/// By its own type, or by `type` where the value is a text that can be read as such.
fn binary_value<'a>(binary: &Object<'a>) -> Result<Value<'a>, Problem> {
    let text = match binary.get("value") {
        None => return Ok(Value::Text(Cow::default())),
        Some(Json::Bool(flag)) => return Ok(Value::Bool(*flag)),
        Some(Json::Number(number)) => {
            let double = || number.as_f64().map(Value::Double);
            let number = number.as_i64().map(Value::Int).or_else(double);
            return number.ok_or_else(|| Problem::new("value", "is not a number of 64 bits"));
        }
        Some(Json::Text(text)) => &**text,
        Some(other) => return Err(Problem::new("value", format!("is {} instead of text", other.kind()))),
    };
    let typed = match binary.text("type")?.as_deref() {
        Some("BOOL") => text.parse().ok().map(Value::Bool),
        Some("I16" | "I32" | "I64") => text.parse().ok().map(Value::Int),
        Some("DOUBLE") => text.parse().ok().map(Value::Double),
        Some("BYTES") => STANDARD.decode(text).ok().map(Value::Bytes),
        _ => None,
    };
    Ok(typed.unwrap_or_else(|| Value::Text(text.into())))
}
