//! A span of Zipkin as OpenTelemetry sees it.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span as OtlpSpan, Status};

use crate::any_value::{attribute, bool, int, parsed, string};
use crate::embedded::{event_from_text, link_from_text};
use crate::names::{self, EndpointNames};
use crate::problem::Problem;
use crate::span::{Endpoint, Kind, Span};
use crate::translate::Options;

type Tags = BTreeMap<String, String>;
type Attributes = BTreeMap<String, AnyValue>;

/// A span as it was read, with what its tags cannot hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Incoming {
    pub span: Span,
    /// Binary annotations of version 1 that are no text.
    pub typed: BTreeMap<String, AnyValue>,
}

impl From<Span> for Incoming {
    fn from(span: Span) -> Self {
        Self { span, typed: BTreeMap::new() }
    }
}

/// A span with what is around it in OTLP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outgoing {
    pub resource: Resource,
    pub scope: InstrumentationScope,
    pub span: OtlpSpan,
}

/// Times are nanoseconds in 63 bits. The error says what is beyond.
pub(crate) fn check_micros(micros: u64) -> Result<u64, String> {
    if micros > i64::MAX as u64 / 1000 {
        return Err(format!("{micros} µs are beyond the year 2262, the last that can be told in nanoseconds"));
    }
    Ok(micros)
}

/// The error is relative to the span.
pub(crate) fn to_otlp(incoming: Incoming, options: &Options) -> Result<Outgoing, Problem> {
    let Incoming { mut span, typed } = incoming;
    let mut tags = std::mem::take(&mut span.tags);
    tags.retain(|key, _| !typed.contains_key(key));

    let (start, end) = times(&span, options)?;
    let resource = resource(&span, &mut tags);
    let mut either = |name: &str, old: &str| tags.remove(name).or_else(|| tags.remove(old)).unwrap_or_default();
    let scope = InstrumentationScope {
        name: either(names::SCOPE_NAME, names::LIBRARY_NAME),
        version: either(names::SCOPE_VERSION, names::LIBRARY_VERSION),
        ..InstrumentationScope::default()
    };
    let kind = kind(span.kind, &mut tags);
    let status = status(&mut tags);
    let links = links(&mut tags);
    let trace_state = tags.remove(names::TRACE_STATE).unwrap_or_default();
    let mut dropped = |name: &str| {
        let count = tags.get(name).and_then(|count| count.parse().ok());
        count.inspect(|_| drop(tags.remove(name))).unwrap_or(0)
    };
    let dropped_attributes_count = dropped(names::DROPPED_ATTRIBUTES);
    let dropped_events_count = dropped(names::DROPPED_EVENTS);
    let dropped_links_count = dropped(names::DROPPED_LINKS);

    let mut attributes = typed;
    let value = |text| if options.parse_string_tags { parsed(text) } else { string(text) };
    attributes.extend(tags.into_iter().map(|(key, text)| (key, value(text))));
    add_endpoint(span.local_endpoint, &names::LOCAL, &mut attributes);
    add_endpoint(span.remote_endpoint, &names::REMOTE, &mut attributes);
    let facts =
        [(names::SHARED, span.shared), (names::DEBUG, span.debug), (names::START_ABSENT, span.timestamp.is_none())];
    attributes.extend(facts.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| (name.to_owned(), bool(true))));

    let events = span.annotations.into_iter();
    let events = events.map(|annotation| event_from_text(annotation.timestamp * 1000, annotation.value)).collect();
    let parent = span.parent_id.filter(|parent| *parent != span.id);
    let span = OtlpSpan {
        trace_id: span.trace_id.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        trace_state,
        flags: 0,
        name: span.name,
        kind: kind.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes: into_list(attributes),
        dropped_attributes_count,
        events,
        dropped_events_count,
        links,
        dropped_links_count,
        status,
    };
    Ok(Outgoing { resource, scope, span })
}

/// Nanoseconds. Without a timestamp, the span begins at its first annotation or when it was received: at the beginning of
/// 1970 nobody would find it.
fn times(span: &Span, options: &Options) -> Result<(u64, u64), Problem> {
    let earliest = || span.annotations.iter().map(|annotation| annotation.timestamp).filter(|time| *time > 0).min();
    let start = match span.timestamp.or_else(earliest) {
        Some(micros) => micros * 1000,
        None => options.received,
    };
    let end = start.saturating_add(span.duration.unwrap_or(0) * 1000);
    if end > i64::MAX as u64 {
        return Err(Problem::new("duration", "the span ends beyond the year 2262"));
    }
    Ok((start, end))
}

fn resource(span: &Span, tags: &mut Tags) -> Resource {
    let mut attributes = Attributes::new();
    let name = span.local_endpoint.as_ref().map(|endpoint| endpoint.service_name.as_str()).unwrap_or_default();
    if !name.is_empty() && name != names::NO_SERVICE_NAME {
        let is_substitute = tags
            .get(names::SERVICE_NAME_SOURCE)
            .is_some_and(|source| names::SERVICE_NAME_SUBSTITUTES.contains(&source.as_str()));
        let source = if is_substitute { tags.remove(names::SERVICE_NAME_SOURCE) } else { None };
        attributes.insert(source.unwrap_or_else(|| names::SERVICE_NAME.to_owned()), string(name));
    }
    let keys: Vec<String> = tags.keys().filter(|key| names::is_of_resource(key)).cloned().collect();
    for key in keys {
        // A tag that contradicts the endpoint stays with the span.
        if attributes.contains_key(&key) {
            continue;
        }
        if let Some(text) = tags.remove(&key) {
            attributes.insert(key, string(text));
        }
    }
    Resource { attributes: into_list(attributes), ..Resource::default() }
}

fn kind(kind: Option<Kind>, tags: &mut Tags) -> SpanKind {
    match kind {
        Some(Kind::Client) => return SpanKind::Client,
        Some(Kind::Server) => return SpanKind::Server,
        Some(Kind::Producer) => return SpanKind::Producer,
        Some(Kind::Consumer) => return SpanKind::Consumer,
        None => {}
    }
    let kind = match tags.get(names::SPAN_KIND).map(String::as_str) {
        Some("internal") => SpanKind::Internal,
        Some("client") => SpanKind::Client,
        Some("server") => SpanKind::Server,
        Some("producer") => SpanKind::Producer,
        Some("consumer") => SpanKind::Consumer,
        _ => return SpanKind::Unspecified,
    };
    tags.remove(names::SPAN_KIND);
    kind
}

/// Whatever `error` says, the span failed; but for `false`, which exporters write that do not know this.
fn status(tags: &mut Tags) -> Option<Status> {
    let said = tags.get(names::STATUS_CODE).and_then(|code| status_code(code));
    let failed = tags.get(names::ERROR).is_some_and(|value| value != "false");
    if said.is_none() && !failed {
        return None;
    }
    if said.is_some() {
        tags.remove(names::STATUS_CODE);
    }
    let error = if failed { tags.remove(names::ERROR) } else { None };
    let code = if failed { StatusCode::Error } else { said.unwrap_or_default() };
    let described = tags.remove(names::STATUS_DESCRIPTION);
    let description = error.filter(|text| text != "true");
    // Where both describe it, the tag is not lost.
    if let (Some(status), Some(error)) = (&described, &description)
        && status != error
        && !error.is_empty()
    {
        tags.insert(names::ERROR.to_owned(), error.clone());
    }
    Some(Status { code: code.into(), message: described.or(description).unwrap_or_default() })
}

/// As exporters, the Collector and old versions of it write it.
fn status_code(text: &str) -> Option<StatusCode> {
    let name = text.to_ascii_uppercase();
    match name.strip_prefix("STATUS_CODE_").unwrap_or(&name) {
        "UNSET" => Some(StatusCode::Unset),
        "OK" => Some(StatusCode::Ok),
        "ERROR" => Some(StatusCode::Error),
        _ => None,
    }
}

/// Tags that are none stay tags.
fn links(tags: &mut Tags) -> Vec<Link> {
    let mut links = Vec::new();
    for index in 0.. {
        let key = format!("{}{index}", names::LINK);
        let Some(text) = tags.get(&key) else { break };
        if let Some(link) = link_from_text(text) {
            links.push(link);
            tags.remove(&key);
        }
    }
    links
}

fn add_endpoint(endpoint: Option<Endpoint>, names: &EndpointNames, attributes: &mut Attributes) {
    let Some(endpoint) = endpoint else { return };
    if let Some(name) = names.service.first().filter(|_| !endpoint.service_name.is_empty()) {
        attributes.insert((*name).to_owned(), string(endpoint.service_name));
    }
    let addresses = endpoint.ipv4.map(|ip| ip.to_string()).into_iter().chain(endpoint.ipv6.map(|ip| ip.to_string()));
    for (name, address) in names.address.iter().zip(addresses) {
        attributes.insert((*name).to_owned(), string(address));
    }
    if endpoint.port > 0 {
        attributes.insert(names.port[0].to_owned(), int(endpoint.port.into()));
    }
}

fn into_list(attributes: Attributes) -> Vec<KeyValue> {
    attributes.into_iter().map(|(key, value)| attribute(key, value)).collect()
}
