//! The HTTP surfaces, one module per system spoken. A surface parses a request, asks `trefoil-query`, and writes the
//! answer as that system's clients expect it, errors included. It evaluates nothing itself.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ids;
pub mod internal;
mod request_span;
pub mod state;
mod tempo;
mod trefoil;

pub use state::{ApiState, OtlpEndpoints};

use axum::Router;

/// The main listener: Trefoil's own API, and every foreign one under a prefix of its own (for one ingress).
pub fn main_router(state: ApiState) -> Router {
    traced(Router::new().merge(trefoil::router(state.clone())).nest("/tempo", tempo::router(state)))
}

/// Tempo's own listener.
pub fn tempo_router(state: ApiState) -> Router {
    traced(tempo::router(state))
}

fn traced(router: Router) -> Router {
    router.layer(axum::middleware::from_fn(request_span::trace_request))
}
