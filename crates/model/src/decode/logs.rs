//! `ExportLogsServiceRequest` → rows of `logs`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, StringBuilder, TimestampNanosecondArray, UInt32Array, UInt64Array,
};

use super::attributes::PromotedColumns;
use super::batch::{batch, tenant_column};
use super::columns::{Ids, Strings};
use super::origin::{Group, Origins};
use super::walk::{Items, outcome, walk};
use super::{DecodeContext, DecodeError, Decoded, Place, Report};
use crate::attributes::{AnyValue, Refusal, Tally, push_value};
use crate::promote::Scope;
use crate::wire::{Reader, WireError};
use crate::{Signal, Table, Tenant};

pub(super) fn decode(tenant: &Tenant, body: &[u8], context: &DecodeContext<'_>) -> Result<Decoded, DecodeError> {
    let mut rows = Rows::new(context);
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
        for field in message {
            let field = field?;
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
                11 => record.observed_time = field.fixed64()?,
                12 => record.event_name = field.bytes()?,
                _ => {}
            }
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
    fn new(context: &DecodeContext<'a>) -> Self {
        Self {
            context: *context,
            report: Report::default(),
            replaced_utf8: 0,
            record_attributes: Vec::new(),
            text: String::new(),
            resource_hash: 0,
            stream_ids: Vec::new(),
            times: Vec::new(),
            times_are_observed: Vec::new(),
            observed_times: Vec::new(),
            severity_numbers: Vec::new(),
            severity_texts: Strings::default(),
            bodies: StringBuilder::new(),
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
        let trace_id = self.correlation("trace_id", record.trace_id, place);
        self.trace_ids.push(trace_id);
        let span_id = self.correlation("span_id", record.span_id, place);
        self.span_ids.push(span_id);
        self.replaced_utf8 += tally.replaced_utf8;
        Ok(())
    }

    fn end_scope(&mut self, scope: &Group<'a>, first: usize) -> Result<(), WireError> {
        let rows = self.len() - first;
        self.stream_ids.resize(first + rows, scope.stream_id(self.resource_hash)?);
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
    fn correlation<const N: usize>(&mut self, name: &str, id: &'a [u8], place: Place) -> Option<&'a [u8; N]> {
        if id.is_empty() {
            return None;
        }
        let Ok(id) = <&[u8; N]>::try_from(id) else {
            self.report.warn(place, format_args!("{name} has {} bytes instead of {N} and is dropped", id.len()));
            return None;
        };
        // Loggers write zeros where there is no span.
        (*id != [0; N]).then_some(id)
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
        Ok(decoded)
    }
}
