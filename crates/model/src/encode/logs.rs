//! Rows of `logs` → `LogsData`.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, UInt32Type};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};

use super::EncodeError;
use super::columns::{Attributes, Columns, Id, Text};
use super::origin::Gathered;
use crate::attributes::read_value;
use crate::promote::Scope;

/// The records of all batches, which have the columns of the `logs` table in any order.
pub fn logs(batches: &[RecordBatch]) -> Result<LogsData, EncodeError> {
    let mut records = Gathered::new();
    for batch in batches {
        let columns = Columns::of_batch(batch);
        let row = LogRows::of(&columns)?;
        records.add(batch, |index| row.record(index))?;
    }
    let resource_logs = records
        .into_resources()
        .into_iter()
        .map(|group| ResourceLogs {
            resource: group.resource,
            schema_url: group.schema_url,
            scope_logs: group
                .scopes
                .into_iter()
                .map(|group| ScopeLogs { scope: group.scope, schema_url: group.schema_url, log_records: group.items })
                .collect(),
        })
        .collect();
    Ok(LogsData { resource_logs })
}

struct LogRows<'a> {
    time: arrow::array::PrimitiveArray<Int64Type>,
    time_is_observed: BooleanArray,
    observed_time: arrow::array::PrimitiveArray<Int64Type>,
    severity_number: arrow::array::PrimitiveArray<Int32Type>,
    severity_text: Text,
    body: Text,
    body_is_json: BooleanArray,
    attributes: Attributes,
    dropped_attributes: arrow::array::PrimitiveArray<UInt32Type>,
    flags: arrow::array::PrimitiveArray<UInt32Type>,
    trace_id: Id<'a>,
    span_id: Id<'a>,
    event_name: Text,
}

impl<'a> LogRows<'a> {
    fn of(columns: &Columns<'a>) -> Result<Self, EncodeError> {
        Ok(Self {
            time: columns.number("time_unix_nano")?,
            time_is_observed: columns.flag("time_is_observed")?,
            observed_time: columns.number("observed_time_unix_nano")?,
            severity_number: columns.number("severity_number")?,
            severity_text: columns.text("severity_text")?,
            body: columns.text("body")?,
            body_is_json: columns.flag("body_is_json")?,
            attributes: columns.attributes(Scope::Log, "log_attributes")?,
            dropped_attributes: columns.number("dropped_attributes_count")?,
            flags: columns.number("flags")?,
            trace_id: columns.id("trace_id")?,
            span_id: columns.id("span_id")?,
            event_name: columns.text("event_name")?,
        })
    }

    fn record(&self, row: usize) -> Result<LogRecord, EncodeError> {
        let time = if self.time_is_observed.value(row) { 0 } else { self.time.value(row) as u64 };
        Ok(LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: self.observed_time.value(row) as u64,
            severity_number: self.severity_number.value(row),
            severity_text: self.severity_text.or_empty(row),
            body: self.body(row)?,
            attributes: self.attributes.get(row)?,
            dropped_attributes_count: self.dropped_attributes.value(row),
            flags: self.flags.value(row),
            trace_id: self.trace_id.get(row),
            span_id: self.span_id.get(row),
            event_name: self.event_name.or_empty(row),
        })
    }

    fn body(&self, row: usize) -> Result<Option<AnyValue>, EncodeError> {
        let Some(text) = self.body.get(row) else {
            return Ok(None);
        };
        if self.body_is_json.value(row) {
            return Ok(Some(read_value(text)?));
        }
        Ok(Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) }))
    }
}
