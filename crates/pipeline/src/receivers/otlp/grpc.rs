//! OTLP over gRPC: the unary `Export` of the three services. Messages are never decoded here: the bytes as received
//! go on.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use tonic::Status;
use trefoil_model::Signal;

use super::http::export_response;
use super::intake::{Intake, origin};
use super::status::Answer;
use super::workshop::Workshop;
use crate::metrics::TransportMetrics;
use crate::net::body::{self, Admission, BodyError, Reservation};
use crate::net::compression::Encoding;
use crate::net::grpc::{self, PREFIX};

/// The Collector's (and gRPC's) default for `max_recv_msg_size_mib`.
pub const DEFAULT_MAX_MESSAGE: usize = 4 << 20;

#[derive(Debug, Clone)]
pub struct GrpcLimits {
    /// The size of a message in bytes, as sent and decompressed.
    pub max_message_size: usize,
    /// Keep the call's metadata with the telemetry.
    pub include_metadata: bool,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self { max_message_size: DEFAULT_MAX_MESSAGE, include_metadata: false }
    }
}

/// The three services. A signal without a consumer answers `UNIMPLEMENTED`, as do unknown methods.
pub fn routes(intake: Intake, limits: GrpcLimits, metrics: TransportMetrics) -> Router {
    let limits = Arc::new(limits);
    let methods = [
        (Signal::Traces, grpc::TRACES_EXPORT),
        (Signal::Metrics, grpc::METRICS_EXPORT),
        (Signal::Logs, grpc::LOGS_EXPORT),
    ];
    let mut router = Router::new().fallback(unknown_method);
    for (signal, path) in methods {
        let endpoint = Endpoint { signal, intake: intake.clone(), limits: limits.clone(), metrics: metrics.clone() };
        router = router.route(path, post(export).with_state(endpoint));
    }
    router
}

#[derive(Clone)]
struct Endpoint {
    signal: Signal,
    intake: Intake,
    limits: Arc<GrpcLimits>,
    metrics: TransportMetrics,
}

pub(crate) async fn unknown_method(request: Request) -> Response {
    Status::unimplemented(format!("unknown method {}", request.uri().path())).into_http()
}

async fn export(State(endpoint): State<Endpoint>, request: Request) -> Response {
    unary(request, |parts, body| endpoint.take(parts, body)).await
}

impl Endpoint {
    async fn take(&self, parts: Parts, body: Body) -> Result<Bytes, Status> {
        let mut metrics = self.metrics.begin();
        let tenant = self.intake.tenant(&parts.headers).map_err(|e| Answer::from(e).to_grpc())?;
        self.intake.check_taken(self.signal).map_err(|answer| answer.to_grpc())?;
        let (admission, workshop) = (&self.intake.admission, &self.intake.workshop);
        let limit = self.limits.max_message_size;
        let (message, _reservation) = receive(admission, workshop, limit, &parts.headers, body).await?;
        let origin = origin(&parts, self.limits.include_metadata);
        let accepted = self.intake.deliver(&mut metrics, tenant, self.signal, message, origin).await;
        let accepted = accepted.map_err(|refused| Answer::from(refused).to_grpc())?;
        Ok(export_response(self.signal, accepted))
    }
}

/// Answers a unary call with the message that `handle` gives, within the call's deadline.
pub(crate) async fn unary<F: Future<Output = Result<Bytes, Status>>>(
    request: Request,
    handle: impl FnOnce(Parts, Body) -> F,
) -> Response {
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if !request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let (parts, body) = request.into_parts();
    let expired = || Status::deadline_exceeded("the call took longer than its grpc-timeout");
    let answer = match timeout(&parts.headers) {
        Err(status) => Err(status),
        Ok(None) => handle(parts, body).await,
        Ok(Some(timeout)) => {
            tokio::time::timeout(timeout, handle(parts, body)).await.unwrap_or_else(|_| Err(expired()))
        }
    };
    let mut response = answer.map_or_else(Status::into_http, |message| reply(&message));
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(grpc::ACCEPTED_ENCODINGS));
    response
}

/// Reads and unpacks the message of a unary call; it counts as under way as long as its reservation is held.
pub(crate) async fn receive(
    admission: &Admission,
    workshop: &Workshop,
    limit: usize,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, Reservation), Status> {
    let encoding = grpc::encoding(headers.get("grpc-encoding").and_then(|name| name.to_str().ok()))?;
    let mut reservation = admission.start();
    let received = body::read(body, limit + PREFIX, &mut reservation).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => grpc::too_large(limit),
        BodyError::Broken(_) => Status::cancelled(error.to_string()),
        BodyError::Busy { .. } => Answer::from(error).to_grpc(),
    })?;
    let length = received.len();
    let unframe = move || grpc::unframe(received, encoding, limit);
    let message = match encoding {
        Encoding::Identity => unframe()?,
        _ => workshop.run(length, unframe).await.map_err(|answer| answer.to_grpc())??,
    };
    reservation.resize(message.len()).map_err(|e| Answer::from(e).to_grpc())?;
    Ok((message, reservation))
}

fn reply(message: &[u8]) -> Response {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = Full::new(grpc::frame(message, false)).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The deadline of a call: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let malformed = || Status::invalid_argument(format!("malformed grpc-timeout {value:?}"));
    let text = value.to_str().map_err(|_| malformed())?;
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(malformed)?;
    if digits.len() > 8 {
        return Err(malformed());
    }
    let amount: u64 = digits.parse().map_err(|_| malformed())?;
    let timeout = match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return Err(malformed()),
    };
    Ok(Some(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_have_units() {
        let parse = |value: &'static str| {
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static(value))]);
            timeout(&headers).map_err(|status| status.code())
        };
        assert_eq!(parse("10S"), Ok(Some(Duration::from_secs(10))));
        assert_eq!(parse("99999999H"), Ok(Some(Duration::from_secs(99_999_999 * 3600))));
        assert_eq!(parse("5u"), Ok(Some(Duration::from_micros(5))));
        for malformed in ["", "S", "10", "10s", "123456789S", "-1S"] {
            assert_eq!(parse(malformed), Err(tonic::Code::InvalidArgument), "{malformed:?}");
        }
    }
}
