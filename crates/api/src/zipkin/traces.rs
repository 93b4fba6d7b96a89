//! Traces and dependencies.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::TracesData;
use serde::Serialize;
use trefoil_query::traces::Dependency;
use trefoil_traceql::ast::Attribute;
use trefoil_zipkin::{Span, from_otlp, parse_trace_id};

use super::ZipkinError;
use super::query::{Parameters, remote_attributes};
use crate::ApiState;

/// Traces that can be asked for at once by their ids.
const MAX_IDS: usize = 1000;

pub(super) async fn traces(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Vec<Vec<Span<'static>>>>, ZipkinError> {
    let tenant = state.tenant(&headers)?;
    let request = parameters.search(now())?;
    let searched = state.engine.search_traces(&tenant, &request, state.limits()).await?;
    let ids: Vec<[u8; 16]> = searched.traces.iter().map(|found| found.trace_id).collect();
    let traces = state.engine.traces(&tenant, &ids, state.limits()).await?;
    Ok(Json(traces.into_iter().map(spans).collect()))
}

pub(super) async fn trace(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Vec<Span<'static>>>, ZipkinError> {
    let tenant = state.tenant(&headers)?;
    let trace = state.engine.trace(&tenant, trace_id(&id)?, None, state.limits()).await?;
    match trace.resource_spans.is_empty() {
        true => Err(ZipkinError(StatusCode::NOT_FOUND, format!("{id} not found"))),
        false => Ok(Json(spans(trace))),
    }
}

pub(super) async fn trace_many(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Vec<Vec<Span<'static>>>>, ZipkinError> {
    let tenant = state.tenant(&headers)?;
    let ids = trace_ids(parameters.get("traceIds"))?;
    let traces = state.engine.traces(&tenant, &ids, state.limits()).await?;
    Ok(Json(traces.into_iter().map(spans).collect()))
}

fn trace_ids(text: &str) -> Result<Vec<[u8; 16]>, ZipkinError> {
    let texts: Vec<&str> = text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
    match texts.len() {
        0 => return Err(ZipkinError::bad_request("traceIds parameter is empty")),
        1 => {
            let told = "Use /api/v2/trace/{traceId} endpoint to retrieve a single trace";
            return Err(ZipkinError::bad_request(told));
        }
        2..=MAX_IDS => {}
        _ => return Err(ZipkinError::bad_request(format!("traceIds has more than {MAX_IDS} ids"))),
    }
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let id = trace_id(text)?;
        if ids.contains(&id) {
            return Err(ZipkinError::bad_request(format!("redundant traceId: {text}")));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn trace_id(text: &str) -> Result<[u8; 16], ZipkinError> {
    let number = parse_trace_id(text)
        .map_err(|_| ZipkinError::bad_request(format!("{text} should be lower-hex encoded with no prefix")))?;
    Ok(number.to_be_bytes())
}

fn spans(trace: TracesData) -> Vec<Span<'static>> {
    from_otlp(&ExportTraceServiceRequest { resource_spans: trace.resource_spans }, "").spans
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    parent: String,
    child: String,
    call_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    error_count: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) async fn dependencies(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Json<Vec<Link>>, ZipkinError> {
    let tenant = state.tenant(&headers)?;
    parameters.required("endTs")?;
    let period = parameters.period(now())?;
    let remotes: Vec<Attribute> = remote_attributes().collect();
    let found = state.engine.service_dependencies(&tenant, period, &remotes, state.limits()).await?;
    let link = |of: Dependency| Link {
        parent: of.parent.to_string(),
        child: of.child.to_string(),
        call_count: of.calls,
        error_count: of.errors,
    };
    Ok(Json(found.into_iter().map(link).collect()))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ids_have_several_different_ones() {
        let read = |text: &str| trace_ids(text).map_err(|error| error.1);
        assert_eq!(read("1, 2").unwrap(), [1_u128, 2].map(u128::to_be_bytes));
        for (text, told) in [
            ("", "traceIds parameter is empty"),
            ("1", "Use /api/v2/trace/{traceId} endpoint to retrieve a single trace"),
            ("1,01", "redundant traceId: 01"),
            ("1,x", "x should be lower-hex encoded with no prefix"),
        ] {
            assert_eq!(read(text).unwrap_err(), told, "{text}");
        }
    }
}
