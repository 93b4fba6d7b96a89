//! What operators ask of a Loki: its configuration, limits, services and level of logging, in Loki's names.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use trefoil_model::Tenancy;

use super::{LokiError, fields};
use crate::ApiState;
use crate::prometheus::metrics;

/// What a Loki in one process runs.
const SERVICES: [&str; 5] = ["server", "distributor", "ingester", "store", "querier"];

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/config", get(config))
        .route("/config/tenant/v1/limits", get(limits))
        .route("/services", get(services))
        .route("/log_level", get(log_level).post(set_log_level))
        .route("/metrics", get(metrics))
}

/// What of Loki's configuration holds here. (Trefoil's own has another schema and may hold secrets.)
async fn config(State(state): State<ApiState>) -> String {
    let head = json!({"target": "all", "auth_enabled": state.tenancy == Tenancy::Multi});
    let limits = yaml(&limits_of(&state).await);
    let indented: String = limits.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}limits_config:\n{indented}", yaml(&head))
}

/// Those of the tenant, which are the same for all.
async fn limits(State(state): State<ApiState>, headers: HeaderMap) -> Result<String, LokiError> {
    state.tenant(&headers)?;
    Ok(yaml(&limits_of(&state).await))
}

async fn limits_of(state: &ApiState) -> Value {
    fields::limits(State(state.clone())).await["limits"].clone()
}

async fn services() -> String {
    SERVICES.map(|service| format!("{service} => Running\n")).concat()
}

async fn log_level() -> Json<Value> {
    let level = LevelFilter::current();
    Json(json!({"message": format!("Current log level is {level}")}))
}

async fn set_log_level() -> Response {
    let message =
        "the level is what service.telemetry.logs.level of the configuration or TREFOIL_LOG says at the start";
    (StatusCode::NOT_IMPLEMENTED, Json(json!({"message": message, "status": "failed"}))).into_response()
}

/// A line for each member; JSON is YAML.
fn yaml(object: &Value) -> String {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name}: {value}\n")).collect()
}
