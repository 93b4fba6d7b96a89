//! `GET /api/v1/exceptions` and `/api/v1/traces/{trace_id}/exceptions`: exceptions, put together by what they are.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use trefoil_query::traces::{ExceptionsOf, ExceptionsRequest, FoundExceptions};
use trefoil_trace::exceptions::Group;
use utoipa::{IntoParams, ToSchema};

use super::super::error::{ApiError, ErrorAnswer};
use super::{hex_span, hex_trace, no_such_trace, period, trace_id, within};
use crate::ApiState;

const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct OfWindow {
    /// Of spans that start from here on: seconds since 1970 or RFC 3339; an hour before the end without it.
    start: Option<String>,
    /// … to here; now without it.
    end: Option<String>,
    /// Only of this service.
    service: Option<String>,
    /// Only of this type.
    r#type: Option<String>,
    /// Groups in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct OfTrace {
    /// Groups in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: usize,
}

fn default_limit() -> usize {
    100
}

/// Exceptions, those that are the same together, the most frequent first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Exceptions)]
pub(in super::super) struct Answer {
    groups: Vec<ExceptionGroup>,
    /// There are more groups.
    truncated: bool,
    /// All exceptions.
    count: u64,
    /// Exceptions that are in no group, since there were too many groups to tell apart.
    overflow: u64,
    /// Spans that were looked at.
    inspected_spans: u64,
}

/// Of one service and type, thrown at the same place; without a stack trace: saying the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExceptionGroup)]
pub(in super::super) struct ExceptionGroup {
    service: String,
    #[schema(example = "java.lang.IllegalStateException")]
    r#type: String,
    /// The first one's, without what differs from one time to the next.
    #[schema(example = "order <n> not found")]
    message: String,
    /// The same for the same exceptions whenever they are asked for.
    #[schema(example = "9f86d081884c7d65")]
    fingerprint: String,
    count: u64,
    /// Nanoseconds since the Unix epoch, as decimals.
    #[schema(example = "1767225600000000000")]
    first_time_unix_nano: String,
    last_time_unix_nano: String,
    /// Of up to five traces a span each.
    examples: Vec<ExceptionExample>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExceptionExample)]
pub(in super::super) struct ExceptionExample {
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: String,
    #[schema(example = "00f067aa0ba902b7")]
    span_id: String,
}

/// Exceptions of a window of time, put together by what they are
///
/// By service, `exception.type`, and the frames of the stack trace (or, without one, the message) after numbers, ids and quoted text are taken out.
#[utoipa::path(
    get,
    path = "/api/v1/exceptions",
    operation_id = "exceptions",
    tag = "traces",
    params(OfWindow, ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled")),
    responses(
        (status = 200, description = "Groups of exceptions", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "The groups take more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn of_window(
    State(state): State<ApiState>,
    query: Result<Query<OfWindow>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let Query(asked) = query?;
    let tenant = state.tenant(&headers)?;
    let (start, end) = period(asked.start.as_deref(), asked.end.as_deref())?;
    let request = ExceptionsRequest {
        of: ExceptionsOf::Window(start, end),
        service: asked.service,
        exception_type: asked.r#type,
        limit: within("limit", asked.limit, MAX_LIMIT)?,
    };
    Ok(Json(answer(&state.engine.exceptions(&tenant, &request, state.limits()).await?)))
}

/// Exceptions of one trace, put together by what they are
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}/exceptions",
    operation_id = "trace_exceptions",
    tag = "traces",
    params(
        ("trace_id" = String, Path, description = "1 to 32 hexadecimal digits"),
        OfTrace,
        ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled"),
    ),
    responses(
        (status = 200, description = "Groups of exceptions", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 404, description = "The tenant has no such trace", body = ErrorAnswer),
        (status = 422, description = "The groups take more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn of_trace(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<OfTrace>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let (Path(id), Query(asked)) = (path?, query?);
    let tenant = state.tenant(&headers)?;
    let request = ExceptionsRequest {
        of: ExceptionsOf::Trace(trace_id(&id)?),
        service: None,
        exception_type: None,
        limit: within("limit", asked.limit, MAX_LIMIT)?,
    };
    let found = state.engine.exceptions(&tenant, &request, state.limits()).await?;
    match found.inspected_spans {
        0 => Err(no_such_trace(&id)),
        _ => Ok(Json(answer(&found))),
    }
}

fn answer(found: &FoundExceptions) -> Answer {
    Answer {
        groups: found.groups.iter().map(group).collect(),
        truncated: found.further_groups > 0,
        count: found.count,
        overflow: found.overflow,
        inspected_spans: found.inspected_spans,
    }
}

fn group(group: &Group) -> ExceptionGroup {
    let example =
        |(trace, span): &(u128, u64)| ExceptionExample { trace_id: hex_trace(*trace), span_id: hex_span(*span) };
    ExceptionGroup {
        service: group.service.clone(),
        r#type: group.exception_type.clone(),
        message: group.message.clone(),
        fingerprint: hex_span(group.fingerprint),
        count: group.count,
        first_time_unix_nano: group.first.to_string(),
        last_time_unix_nano: group.last.to_string(),
        examples: group.examples.iter().map(example).collect(),
    }
}
