//! `/api/v1/admin/tsdb/*`: deletion and snapshots, where they are switched on (Prometheus' `--web.enable-admin-api`).

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde_json::json;
use trefoil_go::quote::quote;
use uuid::Uuid;

use super::answer::small;
use super::error::PromError;
use super::form::Parameters;
use crate::ApiState;

/// Answers once no question shows the samples any more.
pub(super) async fn delete_series(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    check_enabled(&state)?;
    let tenant = state.tenant(&headers)?;
    if parameters.all("match[]").next().is_none() {
        return Err(PromError::bad_data("no match[] parameter provided"));
    }
    let (start, end) = parameters.time_range()?;
    let selectors = parameters.selectors().map_err(|error| PromError::invalid_parameter("match[]", error))?;
    state.engine.delete_series(&tenant, &selectors, start, end).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Answers once the files are gone.
pub(super) async fn clean_tombstones(State(state): State<ApiState>, headers: HeaderMap) -> Result<Response, PromError> {
    check_enabled(&state)?;
    state.tenant(&headers)?;
    state.engine.clean_tombstones().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Answers with the name of the copy, see `trefoil_storage::backup`.
pub(super) async fn snapshot(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    check_enabled(&state)?;
    let tenant = state.tenant(&headers)?;
    let skip_head = match parameters.get("skip_head") {
        "" => false,
        text => boolean(text).ok_or_else(|| {
            PromError::invalid_parameter("skip_head", format!("unable to parse boolean {}", quote(text)))
        })?,
    };
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let name = format!("{}-{random:016x}", Utc::now().format("%Y%m%dT%H%M%SZ"));
    state.engine.back_up(&tenant, &name, !skip_head).await?;
    Ok(small(&json!({ "name": name })))
}

fn check_enabled(state: &ApiState) -> Result<(), PromError> {
    match state.admin_api {
        true => Ok(()),
        false => Err(PromError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "unavailable",
            message: "admin APIs disabled".to_owned(),
        }),
    }
}

/// What Go takes for a boolean.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
