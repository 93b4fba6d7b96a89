//! The exceptions of a window, or of one trace.

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray};
use arrow::datatypes::TimestampNanosecondType;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use trefoil_model::Tenant;
use trefoil_model::attributes::read_attributes;
use trefoil_trace::exceptions::{EVENT, Exception, Group, Groups, MESSAGE, STACKTRACE, TYPE};
use trefoil_trace::otlp::attribute_text;

use super::super::assemble::TraceId;
use super::super::source::{Rows, Sources, TRACE_ID};
use super::super::value::text;
use super::read::Wanted;
use crate::trace::bounded;
use crate::{Engine, Limits, QueryError};

const COLUMNS: [&str; 4] = [TRACE_ID, "span_id", "service_name", "events"];

/// Which exceptions.
#[derive(Debug, Clone)]
pub struct ExceptionsRequest {
    pub of: ExceptionsOf,
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this type.
    pub exception_type: Option<String>,
    /// Groups in the answer.
    pub limit: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum ExceptionsOf {
    Trace(TraceId),
    /// Of spans that start within: inclusive, nanoseconds since the epoch.
    Window(i64, i64),
}

/// Exceptions that are the same, the most frequent first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundExceptions {
    pub groups: Vec<Group>,
    /// Groups beyond the limit.
    pub further_groups: usize,
    /// All exceptions.
    pub count: u64,
    /// Exceptions that are of no group, since there were too many groups to tell apart.
    pub overflow: u64,
    pub inspected_spans: u64,
}

impl Engine {
    /// The exceptions of `tenant` that are asked for, put together by what they are.
    pub async fn exceptions(
        &self,
        tenant: &Tenant,
        request: &ExceptionsRequest,
        limits: Limits,
    ) -> Result<FoundExceptions, QueryError> {
        bounded(limits, self.read_exceptions(tenant, request)).await
    }

    async fn read_exceptions(
        &self,
        tenant: &Tenant,
        request: &ExceptionsRequest,
    ) -> Result<FoundExceptions, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let memory = self.memory();
        let wanted = match request.of {
            ExceptionsOf::Trace(id) => Wanted::Trace(id),
            ExceptionsOf::Window(start, end) => Wanted::Window(start, end),
        };
        let (mut groups, mut inspected_spans) = (Groups::default(), 0);
        let (list, superseded) = wanted.sources(&sources, &memory).await?;
        for (place, source) in list.iter().enumerate() {
            tokio::task::yield_now().await;
            let mut among = wanted.rows(&sources, source).await?;
            superseded.leave_last(place, &mut among);
            inspected_spans += among.len() as u64;
            if among.is_empty() {
                continue;
            }
            let before = groups.bytes();
            let rows = sources.read(source, &COLUMNS).await?;
            for row in among {
                of_span(&rows, row as usize, request, &mut groups);
            }
            let more = groups.bytes() - before;
            memory.grow(more).map_err(|error| QueryError::LimitExceeded(error.to_string()))?;
        }
        let (count, overflow) = (groups.count, groups.overflow);
        let mut groups = groups.finish();
        let further_groups = groups.len().saturating_sub(request.limit);
        groups.truncate(request.limit);
        Ok(FoundExceptions { groups, further_groups, count, overflow, inspected_spans })
    }
}

fn of_span(rows: &Rows, row: usize, request: &ExceptionsRequest, groups: &mut Groups) -> Option<()> {
    let events = rows.column("events")?.as_any().downcast_ref::<ListArray>()?;
    if events.is_null(row) || events.value_length(row) == 0 {
        return None;
    }
    let service = rows.column("service_name").and_then(|array| text(array, row)).unwrap_or_default();
    if request.service.as_ref().is_some_and(|wanted| wanted != service) {
        return None;
    }
    let trace = u128::from_be_bytes(rows.trace_ids().ok()?.value(row).try_into().ok()?);
    let span = rows.column("span_id")?.as_fixed_size_binary_opt()?.value(row).try_into().ok()?;
    let events = events.value(row);
    let events = events.as_struct_opt()?;
    for place in (0..events.len()).filter(|place| named(events, *place) == Some(EVENT)) {
        let attributes = attributes(events, place);
        let of = |name: &str| attribute_text(&attributes, name).unwrap_or_default();
        let exception_type = of(TYPE);
        if request.exception_type.as_ref().is_some_and(|wanted| *wanted != exception_type) {
            continue;
        }
        groups.add(&Exception {
            service,
            exception_type: &exception_type,
            message: &of(MESSAGE),
            stacktrace: &of(STACKTRACE),
            trace,
            span: u64::from_be_bytes(span),
            time: time(events, place),
        });
    }
    Some(())
}

fn named(events: &StructArray, place: usize) -> Option<&str> {
    text(events.column_by_name("name")?, place)
}

fn time(events: &StructArray, place: usize) -> i64 {
    let times = |array: &ArrayRef| Some(array.as_primitive_opt::<TimestampNanosecondType>()?.value(place));
    events.column_by_name("time_unix_nano").and_then(times).unwrap_or(0)
}

fn attributes(events: &StructArray, place: usize) -> Vec<KeyValue> {
    let json = events.column_by_name("attributes").and_then(|array| text(array, place));
    json.and_then(|json| read_attributes(json).ok()).unwrap_or_default()
}
