//! `delete`: requests to delete lines, told, and taken back.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use serde_json::{Value, json};
use trefoil_logql::ast::Query;
use trefoil_query::logs::{Cancelled, DeletionStatus, LogDeletion};
use uuid::Uuid;

use super::LokiError;
use super::answer::seconds;
use super::parameters::Asked;
use crate::ApiState;

/// Answers once no question shows the lines any more.
pub(super) async fn delete(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<StatusCode, LokiError> {
    check_enabled(&state)?;
    let tenant = state.tenant(&headers)?;
    let query = asked.get("query");
    if query.is_empty() {
        return Err(LokiError::bad_request("query not set"));
    }
    let Query::Log(_) = trefoil_logql::parse(query)? else {
        return Err(LokiError::bad_request("unsupported query expression: a query of lines says what is deleted"));
    };
    let first = asked.time("start")?.ok_or_else(|| LokiError::bad_request("start time not set"))?;
    let last = asked.time("end")?.unwrap_or(asked.now);
    if last > asked.now {
        return Err(LokiError::bad_request("deletes in the future are not allowed"));
    }
    if first > last {
        return Err(LokiError::bad_request("start time can't be greater than end time"));
    }
    // Loki cuts a long time into such pieces. Here it is one.
    if asked.duration("max_interval")?.is_some_and(|interval| interval <= 0) {
        return Err(LokiError::bad_request("invalid max_interval: it must be more than 0"));
    }
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let deletion = LogDeletion {
        tenant,
        id: format!("{random:016x}"),
        query: query.to_owned(),
        first_nanos: first,
        last_nanos: last,
        created_at: asked.now / 1_000_000,
        status: DeletionStatus::Received,
    };
    state.engine.delete_logs(deletion).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(State(state): State<ApiState>, headers: HeaderMap) -> Result<Json<Value>, LokiError> {
    check_enabled(&state)?;
    let tenant = state.tenant(&headers)?;
    let deletions = state.engine.log_deletions(&tenant).await?;
    let told = deletions.iter().map(|deletion| {
        // Lines that can be brought back are not processed yet, in Loki's words.
        let status = match deletion.status {
            DeletionStatus::Received | DeletionStatus::Withheld => "received",
            DeletionStatus::Processed => "processed",
        };
        json!({
            "request_id": deletion.id,
            "start_time": seconds(deletion.first_nanos),
            "end_time": seconds(deletion.last_nanos),
            "query": deletion.query,
            "status": status,
            "created_at": seconds(deletion.created_at.saturating_mul(1_000_000)),
        })
    });
    Ok(Json(told.collect()))
}

/// Answers once the lines are back.
pub(super) async fn cancel(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<StatusCode, LokiError> {
    check_enabled(&state)?;
    let tenant = state.tenant(&headers)?;
    let id = asked.get("request_id");
    if id.is_empty() {
        return Err(LokiError::bad_request("request_id not set"));
    }
    match state.engine.cancel_log_deletion(&tenant, id, asked.get("force") == "true").await? {
        Cancelled::Restored | Cancelled::Forgotten => Ok(StatusCode::NO_CONTENT),
        Cancelled::TooLate => Err(LokiError::bad_request(
            "deletion of request which is in process or already processed is not allowed: its lines are gone; with force=true it is \
             not listed any more",
        )),
        Cancelled::NoSuchRequest => {
            Err(LokiError(StatusCode::NOT_FOUND, "could not find delete request with given id".to_owned()))
        }
    }
}

fn check_enabled(state: &ApiState) -> Result<(), LokiError> {
    match state.delete_logs {
        true => Ok(()),
        false => Err(LokiError(
            StatusCode::FORBIDDEN,
            "deletion is not available: listeners.loki.deletion_mode is disabled".to_owned(),
        )),
    }
}
