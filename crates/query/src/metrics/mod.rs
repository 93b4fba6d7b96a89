//! Metrics as Prometheus sees them: PromQL, and what its API tells about series, labels, metadata and exemplars.
//!
//! Metrics are stored once, as OTLP data points. Prometheus' names, labels and series are made of them when they are read
//! (`docs/decisions/0010-prometheus-view.md`). Every question takes a fresh snapshot of the tenant.

mod error;
mod options;

use std::collections::BTreeMap;

use trefoil_model::Tenant;
use trefoil_promql::eval::Answer;
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::steps::Steps;

pub use error::PromqlError;
pub use options::{NameTranslation, PrometheusConfig, PrometheusView, PromqlOptions};

use crate::Engine;

/// Several of something, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// There are more than the limit that was asked for. (Prometheus answers with the warning `results truncated due to limit`.)
    pub truncated: bool,
}

/// What is known of a metric beside its samples.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricMetadata {
    /// Prometheus' `type`: counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown.
    pub kind: String,
    pub help: String,
    /// In Prometheus' words (`seconds`), empty where there is none.
    pub unit: String,
}

/// The exemplars of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesExemplars {
    /// With the metric's name (of a bucket: with `le`).
    pub labels: Labels,
    /// By time.
    pub exemplars: Vec<Exemplar>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// `trace_id` and `span_id` in hexadecimal digits, and the attributes that the aggregation left out.
    pub labels: Labels,
    pub value: f64,
    /// Milliseconds since the epoch.
    pub time_ms: i64,
}

impl Engine {
    /// Replaces how PromQL sees the store. (Caches start empty.)
    #[must_use]
    pub fn with_prometheus(self, _config: PrometheusConfig) -> Self {
        self
    }

    /// The value of `query` at `time_ms` (milliseconds since the epoch). Dropping the future ends the evaluation.
    pub async fn promql_instant(
        &self,
        _tenant: &Tenant,
        _query: &str,
        _time_ms: i64,
        _options: &PromqlOptions,
    ) -> Result<Answer, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }

    /// The values of `query` at each of `steps`. How many there may be is for the caller to limit (Prometheus: 11,000).
    pub async fn promql_range(
        &self,
        _tenant: &Tenant,
        _query: &str,
        _steps: Steps,
        _options: &PromqlOptions,
    ) -> Result<Answer, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }

    /// The label sets that fulfil all matchers of one of `selectors` and were written to on one of the days (UTC) from
    /// `start_ms` to `end_ms`, sorted. No selector: none.
    pub async fn series(
        &self,
        _tenant: &Tenant,
        _selectors: &[Vec<Matcher>],
        _start_ms: i64,
        _end_ms: i64,
        _limit: Option<usize>,
    ) -> Result<Listing<Labels>, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }

    /// The names of the labels of those series; no selector: of all.
    pub async fn label_names(
        &self,
        _tenant: &Tenant,
        _selectors: &[Vec<Matcher>],
        _start_ms: i64,
        _end_ms: i64,
        _limit: Option<usize>,
    ) -> Result<Listing<String>, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }

    /// The values that a label (`name` as it is, not in `U__` escapes) has in those series; no selector: in all.
    pub async fn label_values(
        &self,
        _tenant: &Tenant,
        _name: &str,
        _selectors: &[Vec<Matcher>],
        _start_ms: i64,
        _end_ms: i64,
        _limit: Option<usize>,
    ) -> Result<Listing<String>, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }

    /// Type, help and unit of each metric written to in the last days (where there is none: ever), or of `metric` alone, by
    /// Prometheus' name of the metric (of a classic histogram or a summary without its suffixes).
    pub async fn metric_metadata(
        &self,
        _tenant: &Tenant,
        _metric: Option<&str>,
    ) -> Result<BTreeMap<String, Vec<MetricMetadata>>, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }

    /// The exemplars from `start_ms` to `end_ms` (both inclusive) of the series that the selectors of `query` ask for.
    pub async fn exemplars(
        &self,
        _tenant: &Tenant,
        _query: &str,
        _start_ms: i64,
        _end_ms: i64,
    ) -> Result<Vec<SeriesExemplars>, PromqlError> {
        Err(PromqlError::Internal("not there yet".to_owned()))
    }
}
