//! `ExportLogsServiceRequest` → rows of `logs`.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, StringBuilder, TimestampNanosecondArray, UInt32Array, UInt64Array,
};

use super::attributes::PromotedColumns;
use super::batch::{batch, tenant_column};
use super::columns::{Ids, Strings};
use super::entries::{Entries, Timed};
use super::origin::{Group, Origins};
use super::walk::{Items, outcome, walk};
use super::{DecodeContext, DecodeError, Decoded, Place, Report};
use crate::attributes::{AnyValue, KeyValue, Refusal, Tally, push_value};
use crate::promote::Scope;
use crate::trace_ids::{Found, in_labelled_attribute};
use crate::wire::{Reader, WireError};
use crate::{Signal, Table, Tenant};

/// Bytes of a usual record, to guess how many rows a request has.
const USUAL_RECORD_BYTES: usize = 256;

pub(super) fn decode(tenant: &Tenant, body: &[u8], context: &DecodeContext<'_>) -> Result<Decoded, DecodeError> {
    let mut rows = Rows::new(tenant, body.len(), context);
    walk(body, &mut rows)?;
    rows.finish(tenant)
}

/// One log record as it lies on the wire, without its attributes.
#[derive(Default)]
struct Record<'a> {
    time: u64,
    observed_time: u64,
    severity_number: i32,
    severity_text: &'a [u8],
    body: AnyValue<'a>,
    dropped_attributes: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a [u8],
    /// Where in the message the time of observation lies.
    observed_at: Range<usize>,
}

impl<'a> Record<'a> {
    fn parse(
        message: Reader<'a>,
        attributes: &mut Vec<Reader<'a>>,
        context: &DecodeContext<'_>,
    ) -> Result<Self, WireError> {
        let mut record = Self::default();
        let mut over = 0u32;
        attributes.clear();
        let mut rest = message;
        let length = message.bytes().len();
        let mut start = 0;
        while let Some(field) = rest.next() {
            let field = field?;
            let end = length - rest.bytes().len();
            match field.number {
                1 => record.time = field.fixed64()?,
                2 => record.severity_number = field.int32()?,
                3 => record.severity_text = field.bytes()?,
                5 => record.body = AnyValue::parse(field.message()?)?,
                6 if attributes.len() < context.limits.max_attributes => attributes.push(field.message()?),
                6 => over = over.saturating_add(1),
                7 => record.dropped_attributes = field.uint32()?,
                8 => record.flags = field.fixed32()?,
                9 => record.trace_id = field.bytes()?,
                10 => record.span_id = field.bytes()?,
                11 => {
                    record.observed_time = field.fixed64()?;
                    record.observed_at = start..end;
                }
                12 => record.event_name = field.bytes()?,
                _ => {}
            }
            start = end;
        }
        record.dropped_attributes = record.dropped_attributes.saturating_add(over);
        Ok(record)
    }
}

struct Rows<'a> {
    context: DecodeContext<'a>,
    report: Report,
    replaced_utf8: u64,
    record_attributes: Vec<Reader<'a>>,
    text: String,
    resource_hash: u64,
    /// What the labels of the stream say, for records that have no ids.
    resource_ids: Found,
    entries: Entries,

    stream_ids: Vec<u64>,
    times: Vec<i64>,
    times_are_observed: Vec<bool>,
    observed_times: Vec<i64>,
    severity_numbers: Vec<i32>,
    severity_texts: Strings,
    bodies: StringBuilder,
    bodies_are_json: Vec<bool>,
    trace_ids: Ids<16>,
    span_ids: Ids<8>,
    flags: Vec<u32>,
    event_names: Strings,
    attributes: StringBuilder,
    dropped_attributes: Vec<u32>,
    origins: Origins,
    promoted: PromotedColumns<'a>,
}

impl<'a> Rows<'a> {
    /// `bytes` of the request.
    fn new(tenant: &Tenant, bytes: usize, context: &DecodeContext<'a>) -> Self {
        Self {
            context: *context,
            report: Report::default(),
            replaced_utf8: 0,
            record_attributes: Vec::new(),
            text: String::new(),
            resource_hash: 0,
            resource_ids: Found::default(),
            entries: Entries::new(tenant),
            stream_ids: Vec::new(),
            times: Vec::new(),
            times_are_observed: Vec::new(),
            observed_times: Vec::new(),
            severity_numbers: Vec::new(),
            severity_texts: Strings::default(),
            // Of most requests bodies are the larger half: room that is grown step by step is copied as often, and much of it stays empty.
            bodies: StringBuilder::with_capacity(bytes / USUAL_RECORD_BYTES, bytes / 4 * 3),
            bodies_are_json: Vec::new(),
            trace_ids: Ids::default(),
            span_ids: Ids::default(),
            flags: Vec::new(),
            event_names: Strings::default(),
            attributes: StringBuilder::new(),
            dropped_attributes: Vec::new(),
            origins: Origins::default(),
            promoted: PromotedColumns::new(context.promoted, Table::Logs, context.limits),
        }
    }
}

impl<'a> Items<'a> for Rows<'a> {
    const NAMES: [&'static str; 3] = ["resource_logs", "scope_logs", "log_records"];

    fn len(&self) -> usize {
        self.times.len()
    }

    fn begin_resource(&mut self, resource: &Group<'a>) -> Result<(), WireError> {
        self.resource_hash = resource.resource_hash()?;
        self.resource_ids = Found::default();
        for attribute in resource.attributes() {
            note_labelled(attribute?, &mut self.resource_ids);
        }
        Ok(())
    }

    fn item(&mut self, message: Reader<'a>, place: Place) -> Result<(), WireError> {
        let limits = self.context.limits;
        if message.bytes().len() > limits.max_item_bytes {
            let (size, limit) = (message.bytes().len(), limits.max_item_bytes);
            self.report.reject(1, place, format_args!("the record has {size} bytes, more than the limit of {limit}"));
            return Ok(());
        }
        let record = Record::parse(message, &mut self.record_attributes, &self.context)?;
        let Ok(time) = i64::try_from(record.time) else {
            self.report.reject(1, place, format_args!("time_unix_nano {} is after the year 2262", record.time));
            return Ok(());
        };
        let Ok(observed_time) = i64::try_from(record.observed_time) else {
            let observed = record.observed_time;
            self.report.reject(1, place, format_args!("observed_time_unix_nano {observed} is after the year 2262"));
            return Ok(());
        };
        let row = self.len();
        let mut tally = Tally { dropped: record.dropped_attributes, ..Tally::default() };
        if !self.body(record.body, &mut tally)? {
            let levels = limits.max_nesting;
            self.report.reject(1, place, format_args!("the body is nested deeper than {levels} levels"));
            return Ok(());
        }
        let in_body = if record.trace_id.is_empty() { self.ids_in_body(record.body) } else { Found::default() };
        self.text.clear();
        self.promoted.item(Scope::Log, &self.record_attributes, row, &mut self.text, &mut tally)?;
        match self.text.as_str() {
            "" => self.attributes.append_null(),
            text => self.attributes.append_value(text),
        }
        self.dropped_attributes.push(tally.dropped);

        self.times.push(match (time, observed_time) {
            (0, 0) => self.context.received,
            (0, observed) => observed,
            (time, _) => time,
        });
        self.times_are_observed.push(time == 0);
        self.observed_times.push(observed_time);
        self.severity_numbers.push(record.severity_number);
        self.severity_texts.push_optional(record.severity_text, &mut tally);
        self.flags.push(record.flags);
        self.event_names.push_optional(record.event_name, &mut tally);
        let ids = Found {
            trace: self.correlation("trace_id", record.trace_id, place),
            span: self.correlation("span_id", record.span_id, place),
        };
        let is_whole = ids.trace.is_some() && ids.span.is_some();
        let ids = if is_whole { ids } else { self.correlated(ids, in_body)? };
        self.trace_ids.push(ids.trace.as_ref());
        self.span_ids.push(ids.span.as_ref());
        let time = if time == 0 { Timed::Observed(observed_time) } else { Timed::Own(record.observed_at) };
        self.entries.push(message.bytes(), time);
        self.replaced_utf8 += tally.replaced_utf8;
        Ok(())
    }

    fn end_scope(&mut self, scope: &Group<'a>, first: usize) -> Result<(), WireError> {
        let rows = self.len() - first;
        let stream_id = scope.stream_id(self.resource_hash)?;
        self.stream_ids.resize(first + rows, stream_id);
        self.entries.end_stream(stream_id);
        self.origins.scope(scope, first, rows, self.context.limits, &mut self.replaced_utf8)
    }

    fn end_resource(&mut self, resource: &Group<'a>, first: usize) -> Result<(), WireError> {
        let rows = self.len() - first;
        let limits = self.context.limits;
        self.origins.resource(resource, first, rows, &mut self.promoted, limits, &mut self.replaced_utf8)
    }
}

impl<'a> Rows<'a> {
    /// Appends the body; `false` (and nothing appended) if it is nested too deep.
    fn body(&mut self, body: AnyValue<'a>, tally: &mut Tally) -> Result<bool, WireError> {
        match body {
            AnyValue::String(text) => {
                match std::str::from_utf8(text) {
                    Ok(text) => self.bodies.append_value(text),
                    Err(_) => {
                        tally.replaced_utf8 += 1;
                        self.bodies.append_value(String::from_utf8_lossy(text));
                    }
                }
                self.bodies_are_json.push(false);
            }
            AnyValue::Empty => {
                self.bodies.append_null();
                self.bodies_are_json.push(false);
            }
            value => {
                self.text.clear();
                match push_value(&mut self.text, value, self.context.limits.max_nesting, tally) {
                    Ok(()) => {}
                    Err(Refusal::TooDeep) => return Ok(false),
                    Err(Refusal::Malformed(error)) => return Err(error),
                }
                self.bodies.append_value(&self.text);
                self.bodies_are_json.push(true);
            }
        }
        Ok(true)
    }

    /// An id of the span a record belongs to. A wrong one costs the correlation, not the line.
    fn correlation<const N: usize>(&mut self, name: &str, id: &'a [u8], place: Place) -> Option<[u8; N]> {
        if id.is_empty() {
            return None;
        }
        let Ok(id) = <[u8; N]>::try_from(id) else {
            self.report.warn(place, format_args!("{name} has {} bytes instead of {N} and is dropped", id.len()));
            return None;
        };
        // Loggers write zeros where there is no span.
        (id != [0; N]).then_some(id)
    }

    /// What the body says, which was appended last; of one that is no text, its JSON is in `text`.
    fn ids_in_body(&self, body: AnyValue<'a>) -> Found {
        let Some(rules) = self.context.trace_ids else { return Found::default() };
        match body {
            AnyValue::Empty => Found::default(),
            AnyValue::String(text) => rules.in_text(text),
            _ => rules.in_text(self.text.as_bytes()),
        }
    }

    /// Fills up what a record lacks: labels come first, then other attributes, then the body.
    fn correlated(&self, mut ids: Found, in_body: Found) -> Result<Found, WireError> {
        for attribute in &self.record_attributes {
            note_labelled(KeyValue::parse(*attribute)?, &mut ids);
        }
        ids.trace = ids.trace.or(self.resource_ids.trace);
        ids.span = ids.span.or(self.resource_ids.span);
        if ids.trace.is_none()
            && let Some(rules) = self.context.trace_ids
        {
            for attribute in &self.record_attributes {
                let attribute = KeyValue::parse(*attribute)?;
                if let AnyValue::String(value) = attribute.value {
                    rules.in_attribute(attribute.key, value, &mut ids);
                }
            }
        }
        if ids.trace.is_none() {
            ids = Found { trace: in_body.trace, span: ids.span.or(in_body.span) };
        }
        Ok(ids)
    }

    fn finish(mut self, tenant: &Tenant) -> Result<Decoded, DecodeError> {
        let rows = self.len();
        let mut decoded = outcome(Signal::Logs, rows, &self.report, self.replaced_utf8);
        let (promoted, counts) = self.promoted.finish(Scope::Log, rows)?;
        decoded.key_counts = Some(counts);
        if rows == 0 {
            return Ok(decoded);
        }
        let mut base: Vec<ArrayRef> = vec![
            tenant_column(tenant, rows)?,
            Arc::new(UInt64Array::from(self.stream_ids)),
            Arc::new(TimestampNanosecondArray::from(self.times)),
            Arc::new(BooleanArray::from(self.times_are_observed)),
            Arc::new(TimestampNanosecondArray::from(self.observed_times)),
            Arc::new(Int32Array::from(self.severity_numbers)),
            self.severity_texts.finish(rows)?,
            Arc::new(self.bodies.finish()),
            Arc::new(BooleanArray::from(self.bodies_are_json)),
            self.trace_ids.finish()?,
            self.span_ids.finish()?,
            Arc::new(UInt32Array::from(self.flags)),
            self.event_names.finish(rows)?,
            Arc::new(self.attributes.finish()),
            Arc::new(UInt32Array::from(self.dropped_attributes)),
        ];
        base.extend(self.origins.finish(rows)?);
        decoded.batches.push((Table::Logs, batch(Table::Logs, base, promoted, rows)?));
        decoded.entries = self.entries.finish();
        Ok(decoded)
    }
}

fn note_labelled(attribute: KeyValue<'_>, ids: &mut Found) {
    if let AnyValue::String(value) = attribute.value {
        in_labelled_attribute(attribute.key, value, ids);
    }
}
