//! `GET /api/v1/traces/{trace_id}/critical_path`: where the time of a trace went.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use trefoil_query::traces::{self, Share, SpanTime};
use utoipa::{IntoParams, ToSchema};

use super::super::error::{ApiError, ErrorAnswer};
use super::{DEFAULT_SKEW, TimedSpan, length, no_such_trace, text, trace_id, within};
use crate::ApiState;

const MAX_LIMIT: usize = 100_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Asked {
    /// How far spans may be moved where clocks disagree (`250ms`, or seconds); `0`: not at all. What runs on after its caller has its answer looks as
    /// if it were of a wrong clock.
    #[param(default = "0")]
    max_clock_skew: Option<String>,
    /// Sections of all paths together, and services, operations and spans.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100_000, default = 1000)]
    limit: usize,
}

fn default_limit() -> usize {
    1000
}

/// Where the time of a trace went. Lengths are nanoseconds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CriticalPath)]
pub(in super::super) struct CriticalPath {
    span_count: usize,
    /// Of the first span: nanoseconds since the Unix epoch, as a decimal.
    #[schema(example = "1767225600000000000")]
    start_time_unix_nano: String,
    /// To the end of the last.
    duration_nano: i64,
    /// Spans that were moved, since clocks disagree.
    corrected_spans: usize,
    /// Of each span that has no parent in the trace, the longest first.
    paths: Vec<TopPath>,
    /// Not all sections are here.
    truncated: bool,
    /// Largest self time first.
    services: Vec<TimeShare>,
    operations: Vec<TimeShare>,
    spans: Vec<SpanSelfTime>,
}

/// A span and what it waited for, from its start to its end without a gap.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopPath)]
pub(in super::super) struct TopPath {
    top: TimedSpan,
    sections: Vec<PathSection>,
}

/// While it lasts, the whole waits for this span alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PathSection)]
pub(in super::super) struct PathSection {
    span: TimedSpan,
    #[schema(example = "1767225600000000000")]
    start_time_unix_nano: String,
    duration_nano: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimeShare)]
pub(in super::super) struct TimeShare {
    service: String,
    /// Of an operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    spans: u64,
    errors: u64,
    self_time_nano: i64,
    /// On critical paths.
    critical_nano: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpanSelfTime)]
pub(in super::super) struct SpanSelfTime {
    #[serde(flatten)]
    span: TimedSpan,
    /// What of the duration no child covers.
    self_time_nano: i64,
    /// On critical paths.
    critical_nano: i64,
}

/// Where the time of a trace went
///
/// The critical path (of whatever has no parent in the trace), found as Jaeger's UI finds it: from the end back to the start, at each instant the
/// child that finished last. Self time, what of a span none of its children covers, by span, operation and service.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/critical_path",
    operation_id = "critical_path",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        Asked,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "Paths and self times", body = CriticalPath),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant has no such trace", body = ErrorAnswer),
        (status = 422, description = "The trace takes more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn critical_path(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<CriticalPath>, ApiError> {
    let (Path(id), Query(asked)) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let most = length("max_clock_skew", asked.max_clock_skew.as_deref(), DEFAULT_SKEW)?;
    let limit = within("limit", asked.limit, MAX_LIMIT)?;
    let found = state.engine.critical_path(&tenant, trace_id(&id)?, most, limit, state.limits()).await?;
    let found = found.ok_or_else(|| no_such_trace(&id))?;
    let section = |section: &traces::PathSection| PathSection {
        span: (&section.span).into(),
        start_time_unix_nano: section.start.to_string(),
        duration_nano: section.duration,
    };
    let top = |path: &traces::TopPath| TopPath {
        top: (&path.top).into(),
        sections: path.sections.iter().map(section).collect(),
    };
    let self_time = |span: &SpanTime| SpanSelfTime {
        span: span.into(),
        self_time_nano: span.self_time,
        critical_nano: span.critical,
    };
    Ok(Json(CriticalPath {
        span_count: found.span_count,
        start_time_unix_nano: found.start.to_string(),
        duration_nano: found.duration,
        corrected_spans: found.corrected_spans,
        paths: found.paths.iter().map(top).collect(),
        truncated: found.further_sections > 0,
        services: found.services.iter().map(share).collect(),
        operations: found.operations.iter().map(share).collect(),
        spans: found.spans.iter().map(self_time).collect(),
    }))
}

fn share(share: &Share) -> TimeShare {
    let Share { service, name, sums } = share;
    TimeShare {
        service: text(service),
        name: name.as_ref().map(text),
        spans: sums.spans,
        errors: sums.errors,
        self_time_nano: sums.self_time,
        critical_nano: sums.critical,
    }
}
