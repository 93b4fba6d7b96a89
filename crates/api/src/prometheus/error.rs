//! How Prometheus says no: `{"status":"error","errorType":"bad_data","error":"…"}` with a matching HTTP status.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;
use trefoil_go::quote::quote;
use trefoil_model::tenant::NoTenant;
use trefoil_query::metrics::PromqlError;

#[derive(Debug)]
pub(crate) struct PromError {
    pub status: StatusCode,
    /// `errorType`.
    pub kind: &'static str,
    pub message: String,
}

impl PromError {
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into() }
    }

    pub fn invalid_parameter(name: &str, error: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {}: {error}", quote(name)))
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "unavailable", message: message.into() }
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message: message.into() }
    }

    /// Of a query that came as the parameter `query`, which Prometheus names when the query is at fault.
    pub fn of_query(error: PromqlError) -> Self {
        match error {
            PromqlError::BadData(message) => Self::invalid_parameter("query", message),
            error => error.into(),
        }
    }
}

impl From<PromqlError> for PromError {
    fn from(error: PromqlError) -> Self {
        let status = match error {
            PromqlError::BadData(_) => StatusCode::BAD_REQUEST,
            PromqlError::Execution(_) => StatusCode::UNPROCESSABLE_ENTITY,
            PromqlError::Timeout(_) => StatusCode::SERVICE_UNAVAILABLE,
            // nginx's "client closed request", which Prometheus borrows.
            PromqlError::Canceled(_) => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
            PromqlError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, kind: error.kind(), message: error.to_string() }
    }
}

/// Prometheus has no tenants and so no word for it; no client looks at the word of a 401.
impl From<NoTenant> for PromError {
    fn from(error: NoTenant) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, kind: "unauthorized", message: error.to_string() }
    }
}

impl IntoResponse for PromError {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.message });
        (self.status, Json(body)).into_response()
    }
}

const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];

/// Unlike all else: Prometheus answers unknown paths before its API sees them.
pub(super) async fn no_such_path(_: Uri) -> Response {
    (StatusCode::NOT_FOUND, TEXT, "404 page not found\n").into_response()
}

/// Clients that meet it try again with GET.
pub(super) async fn no_such_method(_: Method) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, TEXT, "Method Not Allowed\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_prometheus_status() {
        let text = || "no".to_owned();
        for (error, status, kind) in [
            (PromqlError::BadData(text()), 400, "bad_data"),
            (PromqlError::Execution(text()), 422, "execution"),
            (PromqlError::Timeout(text()), 503, "timeout"),
            (PromqlError::Canceled(text()), 499, "canceled"),
            (PromqlError::Internal(text()), 500, "internal"),
        ] {
            let error = PromError::from(error);
            assert_eq!((error.status.as_u16(), error.kind, error.message.as_str()), (status, kind, "no"));
        }
    }

    #[test]
    fn a_query_at_fault_is_named() {
        let error = PromError::of_query(PromqlError::BadData("1:5: parse error: x".to_owned()));
        assert_eq!(error.message, "invalid parameter \"query\": 1:5: parse error: x");
        assert_eq!(PromError::of_query(PromqlError::Execution("x".to_owned())).message, "x");
    }
}
