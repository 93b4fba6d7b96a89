//! The way in: what browsers call, and the controls of the demo.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{Method, StatusCode};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ServiceName;
use crate::faults::FaultPlan;
use crate::http::{Body, Failure};
use crate::latency;
use crate::shop::{Job, Shop};

/// Lines of one cart.
const MAX_LINES: usize = 20;
const MAX_QUANTITY: i64 = 99;

pub fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/api/v2/checkout", post(checkout))
        .route("/api/v2/catalog/items", get(list))
        .route("/api/v2/catalog/items/{isbn}", get(item))
        .route("/api/v2/orders/{id}", get(order))
}

/// `/demo/faults` is no part of the bookstore, and has no spans.
pub fn controls(shop: Arc<Shop>) -> Router {
    Router::new().route("/demo/faults", get(faults).put(set_faults)).with_state(shop)
}

#[derive(Deserialize, Serialize)]
struct Cart {
    items: Vec<CartLine>,
    payment_method: String,
}

#[derive(Deserialize, Serialize)]
struct CartLine {
    isbn: String,
    qty: i64,
}

#[derive(Deserialize)]
struct Placed {
    order_id: String,
    status: String,
}

async fn checkout(job: Job, Body(cart): Body<Cart>) -> Result<(StatusCode, Json<Value>), Failure> {
    check(&cart)?;
    latency::spend(2.0).await;
    job.info(
        format!("checkout of {} items begins", cart.items.len()),
        &[KeyValue::new("bookstore.payment_method", cart.payment_method.clone())],
    );
    let trace_id = Context::current().span().span_context().trace_id().to_string();
    let body = json!(cart);
    let placed: Placed = job.call(ServiceName::Storefront, Method::POST, &["checkout"], Some(&body)).await?.json()?;
    Context::current().span().set_attribute(KeyValue::new("bookstore.order.id", placed.order_id.clone()));
    let code = match placed.status.as_str() {
        "paid" => StatusCode::OK,
        "failed" => StatusCode::PAYMENT_REQUIRED,
        _ => StatusCode::ACCEPTED,
    };
    let answer = json!({"order_id": placed.order_id, "status": placed.status, "trace_id": trace_id});
    Ok((code, Json(answer)))
}

fn check(cart: &Cart) -> Result<(), Failure> {
    if cart.items.is_empty() || cart.items.len() > MAX_LINES {
        return Err(Failure::bad_request(format!("a cart has 1 to {MAX_LINES} items")));
    }
    if cart.items.iter().any(|line| !(1..=MAX_QUANTITY).contains(&line.qty)) {
        return Err(Failure::bad_request(format!("one can buy 1 to {MAX_QUANTITY} of a book")));
    }
    let mut isbns: Vec<&str> = cart.items.iter().map(|line| line.isbn.as_str()).collect();
    isbns.sort_unstable();
    if isbns.iter().any(|isbn| isbn.is_empty() || isbn.len() > 40 || isbn.contains([',', '/'])) {
        return Err(Failure::bad_request("an isbn is a number such as 978-0-13-468599-1"));
    }
    if isbns.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Failure::bad_request("a book stands twice in the cart; raise its qty instead"));
    }
    match cart.payment_method.strip_prefix("pm_card_") {
        Some(card) if (1..=40).contains(&card.len()) => Ok(()),
        _ => Err(Failure::bad_request("a payment_method is pm_card_visa, or pm_card_chargeDeclined")),
    }
}

async fn list(job: Job, request: axum::extract::Request) -> Result<Json<Value>, Failure> {
    latency::spend(1.5).await;
    let query = request.uri().query().unwrap_or_default();
    let genre = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "genre");
    let genre = genre.map_or("fiction".into(), |(_, genre)| genre);
    let answer = job.call(ServiceName::Catalog, Method::GET, &["catalog", "genres", &genre, "items"], None).await?;
    Ok(Json(answer.json()?))
}

async fn item(job: Job, Path(isbn): Path<String>) -> Result<Json<Value>, Failure> {
    latency::spend(1.5).await;
    let answer = job.call(ServiceName::Storefront, Method::GET, &["items", &isbn], None).await?;
    Ok(Json(answer.json()?))
}

async fn order(job: Job, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    latency::spend(1.5).await;
    let answer = job.call(ServiceName::Orders, Method::GET, &["orders", &id], None).await?;
    Ok(Json(answer.json()?))
}

async fn faults(State(shop): State<Arc<Shop>>) -> Json<FaultPlan> {
    Json(shop.faults.plan())
}

async fn set_faults(State(shop): State<Arc<Shop>>, body: Bytes) -> axum::response::Response {
    match shop.faults.replace(&body) {
        Ok(plan) => Json(plan).into_response(),
        Err(error) => Failure::bad_request(error).into_response(),
    }
}
