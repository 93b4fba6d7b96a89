//! JSON of Jaeger's UI as spans.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde::Deserialize;
use serde_json::Value as Json;
use thiserror::Error;

use super::{KeyValue, Log, Process, Reference, Span, Trace};
use crate::model::{self, Batch, ReferenceType, Tag, Value};

#[derive(Debug, Error)]
pub enum JsonError {
    /// What and where: `… at line 3 column 17`.
    #[error("malformed JSON of Jaeger: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A value that means nothing, by the trace and span that it is of.
    #[error("trace {trace}, span {span}: {reason}")]
    Invalid { trace: String, span: String, reason: String },
}

/// Reads what the UI downloads and the query API answers (`{"data": […]}`), a list of traces, or one trace.
pub fn read(json: &[u8]) -> Result<Vec<Trace>, JsonError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Option<Vec<Trace>>,
    }
    if json.trim_ascii_start().starts_with(b"[") {
        return Ok(serde_json::from_slice(json)?);
    }
    match serde_json::from_slice::<Answer>(json)?.data {
        Some(traces) => Ok(traces),
        None => Ok(vec![serde_json::from_slice(json)?]),
    }
}

/// The spans of traces as a request of OTLP. What is said of a trace as a whole (`warnings`) is of no span, and left out.
pub fn to_otlp(traces: Vec<Trace>) -> Result<ExportTraceServiceRequest, JsonError> {
    let batches = traces.into_iter().map(to_batches).collect::<Result<Vec<_>, _>>()?;
    Ok(crate::otlp::to_request(batches.into_iter().flatten()))
}

/// A batch for each process.
fn to_batches(trace: Trace) -> Result<Vec<Batch<'static>>, JsonError> {
    let at = |span: &str| {
        let (trace, span) = (trace.trace_id.clone(), span.to_owned());
        move |reason| JsonError::Invalid { trace, span, reason }
    };
    let mut batches = BTreeMap::new();
    for (id, of) in trace.processes {
        let process = process(of).map_err(at("(none)"))?;
        batches.insert(id, Batch { process: Some(process), spans: Vec::new() });
    }
    for of in trace.spans {
        let at = at(&of.span_id);
        let process_id = of.process_id.clone();
        let span = span(of).map_err(at.clone())?;
        match batches.get_mut(&process_id) {
            Some(batch) => batch.spans.push(span),
            None if span.process.is_some() || process_id.is_empty() => {
                batches.entry(process_id).or_insert_with(Batch::default).spans.push(span);
            }
            None => return Err(at(format!("there is no process {process_id:?}"))),
        }
    }
    Ok(batches.into_values().filter(|batch| !batch.spans.is_empty()).collect())
}

type Read<T> = Result<T, String>;

fn span(span: Span) -> Read<model::Span<'static>> {
    let mut read = model::Span {
        trace_id: trace_id(&span.trace_id)?,
        span_id: span_id(&span.span_id)?,
        operation_name: span.operation_name.into(),
        references: span.references.iter().map(reference).collect::<Result<_, _>>()?,
        flags: span.flags,
        start: span.start_time.saturating_mul(1000),
        duration: span.duration.saturating_mul(1000),
        tags: tags(span.tags)?,
        logs: span.logs.into_iter().map(log).collect::<Result<_, _>>()?,
        process: span.process.map(process).transpose()?,
        warnings: span.warnings.into_iter().flatten().map(Into::into).collect(),
    };
    if !span.parent_span_id.is_empty() {
        read.set_parent(span_id(&span.parent_span_id)?);
    }
    Ok(read)
}

fn process(process: Process) -> Read<model::Process<'static>> {
    Ok(model::Process { service_name: process.service_name.into(), tags: tags(process.tags)? })
}

fn log(log: Log) -> Read<model::Log<'static>> {
    Ok(model::Log { time: log.timestamp.saturating_mul(1000), fields: tags(log.fields)? })
}

fn reference(reference: &Reference) -> Read<model::Reference> {
    let kind = match reference.ref_type.as_str() {
        "CHILD_OF" => ReferenceType::ChildOf,
        "FOLLOWS_FROM" => ReferenceType::FollowsFrom,
        other => return Err(format!("refType is {other:?}, neither CHILD_OF nor FOLLOWS_FROM")),
    };
    Ok(model::Reference { kind, trace_id: trace_id(&reference.trace_id)?, span_id: span_id(&reference.span_id)? })
}

fn trace_id(hex: &str) -> Read<u128> {
    let is_hex = !hex.is_empty() && hex.len() <= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u128::from_str_radix(hex, 16).ok()).flatten();
    number.ok_or_else(|| format!("traceID {hex:?} is not up to 32 hexadecimal digits"))
}

fn span_id(hex: &str) -> Read<u64> {
    let is_hex = !hex.is_empty() && hex.len() <= 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u64::from_str_radix(hex, 16).ok()).flatten();
    number.ok_or_else(|| format!("spanID {hex:?} is not up to 16 hexadecimal digits"))
}

fn tags(tags: Vec<KeyValue>) -> Read<Vec<Tag<'static>>> {
    tags.into_iter().map(tag).collect()
}

/// Numbers and booleans may be strings, as in Jaeger's store in Elasticsearch. Without a type the value tells it.
fn tag(tag: KeyValue) -> Read<Tag<'static>> {
    let KeyValue { key, kind, value } = tag;
    let read = match (kind.as_str(), value) {
        ("string" | "", Json::String(text)) => Some(Value::String(text.into())),
        ("string", other) => Some(Value::String(other.to_string().into())),
        ("bool" | "", Json::Bool(value)) => Some(Value::Bool(value)),
        ("bool", Json::String(text)) => text.parse().ok().map(Value::Bool),
        ("int64", Json::String(text)) => text.parse().ok().map(Value::Int64),
        ("int64", Json::Number(number)) => number.as_i64().map(Value::Int64),
        ("float64", Json::String(text)) => text.parse().ok().map(Value::Float64),
        ("float64", Json::Number(number)) => number.as_f64().map(Value::Float64),
        ("", Json::Number(number)) => number.as_i64().map(Value::Int64).or(number.as_f64().map(Value::Float64)),
        ("binary", Json::String(text)) => BASE64.decode(text).ok().map(|bytes| Value::Binary(bytes.into())),
        _ => None,
    };
    let value = read.ok_or_else(|| format!("the tag {key:?} has no value of its type {kind:?}"))?;
    Ok(Tag { key: key.into(), value })
}
