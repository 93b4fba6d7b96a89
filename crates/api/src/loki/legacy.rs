//! `/api/prom`: the paths of Loki's first years, which some clients still call. They know lines only.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use trefoil_logql::ast::{LogQuery, Query};

use super::parameters::Asked;
use super::stats::stats;
use super::streams::{Encoding, Streams};
use super::{LokiError, labels, query, tail};
use crate::ApiState;

type Answer = Result<Json<Value>, LokiError>;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/api/prom/query", get(lines).post(lines))
        .route("/api/prom/label", get(label_names).post(label_names))
        .route("/api/prom/label/{name}/values", get(label_values).post(label_values))
        .route("/api/prom/series", get(labels::series).post(labels::series))
        .route("/api/prom/tail", get(tail_lines))
}

async fn lines(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let tenants = state.tenants(&headers)?;
    let found = query::lines(&state, &tenants, &asked, log_query(&asked)?).await?;
    let stats = stats(&found.spent, found.lines.len());
    Ok(Json(json!({"streams": Streams::of(&found.lines, Encoding::Legacy), "stats": stats})))
}

/// `regexp` is one more filter of lines, behind the query's own.
fn log_query(asked: &Asked) -> Result<LogQuery, LokiError> {
    let text = match asked.get("regexp") {
        "" => asked.get("query").to_owned(),
        regexp => format!("{} |~ {}", asked.get("query"), trefoil_go::quote::quote(regexp)),
    };
    match trefoil_logql::parse(&text)? {
        Query::Log(query) => Ok(query),
        Query::Metric(_) => Err(LokiError::bad_request("legacy endpoints only support streams result type")),
    }
}

async fn label_names(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let streams = labels::streams(&state, &headers, &asked).await?;
    let names = streams.iter().flat_map(|labels| labels.iter().map(|label| &*label.name));
    Ok(values_of(names.collect()))
}

async fn label_values(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Answer {
    let streams = labels::streams(&state, &headers, &asked).await?;
    let values = streams.iter().filter_map(|labels| labels.value(&name).map(|value| &**value));
    Ok(values_of(values.collect()))
}

/// Without any the member is missing.
fn values_of(values: BTreeSet<&str>) -> Json<Value> {
    match values.is_empty() {
        true => Json(json!({})),
        false => Json(json!({"values": values})),
    }
}

async fn tail_lines(
    State(state): State<ApiState>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
    asked: Asked,
) -> Result<Response, LokiError> {
    tail::tail_as(Encoding::Legacy, &state, &headers, upgrade, &asked).await
}
