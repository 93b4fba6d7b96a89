//! Traces as Jaeger's UI wants them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde_json::Value as Json;

use super::{KeyValue, Log, Process, Reference, Span, Trace};
use crate::model::{self, Batch, ReferenceType, Tag, Value};
use crate::otlp::from_otlp;
use crate::proto;

/// The largest integer that JavaScript's numbers hold, and all before it.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// What OpenTelemetry's spans are to Jaeger's UI: one trace for each trace id, in the order in which they come.
pub fn traces(resource_spans: &[ResourceSpans]) -> Vec<Trace> {
    of_batches(from_otlp(resource_spans))
}

/// The same, of Jaeger's spans.
pub fn of_batches<'a>(batches: impl IntoIterator<Item = Batch<'a>>) -> Vec<Trace> {
    let mut traces: Vec<Writing> = Vec::new();
    let mut known: HashMap<u128, usize> = HashMap::new();
    for batch in batches {
        let of_batch = batch.process.unwrap_or_default();
        let key_of_batch = proto::process_key(&of_batch);
        for mut span in batch.spans {
            let at = *known.entry(span.trace_id).or_insert_with(|| {
                traces.push(Writing::new(span.trace_id));
                traces.len() - 1
            });
            let trace = &mut traces[at];
            let process_id = match span.process.take() {
                Some(process) => trace.process_id(&proto::process_key(&process), &process),
                None => trace.process_id(&key_of_batch, &of_batch),
            };
            trace.trace.spans.push(self::span(span, process_id));
        }
    }
    traces.into_iter().map(|writing| writing.trace).collect()
}

/// A trace and the ids of its processes by what they say.
struct Writing {
    trace: Trace,
    process_ids: HashMap<Vec<u8>, String>,
}

impl Writing {
    fn new(trace_id: u128) -> Self {
        let processes = BTreeMap::new();
        let trace = Trace { trace_id: hex_trace_id(trace_id), processes, ..Trace::default() };
        Self { trace, process_ids: HashMap::new() }
    }

    fn process_id(&mut self, key: &[u8], process: &model::Process<'_>) -> String {
        if let Some(id) = self.process_ids.get(key) {
            return id.clone();
        }
        let id = format!("p{}", self.process_ids.len() + 1);
        self.process_ids.insert(key.to_vec(), id.clone());
        let tags = process.tags.iter().map(tag).collect();
        let process = Process { service_name: process.service_name.clone().into_owned(), tags };
        self.trace.processes.insert(id.clone(), process);
        id
    }
}

fn span(span: model::Span<'_>, process_id: String) -> Span {
    Span {
        trace_id: hex_trace_id(span.trace_id),
        span_id: hex_span_id(span.span_id),
        flags: span.flags,
        operation_name: span.operation_name.into_owned(),
        references: span.references.iter().map(reference).collect(),
        start_time: span.start / 1000,
        duration: span.duration / 1000,
        tags: span.tags.iter().map(tag).collect(),
        logs: span.logs.iter().map(log).collect(),
        process_id,
        warnings: (!span.warnings.is_empty()).then(|| span.warnings.into_iter().map(Cow::into_owned).collect()),
        ..Span::default()
    }
}

fn reference(reference: &model::Reference) -> Reference {
    let ref_type = match reference.kind {
        ReferenceType::ChildOf => "CHILD_OF",
        ReferenceType::FollowsFrom => "FOLLOWS_FROM",
    };
    Reference {
        ref_type: ref_type.to_owned(),
        trace_id: hex_trace_id(reference.trace_id),
        span_id: hex_span_id(reference.span_id),
    }
}

fn log(log: &model::Log<'_>) -> Log {
    Log { timestamp: log.time / 1000, fields: log.fields.iter().map(tag).collect() }
}

fn tag(tag: &Tag<'_>) -> KeyValue {
    let (kind, value) = match &tag.value {
        Value::String(text) => ("string", text.as_ref().into()),
        Value::Bool(value) => ("bool", (*value).into()),
        Value::Int64(value) if value.unsigned_abs() <= MAX_SAFE => ("int64", (*value).into()),
        Value::Int64(value) => ("int64", value.to_string().into()),
        Value::Float64(value) if value.is_finite() => ("float64", Json::from(*value)),
        Value::Float64(value) => ("float64", crate::otlp::not_finite(*value).into()),
        Value::Binary(bytes) => ("binary", BASE64.encode(bytes).into()),
    };
    KeyValue { key: tag.key.clone().into_owned(), kind: kind.to_owned(), value }
}

fn hex_trace_id(id: u128) -> String {
    match id >> 64 {
        0 => format!("{id:016x}"),
        _ => format!("{id:032x}"),
    }
}

fn hex_span_id(id: u64) -> String {
    format!("{id:016x}")
}
