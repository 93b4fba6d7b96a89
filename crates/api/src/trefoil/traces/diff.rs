//! `GET /api/v1/traces/{trace_id}/diff` and `/api/v1/traces/{trace_id}/spans/{span_id}/diff`: how two traces differ, and two spans.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use trefoil_query::traces::{ChangedValue, DifferentSpan, FoundDifference};
use utoipa::{IntoParams, ToSchema};

use super::super::error::{ApiError, ErrorAnswer};
use super::{hex_trace, length, no_such_trace, trace_id, within};
use crate::ApiState;
use crate::ids::parse_span_id;

const MAX_LIMIT: usize = 100_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct OfTraces {
    /// The other trace, to which the differences lead: 1 to 32 hexadecimal digits.
    with: String,
    /// Durations that differ by less are equal (`5ms`, or seconds).
    #[param(default = "0")]
    min_duration_change: Option<String>,
    /// Differences in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100_000, default = 1000)]
    limit: usize,
}

fn default_limit() -> usize {
    1000
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct OfSpans {
    /// The trace of the other span; the same without it.
    with_trace: Option<String>,
    /// The other span, to which the differences lead: 1 to 16 hexadecimal digits.
    with: String,
}

/// What has to be done to the first trace to make it the second.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TraceDiff)]
pub(in super::super) struct Answer {
    added: usize,
    removed: usize,
    changed: usize,
    unchanged: usize,
    /// Parents before their children.
    differences: Vec<SpanDifference>,
    /// There are more differences.
    truncated: bool,
}

/// A span that was added, removed or changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SpanDifference)]
pub(in super::super) struct SpanDifference {
    /// Absent of one that was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    before: Option<DiffSpan>,
    /// Absent of one that was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    after: Option<DiffSpan>,
    /// What is not the same in both: `duration_nano`, `status`, and between two spans `service`, `name` and `kind`.
    fields: Vec<DiffValue>,
    attributes: Vec<DiffValue>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiffSpan)]
pub(in super::super) struct DiffSpan {
    #[schema(example = "00f067aa0ba902b7")]
    span_id: String,
    service: String,
    name: String,
    /// Nanoseconds since the Unix epoch, as a decimal.
    #[schema(example = "1767225600000000000")]
    start_time_unix_nano: String,
    duration_nano: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiffValue)]
pub(in super::super) struct DiffValue {
    key: String,
    /// `null`: it is not there.
    #[schema(required)]
    before: Option<String>,
    #[schema(required)]
    after: Option<String>,
}

/// How another trace differs
///
/// Spans are the same when their parents are, they are of the same service and operation, and the first, second, … of these among their
/// siblings, by their starts.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/diff",
    operation_id = "trace_diff",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        OfTraces,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "The differences, none between equal traces", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant does not have both traces", body = ErrorAnswer),
        (status = 422, description = "A trace has more than 100,000 spans", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn of_traces(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<OfTraces>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let (Path(id), Query(asked)) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let ids = [trace_id(&id)?, trace_id(&asked.with)?];
    let least = length("min_duration_change", asked.min_duration_change.as_deref(), "0")?;
    let limit = within("limit", asked.limit, MAX_LIMIT)?;
    let found = state.engine.diff_traces(&tenant, ids, least, limit, state.limits()).await?;
    let found = found.map_err(|id| no_such_trace(&hex_trace(u128::from_be_bytes(id))))?;
    Ok(Json(Answer {
        added: found.added,
        removed: found.removed,
        changed: found.changed,
        unchanged: found.unchanged,
        truncated: found.differences.len() < found.added + found.removed + found.changed,
        differences: found.differences.into_iter().map(difference).collect(),
    }))
}

/// How another span differs, of this or of another trace
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/spans/{span_id}/diff",
    operation_id = "span_diff",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        ("span_id" = String, Path, description = "1 to 16 hexadecimal digits"),
        OfSpans,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "The differences", body = SpanDifference),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant does not have both spans", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn of_spans(
    State(state): State<ApiState>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<OfSpans>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<SpanDifference>, ApiError> {
    let (Path((trace, span)), Query(asked)) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let other = asked.with_trace.unwrap_or_else(|| trace.clone());
    let named = [(trace, span), (other, asked.with)];
    let [before, after] = named.each_ref().map(|(trace, span)| {
        Ok::<_, ApiError>((trace_id(trace)?, parse_span_id(span).map_err(ApiError::bad_request)?))
    });
    let found = state.engine.diff_spans(&tenant, [before?, after?], state.limits()).await?;
    let found = found.map_err(|place| {
        let (trace, span) = &named[place];
        ApiError::not_found(format!("there is no span {span} in trace {trace}"))
    })?;
    Ok(Json(difference(found)))
}

fn difference(found: FoundDifference) -> SpanDifference {
    let value = |ChangedValue { key, before, after }| DiffValue { key, before, after };
    let diff = found.diff;
    let own = |key: &str, before: String, after: String| DiffValue {
        key: key.to_owned(),
        before: Some(before),
        after: Some(after),
    };
    let duration = diff.duration.map(|(before, after)| own("duration_nano", before.to_string(), after.to_string()));
    let status = diff.status.map(|(before, after)| own("status", before, after));
    SpanDifference {
        before: found.before.map(diff_span),
        after: found.after.map(diff_span),
        fields: duration.into_iter().chain(status).chain(diff.fields.into_iter().map(value)).collect(),
        attributes: diff.attributes.into_iter().map(value).collect(),
    }
}

fn diff_span(span: DifferentSpan) -> DiffSpan {
    DiffSpan {
        span_id: span.span_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        service: span.service,
        name: span.name,
        start_time_unix_nano: span.start.to_string(),
        duration_nano: span.duration,
    }
}
