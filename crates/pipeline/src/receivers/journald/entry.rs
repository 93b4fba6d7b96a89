//! From an entry in journalctl's JSON to a log record, as the Collector makes it: the body is the map of the fields.
//!
//! A field is text, a list of the numbers of its bytes where it is no text, a list of its values where it has several, or null where
//! it is too long (`all: true` shows it).

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::receivers::log_records::values::{any, array, int, map, member, string};

/// By PRIORITY: text, and OpenTelemetry's number (FATAL, FATAL2, FATAL3, ERROR, WARN, INFO2, INFO, DEBUG), as the Collector's
/// mapping of journald's fields has them.
const SEVERITIES: [(&str, i32); 8] = [
    ("emerg", 21),
    ("alert", 22),
    ("crit", 23),
    ("err", 17),
    ("warning", 13),
    ("notice", 10),
    ("info", 9),
    ("debug", 5),
];

#[derive(Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    #[error("it is not a JSON object: {0}")]
    Json(String),
    #[error("it has no {0}, or one that cannot be read")]
    Field(&'static str),
}

/// A record and the cursor of its entry.
#[derive(Debug, PartialEq)]
pub struct Read {
    pub record: LogRecord,
    pub cursor: String,
}

/// How entries are read.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    pub convert_message_bytes: bool,
    /// Added to every record.
    pub attributes: Vec<KeyValue>,
}

impl Reader {
    /// `now` is in nanoseconds since the epoch.
    pub fn read(&self, line: &[u8], now: u64) -> Result<Read, Unreadable> {
        let mut fields: Map<String, Json> =
            serde_json::from_slice(line).map_err(|error| Unreadable::Json(error.to_string()))?;
        let time = nanos(&fields).ok_or(Unreadable::Field("__REALTIME_TIMESTAMP"))?;
        fields.remove("__REALTIME_TIMESTAMP");
        let cursor = fields.get("__CURSOR").and_then(Json::as_str).ok_or(Unreadable::Field("__CURSOR"))?.to_owned();
        let severity = severity(&fields);
        if self.convert_message_bytes
            && let Some(message) = fields.get_mut("MESSAGE")
            && let Some(bytes) = bytes(message)
        {
            *message = Json::String(String::from_utf8_lossy(&bytes).into_owned());
        }
        let (severity_text, severity_number) = severity.unwrap_or(("", 0));
        let body = map(fields.into_iter().map(|(name, value)| member(name, value_of(value))).collect());
        let record = LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: now,
            severity_number,
            severity_text: severity_text.to_owned(),
            body: Some(body),
            attributes: self.attributes.clone(),
            ..LogRecord::default()
        };
        Ok(Read { record, cursor })
    }
}

/// The time of an entry, which journalctl gives in microseconds.
fn nanos(fields: &Map<String, Json>) -> Option<u64> {
    let micros: u64 = fields.get("__REALTIME_TIMESTAMP")?.as_str()?.parse().ok()?;
    micros.checked_mul(1000)
}

fn severity(fields: &Map<String, Json>) -> Option<(&'static str, i32)> {
    let priority: usize = fields.get("PRIORITY")?.as_str()?.parse().ok()?;
    SEVERITIES.get(priority).copied()
}

/// `None` if it is not a list of the numbers of bytes.
fn bytes(value: &Json) -> Option<Vec<u8>> {
    let byte = |value: &Json| u8::try_from(value.as_u64()?).ok();
    value.as_array()?.iter().map(byte).collect()
}

fn value_of(value: Json) -> AnyValue {
    match value {
        Json::Null => AnyValue::default(),
        Json::Bool(value) => any(Value::BoolValue(value)),
        Json::String(text) => string(text),
        Json::Number(number) => match number.as_i64() {
            Some(number) => int(number),
            None => any(Value::DoubleValue(number.as_f64().unwrap_or(f64::NAN))),
        },
        Json::Array(values) => array(values.into_iter().map(value_of).collect()),
        Json::Object(members) => map(members.into_iter().map(|(name, value)| member(name, value_of(value))).collect()),
    }
}
