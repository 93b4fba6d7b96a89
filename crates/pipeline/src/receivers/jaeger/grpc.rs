//! `jaeger.api_v2.CollectorService/PostSpans`, as agents and newer clients call it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::request::Parts;
use tonic::Status;
use trefoil_jaeger::proto;
use trefoil_model::Signal;

use crate::metrics::TransportMetrics;
use crate::receivers::otlp::grpc::{GrpcLimits, receive, unary, unknown_method};
use crate::receivers::otlp::intake::{Intake, origin};
use crate::receivers::otlp::status::Answer;

pub fn routes(intake: Intake, limits: GrpcLimits, metrics: TransportMetrics) -> Router {
    let endpoint = Endpoint { intake, limits, metrics };
    Router::new().route(proto::POST_SPANS, post(post_spans).with_state(endpoint)).fallback(unknown_method)
}

#[derive(Clone)]
struct Endpoint {
    intake: Intake,
    limits: GrpcLimits,
    metrics: TransportMetrics,
}

async fn post_spans(State(endpoint): State<Endpoint>, request: Request) -> Response {
    unary(request, |parts, body| endpoint.take(parts, body)).await
}

impl Endpoint {
    async fn take(&self, parts: Parts, body: Body) -> Result<Bytes, Status> {
        let mut metrics = self.metrics.begin();
        let grpc = |answer: Answer| answer.to_grpc();
        let tenant = self.intake.tenant(&parts.headers).map_err(|error| grpc(error.into()))?;
        self.intake.check_taken(Signal::Traces).map_err(grpc)?;
        let (admission, workshop) = (&self.intake.admission, &self.intake.workshop);
        let limit = self.limits.max_message_size;
        let (message, mut reservation) = receive(admission, workshop, limit, &parts.headers, body).await?;
        let read = move || proto::read_post_spans(&message).map(super::otlp);
        let request = workshop.run(reservation.bytes(), read).await.map_err(grpc)?;
        let request = request.map_err(|error| Status::invalid_argument(error.to_string()))?;
        reservation.resize(request.len()).map_err(|error| grpc(error.into()))?;
        let origin = origin(&parts, self.limits.include_metadata);
        let answer = self.intake.deliver(&mut metrics, tenant, Signal::Traces, request, origin).await;
        answer.map_err(|refused| grpc(refused.into()))?;
        // The answer has no fields.
        Ok(Bytes::new())
    }
}
