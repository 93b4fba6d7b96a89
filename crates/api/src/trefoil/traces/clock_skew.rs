//! `GET /api/v1/traces/{trace_id}/clock_skew`: which spans are of clocks that disagree, and where they belong.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::error::{ApiError, ErrorAnswer};
use super::{DEFAULT_SKEW, TimedSpan, length, no_such_trace, trace_id, within};
use crate::ApiState;

const MAX_LIMIT: usize = 100_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Asked {
    /// How far spans may be moved (`250ms`, or seconds); `0`: not at all, which tells only what would be. What runs on after its caller
    /// has its answer looks as if it were of a wrong clock.
    #[param(default = "0")]
    max_clock_skew: Option<String>,
    /// Spans in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100_000, default = 10_000)]
    limit: usize,
}

fn default_limit() -> usize {
    10_000
}

/// What was found out about the clocks of a trace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClockSkew)]
pub(in super::super) struct ClockSkew {
    span_count: usize,
    /// Spans that are moved.
    corrected_spans: usize,
    /// Spans there is something to say about, the earliest first.
    spans: Vec<SkewedSpan>,
    /// There are more of them.
    truncated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkewedSpan)]
pub(in super::super) struct SkewedSpan {
    #[serde(flatten)]
    span: TimedSpan,
    /// For people.
    #[schema(example = "clock skew: all times of this span were moved by 35ms")]
    warning: String,
}

/// Spans of clocks that disagree
///
/// A span that does not lie within its parent, though it is of another host (`host.id`, `host.ip`, `host.name`; without them: of
/// another instance of a service), is moved to its parent's middle, and what is below it on the same host with it, as Jaeger does.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/clock_skew",
    operation_id = "clock_skew",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        Asked,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "Spans with a warning, each where it belongs", body = ClockSkew),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant has no such trace", body = ErrorAnswer),
        (status = 422, description = "The trace takes more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn clock_skew(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<ClockSkew>, ApiError> {
    let (Path(id), Query(asked)) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let most = length("max_clock_skew", asked.max_clock_skew.as_deref(), DEFAULT_SKEW)?;
    let limit = within("limit", asked.limit, MAX_LIMIT)?;
    let found = state.engine.clock_skew(&tenant, trace_id(&id)?, most, limit, state.limits()).await?;
    let found = found.ok_or_else(|| no_such_trace(&id))?;
    let span = |(span, verdict): &(_, trefoil_trace::skew::Verdict)| SkewedSpan {
        span: TimedSpan::from(span),
        warning: verdict.to_string(),
    };
    Ok(Json(ClockSkew {
        span_count: found.span_count,
        corrected_spans: found.corrected_spans,
        truncated: found.further_spans > 0,
        spans: found.spans.iter().map(span).collect(),
    }))
}
