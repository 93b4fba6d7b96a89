//! `POST /api/v1/sql`: one reading SQL statement over the tenant's tables.
//!
//! The body is the statement itself, or with `Content-Type: application/json` an object
//! `{"query": "…", "limit": <max rows>, "timeout": <seconds>}`; both limits can only tighten the server's own. `Accept`
//! chooses the answer, see [`super::answer::Format`]. The query stops when the client leaves.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use trefoil_query::Limits;
use utoipa::ToSchema;

use super::answer::{self, ArrowStream, Format, SqlAnswer};
use super::error::{ApiError, ErrorAnswer};
use crate::ApiState;

/// A statement with limits of its own, which can only tighten the server's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SqlRequest)]
pub(super) struct Request {
    /// One statement that reads.
    #[schema(example = "SELECT service_name, count(*) FROM spans GROUP BY ALL")]
    query: String,
    /// Rows in the answer; more are an error.
    limit: Option<usize>,
    /// Seconds.
    timeout: Option<f64>,
}

/// One reading SQL statement over the tenant's tables
///
/// Tables: `spans`, `logs`, `samples`, `series`, `exemplars`; `DESCRIBE spans` lists the columns of one. The answer is
/// streamed. One that fails half-way ends with an `error` (JSON) or is cut off (CSV, Arrow). The query stops when the
/// client leaves.
#[utoipa::path(
    post,
    path = "/api/v1/sql",
    operation_id = "sql",
    tag = "query",
    params(("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled")),
    request_body(
        description = "The statement itself, or an object with limits",
        content((String = "text/plain"), (Request = "application/json"))
    ),
    responses(
        (
            status = 200,
            description = "The rows, in the format that `Accept` asks for",
            content(
                (SqlAnswer = "application/json"),
                (String = "text/csv"),
                (ArrowStream = "application/vnd.apache.arrow.stream"),
            )
        ),
        (status = 400, description = "The statement is wrong, or does not only read", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 406, description = "`Accept` names no known format", body = ErrorAnswer),
        (status = 413, description = "The statement is longer than 2 MB", body = ErrorAnswer),
        (status = 422, description = "The answer wants more rows or memory than it may have", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn run(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let tenant = state.tenant(&headers)?;
    let format = Format::accepted(&headers)?;
    let request = parse(&headers, &body?)?;
    let limits = tighten(state.limits(), &request)?;
    let rows = state.engine.sql(&tenant, &request.query, limits).await?;
    answer::stream(rows, format).await
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Request, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("application/json") {
        return serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("request body: {error}")));
    }
    let query = std::str::from_utf8(body).map_err(|error| ApiError::bad_request(format!("request body: {error}")))?;
    if query.trim().is_empty() {
        return Err(ApiError::bad_request("the request body must be an SQL statement"));
    }
    Ok(Request { query: query.to_owned(), limit: None, timeout: None })
}

fn tighten(limits: Limits, request: &Request) -> Result<Limits, ApiError> {
    let timeout = match request.timeout {
        None => limits.timeout,
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| ApiError::bad_request(format!("timeout: {seconds} is not a number of seconds")))?
            .min(limits.timeout),
    };
    Ok(Limits {
        max_rows: request.limit.map_or(limits.max_rows, |limit| limit.min(limits.max_rows)),
        timeout,
        ..limits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_headers() -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())])
    }

    #[test]
    fn takes_plain_text_and_json() {
        let plain = parse(&HeaderMap::new(), b"SELECT 1").map_err(|e| e.message).unwrap();
        assert_eq!(plain.query, "SELECT 1");
        let body = br#"{"query": "SELECT 2", "limit": 10, "timeout": 0.5}"#;
        let request = parse(&json_headers(), body).map_err(|e| e.message).unwrap();
        let limits = tighten(Limits::default(), &request).map_err(|e| e.message).unwrap();
        assert_eq!(limits, Limits { max_rows: 10, timeout: Duration::from_millis(500), ..Limits::default() });
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let wrong = parse(&json_headers(), br#"{"query": "SELECT 2", "rows": 10}"#).map_err(|e| e.message);
        assert!(wrong.unwrap_err().contains("unknown field `rows`"));
        assert!(parse(&HeaderMap::new(), b"  ").is_err());
        let request = Request { query: String::new(), limit: None, timeout: Some(-1.0) };
        assert!(tighten(Limits::default(), &request).is_err());
    }
}
