//! `GET /api/traces/{id}` (v1: a bare `tempopb.Trace`) and `GET /api/v2/traces/{id}` (`tempopb.TraceByIDResponse`).

use std::ops::Range;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json::resource_spans;
use super::{TempoError, protobuf, wants_protobuf};
use crate::ApiState;
use crate::ids::parse_trace_id;

/// `tempopb.TraceByIDResponse`. `tempopb.Trace` has the fields of OTLP's `TracesData`.
#[derive(Clone, PartialEq, Message)]
struct TraceByIdResponse {
    #[prost(message, optional, tag = "1")]
    trace: Option<TracesData>,
    #[prost(message, optional, tag = "2")]
    metrics: Option<TraceByIdMetrics>,
    /// 0 complete, 1 partial.
    #[prost(int32, tag = "3")]
    status: i32,
    #[prost(string, tag = "4")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct TraceByIdMetrics {
    #[prost(uint64, tag = "1")]
    inspected_bytes: u64,
}

/// When the trace ran, in seconds since the epoch: a hint that spares files, as Tempo understands it.
#[derive(Deserialize)]
pub(super) struct TimeHint {
    start: Option<i64>,
    end: Option<i64>,
}

/// The hint says roughly when; spans of the same trace just outside of it are still wanted.
const HINT_SLACK_SECONDS: i64 = 3600;

impl TimeHint {
    fn starts(&self) -> Result<Option<Range<i64>>, TempoError> {
        let (Some(start), Some(end)) = (self.start, self.end) else {
            return Ok(None);
        };
        if start == 0 && end == 0 {
            return Ok(None);
        }
        if end <= start {
            return Err(TempoError::bad_request("http parameter start must be before end"));
        }
        let nanos = |seconds: i64| seconds.saturating_mul(1_000_000_000);
        Ok(Some(nanos(start.saturating_sub(HINT_SLACK_SECONDS))..nanos(end.saturating_add(HINT_SLACK_SECONDS))))
    }
}

pub(super) async fn v1(
    State(state): State<ApiState>,
    Path(trace_id): Path<String>,
    Query(hint): Query<TimeHint>,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let trace = find(&state, &headers, &trace_id, &hint).await?;
    if wants_protobuf(&headers) {
        return Ok(protobuf(&trace));
    }
    Ok(Json(json!({ "batches": resource_spans(&trace) })).into_response())
}

pub(super) async fn v2(
    State(state): State<ApiState>,
    Path(trace_id): Path<String>,
    Query(hint): Query<TimeHint>,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let trace = find(&state, &headers, &trace_id, &hint).await?;
    if wants_protobuf(&headers) {
        let metrics = Some(TraceByIdMetrics::default());
        return Ok(protobuf(&TraceByIdResponse { trace: Some(trace), metrics, status: 0, message: String::new() }));
    }
    Ok(Json(document(&trace)).into_response())
}

/// The JSON of `tempopb.TraceByIDResponse`.
pub(crate) fn document(trace: &TracesData) -> Value {
    json!({
        "trace": { "resourceSpans": resource_spans(trace) },
        "metrics": {},
        "status": "COMPLETE",
        "message": "",
    })
}

async fn find(
    state: &ApiState,
    headers: &HeaderMap,
    trace_id: &str,
    hint: &TimeHint,
) -> Result<TracesData, TempoError> {
    let tenant = state.tenant(headers)?;
    let trace_id = parse_trace_id(trace_id).map_err(TempoError::bad_request)?;
    let trace = state.engine.trace(&tenant, trace_id, hint.starts()?, state.limits()).await?;
    match trace.resource_spans.is_empty() {
        true => Err(TempoError::not_found()),
        false => Ok(trace),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_hint_needs_an_end_after_its_start() {
        let hint = |start, end| TimeHint { start, end }.starts().map_err(|e| e.0);
        assert_eq!(hint(None, Some(5)), Ok(None));
        assert_eq!(hint(Some(5), Some(5)), Err(StatusCode::BAD_REQUEST));
        assert_eq!(hint(Some(3600), Some(7200)), Ok(Some(0..10_800_000_000_000)));
    }
}
