//! Knows the books.

use std::sync::Arc;

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use opentelemetry::KeyValue;

use super::FORCED_500;
use crate::database::{Item, items};
use crate::http::Failure;
use crate::latency;
use crate::scenario::Scenario;
use crate::shop::{Job, Shop};
use crate::telemetry::Exception;

const MAX_ISBNS: usize = 20;
const PAGE: i64 = 20;

pub fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/catalog/items/{isbn}", get(by_isbn)).route("/catalog/genres/{genre}/items", get(by_genre))
}

/// One book, or several with commas between them; 404 if none of them is there.
async fn by_isbn(job: Job, Path(isbn): Path<String>) -> Result<Json<Vec<Item>>, Failure> {
    let isbns: Vec<String> = isbn.split(',').map(str::to_owned).collect();
    if isbns.len() > MAX_ISBNS {
        return Err(Failure::bad_request(format!("at most {MAX_ISBNS} books at once")));
    }
    latency::spend(2.0).await;
    let items = job
        .query(items::select_by_isbn(isbns.len()), async |texts| {
            job.spend(5.0, Scenario::SlowCatalogQuery, 1200.0).await;
            job.shop.database.items_by_isbn(texts, &isbns).await
        })
        .await?;
    if isbns.iter().any(|isbn| isbn == FORCED_500) {
        return Err(broken());
    }
    if items.is_empty() {
        return Err(Failure::new(StatusCode::NOT_FOUND, format!("there is no book {isbn}")));
    }
    latency::spend(1.0).await;
    job.info(format!("{} of {} items found", items.len(), isbns.len()), &[KeyValue::new("isbn", isbn)]);
    Ok(Json(items))
}

async fn by_genre(job: Job, Path(genre): Path<String>) -> Result<Json<Vec<Item>>, Failure> {
    latency::spend(2.0).await;
    let items = job
        .query(items::select_by_genre(), async |texts| {
            job.spend(9.0, Scenario::SlowCatalogQuery, 1500.0).await;
            job.shop.database.items_by_genre(texts, &genre, PAGE).await
        })
        .await?;
    latency::spend(1.0).await;
    Ok(Json(items))
}

/// What a careless row in the database can do to a service.
fn broken() -> Failure {
    let frames = [
        ("core::result::Result<T, E>::expect", "core/src/result.rs:1119:23"),
        ("bookstore_catalog::pricing::Price::from_row", "./src/pricing/price.rs:58:14"),
        ("bookstore_catalog::pricing::price_of::{{closure}}", "./src/pricing/mod.rs:121:9"),
        ("bookstore_catalog::items::by_isbn::{{closure}}", "./src/items.rs:88:17"),
    ];
    let message = "price of item \"__forced_500__\" has no currency";
    Failure::exception(StatusCode::INTERNAL_SERVER_ERROR, Exception::new("catalog::PriceError", message, &frames))
}
