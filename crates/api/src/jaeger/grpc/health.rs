//! `grpc.health.v1.Health/Check`, which those who watch over servers ask. (gRPC's health checking protocol.)

use axum::Router;
use axum::http::HeaderMap;
use prost::Message;
use tonic::Status;

use super::call::unary;
use crate::ApiState;

const SERVING: i32 = 1;
const SERVICES: [&str; 6] = [
    "",
    "jaeger.api_v2.QueryService",
    "jaeger.api_v3.QueryService",
    "jaeger.storage.v2.TraceReader",
    "jaeger.storage.v2.DependencyReader",
    "jaeger.storage.v2.Capabilities",
];

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/grpc.health.v1.Health/Check", unary(check))
}

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    /// Empty for the server.
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct CheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Whoever asks: it says nothing of anybody's data.
async fn check(_: ApiState, _: HeaderMap, request: CheckRequest) -> Result<CheckResponse, Status> {
    match SERVICES.contains(&request.service.as_str()) {
        true => Ok(CheckResponse { status: SERVING }),
        false => Err(Status::not_found(format!("there is no service {:?}", request.service))),
    }
}
