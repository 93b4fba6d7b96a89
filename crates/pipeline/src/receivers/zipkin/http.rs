//! Where spans are posted, and what is answered: 202 without a body. Zipkin's clients look no further, so that a request of
//! which only a part was taken is a 202 too, with text that says what was not; 400 is for those of which nothing was.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use trefoil_model::Signal;
use trefoil_zipkin::{Format, Options, Translated, translate};

use crate::metrics::{ReceiverMetrics, TransportMetrics};
use crate::receivers::otlp::HttpLimits;
use crate::receivers::otlp::http::receive;
use crate::receivers::otlp::intake::{Intake, origin};
use crate::receivers::otlp::status::Answer;
use crate::telemetry::{Accepted, Payload, Refused, Telemetry};

/// `POST` to `/api/v2/spans` and `/` (as in the Collector) for version 2, and to `/api/v1/spans` for version 1. Nothing is said
/// of other methods and paths, so that Zipkin's query API can be merged with it.
pub fn routes(intake: Intake, limits: HttpLimits, parse_string_tags: bool, metrics: &ReceiverMetrics) -> Router {
    let endpoint = |json: Format, other: (&'static str, Format)| {
        let metrics = [json, other.1].map(|format| metrics.over(transport(format)));
        let (intake, limits) = (intake.clone(), Arc::new(limits.clone()));
        Endpoint { intake, limits, parse_string_tags, json, other, metrics }
    };
    let v2 = post(take).with_state(endpoint(Format::JsonV2, ("application/x-protobuf", Format::ProtobufV2)));
    let v1 = post(take).with_state(endpoint(Format::JsonV1, ("application/x-thrift", Format::ThriftV1)));
    Router::new().route("/", v2.clone()).route("/api/v2/spans", v2).route("/api/v1/spans", v1)
}

/// The Collector's names.
const fn transport(format: Format) -> &'static str {
    match format {
        Format::JsonV2 => "http_v2_json",
        Format::ProtobufV2 => "http_v2_proto",
        Format::JsonV1 => "http_v1_json",
        Format::ThriftV1 => "http_v1_thrift",
    }
}

#[derive(Clone)]
struct Endpoint {
    intake: Intake,
    limits: Arc<HttpLimits>,
    parse_string_tags: bool,
    /// What a body is in whose content type is not that of the other.
    json: Format,
    other: (&'static str, Format),
    /// Of `json` and `other`.
    metrics: [TransportMetrics; 2],
}

async fn take(State(endpoint): State<Endpoint>, request: Request) -> Response {
    match endpoint.take(request).await {
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Ok(Some(message)) => (StatusCode::ACCEPTED, message).into_response(),
        Err(answer) => failure(&answer),
    }
}

impl Endpoint {
    /// What there is to say of spans that were not taken.
    async fn take(&self, request: Request) -> Result<Option<String>, Answer> {
        let is_other = is_of_type(request.headers(), self.other.0);
        let format = if is_other { self.other.1 } else { self.json };
        let mut metrics = self.metrics[usize::from(is_other)].begin();
        self.intake.check_taken(Signal::Traces)?;
        let (parts, body) = request.into_parts();
        let tenant = self.intake.tenant(&parts.headers)?;

        let (body, mut reservation) = receive(&self.intake, &self.limits, &parts.headers, body).await?;
        let options = Options { parse_string_tags: self.parse_string_tags, received: now() };
        let read = move || translate(format, &body, &options);
        let read = self.intake.workshop.run(reservation.bytes(), read).await?;
        let Translated { request, spans, rejected } = read.map_err(|error| Answer::invalid(error.to_string()))?;
        reservation.resize(request.len())?;

        let (items, rejected) =
            (spans + rejected.spans, Accepted { rejected: rejected.spans, message: rejected.message() });
        let answer = if spans > 0 {
            let payload = Payload::from_bytes(Signal::Traces, request.into()).with_items(spans);
            let mut telemetry = Telemetry::new(tenant, payload);
            telemetry.origin = origin(&parts, self.limits.include_metadata);
            self.intake.consume(telemetry).await.map(|accepted| rejected.and(accepted))
        } else {
            Ok(rejected)
        };
        let answer = answer.and_then(|accepted| match accepted.rejected {
            rejected if rejected > 0 && rejected >= items => {
                Err(Refused::Invalid(accepted.message.unwrap_or_default()))
            }
            _ => Ok(accepted),
        });
        metrics.delivered(Signal::Traces, items, &answer);
        Ok(answer?.message)
    }
}

fn is_of_type(headers: &HeaderMap, content_type: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(content_type))
}

fn failure(answer: &Answer) -> Response {
    let mut response = (answer.http, answer.message.clone()).into_response();
    if let Some(seconds) = answer.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if answer.http == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd, deflate, snappy, lz4"));
    }
    response
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
