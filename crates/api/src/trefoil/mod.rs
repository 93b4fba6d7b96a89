//! Trefoil's own API, under `/api/v1` of the main listener. [`openapi`] describes it to programs.

mod answer;
mod cardinality;
mod error;
mod export;
mod forms;
mod logs;
mod openapi;
mod search;
mod span;
mod sql;
mod status;
mod trace_logs;
mod traces;

use axum::Router;
use axum::routing::{any, get, post};

use self::error::{no_such_method, no_such_path};
use crate::ApiState;

pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/api/v1/sql", post(sql::run))
        .route("/api/v1/cardinality", get(cardinality::cardinality))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/logs", get(logs::export))
        .route("/api/v1/traces", get(export::by_query))
        .route("/api/v1/traces/{trace_id}", get(export::by_id))
        .route("/api/v1/traces/{trace_id}/spans/{span_id}", get(span::span))
        .route("/api/v1/traces/{trace_id}/logs", get(trace_logs::logs))
        .route("/api/v1/traces/{trace_id}/search", get(search::search))
        .route("/api/v1/traces/{trace_id}/clock_skew", get(traces::clock_skew::clock_skew))
        .route("/api/v1/traces/{trace_id}/critical_path", get(traces::critical_path::critical_path))
        .route("/api/v1/traces/{trace_id}/diff", get(traces::diff::of_traces))
        .route("/api/v1/traces/{trace_id}/spans/{span_id}/diff", get(traces::diff::of_spans))
        .route("/api/v1/traces/{trace_id}/exceptions", get(traces::exceptions::of_trace))
        .route("/api/v1/exceptions", get(traces::exceptions::of_window))
        .route("/api/v1/traces/{trace_id}/service_graph", get(traces::service_graph::of_trace))
        .route("/api/v1/service_graph", get(traces::service_graph::of_window))
        .route("/api/v1/propagation", get(traces::propagation::propagation))
        .route("/api/v1/openapi.json", get(openapi::document))
        .method_not_allowed_fallback(no_such_method)
        .route("/api", any(no_such_path))
        .route("/api/", any(no_such_path))
        .route("/api/{*path}", any(no_such_path))
        .with_state(state)
}
