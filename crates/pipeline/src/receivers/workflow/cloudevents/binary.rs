//! The binary mode of the HTTP binding (section 3.1): attributes in headers `ce-*`, data in the body.

use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::{Attributes, Event, Problem, content_type, data_of};

pub const PREFIX: &str = "ce-";

pub fn read(headers: &HeaderMap, body: &[u8], max_event_bytes: usize) -> Result<Event, Problem> {
    let own = || headers.iter().filter_map(|(name, value)| Some((name.as_str().strip_prefix(PREFIX)?, value)));
    let bytes = own().map(|(name, value)| name.len() + value.len()).sum::<usize>() + body.len();
    if bytes > max_event_bytes {
        return Err(Problem::too_large(bytes, max_event_bytes));
    }
    let mut attributes = Attributes::new();
    for (name, value) in own() {
        if name == "datacontenttype" {
            return Err(Problem::new("ce-datacontenttype: is said by the header Content-Type"));
        }
        let text = text(value).map_err(|reason| Problem::new(format!("ce-{name}: {reason}")))?;
        if attributes.insert(name.to_owned(), Value::from(text)).is_some() {
            return Err(Problem::new(format!("ce-{name}: is there twice")));
        }
    }
    let content_type = content_type(headers);
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype".to_owned(), content_type.into());
    }
    let id = attributes.get("id").and_then(Value::as_str).map(str::to_owned);
    // Without a content type nothing says that it is JSON.
    let content_type = content_type.unwrap_or("application/octet-stream");
    let data = data_of(body, Some(content_type)).map_err(|reason| Problem { id, ..Problem::new(reason) })?;
    Event::new(attributes, data)
}

/// Takes quotes away, then decodes percents once (section 3.1.3.2).
fn text(value: &HeaderValue) -> Result<String, &'static str> {
    let raw = std::str::from_utf8(value.as_bytes()).map_err(|_| "is not UTF-8")?;
    decode(&unquote(raw.trim())?)
}

fn unquote(raw: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(raw.len());
    let mut quoted = false;
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => text.push(characters.next().ok_or("ends after a backslash")?),
            other => text.push(other),
        }
    }
    if quoted { Err("has a quote that does not end") } else { Ok(text) }
}

fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("has a % that is not followed by two digits");
        };
        // Two digits are a byte.
        bytes.push((high * 16 + low) as u8);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 when decoded")
}
