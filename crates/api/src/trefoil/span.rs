//! `GET /api/v1/traces/{trace_id}/spans/{span_id}`: one span with everything it has, for who has seen its row in a list.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorAnswer};
use crate::ApiState;
use crate::ids::{parse_span_id, parse_trace_id};
use crate::tempo::json::resource_spans;

/// Spans with their resources and scopes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spans {
    /// OTLP's `ResourceSpans` in protobuf's JSON mapping, exactly as Tempo's `/api/v2/traces/{trace_id}` writes them: ids
    /// in base64, enums by name, 64-bit integers as decimals, fields at their default absent.
    #[schema(value_type = Vec<Object>)]
    resource_spans: Value,
}

/// One span with all its attributes, events and links
///
/// A span that was sent twice comes twice.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/spans/{span_id}",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        ("span_id" = String, Path, description = "1 to 16 hexadecimal digits"),
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "The span", body = Spans),
        (status = 400, description = "An id is none", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant has no such span", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn span(
    State(state): State<ApiState>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<Spans>, ApiError> {
    let Path((trace_id, span_id)) = path?;
    let tenant = state.tenant(&headers)?;
    let trace = parse_trace_id(&trace_id).map_err(ApiError::bad_request)?;
    let span = parse_span_id(&span_id).map_err(ApiError::bad_request)?;
    let found = state.engine.span(&tenant, trace, span, state.limits()).await?;
    if found.resource_spans.is_empty() {
        return Err(ApiError::not_found(format!("there is no span {span_id} in trace {trace_id}")));
    }
    Ok(Json(Spans { resource_spans: resource_spans(&found) }))
}
