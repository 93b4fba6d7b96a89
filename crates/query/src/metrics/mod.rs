//! Metrics as Prometheus sees them: PromQL, and what its API tells about series, labels, metadata and exemplars.
//!
//! Metrics are stored once, as OTLP data points. Prometheus' names, labels and series are made of them when they are read
//! (`docs/decisions/0010-prometheus-view.md`). Every question takes a fresh snapshot of the tenant.

mod ahead;
mod cancel;
pub(crate) use cancel::{Cancel, CancelOnDrop};
mod cardinality;
mod convert;
mod deletion;
mod error;
mod evaluate;
mod exemplars;
mod family;
mod index;
mod labels;
mod listing;
mod metadata;
mod options;
mod read;
mod source;
mod spent;
mod state;
mod stream;
mod stripes;

use std::sync::Arc;

use trefoil_promql::labels::Labels;

pub use cardinality::{Cardinality, CardinalityQuestion, Hint, Order, RankedLabel, RankedMetric, RankedPair};
pub use error::PromqlError;
pub use listing::SeriesQuestion;
pub(crate) use state::Metrics;

pub use options::{PrometheusView, PromotedAttributes, PromqlOptions};
pub use spent::{SelectorSpent, Spent, TableSpent};
pub use stream::SeriesStream;
pub use trefoil_prometheus::names::NameTranslation;

use crate::Engine;
use crate::memory::Held;

/// Several of something, sorted, each once.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// There are more than the limit that was asked for. (Prometheus answers with the warning `results truncated due to limit`.)
    pub truncated: bool,
    /// What the items hold of the memory of all queries, for as long as they are kept.
    pub memory: Arc<Held>,
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
    pub fn with_prometheus(mut self, view: PrometheusView) -> Self {
        self.metrics = Arc::new(Metrics::new(view, &self.limits()));
        self
    }

    /// How PromQL sees what came as OTLP.
    pub fn prometheus_view(&self) -> &PrometheusView {
        &self.metrics.view
    }
}
