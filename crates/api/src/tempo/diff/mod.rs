//! `POST /api/v2/traces/diff` (experimental in Tempo): what is different in one trace from another, span by span or in sum.
//!
//! Spans belong together that have the same service, name and kind; where there are many, those whose parents do, too, then in the order
//! of the tree. Tempo's `pkg/model/tracediff` is what this follows.

mod number;
mod patch;
mod summary;
mod tree;

use std::ops::Range;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use serde::Deserialize;
use serde_json::{Value, json};
use trefoil_model::Tenant;

use self::patch::Patch;
use self::summary::Summary;
use self::tree::Tree;
use super::TempoError;
use super::trace_by_id::starts;
use crate::ApiState;
use crate::ids::parse_trace_id;

const PATCH: &str = "trace-patch-v0";
const SUMMARY: &str = "trace-summary-v0-native";
const COMPOSED: &str = "trace-summary-v0-composed";

/// A composed answer holds the patch only up to this length.
const PATCH_BUDGET_BYTES: usize = 64 * 1024;
/// Steps of all paths to spans together: a path is as long as its span is deep.
const MAX_PATH_STEPS: usize = 20_000_000;

#[derive(Debug, Deserialize)]
struct Request {
    #[serde(default)]
    base: Side,
    #[serde(default)]
    compare: Side,
    #[serde(default)]
    format: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Side {
    trace_id: String,
    /// Seconds since the epoch, a hint.
    start: Option<i64>,
    end: Option<i64>,
}

pub(super) async fn diff(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let request = request(&body).map_err(TempoError::bad_request)?;
    let (base, compare) = tokio::try_join!(
        trace(&state, &tenant, "base", &request.base),
        trace(&state, &tenant, "compare", &request.compare)
    )?;
    let most = state.limits().max_rows;
    let answer = tokio::task::spawn_blocking(move || answer(&base, &compare, &request.format, most)).await;
    answer.map_err(|panic| TempoError(StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()))?
}

/// As Tempo says it for every other method.
pub(super) async fn only_post() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [("allow", "POST")], "Method Not Allowed").into_response()
}

fn request(body: &[u8]) -> Result<Request, String> {
    let mut request: Request =
        serde_json::from_slice(body).map_err(|error| format!("invalid trace diff request body: {error}"))?;
    if request.format.is_empty() {
        request.format = PATCH.to_owned();
    }
    if ![COMPOSED, PATCH, SUMMARY].contains(&request.format.as_str()) {
        let found = &request.format;
        return Err(format!("invalid format {found:?}: must be one of {COMPOSED:?}, {PATCH:?}, {SUMMARY:?}"));
    }
    for (name, side) in [("base", &request.base), ("compare", &request.compare)] {
        side.check(name)?;
    }
    Ok(request)
}

impl Side {
    fn check(&self, name: &str) -> Result<(), String> {
        if self.trace_id.is_empty() {
            return Err(format!("{name}.traceId is required"));
        }
        parse_trace_id(&self.trace_id).map_err(|error| format!("invalid {name}.traceId: {error}"))?;
        match (self.start, self.end) {
            (Some(start), Some(end)) if end <= start => {
                Err(format!("{name}.start must be before {name}.end. received start={start} end={end}"))
            }
            _ => Ok(()),
        }
    }

    fn starts(&self) -> Option<Range<i64>> {
        Some(starts(self.start?, self.end?))
    }
}

async fn trace(state: &ApiState, tenant: &Tenant, name: &str, side: &Side) -> Result<TracesData, TempoError> {
    let id = parse_trace_id(&side.trace_id)
        .map_err(|error| TempoError::bad_request(format!("invalid {name}.traceId: {error}")))?;
    let trace = state.engine.trace(tenant, id, side.starts(), state.limits()).await?;
    match trace.resource_spans.is_empty() {
        true => Err(TempoError(StatusCode::NOT_FOUND, "Not Found".to_owned())),
        false => Ok(trace),
    }
}

/// `most` bounds the spans of both traces together, as one of Tempo's limits does.
fn answer(base: &TracesData, compare: &TracesData, format: &str, most: usize) -> Result<Response, TempoError> {
    let (base, compare) = (Tree::new(base, "base"), Tree::new(compare, "compare"));
    let too_large =
        |what: &str| Err(TempoError(StatusCode::TOO_MANY_REQUESTS, format!("trace diff input too large: {what}")));
    let spans = base.count + compare.count;
    if spans > most {
        return too_large(&format!("the traces have {spans} spans together, more than {most}"));
    }
    if base.path_steps() + compare.path_steps() > MAX_PATH_STEPS {
        return too_large("the traces are too deep");
    }
    Ok(Json(document(&base, &compare, format)).into_response())
}

fn document(base: &Tree<'_>, compare: &Tree<'_>, format: &str) -> Value {
    let patch = Patch::new(base, compare);
    if format == PATCH {
        return json!(patch);
    }
    let summary = Summary::new(base, compare, &patch);
    if format == SUMMARY {
        return json!(summary);
    }
    let mut composed = json!({ "version": COMPOSED, "summary": summary });
    let patch = json!(patch);
    let bytes = patch.to_string().len();
    match bytes <= PATCH_BUDGET_BYTES {
        true => composed["patch"] = patch,
        false => composed["patchOmitted"] = json!({ "bytes": bytes, "reason": "over_budget" }),
    }
    composed
}

#[cfg(test)]
mod tests;
