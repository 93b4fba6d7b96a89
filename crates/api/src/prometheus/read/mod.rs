//! `/api/v1/read`: remote read, by which another Prometheus takes this one for a part of its own storage.
//!
//! Source: Prometheus' remote read specification. Errors are plain text, as its clients show them.

mod answer;
mod bits;
mod chunks;
#[cfg(test)]
mod decode;
mod frames;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use self::answer::Reading;
use self::request::Kind;
use super::error::PromError;
use crate::ApiState;

/// Prometheus' `storage.remote.read-concurrent-limit`; others wait.
const MOST_AT_ONCE: usize = 10;

#[derive(Clone)]
pub(super) struct RemoteRead {
    pub state: ApiState,
    turns: Arc<Semaphore>,
}

impl RemoteRead {
    pub fn new(state: ApiState) -> Self {
        Self { state, turns: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }
}

pub(super) async fn read(State(read): State<RemoteRead>, request: Request) -> Response {
    let answered = answer(read, request).await;
    answered.unwrap_or_else(|error| (error.status, format!("{}\n", error.message)).into_response())
}

async fn answer(read: RemoteRead, request: Request) -> Result<Response, PromError> {
    let RemoteRead { state, turns } = read;
    let tenant = state.tenant(request.headers())?;
    let body = to_bytes(request.into_body(), request::MOST_BYTES).await.map_err(|error| {
        PromError::bad_data(format!(
            "the request cannot be read, or has more than {} bytes: {error}",
            request::MOST_BYTES
        ))
    })?;
    let external = &state.external_labels();
    let (kind, asked) = request::parse(&body, external).map_err(PromError::bad_data)?;
    let turn = turns.acquire_owned().await;
    let turn = turn.map_err(|_| PromError::unavailable("the server is shutting down"))?;
    let reading = Reading::new(&state, tenant, asked, turn);
    match kind {
        Kind::Samples => reading.samples().await,
        Kind::Chunks => reading.chunks().await,
    }
}

/// Reads any bytes as a request, compressed or not; for fuzzing. Whether it is one.
#[doc(hidden)]
pub fn try_request(is_compressed: bool, body: &[u8]) -> bool {
    let parse = if is_compressed { request::parse } else { request::parse_message };
    parse(body, &std::collections::BTreeMap::new()).is_ok()
}

fn plain(content_type: &'static str, body: Body) -> Response {
    (StatusCode::OK, [(axum::http::header::CONTENT_TYPE, content_type)], body).into_response()
}
