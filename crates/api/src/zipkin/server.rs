//! What the UI and whoever watches the server ask of itself.

use axum::response::Json;
use serde_json::{Value, json};

/// The release of Zipkin whose API this surface follows.
const ZIPKIN_VERSION: &str = "3.6.1";

pub(super) async fn config() -> Json<Value> {
    Json(json!({
        "environment": "",
        "queryLimit": 10,
        "defaultLookback": 900_000,
        "searchEnabled": true,
        "logsUrl": "",
        "supportUrl": "",
        "archivePostUrl": "",
        "archiveUrl": "",
        "dependency": { "enabled": true, "lowErrorRate": 0.5, "highErrorRate": 0.75 },
    }))
}

pub(super) async fn health() -> Json<Value> {
    Json(json!({ "status": "UP", "zipkin": { "status": "UP", "details": { "TrefoilStorage{}": { "status": "UP" } } } }))
}

pub(super) async fn info() -> Json<Value> {
    let revision = concat!("trefoil-", env!("CARGO_PKG_VERSION"));
    Json(json!({ "zipkin": { "version": ZIPKIN_VERSION, "commit": revision } }))
}
