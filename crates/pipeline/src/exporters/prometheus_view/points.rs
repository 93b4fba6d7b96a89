//! The points of an export request, one after another.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as OtlpExemplar, Metric, NumberDataPoint, ResourceMetrics, SummaryDataPoint,
    exemplar,
};
use trefoil_prometheus::attributes::text;
use trefoil_prometheus::exposition::{Distribution, Exemplar, Label, MetricType, MetricValue};
use trefoil_prometheus::names::{Shape, label_name, metric_name, unit_name};

use super::labels::{self, Surroundings};
use super::{Described, Point, View, histogram};

const PROMETHEUS_TYPE: &str = "prometheus.type";
const PROMETHEUS_NHCB: &str = "prometheus.nhcb";
const PROMETHEUS_FAMILY: &str = "prometheus.family";

/// OTLP's flag of a point that only says that its series has ended.
const NO_RECORDED_VALUE: u32 = 1;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Gives every point to `visit`, in order, and counts those that Prometheus has no form for: metrics without a name, and
/// exponential histograms coarser than schema -4.
pub fn each(request: ExportMetricsServiceRequest, view: &View, mut visit: impl FnMut(Point)) -> u64 {
    let mut without_form = 0;
    for resource in request.resource_metrics {
        without_form += Walk { view, visit: &mut visit, latest: None }.resource(resource);
    }
    without_form
}

struct Walk<'w, F> {
    view: &'w View,
    visit: &'w mut F,
    /// The time of the newest point that was not literal.
    latest: Option<i64>,
}

impl<F: FnMut(Point)> Walk<'_, F> {
    fn resource(&mut self, resource: ResourceMetrics) -> u64 {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let mut without_form = 0;
        for scope in resource.scope_metrics {
            let surroundings = Surroundings::new(self.view, &attributes, scope.scope.as_ref(), &scope.schema_url);
            for metric in scope.metrics {
                without_form += self.metric(metric, &surroundings);
            }
        }
        self.target_info(&attributes);
        without_form
    }

    fn target_info(&mut self, resource: &[KeyValue]) {
        let Some(time) = self.latest.filter(|_| self.view.target_info) else { return };
        let Some(labels) = labels::of_target(self.view, resource) else { return };
        let of = Described {
            name: with_namespace(self.view, "target_info".to_owned()),
            kind: MetricType::Info,
            help: "Target metadata".to_owned(),
            unit: String::new(),
            is_literal: false,
            is_delta: false,
        };
        let value = MetricValue::Number { value: 1.0, exemplar: None };
        (self.visit)(Point { of: of.into(), labels, time, start: None, value, is_stale: false, exemplars: Vec::new() });
    }

    /// The number of points without a form.
    fn metric(&mut self, metric: Metric, surroundings: &Surroundings) -> u64 {
        let told = |key: &str| metric.metadata.iter().find(|told| told.key == key).and_then(|told| told.value.as_ref());
        let literal = told(PROMETHEUS_TYPE).map(|kind| MetricType::from_name(&text(kind)));
        let is_set = |key| literal.is_some() && told(key).is_some_and(|value| text(value) == "true");
        if is_set(PROMETHEUS_FAMILY) {
            return 0;
        }
        let is_nhcb = is_set(PROMETHEUS_NHCB);
        let Metric { name, description, unit, data, .. } = metric;
        let Some(data) = data else { return 0 };
        let described = match literal {
            Some(kind) => Some(Described { name, kind, help: description, unit, is_literal: true, is_delta: false }),
            None => self.described(&name, description, &unit, &data),
        };
        let Some(described) = described else { return points(&data) };
        let is_gauge = described.kind == MetricType::GaugeHistogram;
        let mut metric = Walked { walk: self, of: Arc::new(described), surroundings };
        match data {
            Data::Gauge(gauge) => metric.numbers(gauge.data_points),
            Data::Sum(sum) => metric.numbers(sum.data_points),
            Data::Summary(summary) => metric.summaries(summary.data_points),
            Data::Histogram(histograms) => {
                for mut point in histograms.data_points {
                    let exemplars = metric.exemplars(std::mem::take(&mut point.exemplars));
                    let (distribution, exemplars) = match is_nhcb {
                        true => (native(histogram::custom(&point, is_gauge)), exemplars),
                        false => (histogram::classic(&point, exemplars), Vec::new()),
                    };
                    let at = At::of(point.time_unix_nano, point.start_time_unix_nano, point.flags);
                    metric.push(&point.attributes, at, MetricValue::Histogram(Box::new(distribution)), exemplars);
                }
            }
            Data::ExponentialHistogram(histograms) => {
                let mut too_coarse = 0;
                for mut point in histograms.data_points {
                    let is_literal = metric.of.is_literal;
                    let Some(histogram) = histogram::exponential(&point, is_literal, is_gauge) else {
                        too_coarse += 1;
                        continue;
                    };
                    let exemplars = metric.exemplars(std::mem::take(&mut point.exemplars));
                    let at = At::of(point.time_unix_nano, point.start_time_unix_nano, point.flags);
                    let value = MetricValue::Histogram(Box::new(native(histogram)));
                    metric.push(&point.attributes, at, value, exemplars);
                }
                return too_coarse;
            }
        }
        0
    }

    fn described(&self, name: &str, help: String, unit: &str, data: &Data) -> Option<Described> {
        let (shape, kind, temporality) = match data {
            Data::Gauge(_) => (Shape::Gauge, MetricType::Gauge, 0),
            Data::Sum(sum) if sum.is_monotonic => (Shape::Counter, MetricType::Counter, sum.aggregation_temporality),
            Data::Sum(sum) => (Shape::Other, MetricType::Gauge, sum.aggregation_temporality),
            Data::Histogram(data) => (Shape::Other, MetricType::Histogram, data.aggregation_temporality),
            Data::ExponentialHistogram(data) => (Shape::Other, MetricType::Histogram, data.aggregation_temporality),
            Data::Summary(_) => (Shape::Other, MetricType::Summary, 0),
        };
        let translation = self.view.translation;
        Some(Described {
            name: with_namespace(self.view, metric_name(translation, name, unit, shape)?),
            kind,
            help,
            unit: unit_name(translation, unit),
            is_literal: false,
            is_delta: temporality == AggregationTemporality::Delta as i32,
        })
    }
}

fn with_namespace(view: &View, name: String) -> String {
    match view.namespace.as_str() {
        "" => name,
        namespace => format!("{}_{name}", label_name(view.translation, namespace).as_deref().unwrap_or(namespace)),
    }
}

fn native(native: trefoil_prometheus::exposition::NativeHistogram) -> Distribution {
    let count = match &native.counts {
        trefoil_prometheus::exposition::Counts::Integer { count, .. } => *count as f64,
        trefoil_prometheus::exposition::Counts::Float { count, .. } => *count,
    };
    Distribution { count, sum: native.sum, native: Some(native), ..Distribution::default() }
}

fn points(data: &Data) -> u64 {
    let count = match data {
        Data::Gauge(data) => data.data_points.len(),
        Data::Sum(data) => data.data_points.len(),
        Data::Summary(data) => data.data_points.len(),
        Data::Histogram(data) => data.data_points.len(),
        Data::ExponentialHistogram(data) => data.data_points.len(),
    };
    count as u64
}

/// When a point was, and whether it ends its series.
struct At {
    time: i64,
    start: Option<i64>,
    is_stale: bool,
}

impl At {
    fn of(time: u64, start: u64, flags: u32) -> Self {
        let millis = |nanos: u64| (nanos / NANOS_PER_MILLI) as i64;
        let start = (start > 0).then(|| millis(start));
        Self { time: millis(time), start, is_stale: flags & NO_RECORDED_VALUE != 0 }
    }
}

/// The points of one metric.
struct Walked<'m, 'w, F> {
    walk: &'m mut Walk<'w, F>,
    of: Arc<Described>,
    surroundings: &'m Surroundings,
}

impl<F: FnMut(Point)> Walked<'_, '_, F> {
    fn numbers(&mut self, points: Vec<NumberDataPoint>) {
        for point in points {
            let at = At::of(point.time_unix_nano, point.start_time_unix_nano, point.flags);
            let value = match point.value {
                Some(Number::AsDouble(value)) => value,
                Some(Number::AsInt(value)) => value as f64,
                None if at.is_stale => 0.0,
                // It only carries exemplars.
                None => continue,
            };
            let exemplars = self.exemplars(point.exemplars);
            let value = MetricValue::Number { value, exemplar: exemplars.last().cloned() };
            self.push(&point.attributes, at, value, exemplars);
        }
    }

    fn summaries(&mut self, points: Vec<SummaryDataPoint>) {
        for point in points {
            let at = At::of(point.time_unix_nano, point.start_time_unix_nano, point.flags);
            let quantiles = point.quantile_values.iter().map(|value| (value.quantile, value.value)).collect();
            let value = MetricValue::Summary { count: point.count, sum: point.sum, quantiles };
            self.push(&point.attributes, at, value, Vec::new());
        }
    }

    fn push(&mut self, attributes: &[KeyValue], at: At, value: MetricValue, exemplars: Vec<Exemplar<'static>>) {
        let view = self.walk.view;
        let labels = match self.of.is_literal {
            true => labels::literal(view, attributes),
            false => {
                self.walk.latest = self.walk.latest.max(Some(at.time));
                self.surroundings.labels(view, attributes)
            }
        };
        let At { time, start, is_stale } = at;
        (self.walk.visit)(Point { of: self.of.clone(), labels, time, start, value, is_stale, exemplars });
    }

    fn exemplars(&self, exemplars: Vec<OtlpExemplar>) -> Vec<Exemplar<'static>> {
        exemplars.into_iter().filter_map(|exemplar| self.exemplar(exemplar)).collect()
    }

    fn exemplar(&self, exemplar: OtlpExemplar) -> Option<Exemplar<'static>> {
        let value = match exemplar.value? {
            exemplar::Value::AsDouble(value) => value,
            exemplar::Value::AsInt(value) => value as f64,
        };
        let label = |name: String, value: String| Label { name: Cow::Owned(name), value: Cow::Owned(value) };
        let mut labels = Vec::new();
        for (name, id) in [("trace_id", exemplar.trace_id), ("span_id", exemplar.span_id)] {
            if id.iter().any(|byte| *byte != 0) {
                labels.push(label(name.to_owned(), id.iter().map(|byte| format!("{byte:02x}")).collect()));
            }
        }
        for KeyValue { key, value, .. } in exemplar.filtered_attributes {
            let name = match self.of.is_literal {
                true => Some(key),
                false => label_name(self.walk.view.translation, &key),
            };
            if let Some(name) = name {
                labels.push(label(name, value.as_ref().map_or_else(String::new, text)));
            }
        }
        let millis = (exemplar.time_unix_nano / NANOS_PER_MILLI) as i64;
        Some(Exemplar { labels, value, timestamp: (millis > 0).then_some(millis) })
    }
}
