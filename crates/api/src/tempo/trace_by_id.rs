//! `GET /api/traces/{id}` (v1: a bare `tempopb.Trace`) and `GET /api/v2/traces/{id}` (`tempopb.TraceByIDResponse`).

use std::ops::Range;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json::resource_spans;
use super::narrow::{FILTERED, Narrowing};
use super::{TempoError, accepts, llm, protobuf, wants_protobuf};
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
    /// Which of Tempo's stores to look into. Here there is one; `blockStart` and `blockEnd` are no matter for the same reason.
    mode: Option<String>,
}

const MODES: [&str; 5] = ["", "all", "ingesters", "blocks", "external"];

/// The hint says roughly when; spans of the same trace just outside of it are still wanted.
const HINT_SLACK_SECONDS: i64 = 3600;

impl TimeHint {
    fn starts(&self) -> Result<Option<Range<i64>>, TempoError> {
        if let Some(mode) = self.mode.as_deref().filter(|mode| !MODES.contains(mode)) {
            return Err(TempoError::bad_request(format!("invalid value for mode {mode}")));
        }
        let (Some(start), Some(end)) = (self.start, self.end) else {
            return Ok(None);
        };
        if start == 0 && end == 0 {
            return Ok(None);
        }
        if end <= start {
            return Err(TempoError::bad_request("http parameter start must be before end"));
        }
        Ok(Some(starts(start, end)))
    }
}

/// When spans may start (nanoseconds) of a trace that is said to lie between the two (seconds).
pub(super) fn starts(start: i64, end: i64) -> Range<i64> {
    let nanos = |seconds: i64| seconds.saturating_mul(1_000_000_000);
    nanos(start.saturating_sub(HINT_SLACK_SECONDS))..nanos(end.saturating_add(HINT_SLACK_SECONDS))
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

/// With `q` and what goes with it, a part of the trace; the answer then says so, as Tempo's does.
pub(super) async fn v2(
    State(state): State<ApiState>,
    Path(trace_id): Path<String>,
    Query(hint): Query<TimeHint>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let narrowing = Narrowing::read(&parameters).map_err(TempoError::bad_request)?;
    let mut trace = find(&state, &headers, &trace_id, &hint).await?;
    let mut is_less = false;
    if let Some(narrowing) = narrowing {
        let (tenant, id) = (state.tenant(&headers)?, parse_trace_id(&trace_id).map_err(TempoError::bad_request)?);
        let matching = state.engine.matching_spans(&tenant, id, &narrowing.filter, state.limits()).await?;
        is_less = narrowing.narrow(&mut trace, matching);
    }
    let message = if is_less { FILTERED } else { "" };
    if wants_protobuf(&headers) {
        let (metrics, status) = (Some(TraceByIdMetrics::default()), i32::from(is_less));
        let answer = TraceByIdResponse { trace: Some(trace), metrics, status, message: message.to_owned() };
        return Ok(protobuf(&answer));
    }
    let status = if is_less { "PARTIAL" } else { "COMPLETE" };
    if accepts(&headers, llm::CONTENT_TYPE) {
        let kind = [(header::CONTENT_TYPE, llm::CONTENT_TYPE)];
        return Ok((kind, llm::document(&trace, status, message).to_string()).into_response());
    }
    let mut document = document(&trace);
    (document["status"], document["message"]) = (status.into(), message.into());
    Ok(Json(document).into_response())
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
        let hint = |start, end| TimeHint { start, end, mode: None }.starts().map_err(|e| e.0);
        assert_eq!(hint(None, Some(5)), Ok(None));
        assert_eq!(hint(Some(5), Some(5)), Err(StatusCode::BAD_REQUEST));
        assert_eq!(hint(Some(3600), Some(7200)), Ok(Some(0..10_800_000_000_000)));
    }
}
