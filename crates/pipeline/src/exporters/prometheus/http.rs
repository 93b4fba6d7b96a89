//! `GET /metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::sync::Semaphore;
use trefoil_model::Tenancy;
use trefoil_model::tenant::TENANT_HEADER;
use trefoil_prometheus::exposition::{Offered, Written, negotiate};

use super::config::Config;
use super::series::Collection;
use crate::component::ComponentError;
use crate::net::compression::{Encoding, compress};
use crate::receivers::otlp::config::parse_headers;

/// Answers that are written at once; more wait.
const MAX_AT_ONCE: usize = 4;

#[derive(Clone)]
struct Endpoint {
    collection: Arc<Collection>,
    tenancy: Tenancy,
    offered: Offered,
    has_timestamps: bool,
    permits: Arc<Semaphore>,
}

pub fn routes(config: &Config, collection: Arc<Collection>, tenancy: Tenancy) -> Result<Router, ComponentError> {
    let endpoint = Endpoint {
        collection,
        tenancy,
        offered: Offered { open_metrics: config.enable_open_metrics, protobuf: true },
        has_timestamps: config.send_timestamps,
        permits: Arc::new(Semaphore::new(MAX_AT_ONCE)),
    };
    let router = Router::new().route("/metrics", get(metrics)).with_state(endpoint);
    let headers = parse_headers(&config.response_headers).map_err(ComponentError::new)?;
    Ok(router.layer(axum::middleware::map_response(move |mut response: Response| {
        response.headers_mut().extend(headers.clone());
        std::future::ready(response)
    })))
}

async fn metrics(State(endpoint): State<Endpoint>, headers: HeaderMap) -> Response {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let tenant = headers.get(TENANT_HEADER).and_then(|value| value.to_str().ok());
    let tenant = match endpoint.tenancy.resolve(tenant) {
        Ok(tenant) => tenant,
        Err(error) => return (StatusCode::UNAUTHORIZED, error.to_string()).into_response(),
    };
    let written = negotiate(header(ACCEPT), endpoint.offered);
    let is_compressed = header(ACCEPT_ENCODING).is_some_and(accepts_gzip);
    let Ok(_permit) = endpoint.permits.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let write = move || {
        let families = endpoint.collection.families(&tenant, endpoint.has_timestamps);
        let body = written.body(families).into();
        if is_compressed { compress(Encoding::Gzip, body, Some(1)) } else { Ok(body) }
    };
    let body = match tokio::task::spawn_blocking(write).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return failed(&error),
        Err(error) => return failed(&error),
    };
    let mut response = (head(written), body).into_response();
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    }
    response
}

fn head(written: Written) -> [(HeaderName, String); 2] {
    [(CONTENT_TYPE, written.content_type()), (VARY, "Accept, Accept-Encoding".to_owned())]
}

fn failed(error: &dyn std::fmt::Display) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {error}\n")).into_response()
}

/// Whether gzip is among the encodings, and not with the quality of nothing.
fn accepts_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|quality| quality.parse::<f64>().ok());
        is_gzip && quality != Some(0.0)
    })
}
