//! What Grafana's Logs Drilldown asks: which labels and fields there are, and what may be asked.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde_json::{Value, json};
use trefoil_logql::ast::{LogQuery, Query};
use trefoil_query::logs::{DetectedField, Direction, FieldParser, FieldType, LinesRequest};
use uuid::Uuid;

use super::LokiError;
use super::parameters::Asked;
use super::query::MOST_LINES;
use crate::ApiState;

type Answer = Result<Json<Value>, LokiError>;

/// Lines that are looked at, and fields of an answer, where the request does not say.
const LINES: usize = 100;
const FIELDS: usize = 1000;
/// Labels with more values tell streams apart, and are not for people to choose from.
const MOST_VALUES: usize = 50;
/// These are shown whatever their values are.
const ALWAYS: [&str; 9] =
    ["cluster", "namespace", "instance", "pod", "service", "service_name", "app", "job", "container"];

pub(super) async fn detected_labels(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let tenants = state.tenants(&headers)?;
    let selector = asked.selector("query")?;
    let streams = state.engine.log_streams(&tenants, selector, asked.period()?, state.limits()).await?;
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for label in streams.iter().flat_map(|labels| labels.iter()) {
        values.entry(&label.name).or_default().insert(&label.value);
    }
    let is_shown = |(name, values): &(&&str, &BTreeSet<&str>)| {
        ALWAYS.contains(name) || (values.len() <= MOST_VALUES && !values.iter().all(|value| is_id(value)))
    };
    let shown = values.iter().filter(is_shown);
    let shown: Vec<Value> = shown.map(|(name, values)| json!({"label": name, "cardinality": values.len()})).collect();
    Ok(Json(json!({"detectedLabels": shown})))
}

fn is_id(value: &str) -> bool {
    Uuid::parse_str(value).is_ok() || value.parse::<f64>().is_ok()
}

pub(super) async fn detected_fields(State(state): State<ApiState>, headers: HeaderMap, asked: Asked) -> Answer {
    let (fields, limit) = fields(&state, &headers, &asked).await?;
    let fields: Vec<Value> = fields.iter().map(told).collect();
    Ok(Json(json!({"fields": fields, "limit": limit})))
}

pub(super) async fn detected_field_values(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Answer {
    let (fields, limit) = fields(&state, &headers, &asked).await?;
    let field = fields.into_iter().find(|field| field.label == name);
    let values: Vec<String> = field.into_iter().flat_map(|field| field.values).take(limit).collect();
    Ok(Json(json!({"values": values, "limit": limit})))
}

async fn fields(
    state: &ApiState,
    headers: &HeaderMap,
    asked: &Asked,
) -> Result<(Vec<DetectedField>, usize), LokiError> {
    let tenants = state.tenants(headers)?;
    let limit = match asked.get("field_limit") {
        "" => asked.count("limit", FIELDS)?,
        _ => asked.count("field_limit", FIELDS)?,
    };
    let lines = asked.count("line_limit", LINES)?.min(MOST_LINES);
    let query = match asked.get("query").trim() {
        "" | "{}" => LogQuery { selector: Vec::new(), stages: Vec::new() },
        text => match trefoil_logql::parse(text)? {
            Query::Log(query) => query,
            Query::Metric(_) => return Err(LokiError::bad_request("only log queries have fields")),
        },
    };
    let (start, end) = asked.period()?;
    let period = (start, end.saturating_sub(1).max(start));
    let request = LinesRequest { query, period, limit: lines, direction: Direction::Backward, now: asked.now };
    Ok((state.engine.log_fields(&tenants, &request, limit, state.limits()).await?, limit))
}

fn told(field: &DetectedField) -> Value {
    let field_type = match field.field_type {
        FieldType::String => "string",
        FieldType::Int => "int",
        FieldType::Float => "float",
        FieldType::Boolean => "boolean",
        FieldType::Duration => "duration",
        FieldType::Bytes => "bytes",
    };
    let parser = |parser: &FieldParser| match parser {
        FieldParser::Json => "json",
        FieldParser::Logfmt => "logfmt",
    };
    let parsers: Vec<&str> = field.parsers.iter().map(parser).collect();
    let mut told =
        json!({"label": field.label, "type": field_type, "cardinality": field.values.len(), "parsers": null});
    if !parsers.is_empty() {
        told["parsers"] = parsers.into();
    }
    if !field.json_path.is_empty() {
        told["jsonPath"] = field.json_path.clone().into();
    }
    told
}

/// Loki's names for what is bounded here.
pub(super) async fn limits(State(state): State<ApiState>) -> Json<Value> {
    let limits = state.limits();
    let seconds = limits.timeout.as_secs();
    Json(json!({
        "limits": {
            "discover_log_levels": true,
            "discover_service_name": [],
            "log_level_fields": ["level", "LEVEL", "Level", "severity", "SEVERITY", "Severity", "lvl", "LVL", "Lvl"],
            "max_entries_limit_per_query": MOST_LINES,
            "max_line_size_truncate": false,
            "max_query_bytes_read": "0B",
            "max_query_length": "0s",
            "max_query_lookback": "0s",
            "max_query_range": "0s",
            "max_query_series": limits.max_series,
            "metric_aggregation_enabled": false,
            "otlp_config": {},
            "pattern_persistence_enabled": false,
            "query_timeout": format!("{seconds}s"),
            "retention_period": "0s",
            "retention_stream": [],
            "volume_enabled": true,
            "volume_max_series": limits.max_series,
        },
        "pattern_ingester_enabled": true,
        "version": super::LOKI_VERSION,
    }))
}
