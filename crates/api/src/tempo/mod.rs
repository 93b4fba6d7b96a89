//! Tempo's HTTP API, as Grafana's Tempo data source and `tempo-cli` call it.
//!
//! Errors are a status and plain text. Not found is a 404 without a body.

mod diff;
pub(crate) mod json;
mod llm;
mod metrics;
mod narrow;
mod overrides;
mod proto;
mod search;
mod streaming;
mod tags;
mod trace_by_id;
mod values;

pub use overrides::{keep_overrides, read_overrides};
pub(crate) use trace_by_id::document as trace_document;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use prost::Message;
use serde_json::json;
use trefoil_model::tenant::NoTenant;
use trefoil_query::QueryError;

use crate::ApiState;
use crate::answers::status_of;

pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/api/echo", get(async || "echo"))
        .route("/api/status/buildinfo", get(build_info))
        .route("/ready", get(async || "ready\n"))
        .route("/api/search", get(search::search))
        .route("/api/search/tags", get(tags::names_v1))
        .route("/api/v2/search/tags", get(tags::names_v2))
        .route("/api/search/tag/{*path}", get(tags::values_v1))
        .route("/api/v2/search/tag/{*path}", get(tags::values_v2))
        .route("/api/metrics/query_range", get(metrics::query_range))
        .route("/api/metrics/query", get(metrics::query))
        .route("/api/traces/{trace_id}", get(trace_by_id::v1))
        .route("/api/v2/traces/{trace_id}", get(trace_by_id::v2))
        .route(
            "/api/overrides",
            get(overrides::get).post(overrides::post).patch(overrides::patch).delete(overrides::delete),
        )
        .route("/api/v2/traces/diff", post(diff::diff).fallback(diff::only_post))
        .merge(streaming::routes())
        .with_state(state)
}

/// Grafana gates features on this version; it is the Tempo release whose API this surface follows.
const TEMPO_VERSION: &str = "3.0.3";

async fn build_info() -> Json<serde_json::Value> {
    Json(json!({
        "version": TEMPO_VERSION,
        "revision": concat!("trefoil-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// A status and plain text.
struct TempoError(StatusCode, String);

impl TempoError {
    fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    /// Without a body, as Tempo says it.
    fn not_found() -> Self {
        Self(StatusCode::NOT_FOUND, String::new())
    }
}

impl IntoResponse for TempoError {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<NoTenant> for TempoError {
    fn from(error: NoTenant) -> Self {
        Self(StatusCode::UNAUTHORIZED, error.to_string())
    }
}

impl From<QueryError> for TempoError {
    fn from(error: QueryError) -> Self {
        Self(status_of(&error), error.to_string())
    }
}

fn protobuf(message: &impl Message) -> Response {
    ([(header::CONTENT_TYPE, "application/protobuf")], message.encode_to_vec()).into_response()
}

fn wants_protobuf(headers: &HeaderMap) -> bool {
    accepts(headers, "application/protobuf")
}

fn accepts(headers: &HeaderMap, content_type: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains(content_type))
}
