//! The HTTP surfaces, one module per system spoken. A surface parses a request, asks `trefoil-query`, and writes the
//! answer as that system's clients expect it, errors included. It evaluates nothing itself.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answers;
mod ids;
pub mod internal;
pub mod prometheus;
mod request_span;
pub mod state;
mod tempo;
mod trefoil;
mod ui;

pub use prometheus::PrometheusApi;
pub use state::{ApiState, OtlpEndpoints};
pub use tempo::{keep_overrides, read_overrides};

use axum::Router;

/// The main listener: the UI, Trefoil's own API, and every foreign one under a prefix of its own (for one ingress).
pub fn main_router(state: ApiState) -> Router {
    let apis = Router::new()
        .merge(trefoil::router(state.clone()))
        .nest("/tempo", tempo::router(state.clone()))
        .nest("/prometheus", prometheus::router(state));
    // Outside of the layers: own traces are about questions, not about scripts and pictures.
    api_router(apis).fallback(ui::serve)
}

/// Tempo's own listener.
pub fn tempo_router(state: ApiState) -> Router {
    api_router(tempo::router(state))
}

/// Prometheus' own listener.
pub fn prometheus_router(state: ApiState) -> Router {
    api_router(prometheus::router(state))
}

fn api_router(router: Router) -> Router {
    answers::prepared(router).layer(axum::middleware::from_fn(request_span::trace_request))
}
