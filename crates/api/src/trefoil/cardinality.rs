//! `GET /api/v1/cardinality`: where a tenant's series come from.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use trefoil_promql::labels::METRIC_NAME;
use trefoil_promql::matcher::{MatchOp, Matcher};
use trefoil_promql::parser::parse_selector;
use trefoil_query::metrics::{Cardinality, CardinalityQuestion, Order, PromqlError};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorAnswer};
use crate::ApiState;
use crate::prometheus::{parse_length, parse_time};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 10_000;
const DEFAULT_WINDOW_MS: i64 = 3_600_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Series with a sample from here on: seconds since 1970 or RFC 3339; an hour before the end without it.
    start: Option<String>,
    /// … to here; now without it.
    end: Option<String>,
    /// Compare with a window that lies so much earlier (`1h`, `24h`, or seconds); `0`: with none.
    #[param(default = "24h")]
    ago: Option<String>,
    /// Only series of this metric, by Prometheus' name.
    metric: Option<String>,
    /// Only series that this PromQL selector selects.
    #[param(example = "{job=\"checkout\"}")]
    r#match: Option<String>,
    /// Only pairs of this label: its values.
    label: Option<String>,
    /// What comes first.
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
    /// Of each ranking.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 10_000, default = 20)]
    limit: usize,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    /// What has most series.
    #[default]
    Series,
    /// What gained most series.
    Growth,
}

/// A tenant's series, counted. Series are counted as they are stored: a classic histogram that came as OTLP is one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CardinalityAnswer {
    window: Window,
    /// What is compared with.
    before: Option<Window>,
    series: u64,
    /// In the window before; `null` without one, here and below.
    #[schema(required)]
    series_before: Option<u64>,
    /// Metrics, labels, and different values of labels that there are in the window, whatever the limit.
    metric_count: u64,
    label_count: u64,
    value_count: u64,
    metrics: Vec<Metric>,
    labels: Vec<Label>,
    pairs: Vec<Pair>,
    /// There were too many to count one by one: numbers of values are within 2 % or so, and series of what is rare may be too low.
    approximate: bool,
}

/// Unix nanoseconds, as decimals; both inclusive.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Window {
    #[schema(example = "1767225600000000000")]
    start_time_unix_nano: String,
    end_time_unix_nano: String,
}

/// A metric, by Prometheus' name (of a histogram without `_bucket`, `_count`, `_sum`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CardinalityMetric)]
pub(super) struct Metric {
    name: String,
    series: u64,
    #[schema(required)]
    series_before: Option<u64>,
    /// Of the first 20 metrics: the label that makes most of their series.
    #[schema(required)]
    hint: Option<Hint>,
}

/// Without `label`, which has `values` values, the metric would have `series_without` series.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CardinalityHint)]
pub(super) struct Hint {
    label: String,
    values: u64,
    series_without: u64,
}

/// A label: series that have it, and how many different values they have for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CardinalityLabel)]
pub(super) struct Label {
    name: String,
    series: u64,
    #[schema(required)]
    series_before: Option<u64>,
    values: u64,
}

/// A label with a value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CardinalityPair)]
pub(super) struct Pair {
    name: String,
    value: String,
    series: u64,
    #[schema(required)]
    series_before: Option<u64>,
}

/// Where series come from
///
/// Metrics, labels and pairs of a label and a value, ranked by the series they have in a window of time or by how many more
/// these are than some time ago.
#[utoipa::path(
    get,
    path = "/api/v1/cardinality",
    operation_id = "cardinality",
    tag = "metrics",
    params(Asked, ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled")),
    responses(
        (status = 200, description = "The rankings", body = CardinalityAnswer),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "There are more series than one question may look at", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "It took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn cardinality(
    State(state): State<ApiState>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<CardinalityAnswer>, ApiError> {
    let Query(asked) = query?;
    let tenant = state.tenant(&headers)?;
    let question = question(&asked).map_err(ApiError::bad_request)?;
    let counted = state.engine.cardinality(&tenant, &question).await?;
    Ok(Json(answer(&question, counted)))
}

fn question(asked: &Asked) -> Result<CardinalityQuestion, String> {
    let named = |name: &'static str| move |error: String| format!("{name}: {error}");
    let time = |text: &Option<String>, name| text.as_deref().map(parse_time).transpose().map_err(named(name));
    let end_ms = time(&asked.end, "end")?.unwrap_or_else(now);
    let start_ms = time(&asked.start, "start")?.unwrap_or(end_ms.saturating_sub(DEFAULT_WINDOW_MS));
    if start_ms > end_ms {
        return Err("start: it is after the end".to_owned());
    }
    let ago_ms = parse_length(asked.ago.as_deref().unwrap_or("24h")).map_err(named("ago"))? / NANOS_PER_MILLI;
    if ago_ms < 0 {
        return Err("ago: it must not be negative".to_owned());
    }
    if !(1..=MAX_LIMIT).contains(&asked.limit) {
        return Err(format!("limit: {} is not between 1 and {MAX_LIMIT}", asked.limit));
    }
    let mut matchers = match &asked.r#match {
        Some(selector) => parse_selector(selector).map_err(|error| format!("match: {error}"))?,
        None => Vec::new(),
    };
    if let Some(metric) = &asked.metric {
        let matcher = Matcher::new(MatchOp::Equal, METRIC_NAME, metric.as_str());
        matchers.push(matcher.map_err(|error| format!("metric: {error}"))?);
    }
    Ok(CardinalityQuestion {
        matchers,
        start_ms,
        end_ms,
        ago_ms: (ago_ms > 0).then_some(ago_ms),
        label: asked.label.clone(),
        limit: asked.limit,
        order: match asked.sort {
            Sort::Series => Order::Series,
            Sort::Growth => Order::Growth,
        },
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn answer(question: &CardinalityQuestion, counted: Cardinality) -> CardinalityAnswer {
    let nanos = |millis: i64| (i128::from(millis) * i128::from(NANOS_PER_MILLI)).to_string();
    let window = |earlier: i64| Window {
        start_time_unix_nano: nanos(question.start_ms.saturating_sub(earlier)),
        end_time_unix_nano: nanos(question.end_ms.saturating_sub(earlier)),
    };
    let before = |series: [u64; 2]| question.ago_ms.map(|_| series[1]);
    let metrics = counted.metrics.into_iter().map(|metric| Metric {
        name: metric.name,
        series: metric.series[0],
        series_before: before(metric.series),
        hint: metric.hint.map(|hint| Hint {
            label: hint.label,
            values: hint.values,
            series_without: hint.series_without,
        }),
    });
    let labels = counted.labels.into_iter().map(|label| Label {
        name: label.name,
        series: label.series[0],
        series_before: before(label.series),
        values: label.values,
    });
    let pairs = counted.pairs.into_iter().map(|pair| Pair {
        name: pair.name,
        value: pair.value,
        series: pair.series[0],
        series_before: before(pair.series),
    });
    CardinalityAnswer {
        window: window(0),
        before: question.ago_ms.map(window),
        series: counted.series[0],
        series_before: before(counted.series),
        metric_count: counted.metric_count,
        label_count: counted.label_count,
        value_count: counted.value_count,
        metrics: metrics.collect(),
        labels: labels.collect(),
        pairs: pairs.collect(),
        approximate: counted.is_approximate,
    }
}

impl From<PromqlError> for ApiError {
    fn from(error: PromqlError) -> Self {
        use axum::http::StatusCode;
        let (status, code) = match error {
            PromqlError::BadData(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            PromqlError::Execution(_) => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
            PromqlError::Timeout(_) | PromqlError::Canceled(_) => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            PromqlError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self { status, code, message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    fn read(query: &str) -> Result<CardinalityQuestion, String> {
        let uri: Uri = format!("/api/v1/cardinality?{query}").parse().unwrap();
        let Query(asked) = Query::<Asked>::try_from_uri(&uri).map_err(|rejection| rejection.body_text())?;
        question(&asked)
    }

    #[test]
    fn an_hour_until_now_is_compared_with_yesterday() {
        let asked = read("").unwrap();
        assert_eq!(asked.end_ms - asked.start_ms, 3_600_000);
        assert!((now() - asked.end_ms).abs() < 10_000);
        assert_eq!((asked.ago_ms, asked.limit, asked.order), (Some(86_400_000), 20, Order::Series));
        let asked = read("start=10&end=20&ago=1h&metric=up&match=%7Bjob%3D%22x%22%7D&sort=growth&limit=3").unwrap();
        assert_eq!((asked.start_ms, asked.end_ms, asked.ago_ms), (10_000, 20_000, Some(3_600_000)));
        assert_eq!((asked.matchers.len(), asked.order, asked.limit), (2, Order::Growth, 3));
        assert_eq!(read("ago=0").unwrap().ago_ms, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, expected) in [
            ("start=x", "start: cannot parse \"x\""),
            ("start=5&end=1", "start: it is after the end"),
            ("ago=later", "ago: "),
            ("ago=-1", "ago: it must not be negative"),
            ("limit=0", "limit: 0 is not between"),
            ("match=up%7B", "match: "),
            ("sort=name", "sort"),
            ("by=name", "by"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(expected), "{query}: {error}");
        }
    }
}
