//! How Trefoil's own API says no: `{"error": {"code": "<snake_case>", "message": "<text>"}}` with a matching HTTP status.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use trefoil_model::tenant::NoTenant;
use trefoil_query::QueryError;
use utoipa::ToSchema;

#[derive(Debug)]
pub(super) struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

/// The body of every answer with a status of 400 or above.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorAnswer {
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// For programs: `bad_request`, `no_tenant`, `not_found`, `method_not_allowed`, `not_acceptable`, `too_large`,
    /// `invalid_query`, `limit_exceeded`, `timeout` or `internal`.
    #[schema(example = "invalid_query")]
    pub code: &'static str,
    /// For people: what it is and what to do.
    #[schema(example = "SQL: Expected: an expression, found: EOF")]
    pub message: String,
}

impl ApiError {
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message: message.into() }
    }

    pub fn into_body(self) -> ErrorBody {
        ErrorBody { code: self.code, message: self.message }
    }
}

/// Answers paths under `/api` that nothing is at.
pub(super) async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}; GET /api/v1/openapi.json describes what there is", uri.path()))
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    ApiError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        message: format!("{} does not take {method}; the header Allow says what it takes", uri.path()),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorAnswer { error: self.into_body() })).into_response()
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

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        let message = format!("request body: {}", rejection.body_text());
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self { status: rejection.status(), code: "too_large", message },
            _ => Self::bad_request(message),
        }
    }
}
