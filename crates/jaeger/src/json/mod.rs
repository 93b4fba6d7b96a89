//! The JSON of Jaeger's UI and of its (legacy) query API: `{"traceID", "spans", "processes", "warnings"}`
//! (`internal/uimodel/model.go` of jaegertracing/jaeger).
//!
//! Times and durations are microseconds, so that nanoseconds are lost; integers that JavaScript cannot hold are strings, binary values
//! Base64. What the UI downloads, and an answer of the query API, is read again by [`read`].

mod read;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

pub use read::{JsonError, read, to_otlp};
pub use write::{of_batches, traces};

/// All spans of one trace, or those of it that are known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// 32 hexadecimal digits, or 16 where the first half is zeros.
    #[serde(rename = "traceID", default)]
    pub trace_id: String,
    #[serde(deserialize_with = "or_default")]
    pub spans: Vec<Span>,
    /// By the `processID` of spans: `p1`, `p2`, …
    #[serde(default, deserialize_with = "or_default")]
    pub processes: BTreeMap<String, Process>,
    /// What whoever made the JSON has to say about the trace as a whole.
    #[serde(default)]
    pub warnings: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    #[serde(rename = "traceID")]
    pub trace_id: String,
    #[serde(rename = "spanID")]
    pub span_id: String,
    /// Told by `references` nowadays.
    #[serde(rename = "parentSpanID", default, skip_serializing_if = "String::is_empty")]
    pub parent_span_id: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flags: u32,
    #[serde(default)]
    pub operation_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub references: Vec<Reference>,
    /// Microseconds since 1970.
    pub start_time: u64,
    /// Microseconds.
    #[serde(default)]
    pub duration: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<KeyValue>,
    #[serde(default, deserialize_with = "or_default")]
    pub logs: Vec<Log>,
    #[serde(rename = "processID", default, skip_serializing_if = "String::is_empty")]
    pub process_id: String,
    /// In place of `process_id` where spans stand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(default)]
    pub warnings: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// `CHILD_OF` or `FOLLOWS_FROM`.
    pub ref_type: String,
    #[serde(rename = "traceID")]
    pub trace_id: String,
    #[serde(rename = "spanID")]
    pub span_id: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    #[serde(default)]
    pub service_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<KeyValue>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// Microseconds since 1970.
    pub timestamp: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub fields: Vec<KeyValue>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyValue {
    pub key: String,
    /// `string`, `bool`, `int64`, `float64` or `binary`.
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub value: serde_json::Value,
}

fn is_zero(flags: &u32) -> bool {
    *flags == 0
}

/// `null` is nothing.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
