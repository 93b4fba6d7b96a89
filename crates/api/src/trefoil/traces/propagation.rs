//! `GET /api/v1/propagation`: between which services the context of traces gets lost.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use trefoil_query::traces::{PropagationRequest, ServicePair};
use trefoil_trace::propagation::{Example, Holes, Reason};
use utoipa::{IntoParams, ToSchema};

use super::super::error::{ApiError, ErrorAnswer};
use super::{hex_span, hex_trace, length, now, period, text, within, wrong};
use crate::ApiState;

const MAX_LIMIT: usize = 10_000;
const DEFAULT_WAIT: &str = "1m";
const DEFAULT_LOOKBACK: &str = "1h";
const MOST_LOOKBACK: i64 = 7 * 24 * 3_600_000_000_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Asked {
    /// Spans that start from here on: seconds since 1970 or RFC 3339; an hour before the end without it.
    start: Option<String>,
    /// … to here; now without it.
    end: Option<String>,
    /// How long the spans of parents and callers may take to arrive (`90s`, or seconds): what began later than so long ago is not
    /// looked at yet. So long may messages be under way, too.
    #[param(default = "1m")]
    wait: Option<String>,
    /// How much earlier than `start` parents and callers may have begun, a week at most; of those that began before, children count as
    /// orphans.
    #[param(default = "1h")]
    lookback: Option<String>,
    /// Pairs of services in the answer.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 100)]
    limit: usize,
}

fn default_limit() -> usize {
    100
}

/// Pairs of services, those that lose most first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Propagation)]
pub(in super::super) struct Answer {
    /// What was looked at in the end: nanoseconds since the Unix epoch, as decimals; both inclusive.
    #[schema(example = "1767225600000000000")]
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    pairs: Vec<Pair>,
    /// There are more pairs.
    truncated: bool,
    /// Spans that were looked at, earlier and later ones included.
    inspected_spans: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PropagationPair)]
pub(in super::super) struct Pair {
    /// The caller; `unknown` where nothing tells.
    client: String,
    server: String,
    /// Calls whose context arrived.
    kept: u64,
    /// Calls whose context did not.
    lost: u64,
    holes: Vec<Hole>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PropagationHoles)]
pub(in super::super) struct Hole {
    /// `new_trace`: the called service began a trace of its own while a call to it, that nobody else answered, was under way.
    /// `missing_parent`: a span's parent is not in its trace.
    reason: &'static str,
    count: u64,
    /// Starts of the called spans: nanoseconds since the Unix epoch, as decimals.
    first_time_unix_nano: String,
    last_time_unix_nano: String,
    examples: Vec<HoleExample>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PropagationExample)]
pub(in super::super) struct HoleExample {
    /// The called span.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: String,
    #[schema(example = "00f067aa0ba902b7")]
    span_id: String,
    /// The call that it may belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    caller_trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    caller_span_id: Option<String>,
}

/// Between which services the context of traces gets lost
///
/// A service that does not hand on `traceparent` makes the next one begin a trace of its own; one whose spans do not arrive leaves orphans.
/// The connector `propagation` makes a metric of the same.
#[utoipa::path(
    get,
    path = "/api/v1/propagation",
    operation_id = "propagation",
    tag = "traces",
    params(Asked, ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled")),
    responses(
        (status = 200, description = "Pairs of services", body = Answer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "The spans of the window take more memory than there is", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(in super::super) async fn propagation(
    State(state): State<ApiState>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Answer>, ApiError> {
    let Query(asked) = query?;
    let tenant = state.tenant(&headers)?;
    let request = PropagationRequest {
        period: period(asked.start.as_deref(), asked.end.as_deref())?,
        wait: length("wait", asked.wait.as_deref(), DEFAULT_WAIT)?,
        lookback: length("lookback", asked.lookback.as_deref(), DEFAULT_LOOKBACK)?,
        now: now(),
        limit: within("limit", asked.limit, MAX_LIMIT)?,
    };
    if request.lookback > MOST_LOOKBACK {
        return Err(wrong("lookback")("it is more than a week".to_owned()));
    }
    let found = state.engine.lost_context(&tenant, request, state.limits()).await?;
    let (start, end) = found.period;
    Ok(Json(Answer {
        start_time_unix_nano: start.to_string(),
        end_time_unix_nano: end.to_string(),
        pairs: found.pairs.iter().map(pair).collect(),
        truncated: found.further_pairs > 0,
        inspected_spans: found.inspected_spans,
    }))
}

fn pair(pair: &ServicePair) -> Pair {
    let hole = |(reason, holes): &(Reason, Holes)| Hole {
        reason: reason.as_str(),
        count: holes.count,
        first_time_unix_nano: holes.first.to_string(),
        last_time_unix_nano: holes.last.to_string(),
        examples: holes.examples.iter().map(example).collect(),
    };
    Pair {
        client: text(&pair.client),
        server: text(&pair.server),
        kept: pair.kept,
        lost: pair.holes.iter().map(|(_, holes)| holes.count).sum(),
        holes: pair.holes.iter().map(hole).collect(),
    }
}

fn example(example: &Example) -> HoleExample {
    HoleExample {
        trace_id: hex_trace(example.trace),
        span_id: hex_span(example.span),
        caller_trace_id: example.caller.map(|(trace, _)| hex_trace(trace)),
        caller_span_id: example.caller.map(|(_, span)| hex_span(span)),
    }
}
