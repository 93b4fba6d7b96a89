//! `POST /api/v1/write`: what is taken, and what is answered.
//!
//! Senders retry on 5xx. On 429 Prometheus does so only where it is told to (`retry_on_http_429`) and drops the data
//! otherwise, so that an overload is a 503 here. Everything else is final: 400 also for requests whose good part is stored.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use tonic::Code;
use trefoil_model::Signal;

use super::families::Memory;
use super::message::Version;
use super::report::Written;
use super::translate::Unreadable;
use super::write::{Outcome, Sent, WriteRequest};
use crate::metrics::{RequestMetrics, TransportMetrics};
use crate::net::body;
use crate::net::compression::{Encoding, decompress};
use crate::receivers::otlp::http::{DEFAULT_MAX_BODY, too_slow};
use crate::receivers::otlp::intake::{Intake, origin};
use crate::receivers::otlp::status::Answer;

/// Where it is taken, as in Prometheus.
pub const PATH: &str = "/api/v1/write";

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// What the endpoint takes.
#[derive(Debug, Clone)]
pub struct WriteLimits {
    /// The size of a body in bytes, as sent and decompressed.
    pub max_request_body_size: usize,
    /// How long a body may take to arrive; `None` for ever.
    pub read_timeout: Option<Duration>,
    /// Keep the request's headers with the telemetry.
    pub include_metadata: bool,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self { max_request_body_size: DEFAULT_MAX_BODY, read_timeout: None, include_metadata: false }
    }
}

pub fn routes(intake: Intake, limits: WriteLimits, metrics: TransportMetrics) -> Router {
    let endpoint = Endpoint { intake, limits: Arc::new(limits), metrics, memory: Memory::default() };
    Router::new().route(PATH, post(write).fallback(only_post).with_state(endpoint))
}

#[derive(Clone)]
struct Endpoint {
    intake: Intake,
    limits: Arc<WriteLimits>,
    metrics: TransportMetrics,
    memory: Memory,
}

async fn only_post() -> Response {
    let allow = [(ALLOW, HeaderValue::from_static("POST"))];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "405 method not allowed, supported: [POST]").into_response()
}

async fn write(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let version = match version(request.headers()) {
        Ok(version) => version,
        Err(answer) => return failure(&answer),
    };
    let (written, mut response) = match endpoint.take(version, request).await {
        Ok((written, None)) => (written, StatusCode::NO_CONTENT.into_response()),
        Ok((written, Some(message))) => (written, failure(&Answer::invalid(message))),
        Err(answer) => (Written::default(), failure(&answer)),
    };
    if version == Version::V2 {
        let counts = [
            (SAMPLES_WRITTEN, written.samples),
            (HISTOGRAMS_WRITTEN, written.histograms),
            (EXEMPLARS_WRITTEN, written.exemplars),
        ];
        response.headers_mut().extend(counts.map(|(name, count)| (name, HeaderValue::from(count))));
    }
    response
}

impl Endpoint {
    /// What was written, and what the sender must hear about the rest.
    async fn take(&self, version: Version, request: Request) -> Result<(Written, Option<String>), Answer> {
        let mut metrics = self.metrics.begin();
        self.intake.check_taken(Signal::Metrics)?;
        let (parts, body) = request.into_parts();
        let tenant = self.intake.tenant(&parts.headers)?;
        check_encoding(&parts.headers)?;
        let limit = self.limits.max_request_body_size;

        let mut reservation = self.intake.admission.start();
        let reading = body::read(body, limit, &mut reservation);
        let received = match self.limits.read_timeout {
            None => reading.await?,
            Some(timeout) => tokio::time::timeout(timeout, reading).await.map_err(|_| too_slow(timeout))??,
        };
        let workshop = &self.intake.workshop;
        let unpack = move || decompress(Encoding::Snappy, received, limit);
        let unpacked = workshop.run(reservation.bytes(), unpack).await??;
        reservation.resize(unpacked.len())?;
        let sent = Sent { version, body: unpacked, remembered: self.memory.of(&tenant) };
        let request = WriteRequest {
            origin: origin(&parts, self.limits.include_metadata),
            workshop: workshop.clone(),
            reservation: Arc::new(Mutex::new(reservation)),
            ..WriteRequest::sent(tenant, sent, now())
        };
        self.deliver(&mut metrics, request).await
    }

    async fn deliver(
        &self,
        metrics: &mut RequestMetrics<'_>,
        request: WriteRequest,
    ) -> Result<(Written, Option<String>), Answer> {
        let answer = self.intake.consume_write(request.clone()).await;
        let items = request.items();
        let outcome = match request.take_outcome() {
            Some(Err(unreadable)) => return Err(unreadable.into()),
            outcome => outcome.transpose().ok().flatten(),
        };
        metrics.delivered(Signal::Metrics, items, &answer);
        let accepted = answer?;
        // Nobody looked inside: there is no exporter.
        let Outcome { report, told } = outcome.unwrap_or_default();
        self.memory.remember(&request.tenant, told);
        let further = accepted.rejected.saturating_sub(report.refused);
        let written = report.written.without(further);
        let mine = report.message();
        let further = (further > 0).then(|| {
            let all = accepted.message.unwrap_or_else(|| "no reason was given".to_owned());
            let why = mine.as_ref().and_then(|mine| all.strip_prefix(mine.as_str())).unwrap_or(&all);
            format!("{further} samples are not stored: {}", why.trim_start_matches("; "))
        });
        let message = match (mine, further) {
            (Some(mine), Some(further)) => Some(format!("{mine}; {further}")),
            (mine, further) => mine.or(further),
        };
        if let Some(message) = &message {
            tracing::debug!(tenant = %request.tenant, message, "a remote-write request is stored only in part");
        }
        Ok((written, message))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The message that the body holds. As in Prometheus, clients that say nothing speak 1.0.
fn version(headers: &HeaderMap) -> Result<Version, Answer> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Version::V1) };
    let unsupported = || {
        let message = format!(
            "unsupported Content-Type {value:?}; supported: application/x-protobuf with proto=prometheus.WriteRequest \
             (or none, which is the same) and proto=io.prometheus.write.v2.Request"
        );
        Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
    };
    let mut parts = value.to_str().map_err(|_| unsupported())?.split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-protobuf")) {
        return Err(unsupported());
    }
    let parameter = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("proto"));
    match parameter.map(|(_, message)| message.trim_matches('"')) {
        None | Some("prometheus.WriteRequest") => Ok(Version::V1),
        Some("io.prometheus.write.v2.Request") => Ok(Version::V2),
        Some(_) => Err(unsupported()),
    }
}

/// Snappy is the only one there is; clients that say nothing mean it.
fn check_encoding(headers: &HeaderMap) -> Result<(), Answer> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(()) };
    if value.as_bytes().eq_ignore_ascii_case(b"snappy") {
        return Ok(());
    }
    let message = format!("unsupported Content-Encoding {value:?}; supported: snappy");
    Err(Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message))
}

impl From<Unreadable> for Answer {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Malformed(_) | Unreadable::Histogram(_) | Unreadable::OtherVersion { .. } => {
                Answer::invalid(error.to_string())
            }
            Unreadable::TooLarge { .. } => {
                Answer::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, error.to_string())
            }
        }
    }
}

fn failure(answer: &Answer) -> Response {
    let status = match answer.http {
        StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let mut response = (status, format!("{}\n", answer.message)).into_response();
    if let Some(seconds) = answer.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("snappy"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_choose_the_message() {
        let cases = [
            (None, Some(Version::V1)),
            (Some("application/x-protobuf"), Some(Version::V1)),
            (Some("Application/X-Protobuf; charset=utf-8"), Some(Version::V1)),
            (Some("application/x-protobuf;proto=prometheus.WriteRequest"), Some(Version::V1)),
            (Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"), Some(Version::V2)),
            (Some("application/x-protobuf; proto=\"io.prometheus.write.v2.Request\""), Some(Version::V2)),
            (Some("application/x-protobuf;proto=io.prometheus.write.v3.Request"), None),
            (Some("application/x-protobuf;proto="), None),
            (Some("application/json"), None),
            (Some(""), None),
            (Some(";"), None),
        ];
        for (value, expected) in cases {
            let headers = value.map(|value| (CONTENT_TYPE, HeaderValue::from_static(value)));
            let found = version(&headers.into_iter().collect());
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{value:?}");
        }
    }

    #[test]
    fn snappy_is_the_only_encoding() {
        for (value, expected) in [("snappy", true), ("SNAPPY", true), ("gzip", false), ("identity", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(
                check_encoding(&headers).map_err(|answer| answer.http),
                expected.then_some(()).ok_or(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            );
        }
        assert!(check_encoding(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn an_overload_is_told_so_that_every_sender_comes_back() {
        let overloaded = crate::telemetry::Refused::overloaded("full", Duration::from_secs(3));
        let response = failure(&overloaded.into());
        assert_eq!((response.status().as_u16(), response.headers()[RETRY_AFTER].as_bytes()), (503, &b"3"[..]));
    }
}
