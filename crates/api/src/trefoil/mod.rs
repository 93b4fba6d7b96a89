//! Trefoil's own API, under `/api/v1` of the main listener.
//!
//! Errors are `{"error": {"code": "<snake_case>", "message": "<text>"}}` with a matching HTTP status.

mod answer;
mod sql;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde_json::json;
use trefoil_model::tenant::NoTenant;
use trefoil_query::QueryError;

use crate::ApiState;

pub fn router(state: ApiState) -> Router {
    Router::new().route("/api/v1/sql", post(sql::run)).with_state(state)
}

struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    fn body(&self) -> serde_json::Value {
        json!({ "code": self.code, "message": self.message })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.body() }))).into_response()
    }
}

impl From<NoTenant> for ApiError {
    fn from(error: NoTenant) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "no_tenant", message: error.to_string() }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let (status, code) = match error {
            QueryError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_query"),
            QueryError::Timeout(_) => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            QueryError::LimitExceeded(_) => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
            QueryError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self { status, code, message: error.to_string() }
    }
}
