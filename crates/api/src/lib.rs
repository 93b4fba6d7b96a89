//! The HTTP surfaces, one module per system spoken. A surface parses a request, asks `trefoil-query`, and writes the
//! answer as that system's clients expect it, errors included. It evaluates nothing itself.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answers;
mod conditions;
mod grpc;
mod ids;
pub mod internal;
mod jaeger;
mod loki;
pub mod prometheus;
mod request_span;
pub mod state;
mod tempo;
mod trefoil;
mod ui;
mod zipkin;

pub use loki::tails::Tails;
pub use prometheus::PrometheusApi;
pub use state::{ApiState, OtlpEndpoints};
pub use tempo::{keep_overrides, read_overrides};

use axum::Router;

/// The main listener: the UI, Trefoil's own API, and every foreign one under a prefix of its own (for one ingress).
pub fn main_router(state: ApiState) -> Router {
    let apis = Router::new()
        .merge(trefoil::router(state.clone()))
        .nest("/tempo", tempo::router(state.clone()))
        .nest("/jaeger", jaeger::router(state.clone()))
        .merge(zipkin::router_below_prefix(state.clone()))
        .merge(loki::router_below_prefix(state.clone()))
        .nest("/prometheus", prometheus::router(state));
    // Outside of the layers: own traces are about questions, not about scripts and pictures.
    api_router(apis).fallback(ui::serve)
}

/// Tempo's own listener.
pub fn tempo_router(state: ApiState) -> Router {
    api_router(tempo::router(state))
}

/// Loki's own listener.
pub fn loki_router(state: ApiState) -> Router {
    api_router(loki::router(state))
}

/// Prometheus' own listener.
pub fn prometheus_router(state: ApiState) -> Router {
    api_router(prometheus::router(state))
}

/// Jaeger's own listener, with what a Jaeger's `--query.base-path` would be (`/jaeger`); empty or `/` for none.
pub fn jaeger_router(state: ApiState, base_path: &str) -> Router {
    let router = jaeger::router(state);
    api_router(match base_path.trim_end_matches('/') {
        "" => router,
        base_path => Router::new().nest(base_path, router),
    })
}

/// Jaeger's listener for gRPC.
pub fn jaeger_grpc_router(state: ApiState) -> Router {
    jaeger::grpc::router(state).layer(axum::middleware::from_fn(request_span::trace_request))
}

/// Zipkin's query API, for where its spans are taken.
pub fn zipkin_router(state: ApiState) -> Router {
    api_router(zipkin::router(state))
}

fn api_router(router: Router) -> Router {
    answers::prepared(router).layer(axum::middleware::from_fn(request_span::trace_request))
}
