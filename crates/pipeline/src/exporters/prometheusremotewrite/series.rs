//! An OTLP request as series with their samples, in the order of time.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use trefoil_go::number::open_metrics;
use trefoil_prometheus::exposition::{Exemplar, MetricValue, NativeHistogram};
use trefoil_promql::source::STALE_NAN_BITS;

use crate::exporters::prometheus_view::{Described, Point, View, each};

const METRIC_NAME: &str = "__name__";

#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// By name, `__name__` among them.
    pub labels: Vec<(String, String)>,
    pub of: Arc<Described>,
    pub samples: Vec<Sample>,
    pub exemplars: Vec<Exemplar<'static>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Milliseconds since the epoch.
    pub time: i64,
    pub start: Option<i64>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Float(f64),
    Histogram(Box<NativeHistogram>),
}

/// What is sent of a request, and what is not.
#[derive(Debug, Default)]
pub struct Collected {
    pub series: Vec<Series>,
    places: HashMap<Vec<(String, String)>, usize>,
    /// Points that Prometheus has no form for.
    pub without_form: u64,
    /// Points of delta temporality, which remote write cannot say.
    pub deltas: u64,
}

impl Collected {
    pub fn of(request: ExportMetricsServiceRequest, view: &View) -> Self {
        let mut collected = Self::default();
        collected.without_form = each(request, view, |point| collected.point(point));
        for series in &mut collected.series {
            series.samples.sort_by_key(|sample| sample.time);
        }
        collected
    }

    fn point(&mut self, point: Point) {
        if point.of.is_delta {
            self.deltas += 1;
            return;
        }
        let Point { of, labels, time, start, value, is_stale, exemplars } = point;
        let mut parts = Parts { collected: self, of: &of, labels: &labels, time, start, is_stale };
        match value {
            MetricValue::Number { value, .. } => parts.float("", None, value, exemplars),
            MetricValue::Summary { count, sum, quantiles } => {
                for (quantile, value) in quantiles {
                    parts.float("", Some(("quantile", quantile)), value, Vec::new());
                }
                parts.float("_sum", None, sum, Vec::new());
                parts.float("_count", None, count as f64, Vec::new());
            }
            MetricValue::Histogram(distribution) => match distribution.native {
                Some(native) => parts.native(native, exemplars),
                None => {
                    for bucket in distribution.buckets {
                        let exemplars = bucket.exemplar.into_iter().collect();
                        parts.float("_bucket", Some(("le", bucket.bound)), bucket.count, exemplars);
                    }
                    // The sum of negative observations is often not told.
                    if !distribution.sum.is_nan() || is_stale {
                        parts.float("_sum", None, distribution.sum, Vec::new());
                    }
                    parts.float("_count", None, distribution.count, Vec::new());
                }
            },
        }
    }
}

/// The series of one point.
struct Parts<'p> {
    collected: &'p mut Collected,
    of: &'p Arc<Described>,
    labels: &'p [(String, String)],
    time: i64,
    start: Option<i64>,
    is_stale: bool,
}

impl Parts<'_> {
    fn float(&mut self, suffix: &str, own: Option<(&str, f64)>, value: f64, exemplars: Vec<Exemplar<'static>>) {
        let value = if self.is_stale { f64::from_bits(STALE_NAN_BITS) } else { value };
        self.push(suffix, own, Value::Float(value), exemplars);
    }

    fn native(&mut self, mut native: NativeHistogram, exemplars: Vec<Exemplar<'static>>) {
        if self.is_stale {
            native.sum = f64::from_bits(STALE_NAN_BITS);
        }
        self.push("", None, Value::Histogram(Box::new(native)), exemplars);
    }

    fn push(&mut self, suffix: &str, own: Option<(&str, f64)>, value: Value, exemplars: Vec<Exemplar<'static>>) {
        let mut labels = Vec::with_capacity(self.labels.len() + 2);
        labels.push((METRIC_NAME.to_owned(), format!("{}{suffix}", self.of.name)));
        labels.extend(self.labels.iter().cloned());
        if let Some((name, bound)) = own {
            labels.retain(|(label, _)| label != name);
            labels.push((name.to_owned(), open_metrics(bound)));
        }
        labels.sort_unstable();
        let sample = Sample { time: self.time, start: self.start, value };
        let Collected { series, places, .. } = &mut *self.collected;
        match places.get(&labels) {
            Some(place) => {
                let series = &mut series[*place];
                series.samples.push(sample);
                series.exemplars.extend(exemplars);
            }
            None => {
                places.insert(labels.clone(), series.len());
                series.push(Series { labels, of: self.of.clone(), samples: vec![sample], exemplars });
            }
        }
    }
}
