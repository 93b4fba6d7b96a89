//! What Loki's clients ask before they trust that they talk to a Loki. Where logs are pushed is `trefoil_pipeline`'s; there are no queries yet.

use axum::Router;
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};

const BUILD_INFO: &str = "/loki/api/v1/status/buildinfo";

/// The paths where Loki has them.
pub(crate) fn router() -> Router {
    Router::new().route("/ready", get(async || "ready\n")).route(BUILD_INFO, get(build_info))
}

/// The same below `/loki`, and what is there in any Loki.
pub(crate) fn router_below_prefix() -> Router {
    Router::new().route(BUILD_INFO, get(build_info)).nest("/loki", router())
}

/// Grafana gates features on this version; it is the Loki release whose API this surface follows.
const LOKI_VERSION: &str = "3.7.6";

async fn build_info() -> Json<Value> {
    Json(json!({
        "version": LOKI_VERSION,
        "revision": concat!("trefoil-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}
