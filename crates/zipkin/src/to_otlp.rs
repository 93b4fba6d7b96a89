//! Spans of Zipkin as OpenTelemetry sees them, written into an export request one by one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use prost::Message as _;
use trefoil_model::wire::otlp::{Any, TracesWriter, attribute, field};
use trefoil_model::wire::write::{bytes, bytes_always, fixed64, message, uint64};

use crate::any_value::parsed;
use crate::embedded::write_event;
use crate::facts::facts;
use crate::meanings::{Meanings, Place};
use crate::problem::Problem;
use crate::span::Span;
use crate::translate::Options;
use crate::v1::Value;

/// A span as it was read, with what its tags cannot hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Incoming<'a> {
    pub span: Span<'a>,
    /// Binary annotations of version 1 that are no text.
    pub typed: BTreeMap<Cow<'a, str>, Value<'a>>,
}

impl<'a> From<Span<'a>> for Incoming<'a> {
    fn from(span: Span<'a>) -> Self {
        Self { span, typed: BTreeMap::new() }
    }
}

/// Times are nanoseconds in 63 bits. The error says what is beyond.
pub(crate) fn check_micros(micros: u64) -> Result<u64, String> {
    if micros > i64::MAX as u64 / 1000 {
        return Err(format!("{micros} µs are beyond the year 2262, the last that can be told in nanoseconds"));
    }
    Ok(micros)
}

/// Puts spans into an export request.
pub(crate) struct Writer<'o> {
    options: &'o Options,
    request: TracesWriter,
    /// Memory that serves one span after another: the messages of the one at hand, and where its tags belong.
    resource: Vec<u8>,
    scope: Vec<u8>,
    span: Vec<u8>,
    places: Vec<Place>,
}

impl<'o> Writer<'o> {
    pub fn new(options: &'o Options) -> Self {
        let (resource, scope, span, places) = Default::default();
        Self { options, request: TracesWriter::default(), resource, scope, span, places }
    }

    /// The bytes of an `ExportTraceServiceRequest`.
    pub fn finish(self) -> Vec<u8> {
        self.request.finish()
    }

    /// Adds a span. The error is relative to it; then there is nothing of it in the request.
    pub fn add(&mut self, incoming: &Incoming<'_>) -> Result<(), Problem> {
        let span = &incoming.span;
        let (start, end) = times(span, self.options)?;
        for buffer in [&mut self.resource, &mut self.scope, &mut self.span] {
            buffer.clear();
        }
        let mut meanings = Meanings::of(&span.tags, &incoming.typed, &mut self.places);
        let service = meanings.service(span.local_endpoint.as_ref());
        let [scope_name, scope_version] = meanings.scope();
        bytes(&mut self.scope, field::scope::NAME, scope_name.as_bytes());
        bytes(&mut self.scope, field::scope::VERSION, scope_version.as_bytes());
        let kind = meanings.kind(span.kind);
        let status = meanings.status();
        let links = meanings.links();
        let trace_state = meanings.trace_state();
        let [dropped_attributes, dropped_events, dropped_links] = meanings.dropped();

        let out = &mut self.span;
        bytes_always(out, field::span::TRACE_ID, &span.trace_id.to_be_bytes());
        bytes_always(out, field::span::SPAN_ID, &span.id.to_be_bytes());
        bytes(out, field::span::TRACE_STATE, trace_state.as_bytes());
        if let Some(parent) = span.parent_id.filter(|parent| *parent != span.id) {
            bytes_always(out, field::span::PARENT_SPAN_ID, &parent.to_be_bytes());
        }
        bytes(out, field::span::NAME, span.name.as_bytes());
        uint64(out, field::span::KIND, kind as u64);
        fixed64(out, field::span::START_TIME_UNIX_NANO, start);
        fixed64(out, field::span::END_TIME_UNIX_NANO, end);
        attributes(&mut self.resource, out, incoming, &meanings, service, self.options);
        uint64(out, field::span::DROPPED_ATTRIBUTES_COUNT, dropped_attributes.into());
        for annotation in &span.annotations {
            write_event(out, field::span::EVENTS, annotation.timestamp * 1000, &annotation.value);
        }
        uint64(out, field::span::DROPPED_EVENTS_COUNT, dropped_events.into());
        for link in links {
            bytes_always(out, field::span::LINKS, &link.encode_to_vec());
        }
        uint64(out, field::span::DROPPED_LINKS_COUNT, dropped_links.into());
        if let Some((code, description)) = status {
            message(out, field::span::STATUS, |out| {
                bytes(out, field::status::MESSAGE, description.as_bytes());
                uint64(out, field::status::CODE, code as u64);
            });
        }
        self.request.add(&self.resource, &self.scope, &self.span);
        Ok(())
    }
}

/// Nanoseconds. Without a timestamp, the span begins at its first annotation or when it was received: at the beginning of
/// 1970 nobody would find it.
fn times(span: &Span<'_>, options: &Options) -> Result<(u64, u64), Problem> {
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

/// Writes the attributes of both, sorted by name: resources that say the same are the same bytes.
fn attributes(
    resource: &mut Vec<u8>,
    span: &mut Vec<u8>,
    incoming: &Incoming<'_>,
    meanings: &Meanings<'_>,
    mut service: Option<(&str, &str)>,
    options: &Options,
) {
    let of_resource = |out: &mut Vec<u8>, (name, text): (&str, &str)| {
        attribute(out, field::resource::ATTRIBUTES, name, Any::String(text));
    };
    let facts = facts(incoming);
    let mut facts = facts.into_iter().peekable();
    for (name, text, place) in meanings.places() {
        match place {
            Place::Resource => {
                if let Some(service) = service.take_if(|(service, _)| *service < name) {
                    of_resource(resource, service);
                }
                of_resource(resource, (name, text));
            }
            Place::Span => {
                while let Some((earlier, fact)) = facts.next_if(|(fact, _)| *fact < name) {
                    fact.write(span, earlier);
                }
                if facts.peek().is_some_and(|(fact, _)| *fact == name) {
                    continue;
                }
                let value = if options.parse_string_tags { parsed(text) } else { Any::String(text) };
                attribute(span, field::span::ATTRIBUTES, name, value);
            }
            Place::Elsewhere => {}
        }
    }
    if let Some(service) = service {
        of_resource(resource, service);
    }
    for (name, fact) in facts {
        fact.write(span, name);
    }
}
