//! Knows which books go together.

use std::sync::Arc;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::database::BOOKS;
use crate::http::{Body, Failure};
use crate::latency;
use crate::scenario::Scenario;
use crate::shop::{Job, Shop};
use crate::telemetry::Exception;

const MODEL: &str = "als-2026-10";

pub fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/score", post(score)).route("/similar/{isbn}", get(similar))
}

#[derive(Deserialize)]
struct Purchase {
    isbns: Vec<String>,
    bought: bool,
}

async fn score(job: Job, Body(purchase): Body<Purchase>) -> Result<Json<Value>, Failure> {
    infer(&job, 22.0).await?;
    let score = if purchase.bought { 0.5 + fastrand::f64() / 2.0 } else { fastrand::f64() / 2.0 };
    Context::current().span().set_attribute(KeyValue::new("recommendations.score", (score * 1000.0).round() / 1000.0));
    job.info(format!("{} items scored {score:.3} by {MODEL}", purchase.isbns.len()), &[]);
    Ok(Json(json!({"score": score, "model": MODEL})))
}

async fn similar(job: Job, Path(isbn): Path<String>) -> Result<Json<Value>, Failure> {
    infer(&job, 14.0).await?;
    let start = BOOKS.iter().position(|(other, ..)| *other == isbn).unwrap_or(0);
    let similar = BOOKS.iter().cycle().skip(start + 1).take(4);
    let similar: Vec<Value> = similar.map(|(isbn, title, _)| json!({"isbn": isbn, "title": title})).collect();
    job.info(format!("{} books similar to {isbn} by {MODEL}", similar.len()), &[]);
    Ok(Json(json!(similar)))
}

/// Asks the model, which takes about so many milliseconds.
async fn infer(job: &Job, milliseconds: f64) -> Result<(), Failure> {
    if job.meets(Scenario::RecommendationsUnavailable) {
        latency::spend(5.0).await;
        let frames = [
            ("bookstore_recommendations::model::Pool::acquire", "./src/model/pool.rs:142:18"),
            ("bookstore_recommendations::ranking::infer::{{closure}}", "./src/ranking.rs:57:31"),
        ];
        let exception =
            Exception::new("model::Overloaded", "all 4 model workers are busy, queue is full (64)", &frames);
        return Err(Failure::exception(StatusCode::SERVICE_UNAVAILABLE, exception));
    }
    let span = Context::current();
    span.span().set_attribute(KeyValue::new("recommendations.model", MODEL));
    if job.meets(Scenario::SlowModel) {
        latency::spend(1100.0).await;
        span.span().add_event("model.loaded", vec![KeyValue::new("recommendations.model", MODEL)]);
    }
    latency::spend(milliseconds).await;
    Ok(())
}
