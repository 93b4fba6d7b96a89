//! `patterns`: what lines look like, and how many look like that.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Json;
use serde_json::{Value, json};
use trefoil_query::logs::{FoundPattern, PatternsRequest};

use super::LokiError;
use super::answer::seconds;
use super::parameters::Asked;
use crate::ApiState;

pub(super) async fn patterns(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Json<Value>, LokiError> {
    let tenant = state.tenant(&headers)?;
    let (start, end) = asked.period()?;
    let step = asked.step((start, end))?;
    let selector = trefoil_logql::parse_selector(asked.get("query"))?;
    // A question's end does not belong to it.
    let request = PatternsRequest { selector, period: (start, end.saturating_sub(1).max(start)), step };
    let found = state.engine.log_patterns(&tenant, request, state.limits()).await?;
    let data: Value = found.iter().map(told).collect();
    Ok(Json(json!({"status": "success", "data": data})))
}

fn told(found: &FoundPattern) -> Value {
    let samples = found.mined.counts.iter().map(|(time, count)| json!([seconds(*time), count]));
    let mut told = json!({"pattern": found.mined.pattern, "samples": samples.collect::<Value>()});
    if let Some(level) = &found.level {
        told["level"] = level.as_str().into();
    }
    told
}
