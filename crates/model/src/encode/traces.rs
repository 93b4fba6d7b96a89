//! Rows of `spans` → `TracesData`.

use arrow::array::{Array, AsArray, ListArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, UInt32Type};
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};

use super::EncodeError;
use super::columns::{Attributes, Columns, Id, Text, json_attributes};
use super::origin::Gathered;
use crate::promote::Scope;

/// The spans of all batches, which have the columns of the `spans` table in any order.
pub fn traces(batches: &[RecordBatch]) -> Result<TracesData, EncodeError> {
    let mut spans = Gathered::new();
    for batch in batches {
        let columns = Columns::of_batch(batch);
        let row = SpanRows::of(&columns)?;
        spans.add(batch, |index| row.span(index))?;
    }
    let resource_spans = spans
        .into_resources()
        .into_iter()
        .map(|group| ResourceSpans {
            resource: group.resource,
            schema_url: group.schema_url,
            scope_spans: group
                .scopes
                .into_iter()
                .map(|group| ScopeSpans { scope: group.scope, schema_url: group.schema_url, spans: group.items })
                .collect(),
        })
        .collect();
    Ok(TracesData { resource_spans })
}

type U32s = arrow::array::PrimitiveArray<UInt32Type>;
type I32s = arrow::array::PrimitiveArray<Int32Type>;
type I64s = arrow::array::PrimitiveArray<Int64Type>;

struct SpanRows<'a> {
    trace_id: Id<'a>,
    span_id: Id<'a>,
    parent_span_id: Id<'a>,
    trace_state: Text,
    flags: U32s,
    name: Text,
    kind: I32s,
    start: I64s,
    duration: I64s,
    attributes: Attributes,
    dropped_attributes: U32s,
    events: &'a ListArray,
    dropped_events: U32s,
    links: &'a ListArray,
    dropped_links: U32s,
    status_code: I32s,
    status_message: Text,
}

impl<'a> SpanRows<'a> {
    fn of(columns: &Columns<'a>) -> Result<Self, EncodeError> {
        Ok(Self {
            trace_id: columns.id("trace_id")?,
            span_id: columns.id("span_id")?,
            parent_span_id: columns.id("parent_span_id")?,
            trace_state: columns.text("trace_state")?,
            flags: columns.number("flags")?,
            name: columns.text("name")?,
            kind: columns.number("kind")?,
            start: columns.number("start_time_unix_nano")?,
            duration: columns.number("duration_nano")?,
            attributes: columns.attributes(Scope::Span, "span_attributes")?,
            dropped_attributes: columns.number("dropped_attributes_count")?,
            events: columns.list("events")?,
            dropped_events: columns.number("dropped_events_count")?,
            links: columns.list("links")?,
            dropped_links: columns.number("dropped_links_count")?,
            status_code: columns.number("status_code")?,
            status_message: columns.text("status_message")?,
        })
    }

    fn span(&self, row: usize) -> Result<Span, EncodeError> {
        let start = self.start.value(row);
        let status = Status { message: self.status_message.or_empty(row), code: self.status_code.value(row) };
        Ok(Span {
            trace_id: self.trace_id.get(row),
            span_id: self.span_id.get(row),
            parent_span_id: self.parent_span_id.get(row),
            trace_state: self.trace_state.or_empty(row),
            flags: self.flags.value(row),
            name: self.name.or_empty(row),
            kind: self.kind.value(row),
            start_time_unix_nano: start as u64,
            end_time_unix_nano: start.wrapping_add(self.duration.value(row)) as u64,
            attributes: self.attributes.get(row)?,
            dropped_attributes_count: self.dropped_attributes.value(row),
            events: events(self.events, row)?,
            dropped_events_count: self.dropped_events.value(row),
            links: links(self.links, row)?,
            dropped_links_count: self.dropped_links.value(row),
            status: (status != Status::default()).then_some(status),
        })
    }
}

fn events(lists: &ListArray, row: usize) -> Result<Vec<Event>, EncodeError> {
    if lists.is_null(row) || lists.value_length(row) == 0 {
        return Ok(Vec::new());
    }
    let items = lists.value(row);
    let Some(items) = items.as_struct_opt() else { return Err(not_a_struct("events", &items)) };
    let columns = Columns::of_struct("events.", items);
    let time = columns.number::<Int64Type>("time_unix_nano")?;
    let name = columns.text("name")?;
    let attributes = columns.text("attributes")?;
    let dropped = columns.number::<UInt32Type>("dropped_attributes_count")?;
    (0..items.len())
        .map(|item| {
            Ok(Event {
                time_unix_nano: time.value(item) as u64,
                name: name.or_empty(item),
                attributes: json_attributes(attributes.get(item))?,
                dropped_attributes_count: dropped.value(item),
            })
        })
        .collect()
}

fn links(lists: &ListArray, row: usize) -> Result<Vec<Link>, EncodeError> {
    if lists.is_null(row) || lists.value_length(row) == 0 {
        return Ok(Vec::new());
    }
    let items = lists.value(row);
    let Some(items) = items.as_struct_opt() else { return Err(not_a_struct("links", &items)) };
    let columns = Columns::of_struct("links.", items);
    let trace_id = columns.id("trace_id")?;
    let span_id = columns.id("span_id")?;
    let trace_state = columns.text("trace_state")?;
    let attributes = columns.text("attributes")?;
    let dropped = columns.number::<UInt32Type>("dropped_attributes_count")?;
    let flags = columns.number::<UInt32Type>("flags")?;
    (0..items.len())
        .map(|item| {
            Ok(Link {
                trace_id: trace_id.get(item),
                span_id: span_id.get(item),
                trace_state: trace_state.or_empty(item),
                attributes: json_attributes(attributes.get(item))?,
                dropped_attributes_count: dropped.value(item),
                flags: flags.value(item),
            })
        })
        .collect()
}

fn not_a_struct(column: &str, found: &dyn Array) -> EncodeError {
    EncodeError::Type { column: column.into(), expected: "a list of structs", found: found.data_type().to_string() }
}
