//! OTLP's metrics as Prometheus sees them, for the exporters that speak to a Prometheus.
//!
//! The same as when the store is read (`docs/decisions/0010-prometheus-view.md`), except that `le` and `quantile` have the form of
//! a scrape. What came by Prometheus' own ways (`docs/decisions/0011-remote-write.md`) is given as it came.

mod histogram;
mod labels;
mod points;
#[cfg(test)]
pub mod tests;

use std::sync::Arc;

use serde::Deserialize;
use trefoil_prometheus::exposition::{Exemplar, MetricType, MetricValue};
use trefoil_prometheus::names::NameTranslation;

pub use points::each;

/// What the exporters can choose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    pub translation: NameTranslation,
    /// Before every name, with `_`; empty for none.
    pub namespace: String,
    /// Labels of every series that has no other value for them.
    pub constant_labels: Vec<(String, String)>,
    pub resource_labels: ResourceLabels,
    /// `otel_scope_name` and so on.
    pub scope_labels: bool,
    /// A series for each resource with all of its attributes.
    pub target_info: bool,
}

/// The Collector's `resource_to_telemetry_conversion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceLabels {
    /// All attributes of the resource are labels of its series.
    pub enabled: bool,
    /// But those that are `job` and `instance` already.
    pub exclude_service_attributes: bool,
}

/// The Collector's `translation_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Strategy {
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    #[serde(alias = "NoUTF8EscapingWithSuffixes")]
    NoUtf8EscapingWithSuffixes,
    NoTranslation,
}

/// `translation_strategy` where it is set, else what the older `add_metric_suffixes` means.
pub fn translation(strategy: Option<Strategy>, add_metric_suffixes: bool) -> NameTranslation {
    match strategy {
        Some(Strategy::UnderscoreEscapingWithSuffixes) => NameTranslation::UnderscoreEscapingWithSuffixes,
        Some(Strategy::UnderscoreEscapingWithoutSuffixes) => NameTranslation::UnderscoreEscapingWithoutSuffixes,
        Some(Strategy::NoUtf8EscapingWithSuffixes) => NameTranslation::NoUtf8EscapingWithSuffixes,
        Some(Strategy::NoTranslation) => NameTranslation::NoTranslation,
        None if add_metric_suffixes => NameTranslation::UnderscoreEscapingWithSuffixes,
        None => NameTranslation::UnderscoreEscapingWithoutSuffixes,
    }
}

/// What the points of a metric share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Of literal metrics the name of the series, else that of the family.
    pub name: String,
    pub kind: MetricType,
    pub help: String,
    /// In Prometheus' words.
    pub unit: String,
    /// It came by Prometheus' own ways: numbers of histograms and summaries are single series of those.
    pub is_literal: bool,
    /// Its points say what came since the last one.
    pub is_delta: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub of: Arc<Described>,
    /// By name; without `__name__`, `le` and `quantile` (unless they are literal).
    pub labels: Vec<(String, String)>,
    /// Milliseconds since the epoch.
    pub time: i64,
    pub start: Option<i64>,
    pub value: MetricValue,
    /// The series ends here; the value only says which series.
    pub is_stale: bool,
    /// Of numbers and native histograms; those of buckets are with them.
    pub exemplars: Vec<Exemplar<'static>>,
}
