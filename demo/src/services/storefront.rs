//! Puts pages and orders together from what the other services know.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ServiceName;
use crate::database::Item;
use crate::http::{Body, Failure};
use crate::latency;
use crate::shop::{Job, Shop};

/// What a book costs when the catalog cannot tell.
const CACHED_PRICE_CENTS: i64 = 1499;

pub fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/checkout", post(checkout)).route("/items/{isbn}", get(item))
}

#[derive(Deserialize)]
struct Cart {
    items: Vec<CartLine>,
    payment_method: String,
}

#[derive(Deserialize)]
struct CartLine {
    isbn: String,
    qty: i64,
}

async fn checkout(job: Job, Body(cart): Body<Cart>) -> Result<Json<Value>, Failure> {
    latency::spend(5.0).await;
    let isbns: Vec<&str> = cart.items.iter().map(|line| line.isbn.as_str()).collect();
    let prices = prices(&job, &isbns.join(",")).await?;
    let mut lines = Vec::new();
    for CartLine { isbn, qty } in &cart.items {
        let price = match &prices {
            Some(prices) => *prices.get(isbn).ok_or_else(|| unknown(isbn))?,
            None => CACHED_PRICE_CENTS,
        };
        lines.push(json!({"isbn": isbn, "qty": qty, "price_cents": price}));
    }
    let order = json!({"items": lines, "payment_method": cart.payment_method, "currency": "USD"});
    let placed: Value = job.call(ServiceName::Orders, Method::POST, &["orders"], Some(&order)).await?.json()?;
    job.info("checkout done", &[KeyValue::new("order_id", placed["order_id"].as_str().unwrap_or_default().to_owned())]);
    Ok(Json(placed))
}

fn unknown(isbn: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, format!("there is no book {isbn}"))
}

/// What the books cost now. `None`: the catalog is broken, and the prices in the cache must do.
async fn prices(job: &Job, isbns: &str) -> Result<Option<HashMap<String, i64>>, Failure> {
    let answer = job.call(ServiceName::Catalog, Method::GET, &["catalog", "items", isbns], None).await;
    let failure = match answer {
        Ok(answer) if !answer.status.is_server_error() => {
            let items: Vec<Item> = answer.json()?;
            return Ok(Some(items.into_iter().map(|item| (item.isbn, item.price_cents)).collect()));
        }
        Ok(answer) => answer.into_failure(),
        Err(failure) => failure,
    };
    let status = KeyValue::new("http.response.status_code", i64::from(failure.status.as_u16()));
    Context::current()
        .span()
        .add_event("price.fallback", vec![status, KeyValue::new("bookstore.price.source", "cache")]);
    job.warn(format!("{}; using cached prices", failure.message), &[]);
    Ok(None)
}

async fn item(job: Job, Path(isbn): Path<String>) -> Result<Json<Value>, Failure> {
    latency::spend(4.0).await;
    let catalog = job.call(ServiceName::Catalog, Method::GET, &["catalog", "items", &isbn], None).await?;
    let items: Vec<Item> = catalog.json()?;
    let item = items.into_iter().next().ok_or_else(|| unknown(&isbn))?;
    let similar = job.call(ServiceName::Recommendations, Method::GET, &["similar", &isbn], None).await;
    let similar = match similar.and_then(|answer| answer.json::<Value>()) {
        Ok(similar) => similar,
        Err(failure) => {
            // A page without advice is better than none.
            Context::current().span().add_event("recommendations.skipped", vec![]);
            job.warn(format!("no recommendations: {}", failure.message), &[KeyValue::new("isbn", isbn)]);
            json!([])
        }
    };
    Ok(Json(json!({"item": item, "similar": similar})))
}
