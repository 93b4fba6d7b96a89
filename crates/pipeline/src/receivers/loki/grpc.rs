//! `logproto.Pusher/Push`, as Loki's own parts call it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::request::Parts;
use tonic::Status;
use trefoil_loki::Format;
use trefoil_model::Signal;

use super::door::Door;
use crate::receivers::otlp::grpc::{GrpcLimits, receive, unary, unknown_method};
use crate::receivers::otlp::intake::origin;
use crate::receivers::otlp::status::Answer;

pub const PUSH: &str = "/logproto.Pusher/Push";

pub(super) fn routes(door: Door, limits: GrpcLimits) -> Router {
    Router::new().route(PUSH, post(push).with_state(Endpoint { door, limits })).fallback(unknown_method)
}

#[derive(Clone)]
struct Endpoint {
    door: Door,
    limits: GrpcLimits,
}

async fn push(State(endpoint): State<Endpoint>, request: Request) -> Response {
    unary(request, |parts, body| endpoint.take(parts, body)).await
}

impl Endpoint {
    async fn take(&self, parts: Parts, body: Body) -> Result<Bytes, Status> {
        let Door { intake, metrics, .. } = &self.door;
        let mut metrics = metrics.begin();
        let grpc = |answer: Answer| answer.to_grpc();
        let tenant = intake.tenant(&parts.headers).map_err(|error| grpc(error.into()))?;
        intake.check_taken(Signal::Logs).map_err(grpc)?;
        let limit = self.limits.max_message_size;
        let (message, reservation) = receive(&intake.admission, &intake.workshop, limit, &parts.headers, body).await?;
        let origin = origin(&parts, self.limits.include_metadata);
        let push = (Format::Protobuf, message);
        self.door.deliver(&mut metrics, tenant, push, reservation, origin).await.map_err(grpc)?;
        // The answer has no fields.
        Ok(Bytes::new())
    }
}
