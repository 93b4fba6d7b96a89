//! Why a question has no answer, and how each of Jaeger's APIs says so.
//!
//! Both write JSON by Go's `http.Error`, which calls it plain text and ends it with a line end.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use trefoil_model::tenant::NoTenant;
use trefoil_query::QueryError;

use crate::answers::status_of;

pub(super) const TRACE_NOT_FOUND: &str = "trace not found";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub status: StatusCode,
    pub message: String,
}

impl Failure {
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub fn not_found(message: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.to_owned() }
    }
}

impl From<NoTenant> for Failure {
    fn from(error: NoTenant) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, message: error.to_string() }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self { status: status_of(&error), message: error.to_string() }
    }
}

/// `{"data": null, …, "errors": [{"code", "msg"}]}`
#[derive(Debug)]
pub(super) struct Legacy(Failure);

/// `{"error": {"httpCode", "message"}}`
#[derive(Debug)]
pub(super) struct V3(Failure);

impl<E: Into<Failure>> From<E> for Legacy {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<E: Into<Failure>> From<E> for V3 {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Legacy {
    fn into_response(self) -> Response {
        let Failure { status, message } = self.0;
        let errors = [json!({ "code": status.as_u16(), "msg": message })];
        let body = json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors });
        as_go(status, &body)
    }
}

impl IntoResponse for V3 {
    fn into_response(self) -> Response {
        let Failure { status, message } = self.0;
        as_go(status, &json!({ "error": { "httpCode": status.as_u16(), "message": message } }))
    }
}

fn as_go(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn each_api_says_it_in_its_way() {
        let failure = || Failure::bad_request("parameter 'service' is required");
        insta::assert_snapshot!(text(Legacy(failure()).into_response()).await, @r#"{"data":null,"errors":[{"code":400,"msg":"parameter 'service' is required"}],"limit":0,"offset":0,"total":0}"#);
        let response = V3(failure()).into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        insta::assert_snapshot!(text(response).await, @r#"{"error":{"httpCode":400,"message":"parameter 'service' is required"}}"#);
    }
}
