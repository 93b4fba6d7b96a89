//! `ExportTraceServiceRequest` → rows of `spans`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringBuilder, TimestampNanosecondArray, UInt32Array};

use super::attributes::PromotedColumns;
use super::batch::{batch, tenant_column};
use super::columns::{Ids, Strings};
use super::nested::{Events, Links};
use super::origin::{Group, Origins};
use super::walk::{Items, outcome, walk};
use super::{DecodeContext, DecodeError, Decoded, Place, Report};
use crate::attributes::Tally;
use crate::promote::Scope;
use crate::wire::{Reader, WireError};
use crate::{Signal, Table, Tenant};

pub(super) fn decode(tenant: &Tenant, body: &[u8], context: &DecodeContext<'_>) -> Result<Decoded, DecodeError> {
    let mut rows = Rows::new(context);
    walk(body, &mut rows)?;
    rows.finish(tenant)
}

/// One span as it lies on the wire; its lists are in [`Lists`].
#[derive(Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a [u8],
    name: &'a [u8],
    start: u64,
    end: u64,
    kind: i32,
    flags: u32,
    status_code: i32,
    status_message: &'a [u8],
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

/// The repeated fields of a span, up to the limits; reused from span to span.
#[derive(Default)]
struct Lists<'a> {
    attributes: Vec<Reader<'a>>,
    events: Vec<Reader<'a>>,
    links: Vec<Reader<'a>>,
}

/// The parts of a span that must be right for it to be stored.
struct Checked<'a> {
    trace_id: &'a [u8; 16],
    span_id: &'a [u8; 8],
    parent_span_id: Option<&'a [u8; 8]>,
    start: i64,
    duration: i64,
}

impl<'a> Span<'a> {
    fn parse(message: Reader<'a>, lists: &mut Lists<'a>, context: &DecodeContext<'_>) -> Result<Self, WireError> {
        let limits = context.limits;
        let mut span = Self::default();
        let mut over = Span::default();
        lists.attributes.clear();
        lists.events.clear();
        lists.links.clear();
        for field in message {
            let field = field?;
            match field.number {
                9 => push_up_to(
                    limits.max_attributes,
                    &mut lists.attributes,
                    field.message()?,
                    &mut over.dropped_attributes,
                ),
                1 => span.trace_id = field.bytes()?,
                2 => span.span_id = field.bytes()?,
                3 => span.trace_state = field.bytes()?,
                4 => span.parent_span_id = field.bytes()?,
                5 => span.name = field.bytes()?,
                6 => span.kind = field.int32()?,
                7 => span.start = field.fixed64()?,
                8 => span.end = field.fixed64()?,
                10 => span.dropped_attributes = field.uint32()?,
                11 => push_up_to(limits.max_events, &mut lists.events, field.message()?, &mut over.dropped_events),
                12 => span.dropped_events = field.uint32()?,
                13 => push_up_to(limits.max_links, &mut lists.links, field.message()?, &mut over.dropped_links),
                14 => span.dropped_links = field.uint32()?,
                15 => span.status(field.message()?)?,
                16 => span.flags = field.fixed32()?,
                _ => {}
            }
        }
        span.dropped_attributes = span.dropped_attributes.saturating_add(over.dropped_attributes);
        span.dropped_events = span.dropped_events.saturating_add(over.dropped_events);
        span.dropped_links = span.dropped_links.saturating_add(over.dropped_links);
        Ok(span)
    }

    fn status(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        for field in message {
            let field = field?;
            match field.number {
                2 => self.status_message = field.bytes()?,
                3 => self.status_code = field.int32()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<Checked<'a>, String> {
        let (start, end) = (time("start_time_unix_nano", self.start)?, time("end_time_unix_nano", self.end)?);
        Ok(Checked {
            trace_id: required_id("trace_id", self.trace_id)?,
            span_id: required_id("span_id", self.span_id)?,
            parent_span_id: match self.parent_span_id {
                [] => None,
                id => Some(sized_id("parent_span_id", id)?).filter(|id| **id != [0; 8]),
            },
            start,
            // Both are between 0 and i64::MAX.
            duration: end - start,
        })
    }
}

#[inline]
fn push_up_to<T>(limit: usize, list: &mut Vec<T>, item: T, dropped: &mut u32) {
    if list.len() < limit {
        list.push(item);
    } else {
        *dropped = dropped.saturating_add(1);
    }
}

fn time(name: &str, nanos: u64) -> Result<i64, String> {
    i64::try_from(nanos).map_err(|_| format!("{name} {nanos} is after the year 2262, the last that can be stored"))
}

fn sized_id<'a, const N: usize>(name: &str, id: &'a [u8]) -> Result<&'a [u8; N], String> {
    id.try_into().map_err(|_| format!("{name} has {} bytes instead of {N}", id.len()))
}

fn required_id<'a, const N: usize>(name: &str, id: &'a [u8]) -> Result<&'a [u8; N], String> {
    let id = sized_id(name, id)?;
    if *id == [0; N] {
        return Err(format!("{name} is all zeros"));
    }
    Ok(id)
}

struct Rows<'a> {
    context: DecodeContext<'a>,
    report: Report,
    replaced_utf8: u64,
    lists: Lists<'a>,
    text: String,

    trace_ids: Ids<16>,
    span_ids: Ids<8>,
    parent_span_ids: Ids<8>,
    starts: Vec<i64>,
    durations: Vec<i64>,
    names: Strings,
    kinds: Vec<i32>,
    status_codes: Vec<i32>,
    status_messages: Strings,
    trace_states: Strings,
    flags: Vec<u32>,
    attributes: StringBuilder,
    dropped_attributes: Vec<u32>,
    events: Events,
    dropped_events: Vec<u32>,
    links: Links,
    dropped_links: Vec<u32>,
    origins: Origins,
    promoted: PromotedColumns<'a>,
}

impl<'a> Rows<'a> {
    fn new(context: &DecodeContext<'a>) -> Self {
        Self {
            context: *context,
            report: Report::default(),
            replaced_utf8: 0,
            lists: Lists::default(),
            text: String::new(),
            trace_ids: Ids::default(),
            span_ids: Ids::default(),
            parent_span_ids: Ids::default(),
            starts: Vec::new(),
            durations: Vec::new(),
            names: Strings::default(),
            kinds: Vec::new(),
            status_codes: Vec::new(),
            status_messages: Strings::default(),
            trace_states: Strings::default(),
            flags: Vec::new(),
            attributes: StringBuilder::new(),
            dropped_attributes: Vec::new(),
            events: Events::default(),
            dropped_events: Vec::new(),
            links: Links::default(),
            dropped_links: Vec::new(),
            origins: Origins::default(),
            promoted: PromotedColumns::new(context.promoted, Table::Spans, context.limits),
        }
    }
}

impl<'a> Items<'a> for Rows<'a> {
    const NAMES: [&'static str; 3] = ["resource_spans", "scope_spans", "spans"];

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn item(&mut self, message: Reader<'a>, place: Place) -> Result<(), WireError> {
        let limits = self.context.limits;
        if message.bytes().len() > limits.max_item_bytes {
            let (size, limit) = (message.bytes().len(), limits.max_item_bytes);
            self.report.reject(1, place, format_args!("the span has {size} bytes, more than the limit of {limit}"));
            return Ok(());
        }
        let span = Span::parse(message, &mut self.lists, &self.context)?;
        let checked = match span.check() {
            Ok(checked) => checked,
            Err(reason) => {
                self.report.reject(1, place, reason);
                return Ok(());
            }
        };
        let row = self.len();
        let mut tally = Tally { dropped: span.dropped_attributes, ..Tally::default() };
        self.text.clear();
        self.promoted.item(Scope::Span, &self.lists.attributes, row, &mut self.text, &mut tally)?;
        match self.text.as_str() {
            "" => self.attributes.append_null(),
            text => self.attributes.append_value(text),
        }
        self.dropped_attributes.push(tally.dropped);

        self.trace_ids.push(Some(checked.trace_id));
        self.span_ids.push(Some(checked.span_id));
        self.parent_span_ids.push(checked.parent_span_id);
        self.starts.push(checked.start);
        self.durations.push(checked.duration);
        self.names.push(span.name, &mut tally);
        self.kinds.push(span.kind);
        self.status_codes.push(span.status_code);
        self.status_messages.push_optional(span.status_message, &mut tally);
        self.trace_states.push_optional(span.trace_state, &mut tally);
        self.flags.push(span.flags);
        self.replaced_utf8 += tally.replaced_utf8;
        self.events_and_links(&span, row, place)
    }

    fn end_scope(&mut self, scope: &Group<'a>, first: usize) -> Result<(), WireError> {
        let rows = self.len() - first;
        self.origins.scope(scope, first, rows, self.context.limits, &mut self.replaced_utf8)
    }

    fn end_resource(&mut self, resource: &Group<'a>, first: usize) -> Result<(), WireError> {
        let rows = self.len() - first;
        let limits = self.context.limits;
        self.origins.resource(resource, first, rows, &mut self.promoted, limits, &mut self.replaced_utf8)
    }
}

impl<'a> Rows<'a> {
    fn events_and_links(&mut self, span: &Span<'a>, row: usize, place: Place) -> Result<(), WireError> {
        let limits = self.context.limits;
        let mut dropped_events = span.dropped_events;
        for event in &self.lists.events {
            if let Err(unfit) = self.events.push(*event, limits, &mut self.text, &mut self.replaced_utf8)? {
                self.report.warn(place, format_args!("{unfit}; the event is dropped"));
                dropped_events = dropped_events.saturating_add(1);
            }
        }
        self.events.end_row(row);
        self.dropped_events.push(dropped_events);
        let mut dropped_links = span.dropped_links;
        for link in &self.lists.links {
            if let Err(unfit) = self.links.push(*link, limits, &mut self.text, &mut self.replaced_utf8)? {
                self.report.warn(place, format_args!("{unfit}; the link is dropped"));
                dropped_links = dropped_links.saturating_add(1);
            }
        }
        self.links.end_row(row);
        self.dropped_links.push(dropped_links);
        Ok(())
    }

    fn finish(mut self, tenant: &Tenant) -> Result<Decoded, DecodeError> {
        let rows = self.len();
        let mut decoded = outcome(Signal::Traces, rows, &self.report, self.replaced_utf8);
        let (promoted, counts) = self.promoted.finish(Scope::Span, rows)?;
        decoded.key_counts = Some(counts);
        if rows == 0 {
            return Ok(decoded);
        }
        let mut base: Vec<ArrayRef> = vec![
            tenant_column(tenant, rows)?,
            self.trace_ids.finish()?,
            self.span_ids.finish()?,
            self.parent_span_ids.finish()?,
            Arc::new(TimestampNanosecondArray::from(self.starts)),
            Arc::new(Int64Array::from(self.durations)),
            self.names.finish(rows)?,
            Arc::new(Int32Array::from(self.kinds)),
            Arc::new(Int32Array::from(self.status_codes)),
            self.status_messages.finish(rows)?,
            self.trace_states.finish(rows)?,
            Arc::new(UInt32Array::from(self.flags)),
            Arc::new(self.attributes.finish()),
            Arc::new(UInt32Array::from(self.dropped_attributes)),
            self.events.finish(rows)?,
            Arc::new(UInt32Array::from(self.dropped_events)),
            self.links.finish(rows)?,
            Arc::new(UInt32Array::from(self.dropped_links)),
        ];
        base.extend(self.origins.finish(rows)?);
        decoded.batches.push((Table::Spans, batch(Table::Spans, base, promoted, rows)?));
        Ok(decoded)
    }
}
