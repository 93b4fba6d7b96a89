//! A stand-in for the payment provider: charges a card, and tells the result by webhook, a little later.

use std::sync::Arc;

use axum::routing::post;
use axum::{Json, Router};
use http::{Method, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ServiceName;
use crate::http::{Body, Failure};
use crate::latency;
use crate::scenario::Scenario;
use crate::shop::{Job, Shop};

/// Stripe's own test card that is always declined.
const DECLINED: &str = "pm_card_chargeDeclined";

pub fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/v1/charges", post(charge))
}

#[derive(Deserialize)]
struct Charge {
    amount: i64,
    currency: String,
    payment_method: String,
    metadata: Value,
}

async fn charge(job: Job, Body(charge): Body<Charge>) -> Result<Json<Value>, Failure> {
    job.spend(75.0, Scenario::SlowCharge, 1400.0).await;
    let id = format!("ch_{}", &Uuid::new_v4().simple().to_string()[..24]);
    let declined = charge.payment_method == DECLINED;
    opentelemetry::Context::current().span().set_attributes([
        KeyValue::new("stripe.charge.id", id.clone()),
        KeyValue::new("stripe.charge.outcome", if declined { "issuer_declined" } else { "authorized" }),
    ]);
    let event = json!({
        "type": if declined { "charge.failed" } else { "charge.succeeded" },
        "data": {"id": id, "amount": charge.amount, "currency": charge.currency, "metadata": charge.metadata},
    });
    let webhook = job.clone();
    job.later(async move { tell(webhook, event).await });
    if declined {
        return Err(Failure::new(StatusCode::PAYMENT_REQUIRED, "Your card was declined: insufficient_funds"));
    }
    job.info(format!("charge {id} of {} {} succeeded", charge.amount, charge.currency), &[]);
    Ok(Json(json!({"id": id, "status": "succeeded", "amount": charge.amount})))
}

async fn tell(job: Job, event: Value) {
    latency::spend(12.0).await;
    let told = job.call(ServiceName::WebhookReceiver, Method::POST, &["webhook"], Some(&event)).await;
    match told.and_then(|answer| answer.json::<Value>()) {
        Ok(_) => job.info(format!("webhook {} delivered", event["type"]), &[]),
        Err(failure) => job.warn(format!("webhook {} not delivered: {}", event["type"], failure.message), &[]),
    }
}
