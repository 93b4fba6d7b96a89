//! From Jaeger to OpenTelemetry.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};

use super::{CHILD_OF, FOLLOWS_FROM, NO_SERVICE_NAME, key};
use crate::model::{Batch, Log, Process, Reference, ReferenceType, SAMPLED, Span, Tag, Value};
use crate::proto;

/// One request of all batches. Spans of a batch come together by process and scope, and stay in their order within them.
pub fn to_otlp(batches: impl IntoIterator<Item = Batch>) -> ExportTraceServiceRequest {
    let mut resource_spans: Vec<ResourceSpans> = Vec::new();
    // A process of its own is rare, and has no other name than what it says.
    let mut own: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut scopes: HashMap<(usize, String, String), usize> = HashMap::new();
    for batch in batches {
        let mut of_batch = None;
        for mut span in batch.spans {
            let index = match span.process.take() {
                Some(process) => *own.entry(proto::process_key(&process)).or_insert_with(|| {
                    resource_spans.push(resource(Some(process)));
                    resource_spans.len() - 1
                }),
                None => *of_batch.get_or_insert_with(|| {
                    resource_spans.push(resource(batch.process.clone()));
                    resource_spans.len() - 1
                }),
            };
            let (name, version) = take_scope(&mut span.tags);
            let within = &mut resource_spans[index].scope_spans;
            let scope = *scopes.entry((index, name, version)).or_insert_with_key(|(_, name, version)| {
                let (name, version) = (name.clone(), version.clone());
                let scope = InstrumentationScope { name, version, ..InstrumentationScope::default() };
                within.push(ScopeSpans { scope: Some(scope), ..ScopeSpans::default() });
                within.len() - 1
            });
            within[scope].spans.push(self::span(span));
        }
    }
    ExportTraceServiceRequest { resource_spans }
}

fn resource(process: Option<Process>) -> ResourceSpans {
    let Some(Process { service_name, mut tags }) = process else { return ResourceSpans::default() };
    rename(&mut tags, key::HOSTNAME, key::HOST_NAME, |value| value);
    rename(&mut tags, key::JAEGER_VERSION, key::EXPORTER_VERSION, |value| match value {
        Value::String(version) => Value::String(format!("Jaeger-{version}")),
        other => other,
    });
    let is_named = !service_name.is_empty() && service_name != NO_SERVICE_NAME;
    let name = is_named.then(|| Tag::string(key::SERVICE_NAME, service_name));
    let attributes = name.into_iter().chain(tags).map(attribute).collect();
    ResourceSpans { resource: Some(Resource { attributes, ..Resource::default() }), ..ResourceSpans::default() }
}

/// Gives a tag its newer name, unless another tag has that already.
fn rename(tags: &mut [Tag], old: &str, new: &str, change: impl Fn(Value) -> Value) {
    if tags.iter().any(|tag| tag.key == new) {
        return;
    }
    if let Some(tag) = tags.iter_mut().find(|tag| tag.key == old) {
        tag.key = new.to_owned();
        let value = std::mem::replace(&mut tag.value, Value::Bool(false));
        tag.value = change(value);
    }
}

/// Exporters write both generations of names, which then say the same.
fn take_scope(tags: &mut Vec<Tag>) -> (String, String) {
    let mut take = |new, old| {
        let newer = take_string(tags, new);
        match newer {
            None => take_string(tags, old).unwrap_or_default(),
            Some(newer) => {
                tags.retain(|tag| tag.key != old || tag.value != Value::String(newer.clone()));
                newer
            }
        }
    };
    (take(key::SCOPE_NAME, key::LIBRARY_NAME), take(key::SCOPE_VERSION, key::LIBRARY_VERSION))
}

fn span(mut span: Span) -> OtlpSpan {
    let parent = span.parent();
    let links = links(&span, parent);
    let mut tags = std::mem::take(&mut span.tags);
    let kind = take_kind(&mut tags);
    let status = status(&mut tags, kind);
    let trace_state = take_string(&mut tags, key::TRACE_STATE).unwrap_or_default();
    let other_flags = span.flags & !SAMPLED;
    if other_flags != 0 {
        tags.push(Tag { key: key::FLAGS.to_owned(), value: Value::Int64(other_flags.into()) });
    }
    let dropped_attributes_count = take_count(&mut tags, key::DROPPED_ATTRIBUTES);
    let dropped_events_count = take_count(&mut tags, key::DROPPED_EVENTS);
    let dropped_links_count = take_count(&mut tags, key::DROPPED_LINKS);
    let mut attributes: Vec<KeyValue> = tags.into_iter().map(attribute).collect();
    if !span.warnings.is_empty() {
        let values = span.warnings.into_iter().map(|text| AnyValue { value: Some(Any::StringValue(text)) }).collect();
        let value = Some(AnyValue { value: Some(Any::ArrayValue(ArrayValue { values })) });
        attributes.push(KeyValue { key: key::WARNINGS.to_owned(), value, ..KeyValue::default() });
    }
    OtlpSpan {
        trace_id: span.trace_id.to_be_bytes().to_vec(),
        span_id: span.span_id.to_be_bytes().to_vec(),
        parent_span_id: parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        trace_state,
        flags: span.flags & SAMPLED,
        name: span.operation_name,
        kind: kind.into(),
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.start.saturating_add(span.duration),
        attributes,
        dropped_attributes_count,
        events: span.logs.into_iter().map(event).collect(),
        dropped_events_count,
        links,
        dropped_links_count,
        status,
    }
}

/// All references but the one that is the parent and nothing else.
fn links(span: &Span, parent: Option<u64>) -> Vec<Link> {
    let is_parent = |reference: &Reference| {
        reference.kind == ReferenceType::ChildOf
            && reference.trace_id == span.trace_id
            && Some(reference.span_id) == parent
    };
    span.references.iter().filter(|reference| !is_parent(reference)).map(link).collect()
}

fn link(reference: &Reference) -> Link {
    let kind = match reference.kind {
        ReferenceType::ChildOf => CHILD_OF,
        ReferenceType::FollowsFrom => FOLLOWS_FROM,
    };
    Link {
        trace_id: reference.trace_id.to_be_bytes().to_vec(),
        span_id: reference.span_id.to_be_bytes().to_vec(),
        attributes: vec![attribute(Tag::string(key::REFERENCE_TYPE, kind))],
        ..Link::default()
    }
}

fn event(log: Log) -> Event {
    let Log { time, mut fields } = log;
    let name = take_string(&mut fields, key::EVENT);
    // What the Collector and OpenTelemetry's exporters called it before.
    let name = name.or_else(|| match fields.iter().any(|field| field.key == key::EVENT) {
        true => None,
        false => take_string(&mut fields, key::MESSAGE),
    });
    let dropped_attributes_count = take_count(&mut fields, key::DROPPED_ATTRIBUTES);
    Event {
        time_unix_nano: time,
        name: name.unwrap_or_default(),
        attributes: fields.into_iter().map(attribute).collect(),
        dropped_attributes_count,
    }
}

fn take_kind(tags: &mut Vec<Tag>) -> SpanKind {
    let kind = take_if(tags, key::SPAN_KIND, |value| match value {
        Value::String(kind) => kind_of(kind),
        _ => None,
    });
    kind.unwrap_or(SpanKind::Unspecified)
}

fn kind_of(name: &str) -> Option<SpanKind> {
    match name {
        "client" => Some(SpanKind::Client),
        "server" => Some(SpanKind::Server),
        "producer" => Some(SpanKind::Producer),
        "consumer" => Some(SpanKind::Consumer),
        "internal" => Some(SpanKind::Internal),
        _ => None,
    }
}

/// `error` is the truth, then `otel.status_code`, then what HTTP says.
fn status(tags: &mut Vec<Tag>, kind: SpanKind) -> Option<Status> {
    if take_if(tags, key::ERROR, |value| (*value == Value::Bool(true)).then_some(())).is_some() {
        let message = take_string(tags, key::STATUS_DESCRIPTION).or_else(|| string(tags, key::HTTP_STATUS_MESSAGE));
        take_if(tags, key::STATUS_CODE, status_code);
        return Some(Status { code: StatusCode::Error.into(), message: message.unwrap_or_default() });
    }
    if let Some(code) = take_if(tags, key::STATUS_CODE, status_code) {
        let message = take_string(tags, key::STATUS_DESCRIPTION).unwrap_or_default();
        return Some(Status { code: code.into(), message });
    }
    let http = tags.iter().find(|tag| key::HTTP_STATUS_CODES.contains(&tag.key.as_str()))?;
    let code = match &http.value {
        Value::Int64(code) => *code,
        Value::String(code) => code.parse().ok()?,
        _ => return None,
    };
    let is_error = !matches!((code, kind), (100..400, _) | (400..500, SpanKind::Server));
    let message = string(tags, key::HTTP_STATUS_MESSAGE).unwrap_or_default();
    is_error.then(|| Status { code: StatusCode::Error.into(), message })
}

fn status_code(value: &Value) -> Option<StatusCode> {
    let Value::String(name) = value else { return None };
    match name.to_ascii_uppercase().as_str() {
        "OK" => Some(StatusCode::Ok),
        "ERROR" => Some(StatusCode::Error),
        "UNSET" => Some(StatusCode::Unset),
        _ => None,
    }
}

/// Takes the first tag of the key out if its value is understood.
fn take_if<T>(tags: &mut Vec<Tag>, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let at = tags.iter().position(|tag| tag.key == key)?;
    let value = read(&tags[at].value)?;
    tags.remove(at);
    Some(value)
}

fn take_string(tags: &mut Vec<Tag>, key: &str) -> Option<String> {
    take_if(tags, key, text_of)
}

fn take_count(tags: &mut Vec<Tag>, key: &str) -> u32 {
    let count = take_if(tags, key, |value| match value {
        Value::Int64(count) => u32::try_from(*count).ok(),
        _ => None,
    });
    count.unwrap_or(0)
}

fn string(tags: &[Tag], key: &str) -> Option<String> {
    tags.iter().find(|tag| tag.key == key).and_then(|tag| text_of(&tag.value))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn attribute(tag: Tag) -> KeyValue {
    let value = match tag.value {
        Value::String(text) => Any::StringValue(text),
        Value::Bool(value) => Any::BoolValue(value),
        Value::Int64(value) => Any::IntValue(value),
        Value::Float64(value) => Any::DoubleValue(value),
        Value::Binary(bytes) => Any::BytesValue(bytes),
    };
    KeyValue { key: tag.key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
