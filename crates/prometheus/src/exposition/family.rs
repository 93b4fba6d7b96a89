//! Metrics to be written: a model that all formats can be made of.

use super::{Exemplar, MetricType, NativeHistogram};

/// A family of metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Family {
    /// A counter's with its `_total`, as its series are named.
    pub name: String,
    pub kind: MetricType,
    pub help: String,
    /// In Prometheus' words; empty where there is none.
    pub unit: String,
    pub metrics: Vec<Metric>,
}

/// One set of labels of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Without the name, `le` and `quantile`.
    pub labels: Vec<(String, String)>,
    pub value: MetricValue,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Since when it counts; milliseconds since the epoch.
    pub start: Option<i64>,
}

/// Fits the type of the family: what fits none of its formats is written as well as it can be.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    Number { value: f64, exemplar: Option<Exemplar<'static>> },
    Summary { count: u64, sum: f64, quantiles: Vec<(f64, f64)> },
    Histogram(Box<Distribution>),
}

/// A histogram, classic, native or both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    pub count: f64,
    pub sum: f64,
    /// By bound. That of infinity may be left out, since it is the count.
    pub buckets: Vec<Bucket>,
    /// Only protobuf has it.
    pub native: Option<NativeHistogram>,
    /// Of the native one.
    pub exemplars: Vec<Exemplar<'static>>,
}

/// A classic bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Inclusive.
    pub bound: f64,
    /// With those of all buckets below.
    pub count: f64,
    pub exemplar: Option<Exemplar<'static>>,
}

impl Distribution {
    /// The classic buckets, that of infinity last.
    pub(super) fn all_buckets(&self) -> impl Iterator<Item = (f64, f64, Option<&Exemplar<'static>>)> {
        let has_infinity = self.buckets.last().is_some_and(|bucket| bucket.bound == f64::INFINITY);
        let infinity = (!has_infinity).then_some((f64::INFINITY, self.count, None));
        self.buckets.iter().map(|bucket| (bucket.bound, bucket.count, bucket.exemplar.as_ref())).chain(infinity)
    }
}
