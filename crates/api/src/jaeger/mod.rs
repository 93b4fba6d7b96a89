//! Jaeger's query APIs: the one of its older UI and of Grafana's data source ([`legacy`]), and version 3 over HTTP ([`v3`]); all of
//! them, and what storage plugins answer, over gRPC ([`grpc`]).
//!
//! Jaeger took the searches out of the older API after 2.20; both generations are served.

mod analytics;
mod answer;
mod dependencies;
mod failure;
mod filter;
pub(crate) mod grpc;
mod legacy;
mod parameters;
mod prepared;
mod quality;
mod rates;
mod search;
mod tags;
mod transform;
mod v3;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::ApiState;

pub(crate) fn router(state: ApiState) -> Router {
    Router::new()
        .route("/api/services", get(legacy::services))
        .route("/api/services/{service}/operations", get(legacy::operations_of_service))
        .route("/api/operations", get(legacy::operations))
        .route("/api/traces", get(legacy::search))
        .route("/api/traces/{trace_id}", get(legacy::trace))
        .route("/api/archive/{trace_id}", post(legacy::archive))
        .route("/api/transform", post(transform::transform).layer(DefaultBodyLimit::max(transform::MAX_BODY)))
        .route("/api/dependencies", get(dependencies::dependencies))
        .route("/api/metrics/latencies", get(rates::latencies))
        .route("/api/metrics/calls", get(rates::calls))
        .route("/api/metrics/errors", get(rates::errors))
        .route("/api/metrics/minstep", get(rates::min_step))
        .route("/api/deep-dependencies", get(analytics::dependencies))
        .route("/analytics/v1/dependencies", get(analytics::dependencies))
        .route("/api/quality-metrics", get(quality::metrics))
        .route("/qualitymetrics-v2", get(quality::metrics))
        .route("/api/v3/services", get(v3::services))
        .route("/api/v3/operations", get(v3::operations))
        .route("/api/v3/dependencies", get(v3::dependencies))
        .route("/api/v3/traces", get(v3::traces))
        .route("/api/v3/traces/{trace_id}", get(v3::trace))
        .route("/api/v3/trace-summaries", get(v3::summaries))
        .with_state(state)
}
