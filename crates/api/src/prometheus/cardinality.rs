//! `/api/v1/status/tsdb`: where the series come from, counted over those of today (UTC).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_promql::matcher::{MatchOp, Matcher};

use super::answer::small;
use super::error::PromError;
use super::form::Parameters;
use super::query::now;
use crate::ApiState;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 10_000;

pub(super) async fn tsdb(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = limit(parameters.get("limit"))?;
    let all =
        Matcher::new(MatchOp::NotEqual, METRIC_NAME, "").map_err(|error| PromError::bad_data(error.to_string()))?;
    let now = now();
    let series = state.engine.series(&tenant, &[vec![all]], now, now, None).await?.items;
    Ok(small(&counted(&series, now, limit)))
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

fn counted(series: &[Labels], now: i64, limit: usize) -> Value {
    let mut metrics: HashMap<&str, usize> = HashMap::new();
    let mut values: HashMap<&Arc<str>, BTreeSet<&Arc<str>>> = HashMap::new();
    let mut pairs: HashMap<(&Arc<str>, &Arc<str>), usize> = HashMap::new();
    for labels in series {
        *metrics.entry(labels.metric_name()).or_default() += 1;
        for label in labels.iter() {
            values.entry(&label.name).or_default().insert(&label.value);
            *pairs.entry((&label.name, &label.value)).or_default() += 1;
        }
    }
    let bytes = |values: &BTreeSet<&Arc<str>>| values.iter().map(|value| value.len()).sum();
    json!({
        "headStats": {
            "numSeries": series.len(),
            "numLabelPairs": pairs.len(),
            "chunkCount": 0,
            "minTime": now - now.rem_euclid(86_400_000),
            "maxTime": now,
        },
        "seriesCountByMetricName": most(metrics.into_iter().map(|(name, count)| (name.to_owned(), count)), limit),
        "labelValueCountByLabelName": most(values.iter().map(|(name, values)| (name.to_string(), values.len())), limit),
        "memoryInBytesByLabelName": most(values.iter().map(|(name, values)| (name.to_string(), bytes(values))), limit),
        "seriesCountByLabelValuePair":
            most(pairs.into_iter().map(|((name, value), count)| (format!("{name}={value}"), count)), limit),
    })
}

/// The largest first.
fn most(counts: impl Iterator<Item = (String, usize)>, limit: usize) -> Vec<Value> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    counts.truncate(limit);
    counts.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_counted() {
        let series = ["a", "b", "b"].map(|name| Labels::from_pairs([("__name__", name), ("job", "x")]));
        let counts = counted(&series, 86_400_001, 1);
        assert_eq!(
            counts["headStats"],
            json!({
                "numSeries": 3, "numLabelPairs": 3, "chunkCount": 0, "minTime": 86_400_000, "maxTime": 86_400_001,
            })
        );
        assert_eq!(counts["seriesCountByMetricName"], json!([{ "name": "b", "value": 2 }]));
        assert_eq!(counts["labelValueCountByLabelName"], json!([{ "name": "__name__", "value": 2 }]));
        assert_eq!(counts["memoryInBytesByLabelName"], json!([{ "name": "__name__", "value": 2 }]));
        assert_eq!(counts["seriesCountByLabelValuePair"], json!([{ "name": "job=x", "value": 3 }]));
    }

    #[test]
    fn limits_have_bounds() {
        assert_eq!((limit("").ok(), limit("3").ok()), (Some(10), Some(3)));
        for wrong in ["0", "-1", "x"] {
            assert_eq!(limit(wrong).unwrap_err().message, "limit must be a positive number");
        }
        assert_eq!(limit("10001").unwrap_err().message, "limit must not exceed 10000");
    }
}
