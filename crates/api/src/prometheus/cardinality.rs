//! `/api/v1/status/tsdb`, and Mimir's `/api/v1/cardinality/*`: where the series come from.
//!
//! Series are counted as they are stored (a classic histogram that came as OTLP is one, by the name without suffix), so that it
//! costs little memory however many there are.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};
use trefoil_promql::labels::METRIC_NAME;
use trefoil_promql::matcher::Matcher;
use trefoil_query::metrics::{Cardinality, CardinalityQuestion};

use super::answer::{bare_list, small};
use super::error::PromError;
use super::form::Parameters;
use super::json as write;
use super::query::now;
use crate::ApiState;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 10_000;

/// About what Prometheus' head holds.
const HEAD_MS: i64 = 2 * 3_600_000;

/// Mimir's defaults: series that had a sample so recently are active, so many items are listed, and as many at most.
const ACTIVE_MS: i64 = 20 * 60_000;
const MIMIR_LIMIT: usize = 20;
const MIMIR_MAX_LIMIT: usize = 500;

pub(super) async fn tsdb(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = limit(parameters.get("limit"))?;
    let now = now();
    let question = CardinalityQuestion {
        start_ms: now - HEAD_MS,
        end_ms: now,
        // Rankings by other things than series are made here.
        limit: MAX_LIMIT,
        ..CardinalityQuestion::default()
    };
    let counted = state.engine.cardinality(&tenant, &question).await?;
    Ok(small(&tsdb_status(&counted, &question, limit)))
}

fn limit(text: &str) -> Result<usize, PromError> {
    if text.is_empty() {
        return Ok(DEFAULT_LIMIT);
    }
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Ok(0) | Err(_) => Err(PromError::bad_data("limit must be a positive number")),
        Ok(_) => Err(PromError::bad_data(format!("limit must not exceed {MAX_LIMIT}"))),
    }
}

/// The name is a label to Prometheus.
fn tsdb_status(counted: &Cardinality, question: &CardinalityQuestion, limit: usize) -> Value {
    let metrics = || counted.metrics.iter().map(|metric| (metric.name.clone(), metric.series[0]));
    let name_bytes = counted.metrics.iter().map(|metric| metric.name.len() as u64).sum();
    let labels = |of: fn(&trefoil_query::metrics::RankedLabel) -> u64, of_name: u64| {
        let names = [(METRIC_NAME.to_owned(), of_name)].into_iter().filter(|(_, count)| *count > 0);
        counted.labels.iter().map(move |label| (label.name.clone(), of(label))).chain(names)
    };
    let pairs = counted.pairs.iter().map(|pair| (format!("{}={}", pair.name, pair.value), pair.series[0]));
    let pairs = pairs.chain(metrics().map(|(name, series)| (format!("{METRIC_NAME}={name}"), series)));
    json!({
        "headStats": {
            "numSeries": counted.series[0],
            "numLabelPairs": counted.value_count + counted.metric_count,
            "chunkCount": 0,
            "minTime": question.start_ms,
            "maxTime": question.end_ms,
        },
        "seriesCountByMetricName": most(metrics(), limit),
        "labelValueCountByLabelName": most(labels(|label| label.values, counted.metric_count), limit),
        "memoryInBytesByLabelName": most(labels(|label| label.value_bytes, name_bytes), limit),
        "seriesCountByLabelValuePair": most(pairs, limit),
    })
}

/// The largest first.
fn most(counts: impl Iterator<Item = (String, u64)>, limit: usize) -> Vec<Value> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    counts.truncate(limit);
    counts.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// Mimir: how many values each label has.
pub(super) async fn label_names(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = mimir_limit(&parameters)?;
    let question = CardinalityQuestion { limit: MAX_LIMIT, ..active(&parameters)? };
    let counted = state.engine.cardinality(&tenant, &question).await?;
    let mut labels: Vec<(&str, u64)> = counted.labels.iter().map(|label| (label.name.as_str(), label.values)).collect();
    if counted.metric_count > 0 {
        labels.push((METRIC_NAME, counted.metric_count));
    }
    labels.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    let shown = labels.iter().take(limit);
    let shown: Vec<Value> =
        shown.map(|(name, count)| json!({ "label_name": name, "label_values_count": count })).collect();
    let answer = json!({
        "label_values_count_total": counted.value_count + counted.metric_count,
        "label_names_count": labels.len(),
        "cardinality": shown,
    });
    Ok(Json(answer).into_response())
}

/// Mimir: how many series each value of some labels has.
pub(super) async fn label_values(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = mimir_limit(&parameters)?;
    let names: Vec<&str> = parameters.all("label_names[]").chain(parameters.all("label_names")).collect();
    if names.is_empty() {
        return Err(PromError::bad_data("'label_names[]' param is required"));
    }
    if names.len() > MIMIR_LIMIT {
        return Err(PromError::bad_data(format!("'label_names[]' names more than {MIMIR_LIMIT} labels")));
    }
    let mut total = 0;
    let mut labels = Vec::with_capacity(names.len());
    for name in names {
        let question = CardinalityQuestion { limit: MAX_LIMIT, label: Some(name.to_owned()), ..active(&parameters)? };
        let counted = state.engine.cardinality(&tenant, &question).await?;
        total = counted.series[0];
        let (values, series, shown) = match name {
            METRIC_NAME => {
                let metrics = counted.metrics.iter().map(|metric| (&metric.name, metric.series[0]));
                (counted.metric_count, counted.series[0], of_values(metrics, limit))
            }
            _ => {
                let of = counted.labels.iter().find(|label| label.name == name);
                let pairs = counted.pairs.iter().map(|pair| (&pair.value, pair.series[0]));
                (of.map_or(0, |of| of.values), of.map_or(0, |of| of.series[0]), of_values(pairs, limit))
            }
        };
        labels.push(json!({
            "label_name": name, "label_values_count": values, "series_count": series, "cardinality": shown,
        }));
    }
    Ok(Json(json!({ "series_count_total": total, "labels": labels })).into_response())
}

/// Mimir: the label sets of the series that have had a sample lately. They are written while the client reads.
pub(super) async fn active_series(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    if parameters.get("selector").is_empty() {
        return Err(PromError::bad_data("'selector' param is required"));
    }
    let CardinalityQuestion { matchers, start_ms, end_ms, .. } = active(&parameters)?;
    let series = state.engine.active_series(&tenant, &matchers, start_ms, end_ms).await?;
    Ok(bare_list(series, |out, labels| write::labels(out, &labels)))
}

fn of_values<'v>(values: impl Iterator<Item = (&'v String, u64)>, limit: usize) -> Vec<Value> {
    let values = values.filter(|(_, series)| *series > 0).take(limit);
    values.map(|(value, series)| json!({ "label_value": value, "series_count": series })).collect()
}

fn active(parameters: &Parameters) -> Result<CardinalityQuestion, PromError> {
    let matchers: Vec<Matcher> = match parameters.get("selector") {
        "" => Vec::new(),
        selector => trefoil_promql::parser::parse_selector(selector)
            .map_err(|error| PromError::invalid_parameter("selector", error))?,
    };
    let end_ms = now();
    Ok(CardinalityQuestion { matchers, start_ms: end_ms - ACTIVE_MS, end_ms, ..CardinalityQuestion::default() })
}

fn mimir_limit(parameters: &Parameters) -> Result<usize, PromError> {
    match parameters.get("limit") {
        "" => Ok(MIMIR_LIMIT),
        text => match text.parse() {
            Ok(limit @ 0..=MIMIR_MAX_LIMIT) => Ok(limit),
            Ok(_) => Err(PromError::bad_data(format!("'limit' param cannot be greater than '{MIMIR_MAX_LIMIT}'"))),
            Err(_) => Err(PromError::bad_data(format!("'limit' param {text:?} is no number"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use trefoil_query::metrics::{RankedLabel, RankedMetric, RankedPair};

    use super::*;

    #[test]
    fn series_are_counted() {
        let metric = |name: &str, series| RankedMetric { name: name.into(), series: [series, 0], hint: None };
        let counted = Cardinality {
            series: [3, 0],
            metric_count: 2,
            label_count: 1,
            value_count: 1,
            metrics: vec![metric("b", 2), metric("a", 1)],
            labels: vec![RankedLabel { name: "job".into(), series: [3, 0], values: 1, value_bytes: 9 }],
            pairs: vec![RankedPair { name: "job".into(), value: "x".into(), series: [3, 0] }],
            is_approximate: false,
        };
        let question = CardinalityQuestion { start_ms: 1, end_ms: 2, ..CardinalityQuestion::default() };
        let counts = tsdb_status(&counted, &question, 1);
        assert_eq!(
            counts["headStats"],
            json!({ "numSeries": 3, "numLabelPairs": 3, "chunkCount": 0, "minTime": 1, "maxTime": 2 })
        );
        assert_eq!(counts["seriesCountByMetricName"], json!([{ "name": "b", "value": 2 }]));
        assert_eq!(counts["labelValueCountByLabelName"], json!([{ "name": "__name__", "value": 2 }]));
        assert_eq!(counts["memoryInBytesByLabelName"], json!([{ "name": "job", "value": 9 }]));
        assert_eq!(counts["seriesCountByLabelValuePair"], json!([{ "name": "job=x", "value": 3 }]));
    }

    #[test]
    fn limits_have_bounds() {
        assert_eq!((limit("").ok(), limit("3").ok()), (Some(10), Some(3)));
        for wrong in ["0", "-1", "x"] {
            assert_eq!(limit(wrong).unwrap_err().message, "limit must be a positive number");
        }
        assert_eq!(limit("10001").unwrap_err().message, "limit must not exceed 10000");
        assert!(mimir_limit(&"limit=501".into()).is_err() && mimir_limit(&"limit=x".into()).is_err());
        assert_eq!(mimir_limit(&"limit=500".into()).ok(), Some(500));
    }
}
