//! Where logs are posted as to a Loki: 204 without a body if all was taken, else a status and plain text.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use trefoil_loki::Format;
use trefoil_model::Signal;

use super::door::Door;
use crate::net::compression::Encoding;
use crate::receivers::otlp::HttpLimits;
use crate::receivers::otlp::http::{encoding, logs_route, only_post, receive_as};
use crate::receivers::otlp::intake::origin;
use crate::receivers::otlp::status::Answer;

/// Where a push is taken.
pub const PUSH: &str = "/loki/api/v1/push";

/// Where the oldest clients send it.
const OLD_PUSH: &str = "/api/prom/push";

/// Where Loki takes OTLP.
const OTLP_LOGS: &str = "/otlp/v1/logs";

/// The paths as in a Loki. Nothing is said of others, so that Loki's other API can be merged with it.
pub(super) fn routes(door: &Door, limits: HttpLimits) -> Router {
    let limits = Arc::new(limits);
    let otlp = logs_route(door.intake.clone(), limits.clone(), OTLP_LOGS, door.metrics.clone());
    let push = push(door, limits);
    otlp.route(PUSH, push.clone()).route(OLD_PUSH, push)
}

/// [`PUSH`] alone.
pub(super) fn push_route(door: &Door, limits: HttpLimits) -> Router {
    Router::new().route(PUSH, push(door, Arc::new(limits)))
}

fn push(door: &Door, limits: Arc<HttpLimits>) -> MethodRouter {
    post(take).fallback(only_post).with_state(Endpoint { door: door.clone(), limits })
}

#[derive(Clone)]
struct Endpoint {
    door: Door,
    limits: Arc<HttpLimits>,
}

async fn take(State(endpoint): State<Endpoint>, request: Request) -> Response {
    match endpoint.take(request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(answer) => failure(&answer),
    }
}

impl Endpoint {
    async fn take(&self, request: Request) -> Result<(), Answer> {
        let Door { intake, metrics, .. } = &self.door;
        let mut metrics = metrics.begin();
        intake.check_taken(Signal::Logs)?;
        let (parts, body) = request.into_parts();
        let tenant = intake.tenant(&parts.headers)?;
        let format = format(&parts.headers);
        let encoding = encoding(&self.limits, &parts.headers)?.unwrap_or(match format {
            Format::Json => Encoding::Identity,
            // It belongs to the form, and few say so.
            Format::Protobuf => Encoding::Snappy,
        });
        let (body, reservation) = receive_as(intake, &self.limits, encoding, body).await?;
        let origin = origin(&parts, self.limits.include_metadata);
        self.door.deliver(&mut metrics, tenant, (format, body), reservation, origin).await
    }
}

/// As in Loki, whatever does not say that it is JSON is protobuf.
fn format(headers: &HeaderMap) -> Format {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = |essence: &str| essence.trim().eq_ignore_ascii_case("application/json");
    if value.split(';').next().is_some_and(is_json) { Format::Json } else { Format::Protobuf }
}

fn failure(answer: &Answer) -> Response {
    let mut response = (answer.http, format!("{}\n", answer.message)).into_response();
    if let Some(seconds) = answer.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if answer.http == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, deflate, snappy, lz4"));
    }
    response
}
