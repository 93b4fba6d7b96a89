//! Rules, as Loki's ruler tells them. There are none yet: reading answers so, writing is refused.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Json, Response};
use axum::routing::{MethodRouter, get};
use serde_json::{Value, json};

use super::LokiError;
use super::parameters::Asked;
use crate::ApiState;

/// Below the path of any Loki.
pub(super) fn router() -> Router<ApiState> {
    at("/loki/api/v1/rules")
}

/// The paths of old, and those that Prometheus has, too.
pub(super) fn own_router() -> Router<ApiState> {
    at("/api/prom/rules")
        .route("/prometheus/api/v1/rules", get(active_rules))
        .route("/prometheus/api/v1/alerts", get(active_alerts))
}

fn at(path: &str) -> Router<ApiState> {
    let written = |route: MethodRouter<ApiState>| route.post(refuse).delete(refuse);
    Router::new()
        .route(path, written(get(groups)))
        .route(&format!("{path}/{{namespace}}"), written(get(groups)))
        .route(&format!("{path}/{{namespace}}/{{group}}"), written(get(group)))
}

/// A ruler without groups says so by a status; its clients take it for an empty list.
async fn groups(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, LokiError> {
    state.tenant(&headers)?;
    Err(LokiError(StatusCode::NOT_FOUND, "no rule groups found\n".to_owned()))
}

async fn group(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, LokiError> {
    state.tenant(&headers)?;
    Err(LokiError(StatusCode::NOT_FOUND, "group does not exist\n".to_owned()))
}

async fn refuse(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, LokiError> {
    state.tenant(&headers)?;
    let reason = "rules of logs are not evaluated yet, so there is nothing that would take rule groups\n";
    Err(LokiError(StatusCode::NOT_IMPLEMENTED, reason.to_owned()))
}

async fn active_rules(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Json<Value>, LokiError> {
    state.tenant(&headers)?;
    match asked.get("type").to_ascii_lowercase().as_str() {
        "" | "alert" | "record" => Ok(success(json!({"groups": []}))),
        other => Err(LokiError::bad_request(format!("not supported value {other:?} of the parameter type"))),
    }
}

async fn active_alerts(State(state): State<ApiState>, headers: HeaderMap) -> Result<Json<Value>, LokiError> {
    state.tenant(&headers)?;
    Ok(success(json!({"alerts": []})))
}

/// The ruler's envelope names errors also where there is none.
fn success(data: Value) -> Json<Value> {
    Json(json!({"status": "success", "data": data, "errorType": "", "error": ""}))
}
