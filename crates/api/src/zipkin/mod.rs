//! Zipkin's query API, as its UI (Lens) and Grafana's data source ask it. Lists are bare arrays, errors a status and plain text.
//!
//! Zipkin keeps names of services and spans in lower case. Here they stay as they were sent, and are compared without regard to case.

mod names;
mod query;
mod server;
mod traces;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use trefoil_model::tenant::NoTenant;
use trefoil_query::QueryError;

use crate::ApiState;
use crate::answers::status_of;

/// The paths where they are, and below `/zipkin`, where the UI asks for them.
pub(crate) fn router(state: ApiState) -> Router {
    paths(state.clone()).merge(router_below_prefix(state))
}

/// Below `/zipkin` only.
pub(crate) fn router_below_prefix(state: ApiState) -> Router {
    Router::new().nest("/zipkin", paths(state))
}

fn paths(state: ApiState) -> Router {
    Router::new()
        .route("/api/v2/services", get(names::services))
        .route("/api/v2/spans", get(names::spans))
        .route("/api/v2/remoteServices", get(names::remote_services))
        .route("/api/v2/autocompleteKeys", get(names::autocomplete_keys))
        .route("/api/v2/autocompleteValues", get(names::autocomplete_values))
        .route("/api/v2/traces", get(traces::traces))
        .route("/api/v2/trace/{trace_id}", get(traces::trace))
        .route("/api/v2/traceMany", get(traces::trace_many))
        .route("/api/v2/dependencies", get(traces::dependencies))
        .route("/config.json", get(server::config))
        .route("/health", get(server::health))
        .route("/info", get(server::info))
        .with_state(state)
}

/// A status and plain text.
#[derive(Debug)]
struct ZipkinError(StatusCode, String);

impl ZipkinError {
    fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }
}

impl IntoResponse for ZipkinError {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl From<NoTenant> for ZipkinError {
    fn from(error: NoTenant) -> Self {
        Self(StatusCode::UNAUTHORIZED, error.to_string())
    }
}

impl From<QueryError> for ZipkinError {
    fn from(error: QueryError) -> Self {
        Self(status_of(&error), error.to_string())
    }
}
