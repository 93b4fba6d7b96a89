//! `POST /api/traces`: a batch in Thrift, as Jaeger's collector takes it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use trefoil_jaeger::thrift::{self, Protocol};
use trefoil_model::Signal;

use crate::metrics::TransportMetrics;
use crate::receivers::otlp::http::{HttpLimits, only_post, receive};
use crate::receivers::otlp::intake::{Intake, origin};
use crate::receivers::otlp::status::Answer;

pub const PATH: &str = "/api/traces";

pub fn routes(intake: Intake, limits: HttpLimits, metrics: TransportMetrics) -> Router {
    let endpoint = Endpoint { intake, limits: Arc::new(limits), metrics };
    Router::new().route(PATH, post(submit).fallback(only_post).with_state(endpoint))
}

#[derive(Clone)]
struct Endpoint {
    intake: Intake,
    limits: Arc<HttpLimits>,
    metrics: TransportMetrics,
}

#[derive(Deserialize)]
struct Parameters {
    format: Option<String>,
}

async fn submit(State(endpoint): State<Endpoint>, Query(parameters): Query<Parameters>, request: Request) -> Response {
    let protocol = match check_format(parameters.format.as_deref()).and_then(|()| protocol(request.headers())) {
        Ok(protocol) => protocol,
        Err(answer) => return failure(&answer),
    };
    match endpoint.take(protocol, request).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(answer) => failure(&answer),
    }
}

/// Jaeger's collector wants to be told, the Collector does not look.
fn check_format(format: Option<&str>) -> Result<(), Answer> {
    match format {
        None | Some("" | "jaeger.thrift") => Ok(()),
        Some(other) => Err(Answer::invalid(format!("unsupported format {other:?}; supported: jaeger.thrift"))),
    }
}

/// Errors are 400, as in Jaeger.
fn protocol(headers: &HeaderMap) -> Result<Protocol, Answer> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-thrift" | "application/vnd.apache.thrift.binary" => Ok(Protocol::Binary),
        "application/vnd.apache.thrift.compact" => Ok(Protocol::Compact),
        other => Err(Answer::invalid(format!(
            "unsupported content type {other:?}; supported: application/x-thrift, application/vnd.apache.thrift.binary, \
             application/vnd.apache.thrift.compact"
        ))),
    }
}

impl Endpoint {
    async fn take(&self, protocol: Protocol, request: Request) -> Result<(), Answer> {
        let mut metrics = self.metrics.begin();
        self.intake.check_taken(Signal::Traces)?;
        let (parts, body) = request.into_parts();
        let tenant = self.intake.tenant(&parts.headers)?;
        let (body, mut reservation) = receive(&self.intake, &self.limits, &parts.headers, body).await?;
        let read = move || thrift::read_batch(protocol, &body).map(super::otlp);
        let request = self.intake.workshop.run(reservation.bytes(), read).await?;
        let request = request.map_err(|error| Answer::invalid(error.to_string()))?;
        reservation.resize(request.len())?;
        let origin = origin(&parts, self.limits.include_metadata);
        self.intake.deliver(&mut metrics, tenant, Signal::Traces, request, origin).await?;
        Ok(())
    }
}

fn failure(answer: &Answer) -> Response {
    let mut response = (answer.http, format!("{}\n", answer.message)).into_response();
    if let Some(seconds) = answer.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
