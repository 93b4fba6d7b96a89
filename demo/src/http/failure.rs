//! How a handler says that it could not do what it was asked.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::telemetry::Exception;

/// An answer that is an error. The server's middleware tells about it: 5xx as an error of the span, with the exception if
/// there is one here (not for an error that another service has told about already).
#[derive(Debug, Clone)]
pub struct Failure {
    pub status: StatusCode,
    pub message: String,
    pub exception: Option<Exception>,
}

impl Failure {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), exception: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Something broke here.
    pub fn exception(status: StatusCode, exception: Exception) -> Self {
        Self { status, message: exception.message.clone(), exception: Some(exception) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": {"status": self.status.as_u16(), "message": self.message}});
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
