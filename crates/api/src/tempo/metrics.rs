//! `GET /api/metrics/query_range` and `/api/metrics/query`: series out of spans.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use chrono::{DateTime, Utc};
use serde_json::{Value as JsonValue, json};
use trefoil_promql::parser::parse_duration;
use trefoil_query::traces::{Measured, MetricsRequest};
use trefoil_traceql::ast::{Expr, Hint, Metrics};
use trefoil_traceql::metrics::{self, Grid, Labels, Series};

use super::json::{attribute, double, search_metrics};
use super::proto::{
    Exemplar, InstantSeries, PartialStatus, QueryInstantRequest, QueryInstantResponse, QueryRangeRequest,
    QueryRangeResponse, Sample, SearchMetrics, TimeSeries,
};
use super::values::key_value;
use super::{TempoError, protobuf, wants_protobuf};
use crate::ApiState;

const NANOS: f64 = 1e9;
/// Where neither a start nor `since` is given.
const SINCE_MS: i64 = 60 * 60 * 1000;
const MAX_INTERVALS: i64 = 10_000;
const MAX_SERIES: usize = 10_000;
const MAX_EXEMPLARS: usize = 100;
/// How many samples a series has where no step is given, at least.
const SAMPLES: i64 = 240;

pub(super) async fn query_range(
    State(state): State<ApiState>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let now = now();
    let asked = Asked::new(&parameters, now).map_err(TempoError::bad_request)?;
    let request = asked.range(now).map_err(TempoError::bad_request)?;
    let measured = state.engine.trace_metrics(&tenant, &request, state.limits()).await?;
    let answer = range_response(measured, &request.grid, asked.max_series);
    match wants_protobuf(&headers) {
        true => Ok(protobuf(&answer)),
        false => Ok(Json(range_json(&answer)).into_response()),
    }
}

pub(super) async fn query(
    State(state): State<ApiState>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, TempoError> {
    let tenant = state.tenant(&headers)?;
    let now = now();
    let asked = Asked::new(&parameters, now).map_err(TempoError::bad_request)?;
    let request = asked.instant(now).map_err(TempoError::bad_request)?;
    let measured = state.engine.trace_metrics(&tenant, &request, state.limits()).await?;
    let answer = instant_response(measured, asked.max_series);
    match wants_protobuf(&headers) {
        true => Ok(protobuf(&answer)),
        false => Ok(Json(instant_json(&answer)).into_response()),
    }
}

pub(super) fn now() -> i64 {
    Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX)
}

/// A question, whichever way it came.
#[derive(Debug)]
pub(super) struct Asked {
    pub metrics: Metrics,
    pub hints: Vec<Hint>,
    /// Nanoseconds since the epoch.
    pub start: i64,
    pub end: i64,
    /// Nanoseconds; `None` where it is left to us.
    pub step: Option<i64>,
    /// Spans to show with the series; `None` where it is left to us.
    pub exemplars: Option<usize>,
    pub max_series: usize,
}

impl Asked {
    fn new(parameters: &[(String, String)], now: i64) -> Result<Asked, String> {
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            found.filter(|value| !value.is_empty())
        };
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(text) => {
                text.parse::<u32>().map(Some).map_err(|_| format!("invalid {name}: {text:?} is not a number"))
            }
        };
        let wrong = |name: &'static str| move |text: &str| format!("could not parse '{name}' parameter: {text:?}");
        let time = |name: &'static str| match get(name) {
            None => Ok(None),
            Some(text) => time(text).map(Some).ok_or_else(|| wrong(name)(text)),
        };
        let since = match get("since") {
            None => SINCE_MS,
            Some(text) => parse_duration(text).map_err(|_| wrong("since")(text))?,
        };
        let end = time("end")?.unwrap_or(now);
        let since = since.saturating_mul(1_000_000);
        let start = time("start")?.unwrap_or_else(|| end.min(now).saturating_sub(since));
        let step = match get("step") {
            None => None,
            Some(text) => Some(step(text).ok_or_else(|| wrong("step")(text))?),
        };
        let (metrics, hints) = parsed(get("q").or_else(|| get("query")).unwrap_or_default())?;
        let exemplars = number("exemplars")?.filter(|count| *count > 0).map(|count| count as usize);
        let max_series = max_series(number("maxSeries")?.unwrap_or(0));
        Ok(Asked { metrics, hints, start, end, step, exemplars, max_series })
    }

    pub fn of_range(asked: &QueryRangeRequest) -> Result<Asked, String> {
        let step = i64::try_from(asked.step).ok().filter(|step| *step > 0);
        let exemplars = Some(asked.exemplars as usize).filter(|count| *count > 0);
        let max_series = max_series(asked.max_series);
        Ok(Asked { step, exemplars, max_series, ..Asked::between(&asked.query, asked.start, asked.end)? })
    }

    pub fn of_instant(asked: &QueryInstantRequest) -> Result<Asked, String> {
        Asked::between(&asked.query, asked.start, asked.end)
    }

    fn between(query: &str, start: u64, end: u64) -> Result<Asked, String> {
        let (metrics, hints) = parsed(query)?;
        let nanos = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let (start, end) = (nanos(start), nanos(end));
        Ok(Asked { metrics, hints, start, end, step: None, exemplars: None, max_series: MAX_SERIES })
    }

    pub fn range(&self, now: i64) -> Result<MetricsRequest, String> {
        let (start, end) = (self.start, self.end);
        self.check()?;
        let step = self.step.unwrap_or_else(|| default_step(end - start));
        if step <= 0 {
            return Err("step must be greater than 0".to_owned());
        }
        if (end - start) / step > MAX_INTERVALS {
            let written = trefoil_go::duration::written;
            let least = (end - start) / MAX_INTERVALS;
            return Err(format!(
                "step of {} is too small, minimum step for given range is {}",
                written(step),
                written(least)
            ));
        }
        // An interval that has not ended says too little.
        let grid = Grid::aligned(start, end, step).until(now);
        let exemplars = metrics::exemplars_hint(&self.hints).or(self.exemplars).unwrap_or(MAX_EXEMPLARS);
        Ok(self.request(grid, exemplars.min(MAX_EXEMPLARS)))
    }

    /// One value for all of the time.
    pub fn instant(&self, now: i64) -> Result<MetricsRequest, String> {
        self.check()?;
        Ok(self.request(Grid::single(self.start, self.end.min(now)), 0))
    }

    fn check(&self) -> Result<(), String> {
        match self.end <= self.start {
            true => Err("end must be greater than start".to_owned()),
            false => Ok(()),
        }
    }

    fn request(&self, grid: Grid, exemplars: usize) -> MetricsRequest {
        MetricsRequest { metrics: self.metrics.clone(), hints: self.hints.clone(), grid, exemplars }
    }
}

/// Series in an answer; zero leaves it to us.
pub(super) fn max_series(asked: u32) -> usize {
    if asked == 0 { MAX_SERIES } else { MAX_SERIES.min(asked as usize) }
}

fn parsed(text: &str) -> Result<(Metrics, Vec<Hint>), String> {
    let query = trefoil_traceql::parse(text).map_err(|error| format!("invalid TraceQL query: {error}"))?;
    match query.expr {
        Expr::Metrics(metrics) => Ok((metrics, query.hints)),
        Expr::Search(_) => Err("invalid TraceQL query: not a metrics query; searches are for /api/search".to_owned()),
    }
}

/// Seconds (with a point, or of at most ten digits), nanoseconds, or RFC 3339; in nanoseconds.
fn time(text: &str) -> Option<i64> {
    if text.contains('.')
        && let Ok(seconds) = text.parse::<f64>()
    {
        return seconds.is_finite().then_some((seconds * NANOS) as i64);
    }
    if let Ok(number) = text.parse::<i64>() {
        return if text.len() <= 10 { number.checked_mul(1_000_000_000) } else { Some(number) };
    }
    DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}

/// Seconds or a duration, in nanoseconds.
fn step(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds.abs() < i64::MAX as f64 / NANOS).then_some((seconds * NANOS) as i64);
    }
    parse_duration(text).ok()?.checked_mul(1_000_000)
}

/// Some 240 samples, at steps that people would choose (nanoseconds).
fn default_step(range: i64) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let fitting = range / SAMPLES;
    let coarse = [3600, 300, 60, 15, 5, 1].map(|seconds| seconds * SECOND);
    let fine = 50_000_000;
    let (among, least): (&[i64], i64) = if range < 60 * SECOND { (&[fine], fine) } else { (&coarse, SECOND) };
    among.iter().find(|unit| fitting > **unit).map_or(least, |unit| fitting / unit * unit)
}

/// Series by name, as Tempo sorts them, and what is said of those that are not among them.
fn sorted(mut series: Vec<Series>, max: usize) -> (Vec<Series>, PartialStatus, String) {
    series.retain(|series| series.values.iter().any(|value| !value.is_nan()) || is_error(&series.labels));
    series.sort_by_cached_key(|series| {
        let labels = series.labels.iter().map(|(name, value)| (name.clone(), value.to_string()));
        (series.labels.len(), labels.collect::<Vec<_>>())
    });
    if series.len() <= max {
        return (series, PartialStatus::Complete, String::new());
    }
    series.truncate(max);
    let message = format!("Response exceeds maximum series limit of {max}, a partial response is returned.");
    (series, PartialStatus::Partial, message)
}

/// `compare()` says with a series without samples that an attribute has too many values.
fn is_error(labels: &Labels) -> bool {
    labels.iter().any(|(name, _)| name == "__meta_error")
}

fn metrics_of(measured: &Measured) -> Option<SearchMetrics> {
    Some(SearchMetrics::of(measured.inspected_traces, measured.inspected_spans, measured.inspected_bytes))
}

fn labels(labels: &Labels) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
    labels.iter().map(|(name, value)| key_value(name, value)).collect()
}

pub(super) fn range_response(measured: Measured, grid: &Grid, max_series: usize) -> QueryRangeResponse {
    let metrics = metrics_of(&measured);
    let (series, status, message) = sorted(measured.series, max_series);
    let millis = |nanos: i64| nanos.div_euclid(1_000_000);
    let series = series.iter().map(|series| TimeSeries {
        labels: labels(&series.labels),
        samples: (series.values.iter().enumerate().filter(|(_, value)| !value.is_nan()))
            .map(|(place, value)| Sample { value: *value, timestamp_ms: millis(grid.time(place)) })
            .collect(),
        exemplars: (series.exemplars.iter())
            .map(|exemplar| Exemplar {
                labels: labels(&exemplar.labels),
                value: exemplar.value,
                timestamp_ms: millis(exemplar.time),
            })
            .collect(),
    });
    QueryRangeResponse { series: series.collect(), metrics, status: status as i32, message }
}

pub(super) fn instant_response(measured: Measured, max_series: usize) -> QueryInstantResponse {
    let metrics = metrics_of(&measured);
    let (series, status, message) = sorted(measured.series, max_series);
    let first = |series: &Series| series.values.iter().copied().find(|value| !value.is_nan());
    let series = series
        .iter()
        .filter_map(|series| Some(InstantSeries { labels: labels(&series.labels), value: first(series)? }));
    QueryInstantResponse { series: series.collect(), metrics, status: status as i32, message }
}

/// Protobuf's JSON mapping, as strict as Grafana's decoder of instant answers.
fn range_json(answer: &QueryRangeResponse) -> JsonValue {
    let exemplar = |exemplar: &Exemplar| {
        json!({
            "labels": exemplar.labels.iter().map(attribute).collect::<Vec<_>>(),
            "value": double(exemplar.value),
            "timestampMs": exemplar.timestamp_ms.to_string(),
        })
    };
    let series = answer.series.iter().map(|series| {
        let samples = series.samples.iter();
        let sample =
            |sample: &Sample| json!({ "timestampMs": sample.timestamp_ms.to_string(), "value": double(sample.value) });
        let mut written = json!({
            "labels": series.labels.iter().map(attribute).collect::<Vec<_>>(),
            "samples": samples.map(sample).collect::<Vec<_>>(),
        });
        if !series.exemplars.is_empty() {
            written["exemplars"] = series.exemplars.iter().map(exemplar).collect();
        }
        written
    });
    let series = series.collect::<Vec<_>>();
    with_status(
        json!({ "series": series, "metrics": search_metrics(answer.metrics.as_ref()) }),
        answer.status,
        &answer.message,
    )
}

fn instant_json(answer: &QueryInstantResponse) -> JsonValue {
    let series = answer.series.iter().map(|series| {
        json!({
            "labels": series.labels.iter().map(attribute).collect::<Vec<_>>(),
            "value": double(series.value),
        })
    });
    let series = series.collect::<Vec<_>>();
    with_status(
        json!({ "series": series, "metrics": search_metrics(answer.metrics.as_ref()) }),
        answer.status,
        &answer.message,
    )
}

fn with_status(mut answer: JsonValue, status: i32, message: &str) -> JsonValue {
    if status == PartialStatus::Partial as i32 {
        answer["status"] = "PARTIAL".into();
        answer["message"] = message.into();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    fn asked(parameters: &str) -> Result<Asked, String> {
        let uri = format!("/api/metrics/query_range?{parameters}").parse().unwrap();
        Asked::new(&Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap(), NOW)
    }

    #[test]
    fn times_come_in_many_forms() {
        for (parameters, start, end) in [
            ("start=1600000000&end=1600000060", 1_600_000_000_000_000_000, 1_600_000_060_000_000_000),
            ("start=1600000000000000000&end=1600000060.5", 1_600_000_000_000_000_000, 1_600_000_060_500_000_000),
            ("start=2020-09-13T12:26:40Z&end=1600000060", 1_600_000_000_000_000_000, 1_600_000_060_000_000_000),
            ("", NOW - 3_600_000_000_000, NOW),
            ("since=5m", NOW - 300_000_000_000, NOW),
            ("since=1d&end=1600000000", 1_600_000_000_000_000_000 - 86_400_000_000_000, 1_600_000_000_000_000_000),
        ] {
            let asked = asked(&format!("{parameters}&q=%7B%7D%7Crate()")).unwrap();
            assert_eq!((asked.start, asked.end), (start, end), "{parameters}");
        }
    }

    #[test]
    fn steps_are_given_or_chosen() {
        let step = |parameters: &str| {
            let asked = asked(&format!("q=%7B%7D%7Crate()&{parameters}")).unwrap();
            asked.range(NOW).map(|request| request.grid.step() / 1_000_000)
        };
        assert_eq!(step("step=15"), Ok(15_000));
        assert_eq!(step("step=0.5"), Ok(500));
        assert_eq!(step("step=1m"), Ok(60_000));
        assert_eq!(step("since=1h"), Ok(15_000));
        assert_eq!(step("since=2h"), Ok(30_000));
        assert_eq!(step("since=30s"), Ok(100));
        assert_eq!(step("since=7d"), Ok(2_400_000));
        assert_eq!(
            step("since=7d&step=1").unwrap_err(),
            "step of 1s is too small, minimum step for given range is 1m0.48s"
        );
        assert_eq!(step("step=0").unwrap_err(), "step must be greater than 0");
        assert_eq!(step("start=1600000000&end=1600000000").unwrap_err(), "end must be greater than start");
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (parameters, told) in [
            ("q=%7B%7D", "not a metrics query"),
            ("q=%7B", "parse error at line 1, col 2"),
            ("", "invalid TraceQL query"),
            ("q=%7B%7D%7Crate()&start=soon", "could not parse 'start' parameter"),
            ("q=%7B%7D%7Crate()&end=soon", "could not parse 'end' parameter"),
            ("q=%7B%7D%7Crate()&since=soon", "could not parse 'since' parameter"),
            ("q=%7B%7D%7Crate()&step=soon", "could not parse 'step' parameter"),
            ("q=%7B%7D%7Crate()&exemplars=x", "invalid exemplars"),
            ("q=%7B%7D%7Crate()&maxSeries=-1", "invalid maxSeries"),
        ] {
            let error = asked(parameters).unwrap_err();
            assert!(error.contains(told), "{parameters}: {error}");
        }
    }

    #[test]
    fn exemplars_are_as_many_as_are_asked_for() {
        let exemplars = |query: &str| asked(query).unwrap().range(NOW).unwrap().exemplars;
        assert_eq!(exemplars("q=%7B%7D%7Crate()"), 100);
        assert_eq!(exemplars("q=%7B%7D%7Crate()&exemplars=7"), 7);
        assert_eq!(exemplars("q=%7B%7D%7Crate()&exemplars=1000"), 100);
        assert_eq!(exemplars("q=%7B%7D%7Crate()with(exemplars%3D3)&exemplars=7"), 3);
        assert_eq!(exemplars("q=%7B%7D%7Crate()with(exemplars%3Dfalse)&exemplars=7"), 0);
    }
}
