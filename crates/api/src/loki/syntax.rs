//! Queries as text.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;
use trefoil_logql::print::pretty;

use super::parameters::Asked;

/// The query on several lines where it is long.
pub(super) async fn format_query(asked: Asked) -> Response {
    match trefoil_logql::parse(asked.get("query")) {
        Ok(query) => Json(json!({"status": "success", "data": pretty(&query)})).into_response(),
        Err(error) => {
            let answer = json!({"status": "invalid-query", "error": error.to_string()});
            (StatusCode::BAD_REQUEST, Json(answer)).into_response()
        }
    }
}
