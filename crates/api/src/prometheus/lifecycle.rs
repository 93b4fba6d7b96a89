//! `/-/reload` and `/-/quit`, where they are switched on (Prometheus' `web.enable-lifecycle`).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::ApiState;

const NOT_ENABLED: (StatusCode, &str) = (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.");

/// Answers when the new configuration holds, or why it does not.
pub(super) async fn reload(State(state): State<ApiState>) -> Response {
    let Some(lifecycle) = &state.prometheus.lifecycle else { return NOT_ENABLED.into_response() };
    match (lifecycle.reload)().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {error}\n")).into_response()
        }
    }
}

pub(super) async fn quit(State(state): State<ApiState>) -> Response {
    let Some(lifecycle) = &state.prometheus.lifecycle else { return NOT_ENABLED.into_response() };
    (lifecycle.quit)();
    "Requesting termination... Goodbye!".into_response()
}

/// Following a link must not stop a server.
pub(super) async fn no_link() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "Only POST or PUT requests allowed")
}
