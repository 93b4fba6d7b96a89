//! The JSON event format and its batches.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Event, Events, Problem, Unreadable, data_of, is_json};

pub fn one(body: &[u8], max_event_bytes: usize) -> Result<Events, Unreadable> {
    if body.len() > max_event_bytes {
        return Ok(vec![Err(Problem::too_large(body.len(), max_event_bytes))]);
    }
    let event: Value = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    Ok(vec![event_of(event)])
}

pub fn batch(body: &[u8], max_event_bytes: usize) -> Result<Events, Unreadable> {
    let events: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let read = |event: &RawValue| {
        let text = event.get();
        if text.len() > max_event_bytes {
            return Err(Problem::too_large(text.len(), max_event_bytes));
        }
        // The array was read, but not what is too large or too deep for a value.
        event_of(serde_json::from_str(text).map_err(|error| Problem::new(error.to_string()))?)
    };
    Ok(events.into_iter().map(read).collect())
}

fn malformed(error: &serde_json::Error) -> Unreadable {
    Unreadable::Malformed(format!("the body cannot be read as JSON: {error}"))
}

fn event_of(event: Value) -> Result<Event, Problem> {
    let Value::Object(mut members) = event else { return Err(Problem::new("the event is not a JSON object")) };
    let id = members.get("id").and_then(Value::as_str).map(str::to_owned);
    let data = data(&mut members).map_err(|reason| Problem { id, ..Problem::new(reason) })?;
    // An attribute that is null is one that is not there (section 2.2).
    let attributes = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
    Event::new(attributes, data)
}

fn data(members: &mut Map<String, Value>) -> Result<Value, String> {
    let content_type = members.get("datacontenttype").and_then(Value::as_str).map(str::to_owned);
    match (members.remove("data"), members.remove("data_base64").filter(|encoded| !encoded.is_null())) {
        (Some(data), None) if is_json(content_type.as_deref()) || data.is_null() => Ok(data),
        (Some(data @ Value::String(_)), None) => Ok(data),
        (Some(_), None) => Err(format!("data: is not a string, as {} has to be", content_type.unwrap_or_default())),
        (None, Some(Value::String(encoded))) => {
            let bytes = BASE64.decode(encoded).map_err(|error| format!("data_base64: is not base64: {error}"))?;
            // Where nothing is said, bytes are not JSON: else they would have been sent as such.
            content_type.map_or(Ok(Value::Null), |content_type| data_of(&bytes, Some(&content_type)))
        }
        (None, Some(_)) => Err("data_base64: is not a string".to_owned()),
        (Some(_), Some(_)) => Err("data: is there together with data_base64".to_owned()),
        (None, None) => Ok(Value::Null),
    }
}
