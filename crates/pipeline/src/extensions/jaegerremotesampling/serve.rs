//! The answers, over HTTP (`GET /sampling?service=NAME`, and any other path, as in Jaeger) and over gRPC
//! (`jaeger.api_v2.SamplingManager/GetSamplingStrategy`).

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use bytes::Bytes;
use http::request::Parts;
use prost::Message as _;
use tonic::Status;
use trefoil_jaeger::sampling::{GET_SAMPLING_STRATEGY, SamplingStrategyParameters};

use super::Current;
use crate::net::body::Admission;
use crate::receivers::otlp::grpc::{receive, unary, unknown_method};
use crate::receivers::otlp::workshop::Workshop;

/// The bytes of all questions under way together.
const IN_FLIGHT_BYTES: usize = 16 << 20;

pub fn http(strategies: Current) -> Router {
    Router::new().fallback(tell).with_state(strategies)
}

async fn tell(State(strategies): State<Current>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let parameters = url::form_urlencoded::parse(query.as_bytes());
    let mut services = parameters.filter(|(name, _)| name == "service").map(|(_, service)| service);
    match (services.next(), services.next()) {
        (Some(service), None) => Json(strategies.load().of(&service)).into_response(),
        _ => (StatusCode::BAD_REQUEST, "'service' parameter must be provided once\n").into_response(),
    }
}

pub fn grpc(strategies: Current, max_message_size: usize) -> Router {
    let admission = Admission::new(IN_FLIGHT_BYTES.max(2 * max_message_size));
    let teller = Teller { strategies, max_message_size, admission, workshop: Workshop::default() };
    Router::new().route(GET_SAMPLING_STRATEGY, post(get_sampling_strategy).with_state(teller)).fallback(unknown_method)
}

#[derive(Clone)]
struct Teller {
    strategies: Current,
    max_message_size: usize,
    admission: Admission,
    workshop: Workshop,
}

async fn get_sampling_strategy(State(teller): State<Teller>, request: Request) -> Response {
    unary(request, |parts, body| teller.tell(parts, body)).await
}

impl Teller {
    async fn tell(&self, parts: Parts, body: Body) -> Result<Bytes, Status> {
        let limit = self.max_message_size;
        let (message, _reservation) = receive(&self.admission, &self.workshop, limit, &parts.headers, body).await?;
        let question = SamplingStrategyParameters::decode(message)
            .map_err(|error| Status::invalid_argument(format!("malformed question: {error}")))?;
        Ok(self.strategies.load().of(&question.service_name).encode_to_vec().into())
    }
}
