//! Takes orders: writes them with a message into the outbox, and waits for the payment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::broker::ORDER_CREATED;
use crate::database::{NewOrder, Order, OrderLine, OutboxRow, orders};
use crate::http::{Body, Failure};
use crate::latency;
use crate::scenario::Scenario;
use crate::shop::{Job, Shop};

/// How long a customer waits to hear whether the payment went through.
const PAYMENT_WAIT: Duration = Duration::from_secs(5);
/// An order's total fits many times over.
const MAX_PRICE_CENTS: i64 = 100_000_000;

pub fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/orders", post(place)).route("/orders/{id}", get(show).patch(settle))
}

/// Orders that somebody waits for.
#[derive(Debug, Default)]
pub struct Payments(Mutex<HashMap<String, oneshot::Sender<String>>>);

impl Payments {
    fn wait_for(&self, id: &str) -> Waiting<'_> {
        let (sender, status) = oneshot::channel();
        self.0.lock().insert(id.to_owned(), sender);
        Waiting { payments: self, id: id.to_owned(), status }
    }

    fn settle(&self, id: &str, status: &str) {
        if let Some(waiting) = self.0.lock().remove(id) {
            let _ = waiting.send(status.to_owned());
        }
    }
}

/// Forgets the order when nobody waits any more.
struct Waiting<'a> {
    payments: &'a Payments,
    id: String,
    status: oneshot::Receiver<String>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.payments.0.lock().remove(&self.id);
    }
}

#[derive(Deserialize)]
struct Wanted {
    items: Vec<OrderLine>,
    payment_method: String,
    currency: String,
}

async fn place(job: Job, Body(wanted): Body<Wanted>) -> Result<(StatusCode, Json<Value>), Failure> {
    let total_cents = total(&wanted.items)?;
    latency::spend(3.0).await;
    let id = format!("ord-{}", &Uuid::new_v4().simple().to_string()[..12]);
    Context::current().span().set_attributes([
        KeyValue::new("bookstore.order.id", id.clone()),
        KeyValue::new("bookstore.order.total_cents", total_cents),
    ]);
    let mut waiting = job.shop.payments.wait_for(&id);
    let order = NewOrder {
        id: id.clone(),
        tenant: job.pod.tenant.name,
        total_cents,
        currency: wanted.currency,
        payment_method: wanted.payment_method,
        lines: wanted.items,
    };
    write(&job, &order).await?;
    job.shop.outbox.notify_one();
    job.info(format!("order {id} placed, waiting for its payment"), &[KeyValue::new("bookstore.order.id", id.clone())]);

    let status = match tokio::time::timeout(PAYMENT_WAIT, &mut waiting.status).await {
        Ok(Ok(status)) => status,
        _ => {
            job.warn(format!("order {id} is still pending after {PAYMENT_WAIT:?}"), &[]);
            "pending".to_owned()
        }
    };
    job.pod.instruments.orders.add(1, &[KeyValue::new("bookstore.order.status", status.clone())]);
    Ok((StatusCode::CREATED, Json(json!({"order_id": id, "status": status}))))
}

fn total(items: &[OrderLine]) -> Result<i64, Failure> {
    let possible = |line: &OrderLine| (1..=99).contains(&line.qty) && (0..=MAX_PRICE_CENTS).contains(&line.price_cents);
    match !items.is_empty() && items.len() <= 20 && items.iter().all(possible) {
        true => Ok(items.iter().map(|line| line.qty * line.price_cents).sum()),
        false => Err(Failure::bad_request("an order has 1 to 20 items with a qty and a price")),
    }
}

/// Order and outbox row in one transaction. The row keeps the context of the span that writes it.
async fn write(job: &Job, order: &NewOrder) -> Result<(), Failure> {
    job.query(orders::insert(order.lines.len()), async |texts| {
        if job.meets(Scenario::DatabaseTimeout) {
            latency::spend(900.0).await;
            return Err(sqlx::Error::PoolTimedOut);
        }
        if job.meets(Scenario::LockWait) {
            latency::spend(450.0).await;
            let retry = vec![
                KeyValue::new("retry.attempt", 1),
                KeyValue::new("retry.reason", "lock wait timeout exceeded; transaction rolled back"),
            ];
            Context::current().span().add_event("retry", retry);
        }
        latency::spend(9.0).await;
        job.shop.database.insert_order(texts, order, &outbox_row(job, order)).await
    })
    .await
}

fn outbox_row(job: &Job, order: &NewOrder) -> OutboxRow {
    let mut headers = HashMap::new();
    job.shop.inject(job.pod.service, &Context::current(), &mut headers);
    let payload = json!({
        "order_id": order.id,
        "total_cents": order.total_cents,
        "currency": order.currency,
        "payment_method": order.payment_method,
        "isbns": order.lines.iter().map(|line| &line.isbn).collect::<Vec<_>>(),
    });
    OutboxRow::new(Uuid::new_v4().to_string(), ORDER_CREATED, payload.to_string(), headers)
}

async fn show(job: Job, Path(id): Path<String>) -> Result<Json<Order>, Failure> {
    latency::spend(1.5).await;
    let order = job
        .query(orders::select(), async |texts| {
            latency::spend(4.0).await;
            job.shop.database.order(texts, &id, job.pod.tenant.name).await
        })
        .await?;
    order.map(Json).ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("there is no order {id}")))
}

#[derive(Deserialize)]
struct Settlement {
    status: String,
}

async fn settle(job: Job, Path(id): Path<String>, Body(to): Body<Settlement>) -> Result<Json<Value>, Failure> {
    if !["paid", "failed"].contains(&to.status.as_str()) {
        return Err(Failure::bad_request("an order can become paid or failed"));
    }
    latency::spend(5.0).await;
    let total = job.shop.database.settle_order(&to.status, &id, job.pod.tenant.name).await.map_err(|error| {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("order {id} cannot be changed: {error}"))
    })?;
    let total = total.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("there is no pending order {id}")))?;
    if to.status == "paid" {
        job.pod.instruments.revenue.add(total as f64 / 100.0, &[KeyValue::new("bookstore.currency", "USD")]);
    }
    job.info(format!("order {id} is {}", to.status), &[KeyValue::new("bookstore.order.id", id.clone())]);
    job.shop.payments.settle(&id, &to.status);
    Ok(Json(json!({"order_id": id, "status": to.status})))
}
