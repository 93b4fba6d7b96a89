//! A span of OpenTelemetry as Zipkin sees it.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status};

use crate::any_value::to_text;
use crate::embedded::{event_to_text, link_to_text};
use crate::names::{self, EndpointNames};
use crate::problem::{Problem, Rejected};
use crate::span::{Annotation, Endpoint, Kind, Span};
use crate::tags::Tags;

/// The spans of an export request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromOtlp {
    pub spans: Vec<Span<'static>>,
    /// Those that have no ids.
    pub rejected: Rejected,
}

/// All spans of a request, in its order; see [`span_from_otlp`].
pub fn from_otlp(request: &ExportTraceServiceRequest, default_service_name: &str) -> FromOtlp {
    let (mut result, no_resource, no_scope) =
        (FromOtlp::default(), Resource::default(), InstrumentationScope::default());
    for (r, of_resource) in request.resource_spans.iter().enumerate() {
        let resource = of_resource.resource.as_ref().unwrap_or(&no_resource);
        for (s, of_scope) in of_resource.scope_spans.iter().enumerate() {
            let scope = of_scope.scope.as_ref().unwrap_or(&no_scope);
            for (index, span) in of_scope.spans.iter().enumerate() {
                match span_from_otlp(resource, scope, span, default_service_name) {
                    Ok(span) => result.spans.push(span),
                    Err(problem) => {
                        let place = format!("resource_spans[{r}].scope_spans[{s}].spans[{index}]");
                        result.rejected.add(problem.within(place));
                    }
                }
            }
        }
    }
    result
}

/// One span. Attributes of its resource and scope become tags, unless the span has attributes of the same names.
/// `default_service_name` is for resources without any; empty for none.
///
/// # Errors
/// Without a trace id of 16 bytes and a span id of 8 that are not zero.
pub fn span_from_otlp(
    resource: &Resource,
    scope: &InstrumentationScope,
    span: &OtlpSpan,
    default_service_name: &str,
) -> Result<Span<'static>, Problem> {
    let trace_id = u128::from_be_bytes(id("trace_id", &span.trace_id)?);
    let span_id = u64::from_be_bytes(id("span_id", &span.span_id)?);
    let is_set = |name| span.attributes.iter().any(|attribute| attribute.key == name && is_true(attribute));
    let [shared, debug, start_absent] = [names::SHARED, names::DEBUG, names::START_ABSENT].map(is_set);

    let mut tags: Tags = resource.attributes.iter().map(tag).collect();
    let service_name = service_name(&mut tags).unwrap_or_else(|| default_service_name.to_owned().into());
    tags.extend(scope.attributes.iter().chain(&span.attributes).map(tag));
    for (name, flag) in [(names::SHARED, shared), (names::DEBUG, debug), (names::START_ABSENT, start_absent)] {
        if flag {
            tags.remove(name);
        }
    }
    add_scope(&mut tags, scope);

    let kind = kind(span.kind(), &mut tags);
    let mut local = endpoint(&mut tags, &names::LOCAL);
    local.service_name = service_name;
    let remote = remote_endpoint(&mut tags, kind);
    add_rest(&mut tags, span);
    Ok(Span {
        trace_id,
        parent_id: id("parent_span_id", &span.parent_span_id)
            .ok()
            .map(u64::from_be_bytes)
            .filter(|parent| *parent != span_id),
        id: span_id,
        kind,
        name: span.name.clone().into(),
        timestamp: Some(micros(span.start_time_unix_nano)).filter(|micros| *micros > 0 && !start_absent),
        duration: duration(span),
        local_endpoint: local.some(),
        remote_endpoint: remote.some(),
        annotations: annotations(span),
        tags,
        debug,
        shared,
    })
}

fn id<const N: usize>(name: &'static str, bytes: &[u8]) -> Result<[u8; N], Problem> {
    let id: [u8; N] =
        bytes.try_into().map_err(|_| Problem::new(name, format!("has {} bytes instead of {N}", bytes.len())))?;
    if id == [0; N] { Err(Problem::new(name, "is zero")) } else { Ok(id) }
}

fn is_true(attribute: &KeyValue) -> bool {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    matches!(value, Some(Any::BoolValue(true)))
}

fn tag(attribute: &KeyValue) -> (Cow<'static, str>, Cow<'static, str>) {
    (attribute.key.clone().into(), attribute.value.as_ref().map(to_text).unwrap_or_default().into())
}

/// Takes the name of the service out of the tags of its resource.
fn service_name(tags: &mut Tags<'static>) -> Option<Cow<'static, str>> {
    if let Some(name) = tags.remove(names::SERVICE_NAME).filter(|name| !name.is_empty()) {
        return Some(name);
    }
    let (source, name) = names::SERVICE_NAME_SUBSTITUTES
        .into_iter()
        .find_map(|key| Some((key, tags.remove(key).filter(|name| !name.is_empty())?)))?;
    tags.insert(names::SERVICE_NAME_SOURCE, source);
    Some(name)
}

fn add_scope(tags: &mut Tags<'static>, scope: &InstrumentationScope) {
    for (name, value) in [(names::SCOPE_NAME, &scope.name), (names::SCOPE_VERSION, &scope.version)] {
        if !value.is_empty() {
            tags.insert(name, value.clone());
        }
    }
}

fn kind(kind: SpanKind, tags: &mut Tags<'static>) -> Option<Kind> {
    match kind {
        SpanKind::Client => Some(Kind::Client),
        SpanKind::Server => Some(Kind::Server),
        SpanKind::Producer => Some(Kind::Producer),
        SpanKind::Consumer => Some(Kind::Consumer),
        SpanKind::Unspecified => None,
        SpanKind::Internal => {
            tags.insert(names::SPAN_KIND, "internal");
            None
        }
    }
}

/// Takes what is of an endpoint out of the tags. What cannot be of one stays there.
fn endpoint(tags: &mut Tags<'static>, names: &EndpointNames) -> Endpoint<'static> {
    let mut endpoint = Endpoint::default();
    let mut take = |name: &str, set: &mut dyn FnMut(&str) -> bool| {
        if tags.get(name).is_some_and(set) {
            tags.remove(name);
        }
    };
    for name in names.service {
        take(name, &mut |text| {
            let is_free = endpoint.service_name.is_empty() && !text.is_empty();
            if is_free {
                endpoint.service_name = text.to_owned().into();
            }
            is_free || endpoint.service_name == text
        });
    }
    for name in names.address {
        take(name, &mut |text| text.parse().is_ok_and(|address| endpoint.add_address(address)));
    }
    for name in names.port {
        take(name, &mut |text| {
            let Some(port) = text.parse().ok().filter(|port| *port != 0) else { return false };
            let is_free = endpoint.port == 0;
            if is_free {
                endpoint.port = port;
            }
            is_free || endpoint.port == port
        });
    }
    endpoint
}

/// Who calls somebody without a name is helped by the next best; its tag stays.
fn remote_endpoint(tags: &mut Tags<'static>, kind: Option<Kind>) -> Endpoint<'static> {
    let mut remote = endpoint(tags, &names::REMOTE);
    if remote.service_name.is_empty() && matches!(kind, Some(Kind::Client | Kind::Producer)) {
        let substitute =
            names::REMOTE_SUBSTITUTES.iter().find_map(|name| tags.get(name).filter(|text| !text.is_empty()));
        remote.service_name = substitute.unwrap_or_default().to_owned().into();
    }
    remote
}

/// What has no place in a span but its tags.
fn add_rest(tags: &mut Tags<'static>, span: &OtlpSpan) {
    if !span.trace_state.is_empty() {
        tags.insert(names::TRACE_STATE, span.trace_state.clone());
    }
    let link = |(index, link)| (format!("{}{index}", names::LINK).into(), link_to_text(link).into());
    tags.extend(span.links.iter().enumerate().map(link));
    let dropped = [
        (names::DROPPED_ATTRIBUTES, span.dropped_attributes_count),
        (names::DROPPED_EVENTS, span.dropped_events_count),
        (names::DROPPED_LINKS, span.dropped_links_count),
    ];
    for (name, count) in dropped.into_iter().filter(|(_, count)| *count > 0) {
        tags.insert(name, count.to_string());
    }
    add_status(tags, span.status.as_ref());
}

/// The description of a failure is the value of `error`, by the specification.
fn add_status(tags: &mut Tags<'static>, status: Option<&Status>) {
    let code = status.map_or(StatusCode::Unset, Status::code);
    let mut message = status.map(|status| status.message.as_str()).unwrap_or_default();
    // To Zipkin, the tag alone is a failure, whatever it says.
    tags.remove(names::ERROR);
    let name = match code {
        StatusCode::Unset => return,
        StatusCode::Ok => "OK",
        StatusCode::Error => "ERROR",
    };
    tags.insert(names::STATUS_CODE, name);
    if code == StatusCode::Error {
        // These would be read as no description.
        let describes = !matches!(message, "" | "true" | "false");
        let value = if describes { std::mem::take(&mut message) } else { "true" };
        tags.insert(names::ERROR, value.to_owned());
    }
    if !message.is_empty() {
        tags.insert(names::STATUS_DESCRIPTION, message.to_owned());
    }
}

fn annotations(span: &OtlpSpan) -> Vec<Annotation<'static>> {
    let annotation =
        |event: &Event| Annotation { timestamp: micros(event.time_unix_nano), value: event_to_text(event).into() };
    span.events.iter().map(annotation).collect()
}

fn micros(nanos: u64) -> u64 {
    nanos.saturating_add(500) / 1000
}

/// Less than a microsecond is one; a span that is not over has none.
fn duration(span: &OtlpSpan) -> Option<u64> {
    let nanos = span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).filter(|nanos| *nanos > 0)?;
    Some(micros(nanos).max(1))
}
