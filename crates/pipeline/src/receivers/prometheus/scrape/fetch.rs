//! One request to a target and its body, within the bounds of the job and of all scrapes together.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use thiserror::Error;
use trefoil_prometheus::exposition::{Format, accept_header};

use crate::net::body::Reservation;
use crate::net::compression::{DecompressError, Encoding, decompress};
use crate::receivers::prometheus::client::{BodyError, HttpClient, read_body};
use crate::receivers::prometheus::config::Job;
use crate::receivers::prometheus::target::Target;

const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Bytes of a body, decompressed, where the job has no limit of its own.
const MAX_BODY: u64 = 128 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    #[error("{0}")]
    Request(String),
    #[error("server returned HTTP status {0}")]
    Status(StatusCode),
    #[error("body size limit exceeded (limit: {0} bytes)")]
    TooLarge(u64),
    #[error("{0}")]
    Unreadable(String),
}

pub struct Fetched {
    pub body: Bytes,
    pub format: Format,
}

pub async fn fetch(
    job: &Job,
    target: &Target,
    client: &HttpClient,
    reservation: &mut Reservation,
) -> Result<Fetched, FetchError> {
    let headers = headers(job, target).map_err(FetchError::Request)?;
    let response = client.get(target.url.clone(), headers).await.map_err(FetchError::Request)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let chosen = Format::of_answer(text(CONTENT_TYPE), job.fallback_protocol);
    let encoding = text(CONTENT_ENCODING).unwrap_or_default().to_owned();
    let limit = if job.limits.body_size == 0 { MAX_BODY } else { job.limits.body_size };
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let body = read_body(response, size, reservation).await.map_err(|error| match error {
        BodyError::TooLarge => FetchError::TooLarge(limit),
        BodyError::Broken(reason) => FetchError::Unreadable(reason),
    })?;
    let body = unpack(body, &encoding, size).await.map_err(|error| match error {
        Some(reason) => FetchError::Unreadable(reason),
        None => FetchError::TooLarge(limit),
    })?;
    reservation.resize(body.len()).map_err(|error| FetchError::Unreadable(error.to_string()))?;
    let chosen = chosen.map_err(|error| FetchError::Unreadable(error.to_string()))?;
    if let Some(warning) = chosen.warning {
        tracing::debug!(job = job.name, target = %target.url, warning);
    }
    Ok(Fetched { body, format: chosen.format })
}

fn headers(job: &Job, target: &Target) -> Result<HeaderMap, String> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, value(&accept_header(&job.protocols, job.escaping.as_str()))?);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(if job.compression { "gzip" } else { "identity" }));
    headers.insert(SCRAPE_TIMEOUT, value(&target.timeout.as_secs_f64().to_string())?);
    Ok(headers)
}

/// `None` is a body that is too large.
async fn unpack(body: Bytes, encoding: &str, limit: usize) -> Result<Bytes, Option<String>> {
    let known = match Encoding::from_name(encoding) {
        Some(Encoding::Identity) => return Ok(body),
        Some(known @ Encoding::Gzip) => known,
        _ => return Err(Some(format!("unasked for Content-Encoding {encoding:?}"))),
    };
    let unpacked = tokio::task::spawn_blocking(move || decompress(known, body, limit)).await;
    match unpacked.map_err(|error| Some(error.to_string()))? {
        Ok(body) => Ok(body),
        Err(DecompressError::TooLarge { .. }) => Err(None),
        Err(error) => Err(Some(error.to_string())),
    }
}
