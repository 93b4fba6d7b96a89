//! Where events are posted, what is answered, and the handshake of webhooks (CloudEvents' HTTP 1.1 Web Hooks, section 4).
//!
//! 200 with what became of the events, if any of them is kept; 400 if none is; 413 if it is one and too large; 415 for what is no
//! CloudEvent; 429 and 503, with `Retry-After`, where the same request may succeed later. As events that come again make no
//! difference, all of it can be sent again, then.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use trefoil_model::Signal;

use super::cloudevents::{Mode, Unreadable, read};
use super::config::Webhook;
use super::intake::{Taken, Workflows};
use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::receivers::otlp::HttpLimits;
use crate::receivers::otlp::http::receive;
use crate::receivers::otlp::intake::origin;
use crate::receivers::otlp::status::Answer;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, POST");
const ANY: HeaderValue = HeaderValue::from_static("*");
const MODES: [Mode; 3] = [Mode::Structured, Mode::Batched, Mode::Binary];

/// `POST` to `path`.
pub fn routes(workflows: Arc<Workflows>, limits: HttpLimits, path: &str, metrics: &ReceiverMetrics) -> Router {
    let metrics = MODES.map(|mode| metrics.over(mode.transport()));
    let endpoint = Endpoint { workflows, limits: Arc::new(limits), metrics };
    Router::new().route(path, post(take).options(options).fallback(other_method).with_state(endpoint))
}

/// Answers senders who ask whether they may send, before CORS takes the request for a browser's.
pub fn with_handshake(router: Router, webhook: Webhook) -> Router {
    router.layer(from_fn_with_state(Arc::new(webhook), handshake))
}

async fn handshake(State(webhook): State<Arc<Webhook>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if request.method() == Method::OPTIONS && headers.contains_key(REQUEST_ORIGIN) {
        return match webhook.allowed(headers) {
            // No rate is too high; what is too much is answered 429.
            Some(origin) => {
                ([(ALLOWED_ORIGIN, origin), (ALLOWED_RATE, ANY), (ALLOW, METHODS)], StatusCode::OK).into_response()
            }
            None => not_allowed(),
        };
    }
    if request.method() == Method::POST && webhook.allowed(headers).is_none() {
        return not_allowed();
    }
    next.run(request).await
}

impl Webhook {
    /// What to answer a sender who may send.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.allowed_origins.iter().any(|origin| origin == "*") {
            return Some(ANY);
        }
        let origin = headers.get(REQUEST_ORIGIN)?;
        let name = origin.to_str().ok()?;
        self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)).then(|| origin.clone())
    }
}

fn not_allowed() -> Response {
    let reason = "this origin may not send here (WebHook-Request-Origin, webhook.allowed_origins)";
    respond(StatusCode::FORBIDDEN, &json!({"error": reason}))
}

async fn options() -> Response {
    (StatusCode::NO_CONTENT, [(ALLOW, METHODS)]).into_response()
}

async fn other_method() -> Response {
    let body = json!({"error": "events are sent by POST"});
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, &body);
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

#[derive(Clone)]
struct Endpoint {
    workflows: Arc<Workflows>,
    limits: Arc<HttpLimits>,
    /// By `Mode as usize`.
    metrics: [TransportMetrics; 3],
}

async fn take(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let mode = match Mode::of(request.headers()) {
        Ok(mode) => mode,
        Err(unreadable) => return failure(&unreadable.into()),
    };
    match endpoint.take(mode, request).await {
        Ok(taken) => success(&taken),
        Err(answer) => failure(&answer),
    }
}

impl Endpoint {
    async fn take(&self, mode: Mode, request: Request) -> Result<Taken, Answer> {
        let mut metrics = self.metrics[mode as usize].begin();
        let intake = &self.workflows.intake;
        intake.check_taken(Signal::Traces)?;
        let (parts, body) = request.into_parts();
        let tenant = intake.tenant(&parts.headers)?;
        let (body, reservation) = receive(intake, &self.limits, &parts.headers, body).await?;
        let (headers, max_event_bytes) = (parts.headers.clone(), self.workflows.limits.max_event_bytes);
        let read = move || read(mode, &headers, &body, max_event_bytes);
        let events = intake.workshop.run(reservation.bytes(), read).await??;
        let origin = origin(&parts, self.limits.include_metadata);
        self.workflows.take(tenant, events, origin, &mut metrics).await
    }
}

impl From<Unreadable> for Answer {
    fn from(unreadable: Unreadable) -> Answer {
        match unreadable {
            Unreadable::NotUnderstood(reason) => {
                Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, tonic::Code::InvalidArgument, reason)
            }
            Unreadable::Malformed(reason) => Answer::invalid(reason),
        }
    }
}

fn success(taken: &Taken) -> Response {
    let status = match taken {
        taken if taken.is_full => StatusCode::TOO_MANY_REQUESTS,
        taken if taken.accepted + taken.duplicates > 0 || taken.rejected.is_empty() => StatusCode::OK,
        taken if taken.is_too_large => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = respond(status, taken);
    if taken.is_full {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn failure(answer: &Answer) -> Response {
    let mut response = respond(answer.http, &json!({"error": answer.message}));
    if let Some(seconds) = answer.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if answer.http == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, deflate, snappy, lz4"));
    }
    response
}

fn respond(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let json = HeaderValue::from_static("application/json");
    // What it is made of can be written.
    let body = serde_json::to_vec(body).unwrap_or_default();
    (status, [(CONTENT_TYPE, json)], body).into_response()
}
