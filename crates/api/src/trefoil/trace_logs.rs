//! `GET /api/v1/traces/{trace_id}/logs`: what was logged while a trace ran, or within one of its spans.

use std::collections::BTreeMap;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData};
use serde::{Deserialize, Serialize};
use trefoil_prometheus::attributes::text;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorAnswer};
use crate::ApiState;
use crate::ids::{parse_span_id, parse_trace_id};

const DEFAULT_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;
const SERVICE_NAME: &str = "service.name";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those of this span: 1 to 16 hexadecimal digits.
    span_id: Option<String>,
    /// How many at most: the earliest.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: usize,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// Log records of a trace, the earliest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceLogs {
    logs: Vec<TraceLog>,
    /// There are more than these.
    truncated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct TraceLog {
    /// Nanoseconds since 1970, as decimal digits.
    #[schema(example = "1780272000000000000")]
    time_unix_nano: String,
    /// In hexadecimal; empty where the record names no span.
    span_id: String,
    /// Empty where nothing tells it.
    service: String,
    severity_text: String,
    /// OpenTelemetry's: 1 to 24; 0 where nobody has said.
    severity_number: i32,
    /// A body that is no text is its JSON.
    body: String,
    /// Those of the record, as text.
    attributes: BTreeMap<String, String>,
    /// Those of the resource, as text.
    resource: BTreeMap<String, String>,
}

/// What was logged in a trace
///
/// Records that came with the trace's id, and those whose attributes or text name it (`storage.trace_ids`).
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/logs",
    operation_id = "trace_logs",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        Wanted,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "The records, none if there is no such trace", body = TraceLogs),
        (status = 400, description = "An id is none, or the limit is too large", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn logs(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<TraceLogs>, ApiError> {
    let (Path(trace_id), Query(Wanted { span_id, limit })) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let trace_id = parse_trace_id(&trace_id).map_err(ApiError::bad_request)?;
    let span_id = span_id.map(|id| parse_span_id(&id)).transpose().map_err(ApiError::bad_request)?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit: {limit} is not between 1 and {MAX_LIMIT}")));
    }
    // One more tells whether there are more.
    let found = state.engine.trace_logs(&tenant, trace_id, span_id, limit + 1, state.limits()).await?;
    let mut logs = listed(found);
    let truncated = logs.len() > limit;
    logs.truncate(limit);
    Ok(Json(TraceLogs { logs, truncated }))
}

fn listed(found: LogsData) -> Vec<TraceLog> {
    let mut logs = Vec::new();
    for group in found.resource_logs {
        let resource = texts(&group.resource.unwrap_or_default().attributes);
        let records = group.scope_logs.into_iter().flat_map(|scope| scope.log_records);
        logs.extend(records.map(|record| (time_of(&record), of_record(record, &resource))));
    }
    logs.sort_by_key(|(time, _)| *time);
    logs.into_iter().map(|(_, log)| log).collect()
}

fn time_of(record: &LogRecord) -> u64 {
    match record.time_unix_nano {
        0 => record.observed_time_unix_nano,
        time => time,
    }
}

fn of_record(record: LogRecord, resource: &BTreeMap<String, String>) -> TraceLog {
    TraceLog {
        time_unix_nano: time_of(&record).to_string(),
        span_id: record.span_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        service: resource.get(SERVICE_NAME).cloned().unwrap_or_default(),
        severity_text: record.severity_text,
        severity_number: record.severity_number,
        body: record.body.as_ref().map(text).unwrap_or_default(),
        attributes: texts(&record.attributes),
        resource: resource.clone(),
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let member = |attribute: &KeyValue| (attribute.key.clone(), attribute.value.as_ref().map(text).unwrap_or_default());
    attributes.iter().map(member).collect()
}
