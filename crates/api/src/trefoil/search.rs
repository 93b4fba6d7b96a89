//! `GET /api/v1/traces/{trace_id}/search?q=…`: which spans of a trace contain a text.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorAnswer};
use crate::ApiState;
use crate::ids::parse_trace_id;

const DEFAULT_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// The text, 1 to 1024 bytes; upper and lower case are the same.
    #[param(min_length = 1, max_length = 1024)]
    q: String,
    /// How many spans at most.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: usize,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// The spans that were found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Found {
    /// Their ids in hexadecimal, each once, the earliest span first.
    #[schema(example = json!(["00f067aa0ba902b7"]))]
    spans: Vec<String>,
    /// There are more than these.
    truncated: bool,
}

/// The spans of a trace that contain a text
///
/// In the name, the status message, the service or any other attribute (keys and values, of span, resource, scope, event or
/// link), the names of events and the ids of links.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/search",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        Search,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "The spans, none if there is no such trace", body = Found),
        (status = 400, description = "The id is none, or the text is empty or too long", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "The trace has more spans than an answer may have rows", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn search(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Search>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Found>, ApiError> {
    let (Path(trace_id), Query(Search { q, limit })) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let trace_id = parse_trace_id(&trace_id).map_err(ApiError::bad_request)?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit: {limit} is not between 1 and {MAX_LIMIT}")));
    }
    let found = state.engine.search_trace(&tenant, trace_id, &q, limit, state.limits()).await?;
    let spans = found.span_ids.into_iter().map(|id| format!("{:016x}", u64::from_be_bytes(id))).collect();
    Ok(Json(Found { spans, truncated: found.truncated }))
}
