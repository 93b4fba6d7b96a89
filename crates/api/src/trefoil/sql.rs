//! `POST /api/v1/sql`: one reading SQL statement over the tenant's tables.
//!
//! The body is the statement itself, or with `Content-Type: application/json` an object
//! `{"query": "…", "limit": <max rows>, "timeout": <seconds>}`; both limits can only tighten the server's own. `Accept`
//! chooses the answer, see [`super::answer::Format`]. The query stops when the client leaves.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use trefoil_query::Limits;

use super::ApiError;
use super::answer::{self, Format};
use crate::ApiState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    query: String,
    limit: Option<usize>,
    timeout: Option<f64>,
}

pub(super) async fn run(State(state): State<ApiState>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let tenant = state.tenant(&headers)?;
    let format = Format::accepted(&headers)?;
    let request = parse(&headers, &body)?;
    let limits = tighten(state.limits, &request)?;
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
    Ok(Limits { max_rows: request.limit.map_or(limits.max_rows, |limit| limit.min(limits.max_rows)), timeout })
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
        assert_eq!(limits, Limits { max_rows: 10, timeout: Duration::from_millis(500) });
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
