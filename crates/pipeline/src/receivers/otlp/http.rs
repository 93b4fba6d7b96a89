//! OTLP over HTTP: `POST /v1/{traces,metrics,logs}` with protobuf or JSON bodies, answered in the request's own form.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message as _;
use tonic::Code;
use trefoil_model::Signal;

use super::intake::{Intake, origin};
use super::status::Answer;
use crate::metrics::TransportMetrics;
use crate::net::body::{self, Reservation};
use crate::net::compression::{Encoding, decompress};
use crate::telemetry::Accepted;

pub const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The Collector's default for `max_request_body_size`.
pub const DEFAULT_MAX_BODY: usize = 20 << 20;

/// What the HTTP endpoint takes.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// The size of a body in bytes, as sent and decompressed.
    pub max_request_body_size: usize,
    /// The encodings a body may have.
    pub encodings: Vec<Encoding>,
    /// How long a body may take to arrive; `None` for ever.
    pub read_timeout: Option<Duration>,
    /// Keep the request's headers with the telemetry.
    pub include_metadata: bool,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_request_body_size: DEFAULT_MAX_BODY,
            encodings: Encoding::ALL.to_vec(),
            read_timeout: None,
            include_metadata: false,
        }
    }
}

/// Where each signal is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub traces: String,
    pub metrics: String,
    pub logs: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self { traces: "/v1/traces".into(), metrics: "/v1/metrics".into(), logs: "/v1/logs".into() }
    }
}

/// The routes of the three signals; one that no pipeline takes answers 404.
pub fn routes(intake: Intake, limits: HttpLimits, paths: &Paths, metrics: TransportMetrics) -> Router {
    let limits = Arc::new(limits);
    let mut router = Router::new();
    let signals = [(Signal::Traces, &paths.traces), (Signal::Metrics, &paths.metrics), (Signal::Logs, &paths.logs)];
    for (signal, path) in signals {
        let (intake, limits, metrics) = (intake.clone(), limits.clone(), metrics.clone());
        let endpoint = Endpoint { signal, intake, limits, metrics, success };
        router = router.route(path, post(export).fallback(only_post).with_state(endpoint));
    }
    router
}

/// Routes of metrics alone.
pub fn metrics_routes(intake: Intake, limits: HttpLimits, paths: &[&str], metrics: TransportMetrics) -> Router {
    let endpoint = Endpoint { signal: Signal::Metrics, intake, limits: Arc::new(limits), metrics, success };
    let route = post(export).fallback(only_post).with_state(endpoint);
    paths.iter().fold(Router::new(), |router, path| router.route(path, route.clone()))
}

/// A route of logs alone, which says nothing (204) where there is nothing to say, as Loki does.
pub fn logs_route(intake: Intake, limits: Arc<HttpLimits>, path: &str, metrics: TransportMetrics) -> Router {
    let success = |form, signal, accepted: Accepted| match accepted == Accepted::all() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => success(form, signal, accepted),
    };
    let endpoint = Endpoint { signal: Signal::Logs, intake, limits, metrics, success };
    Router::new().route(path, post(export).fallback(only_post).with_state(endpoint))
}

#[derive(Clone)]
struct Endpoint {
    signal: Signal,
    intake: Intake,
    limits: Arc<HttpLimits>,
    metrics: TransportMetrics,
    /// What is answered when a request was taken.
    success: fn(Form, Signal, Accepted) -> Response,
}

/// The form of a body and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

pub(crate) async fn only_post() -> Response {
    let allow = [(http::header::ALLOW, HeaderValue::from_static("POST"))];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "405 method not allowed, supported: [POST]").into_response()
}

async fn export(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let Some(form) = form(request.headers()) else {
        let supported = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, supported).into_response();
    };
    match endpoint.take(form, request).await {
        Ok(accepted) => (endpoint.success)(form, endpoint.signal, accepted),
        Err(answer) => failure(form, &answer),
    }
}

impl Endpoint {
    async fn take(&self, form: Form, request: Request) -> Result<Accepted, Answer> {
        let mut metrics = self.metrics.begin();
        self.intake.check_taken(self.signal)?;
        let (parts, body) = request.into_parts();
        let tenant = self.intake.tenant(&parts.headers)?;
        let (unpacked, _reservation) = receive(&self.intake, &self.limits, &parts.headers, body).await?;
        let protobuf = match form {
            Form::Protobuf => unpacked,
            Form::Json => {
                let (signal, length) = (self.signal, unpacked.len());
                let read = move || trefoil_model::json::to_protobuf(signal, &unpacked);
                let read = self.intake.workshop.run(length, read).await?;
                read.map_err(|error| Answer::invalid(error.to_string()))?.into()
            }
        };
        let origin = origin(&parts, self.limits.include_metadata);
        Ok(self.intake.deliver(&mut metrics, tenant, self.signal, protobuf, origin).await?)
    }
}

/// Reads and unpacks the body of a request; it counts as under way as long as its reservation is held.
pub(crate) async fn receive(
    intake: &Intake,
    limits: &HttpLimits,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, Reservation), Answer> {
    let encoding = encoding(limits, headers)?.unwrap_or(Encoding::Identity);
    receive_as(intake, limits, encoding, body).await
}

/// The same for who knows how the body is compressed.
pub(crate) async fn receive_as(
    intake: &Intake,
    limits: &HttpLimits,
    encoding: Encoding,
    body: Body,
) -> Result<(Bytes, Reservation), Answer> {
    let limit = limits.max_request_body_size;
    let mut reservation = intake.admission.start();
    let reading = body::read(body, limit, &mut reservation);
    let received = match limits.read_timeout {
        None => reading.await?,
        Some(timeout) => tokio::time::timeout(timeout, reading).await.map_err(|_| too_slow(timeout))??,
    };
    let unpacked = match encoding {
        Encoding::Identity => received,
        _ => intake.workshop.run(received.len(), move || decompress(encoding, received, limit)).await??,
    };
    reservation.resize(unpacked.len())?;
    Ok((unpacked, reservation))
}

/// How the headers say that the body is compressed; `None` if they say nothing.
pub(crate) fn encoding(limits: &HttpLimits, headers: &HeaderMap) -> Result<Option<Encoding>, Answer> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(None) };
    let known = value.to_str().ok().and_then(Encoding::from_name);
    let taken = known.filter(|encoding| *encoding == Encoding::Identity || limits.encodings.contains(encoding));
    taken.map(Some).ok_or_else(|| {
        let names = encoding_names(&limits.encodings);
        let message = format!("unsupported Content-Encoding {value:?}; supported: {names}");
        Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
    })
}

pub(crate) fn too_slow(timeout: Duration) -> Answer {
    let message = format!("the body did not arrive within read_timeout ({timeout:?})");
    Answer::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, message)
}

fn encoding_names(encodings: &[Encoding]) -> String {
    encodings.iter().map(|encoding| encoding.as_str()).collect::<Vec<_>>().join(", ")
}

fn form(headers: &HeaderMap) -> Option<Form> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?.trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        return Some(Form::Protobuf);
    }
    essence.eq_ignore_ascii_case("application/json").then_some(Form::Json)
}

fn success(form: Form, signal: Signal, accepted: Accepted) -> Response {
    match form {
        Form::Protobuf => respond(StatusCode::OK, form, export_response(signal, accepted)),
        Form::Json => respond(StatusCode::OK, form, export_response_json(signal, accepted)),
    }
}

fn failure(form: Form, answer: &Answer) -> Response {
    let body = match form {
        Form::Protobuf => answer.to_protobuf(),
        Form::Json => answer.to_json(),
    };
    let mut response = respond(answer.http, form, body);
    if let Some(seconds) = answer.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if answer.http == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, deflate, snappy, lz4"));
    }
    response
}

fn respond(status: StatusCode, form: Form, body: Bytes) -> Response {
    let content_type = match form {
        Form::Protobuf => PROTOBUF,
        Form::Json => JSON,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The `Export*ServiceResponse` of the signal; empty if everything was taken without a word.
pub fn export_response(signal: Signal, accepted: Accepted) -> Bytes {
    if accepted == Accepted::all() {
        return Bytes::new();
    }
    let rejected = i64::try_from(accepted.rejected).unwrap_or(i64::MAX);
    let error_message = accepted.message.unwrap_or_default();
    let bytes = match signal {
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess { rejected_spans: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: Some(ExportLogsPartialSuccess { rejected_log_records: rejected, error_message }),
        }
        .encode_to_vec(),
    };
    bytes.into()
}

fn export_response_json(signal: Signal, accepted: Accepted) -> Bytes {
    if accepted == Accepted::all() {
        return Bytes::from_static(b"{}");
    }
    let count = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    // Protobuf's JSON mapping writes 64-bit integers as strings and leaves defaults out.
    let mut partial = serde_json::Map::new();
    if accepted.rejected > 0 {
        partial.insert(count.into(), accepted.rejected.to_string().into());
    }
    if let Some(message) = accepted.message {
        partial.insert("errorMessage".into(), message.into());
    }
    serde_json::json!({ "partialSuccess": partial }).to_string().into()
}
