//! From OpenTelemetry to Jaeger.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as OtlpSpan, Status};

use super::{CHILD_OF, NO_SERVICE_NAME, key, text};
use crate::model::{Batch, Log, Process, Reference, ReferenceType, SAMPLED, Span, Tag, Value};

/// One batch of each resource, in their order.
pub fn from_otlp(resource_spans: &[ResourceSpans]) -> Vec<Batch<'_>> {
    resource_spans.iter().map(batch).collect()
}

fn batch(of: &ResourceSpans) -> Batch<'_> {
    let spans = of.scope_spans.iter().flat_map(|scope_spans| {
        let scope = scope_spans.scope.as_ref();
        scope_spans.spans.iter().map(move |one| span(one, scope))
    });
    Batch { process: Some(process(of.resource.as_ref())), spans: spans.collect() }
}

fn process(resource: Option<&Resource>) -> Process<'_> {
    let attributes = resource.map(|resource| resource.attributes.as_slice()).unwrap_or_default();
    let mut tags: Vec<Tag<'_>> = attributes.iter().map(tag).collect();
    let named = tags.iter().position(|tag| tag.key == key::SERVICE_NAME && matches!(tag.value, Value::String(_)));
    let service_name = match named.map(|at| tags.remove(at).value) {
        Some(Value::String(name)) => name,
        _ => NO_SERVICE_NAME.into(),
    };
    Process { service_name, tags }
}

fn span<'a>(of: &'a OtlpSpan, scope: Option<&'a InstrumentationScope>) -> Span<'a> {
    let mut span = Span {
        trace_id: number(&of.trace_id),
        span_id: number(&of.span_id) as u64,
        operation_name: Cow::Borrowed(&of.name),
        flags: of.flags & SAMPLED,
        start: of.start_time_unix_nano,
        duration: of.end_time_unix_nano.saturating_sub(of.start_time_unix_nano),
        logs: of.events.iter().map(log).collect(),
        ..Span::default()
    };
    span.references = references(&span, number(&of.parent_span_id) as u64, &of.links);
    if let Some(InstrumentationScope { name, version, .. }) = scope {
        push_string(&mut span.tags, key::SCOPE_NAME, name);
        push_string(&mut span.tags, key::SCOPE_VERSION, version);
    }
    for attribute in &of.attributes {
        match (attribute.key.as_str(), attribute.value.as_ref().and_then(|value| value.value.as_ref())) {
            (key::WARNINGS, Some(Any::ArrayValue(warnings))) => {
                span.warnings.extend(warnings.values.iter().filter_map(|value| value.value.as_ref()).map(warning));
            }
            (key::WARNINGS, Some(one @ Any::StringValue(_))) => span.warnings.push(warning(one)),
            (key::FLAGS, Some(Any::IntValue(flags))) if u32::try_from(*flags).is_ok() => span.flags |= *flags as u32,
            _ => span.tags.push(tag(attribute)),
        }
    }
    if let Some(kind) = SpanKind::try_from(of.kind).ok().and_then(kind_name) {
        push_string(&mut span.tags, key::SPAN_KIND, kind);
    }
    push_status(&mut span.tags, of.status.as_ref());
    push_string(&mut span.tags, key::TRACE_STATE, &of.trace_state);
    push_count(&mut span.tags, key::DROPPED_ATTRIBUTES, of.dropped_attributes_count);
    push_count(&mut span.tags, key::DROPPED_EVENTS, of.dropped_events_count);
    push_count(&mut span.tags, key::DROPPED_LINKS, of.dropped_links_count);
    span
}

fn warning(value: &Any) -> Cow<'_, str> {
    match value {
        Any::StringValue(text) => text.into(),
        other => text::json(other).to_string().into(),
    }
}

/// Of an id of too many bytes the last ones count.
fn number(id: &[u8]) -> u128 {
    id.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The parent first, which is where readers look for it. A link to it tells of which kind it is.
fn references(span: &Span<'_>, parent: u64, links: &[Link]) -> Vec<Reference> {
    let mut references = Vec::with_capacity(links.len() + 1);
    if parent != 0 {
        let kind = ReferenceType::ChildOf;
        references.push(Reference { kind, trace_id: span.trace_id, span_id: parent });
    }
    for link in links {
        let (trace_id, span_id) = (number(&link.trace_id), number(&link.span_id) as u64);
        let kind = reference_type(link);
        match references.first_mut() {
            Some(first) if parent != 0 && (trace_id, span_id) == (span.trace_id, parent) => first.kind = kind,
            _ => references.push(Reference { kind, trace_id, span_id }),
        }
    }
    references
}

fn reference_type(link: &Link) -> ReferenceType {
    let told = link.attributes.iter().find(|attribute| attribute.key == key::REFERENCE_TYPE).map(tag);
    match told.map(|tag| tag.value) {
        Some(Value::String(kind)) if kind == CHILD_OF => ReferenceType::ChildOf,
        _ => ReferenceType::FollowsFrom,
    }
}

fn log(event: &Event) -> Log<'_> {
    let mut fields = Vec::with_capacity(event.attributes.len() + 1);
    if !event.attributes.iter().any(|attribute| attribute.key == key::EVENT) {
        push_string(&mut fields, key::EVENT, &event.name);
    }
    fields.extend(event.attributes.iter().map(tag));
    push_count(&mut fields, key::DROPPED_ATTRIBUTES, event.dropped_attributes_count);
    Log { time: event.time_unix_nano, fields }
}

fn kind_name(kind: SpanKind) -> Option<&'static str> {
    match kind {
        SpanKind::Unspecified => None,
        SpanKind::Internal => Some("internal"),
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
    }
}

fn push_status<'a>(tags: &mut Vec<Tag<'a>>, status: Option<&'a Status>) {
    let Some(status) = status else { return };
    match StatusCode::try_from(status.code) {
        Ok(StatusCode::Ok) => push_string(tags, key::STATUS_CODE, "OK"),
        Ok(StatusCode::Error) => {
            push_string(tags, key::STATUS_CODE, "ERROR");
            tags.push(Tag { key: key::ERROR.into(), value: Value::Bool(true) });
        }
        Ok(StatusCode::Unset) | Err(_) => {}
    }
    push_string(tags, key::STATUS_DESCRIPTION, &status.message);
}

fn push_string<'a>(tags: &mut Vec<Tag<'a>>, key: &'static str, value: &'a str) {
    if !value.is_empty() {
        tags.push(Tag::string(key, value));
    }
}

fn push_count(tags: &mut Vec<Tag<'_>>, key: &'static str, count: u32) {
    if count > 0 {
        tags.push(Tag { key: key.into(), value: Value::Int64(count.into()) });
    }
}

fn tag(attribute: &KeyValue) -> Tag<'_> {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    let value = value.map_or_else(|| Value::String(Cow::default()), text_or_json);
    Tag { key: Cow::Borrowed(&attribute.key), value }
}

fn text_or_json(value: &Any) -> Value<'_> {
    match value {
        Any::StringValue(text) => Value::String(text.into()),
        Any::BoolValue(value) => Value::Bool(*value),
        Any::IntValue(value) => Value::Int64(*value),
        Any::DoubleValue(value) => Value::Float64(*value),
        Any::BytesValue(bytes) => Value::Binary(bytes.into()),
        Any::StringValueStrindex(_) => Value::String(Cow::default()),
        Any::ArrayValue(_) | Any::KvlistValue(_) => Value::String(text::json(value).to_string().into()),
    }
}
