//! CloudEvents 1.0 as they come over HTTP: one event in JSON (structured mode), an array of them (batched mode), or one in headers
//! and body (binary mode). Sources: CloudEvents 1.0.2, its JSON format and its HTTP binding.
//!
//! Pure: no I/O, no clock.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

mod binary;
mod json;
#[cfg(test)]
mod tests;

/// A valid event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Together with `source` it tells events apart.
    pub id: String,
    pub source: String,
    /// The attribute `type`.
    pub kind: String,
    pub subject: Option<String>,
    /// Nanoseconds since the epoch.
    pub time: Option<u64>,
    pub data_content_type: Option<String>,
    pub data_schema: Option<String>,
    /// Booleans, integers and strings.
    pub extensions: BTreeMap<String, Value>,
    /// JSON as it is, other text as a string; `Null` where there is none, or where it is neither.
    pub data: Value,
}

/// What is wrong with one event, and what can be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub id: Option<String>,
    /// Names the attribute: `time: …`.
    pub reason: String,
    /// The event alone is larger than events may be.
    pub is_too_large: bool,
}

impl Problem {
    fn new(reason: impl Into<String>) -> Problem {
        Problem { id: None, reason: reason.into(), is_too_large: false }
    }

    fn too_large(bytes: usize, limit: usize) -> Problem {
        let reason = format!("the event has {bytes} bytes, more than the limit of {limit} (limits.max_event_bytes)");
        Problem { id: None, reason, is_too_large: true }
    }
}

/// The body as a whole cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// No mode of CloudEvents, or no format that is known.
    NotUnderstood(String),
    Malformed(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotUnderstood(reason) | Unreadable::Malformed(reason) => f.write_str(reason),
        }
    }
}

/// One outcome for each event of a request, in its order.
pub type Events = Vec<Result<Event, Problem>>;

/// The three ways in which a request brings events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Structured,
    Batched,
    Binary,
}

impl Mode {
    /// By the content type, as the HTTP binding says (section 3).
    pub fn of(headers: &HeaderMap) -> Result<Mode, Unreadable> {
        let essence = essence(content_type(headers).unwrap_or_default());
        let json = |mode, format: &str| match format {
            "+json" => Ok(mode),
            _ => Err(Unreadable::NotUnderstood(format!("events in {essence} are not understood, only in JSON"))),
        };
        if let Some(format) = essence.strip_prefix("application/cloudevents-batch") {
            return json(Mode::Batched, format);
        }
        if let Some(format) = essence.strip_prefix("application/cloudevents") {
            return json(Mode::Structured, format);
        }
        if headers.keys().any(|name| name.as_str().starts_with(binary::PREFIX)) {
            return Ok(Mode::Binary);
        }
        Err(Unreadable::NotUnderstood(format!(
            "this is no CloudEvent: the content type is {}, and there are no headers ce-*; send application/cloudevents+json, \
             application/cloudevents-batch+json, or headers ce-id, ce-source, ce-specversion and ce-type",
            if essence.is_empty() { "missing" } else { &essence }
        )))
    }

    /// In metrics.
    pub const fn transport(self) -> &'static str {
        match self {
            Mode::Structured => "http_structured",
            Mode::Batched => "http_batched",
            Mode::Binary => "http_binary",
        }
    }
}

/// Reads all events of a request, each of at most `max_event_bytes`.
pub fn read(mode: Mode, headers: &HeaderMap, body: &[u8], max_event_bytes: usize) -> Result<Events, Unreadable> {
    match mode {
        Mode::Structured => json::one(body, max_event_bytes),
        Mode::Batched => json::batch(body, max_event_bytes),
        Mode::Binary => Ok(vec![binary::read(headers, body, max_event_bytes)]),
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// The media type without parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `*/json` or `*/*+json`; nothing said is JSON (JSON format, section 3.1.1).
fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let essence = essence(content_type);
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// Context attributes as they are collected, whatever the format; those that are `null` are left out before.
type Attributes = BTreeMap<String, Value>;

impl Event {
    /// Checks the context attributes.
    fn new(mut attributes: Attributes, data: Value) -> Result<Event, Problem> {
        let id = attributes.get("id").and_then(Value::as_str).map(str::to_owned);
        Event::check(&mut attributes, data).map_err(|reason| Problem { id, reason, is_too_large: false })
    }

    fn check(attributes: &mut Attributes, data: Value) -> Result<Event, String> {
        match required(attributes, "specversion")?.as_str() {
            "1.0" => {}
            other => return Err(format!("specversion: {other:?} is not understood, only \"1.0\"")),
        }
        let time = optional(attributes, "time")?.map(|text| time(&text)).transpose()?;
        let event = Event {
            id: required(attributes, "id")?,
            source: required(attributes, "source")?,
            kind: required(attributes, "type")?,
            subject: optional(attributes, "subject")?,
            time,
            data_content_type: optional(attributes, "datacontenttype")?,
            data_schema: optional(attributes, "dataschema")?,
            extensions: std::mem::take(attributes),
            data,
        };
        for (name, value) in &event.extensions {
            check_extension(name, value)?;
        }
        Ok(event)
    }

    /// A context attribute, extensions included, by its name in CloudEvents.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        let text = |text: &str| Some(Value::from(text));
        match name {
            "id" => text(&self.id),
            "source" => text(&self.source),
            "type" => text(&self.kind),
            "subject" => text(self.subject.as_deref()?),
            "datacontenttype" => text(self.data_content_type.as_deref()?),
            "dataschema" => text(self.data_schema.as_deref()?),
            extension => self.extensions.get(extension).cloned(),
        }
    }
}

fn required(attributes: &mut Attributes, name: &str) -> Result<String, String> {
    optional(attributes, name)?.ok_or_else(|| format!("{name}: is missing"))
}

fn optional(attributes: &mut Attributes, name: &str) -> Result<Option<String>, String> {
    match attributes.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(format!("{name}: is empty")),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: is not a string")),
    }
}

fn time(text: &str) -> Result<u64, String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("time: {text:?} is no timestamp of RFC 3339, such as 2024-07-22T10:00:00.5Z"))?;
    let nanos = time.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok());
    nanos.ok_or_else(|| format!("time: {text:?} is not between 1970 and 2262"))
}

fn check_extension(name: &str, value: &Value) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Err(format!("{name:?}: names of attributes are lower-case letters and digits"));
    }
    match value {
        Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => Ok(()),
        Value::Number(_) => Err(format!("{name}: is not an integer of 32 bits")),
        _ => Err(format!("{name}: is not a string, an integer or a boolean")),
    }
}

/// Bytes as the data of an event.
fn data_of(bytes: &[u8], content_type: Option<&str>) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if is_json(content_type) {
        return serde_json::from_slice(bytes)
            .map_err(|error| format!("data: is not the JSON it is said to be: {error}"));
    }
    Ok(std::str::from_utf8(bytes).map_or(Value::Null, Value::from))
}
