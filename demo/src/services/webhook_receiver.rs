//! Hears from the payment provider, and lets the others know.

use std::sync::Arc;

use axum::routing::post;
use axum::{Json, Router};
use http::Method;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ServiceName;
use crate::http::{Body, Failure};
use crate::latency;
use crate::shop::{Job, Shop};

pub fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/webhook", post(webhook))
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Charge,
}

#[derive(Deserialize)]
struct Charge {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    order_id: String,
    isbns: Vec<String>,
}

async fn webhook(job: Job, Body(event): Body<Event>) -> Result<Json<Value>, Failure> {
    latency::spend(4.0).await;
    let Metadata { order_id, isbns } = event.data.metadata;
    let span = Context::current();
    span.span().set_attribute(KeyValue::new("bookstore.order.id", order_id.clone()));
    span.span().add_event("webhook.verified", vec![KeyValue::new("webhook.event.type", event.kind.clone())]);
    let status = match event.kind.as_str() {
        "charge.succeeded" => "paid",
        "charge.failed" => "failed",
        other => return Err(Failure::bad_request(format!("nobody waits for {other}"))),
    };
    let settlement = json!({"status": status});
    let path = ["orders", order_id.as_str()];
    job.call(ServiceName::Orders, Method::PATCH, &path, Some(&settlement)).await?.json::<Value>()?;

    let score = json!({"isbns": isbns, "bought": status == "paid"});
    let scored = job.call(ServiceName::Recommendations, Method::POST, &["score"], Some(&score)).await;
    if let Err(failure) = scored.and_then(|answer| answer.json::<Value>()) {
        // The order is settled all the same.
        span.span().add_event("score.skipped", vec![KeyValue::new("reason", failure.message.clone())]);
        job.warn(format!("order {order_id} was not scored: {}", failure.message), &[]);
    }
    job.info(format!("{} for order {order_id} handled", event.kind), &[KeyValue::new("bookstore.order.id", order_id)]);
    Ok(Json(json!({"received": true})))
}
