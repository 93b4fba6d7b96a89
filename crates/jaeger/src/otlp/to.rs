//! From Jaeger to OpenTelemetry, straight to the bytes of a request.

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use trefoil_model::wire::otlp::{Any, attribute, field};
use trefoil_model::wire::write::{bytes, fixed32, fixed64, message, uint64};

use super::request::RequestWriter;
use super::tags::{Key, Tags, text, write_tag};
use super::{CHILD_OF, FOLLOWS_FROM, NO_SERVICE_NAME, key};
use crate::model::{Batch, Log, Process, Reference, ReferenceType, SAMPLED, Span, Tag, Value};
use crate::proto;

/// One request (an encoded `ExportTraceServiceRequest`) of all batches. Spans of a batch come together by process and scope, and stay
/// in their order within them.
pub fn to_otlp<'a>(batches: impl IntoIterator<Item = Batch<'a>>) -> Vec<u8> {
    let mut request = RequestWriter::default();
    // A process of its own is rare, and has no other name than what it says.
    let mut own: HashMap<Vec<u8>, usize> = HashMap::new();
    for batch in batches {
        let mut of_batch = None;
        for span in &batch.spans {
            let resource = match &span.process {
                Some(process) => *own
                    .entry(proto::process_key(process))
                    .or_insert_with(|| request.add_resource(Some(resource(process)))),
                None => *of_batch.get_or_insert_with(|| request.add_resource(batch.process.as_ref().map(resource))),
            };
            let mut tags = Tags::new(&span.tags);
            let scope = take_scope(&mut tags);
            request.add_span(resource, scope, |out| write_span(out, span, tags));
        }
    }
    request.finish()
}

/// The same, for those who look into it.
pub fn to_request<'a>(batches: impl IntoIterator<Item = Batch<'a>>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&to_otlp(batches)[..]).expect("what was just written can be read")
}

/// The fields of the resource that a process is.
fn resource(process: &Process<'_>) -> Vec<u8> {
    let Process { service_name, tags } = process;
    let hostname = renamed(tags, key::HOSTNAME, key::HOST_NAME);
    let version = renamed(tags, key::JAEGER_VERSION, key::EXPORTER_VERSION);
    let mut out = Vec::new();
    let mut write = |key: &str, value: &Value<'_>| write_tag(&mut out, field::resource::ATTRIBUTES, key, value);
    if !service_name.is_empty() && service_name != NO_SERVICE_NAME {
        write(key::SERVICE_NAME, &Value::String(Cow::Borrowed(service_name)));
    }
    for (at, Tag { key, value }) in tags.iter().enumerate() {
        match value {
            _ if hostname == Some(at) => write(key::HOST_NAME, value),
            Value::String(of_jaeger) if version == Some(at) => {
                write(key::EXPORTER_VERSION, &Value::String(format!("Jaeger-{of_jaeger}").into()));
            }
            _ if version == Some(at) => write(key::EXPORTER_VERSION, value),
            _ => write(key, value),
        }
    }
    out
}

/// Where the tag is that gets its newer name, unless another tag has that already.
fn renamed(tags: &[Tag<'_>], old: &str, new: &str) -> Option<usize> {
    let place = |key: &str| tags.iter().position(|tag| tag.key == key);
    place(new).is_none().then(|| place(old)).flatten()
}

/// Name and version. Exporters write both generations of names, which then say the same.
fn take_scope<'t>(tags: &mut Tags<'t>) -> (&'t str, &'t str) {
    let mut take = |new, old| match tags.take_text(new) {
        None => tags.take_text(old).unwrap_or_default(),
        Some(newer) => {
            tags.take_same(old, newer);
            newer
        }
    };
    (take(Key::ScopeName, Key::LibraryName), take(Key::ScopeVersion, Key::LibraryVersion))
}

/// The fields of a span, in their order.
fn write_span(out: &mut Vec<u8>, span: &Span<'_>, mut tags: Tags<'_>) {
    let parent = span.parent();
    let kind = take_kind(&mut tags);
    let status = take_status(&mut tags, kind);
    let trace_state = tags.take_text(Key::TraceState).unwrap_or_default();
    let dropped_attributes = tags.take_count(Key::DroppedAttributes);
    let dropped_events = tags.take_count(Key::DroppedEvents);
    let dropped_links = tags.take_count(Key::DroppedLinks);

    bytes(out, field::span::TRACE_ID, &span.trace_id.to_be_bytes());
    bytes(out, field::span::SPAN_ID, &span.span_id.to_be_bytes());
    bytes(out, field::span::TRACE_STATE, trace_state.as_bytes());
    if let Some(parent) = parent {
        bytes(out, field::span::PARENT_SPAN_ID, &parent.to_be_bytes());
    }
    bytes(out, field::span::NAME, span.operation_name.as_bytes());
    uint64(out, field::span::KIND, kind as u64);
    fixed64(out, field::span::START_TIME_UNIX_NANO, span.start);
    fixed64(out, field::span::END_TIME_UNIX_NANO, span.start.saturating_add(span.duration));
    tags.write_rest(out, field::span::ATTRIBUTES);
    let other_flags = span.flags & !SAMPLED;
    if other_flags != 0 {
        attribute(out, field::span::ATTRIBUTES, key::FLAGS, Any::Int(other_flags.into()));
    }
    if !span.warnings.is_empty() {
        let warnings: Vec<&str> = span.warnings.iter().map(AsRef::as_ref).collect();
        attribute(out, field::span::ATTRIBUTES, key::WARNINGS, Any::Strings(&warnings));
    }
    uint64(out, field::span::DROPPED_ATTRIBUTES_COUNT, dropped_attributes.into());
    for log in &span.logs {
        message(out, field::span::EVENTS, |out| write_event(out, log));
    }
    uint64(out, field::span::DROPPED_EVENTS_COUNT, dropped_events.into());
    for reference in span.references.iter().filter(|reference| !is_parent(reference, span, parent)) {
        message(out, field::span::LINKS, |out| write_link(out, reference));
    }
    uint64(out, field::span::DROPPED_LINKS_COUNT, dropped_links.into());
    if let Some((code, description)) = status {
        message(out, field::span::STATUS, |out| {
            bytes(out, field::status::MESSAGE, description.as_bytes());
            uint64(out, field::status::CODE, code as u64);
        });
    }
    fixed32(out, field::span::FLAGS, span.flags & SAMPLED);
}

/// That is, the parent and nothing else; all others are links.
fn is_parent(reference: &Reference, span: &Span<'_>, parent: Option<u64>) -> bool {
    reference.kind == ReferenceType::ChildOf && reference.trace_id == span.trace_id && Some(reference.span_id) == parent
}

fn write_link(out: &mut Vec<u8>, reference: &Reference) {
    let kind = match reference.kind {
        ReferenceType::ChildOf => CHILD_OF,
        ReferenceType::FollowsFrom => FOLLOWS_FROM,
    };
    bytes(out, field::link::TRACE_ID, &reference.trace_id.to_be_bytes());
    bytes(out, field::link::SPAN_ID, &reference.span_id.to_be_bytes());
    attribute(out, field::link::ATTRIBUTES, key::REFERENCE_TYPE, Any::String(kind));
}

fn write_event(out: &mut Vec<u8>, log: &Log<'_>) {
    let mut fields = Tags::new(&log.fields);
    // What the Collector and OpenTelemetry's exporters called it before.
    let name = match fields.get(Key::Event) {
        Some(_) => fields.take_text(Key::Event),
        None => fields.take_text(Key::Message),
    };
    let dropped_attributes = fields.take_count(Key::DroppedAttributes);
    fixed64(out, field::event::TIME_UNIX_NANO, log.time);
    bytes(out, field::event::NAME, name.unwrap_or_default().as_bytes());
    fields.write_rest(out, field::event::ATTRIBUTES);
    uint64(out, field::event::DROPPED_ATTRIBUTES_COUNT, dropped_attributes.into());
}

fn take_kind(tags: &mut Tags<'_>) -> SpanKind {
    tags.take(Key::SpanKind, |value| kind_of(text(value)?)).unwrap_or(SpanKind::Unspecified)
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

/// Code and message. `error` is the truth, then `otel.status_code`, then what HTTP says.
fn take_status<'t>(tags: &mut Tags<'t>, kind: SpanKind) -> Option<(StatusCode, &'t str)> {
    if tags.take(Key::Error, |value| (*value == Value::Bool(true)).then_some(())).is_some() {
        let message = tags.take_text(Key::StatusDescription).or_else(|| http_message(tags));
        tags.take(Key::StatusCode, status_code);
        return Some((StatusCode::Error, message.unwrap_or_default()));
    }
    if let Some(code) = tags.take(Key::StatusCode, status_code) {
        return Some((code, tags.take_text(Key::StatusDescription).unwrap_or_default()));
    }
    let code = match tags.get(Key::HttpStatusCode)? {
        Value::Int64(code) => *code,
        Value::String(code) => code.parse().ok()?,
        _ => return None,
    };
    let is_error = !matches!((code, kind), (100..400, _) | (400..500, SpanKind::Server));
    is_error.then(|| (StatusCode::Error, http_message(tags).unwrap_or_default()))
}

fn http_message<'t>(tags: &Tags<'t>) -> Option<&'t str> {
    tags.get(Key::HttpStatusMessage).and_then(text)
}

fn status_code(value: &Value<'_>) -> Option<StatusCode> {
    let codes = [("OK", StatusCode::Ok), ("ERROR", StatusCode::Error), ("UNSET", StatusCode::Unset)];
    let name = text(value)?;
    codes.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, code)| code)
}
