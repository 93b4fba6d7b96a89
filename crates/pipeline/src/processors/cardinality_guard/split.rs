//! What of a request is taken out, and what goes on.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, ResourceMetrics, ScopeMetrics};
use prost::Message as _;
use trefoil_model::Tenant;

use super::automatic::{Automatic, Verdict, Watched};
use super::config::{Action, Function, Rule};
use super::point::Point;
use super::state::{Mode, Sample, Target};
use super::value::Value;

/// The key in a metric's metadata whose value is Prometheus' type: it came by Prometheus' own ways.
const PROMETHEUS_TYPE: &str = "prometheus.type";

/// Points of one metric to be aggregated.
pub struct Taken {
    pub key: Vec<u8>,
    pub target: Target,
    pub samples: Vec<Sample>,
    /// Since when their labels are removed.
    pub since: u64,
}

/// What happened to a request.
#[derive(Default)]
pub struct Split {
    pub taken: Vec<Taken>,
    /// Points that went on without a label.
    pub dropped_labels: u64,
    /// Points that are of a kind that cannot be added up; they went on as they were.
    pub unsupported: u64,
    /// Labels that had their first value too many.
    pub news: Vec<Watched>,
}

/// What is removed from a point.
struct Removal {
    places: Vec<usize>,
    rule: Option<(Function, std::time::Duration, u64)>,
}

pub struct Splitter<'s> {
    pub tenant: &'s Tenant,
    pub rules: Vec<&'s Rule>,
    pub automatic: &'s mut Automatic,
    /// When the processor began.
    pub started: u64,
    pub now: u64,
}

impl Splitter<'_> {
    /// Whether a metric of the request may be concerned at all.
    pub fn concerns(&self, request: &ExportMetricsServiceRequest) -> bool {
        let scopes = request.resource_metrics.iter().flat_map(|group| &group.scope_metrics);
        scopes
            .flat_map(|scope| &scope.metrics)
            .any(|metric| self.rules.iter().any(|rule| rule.concerns_metric(&metric.name)))
    }

    pub fn split(mut self, request: &mut ExportMetricsServiceRequest) -> Split {
        let mut split = Split::default();
        for group in &mut request.resource_metrics {
            let mut scopes = std::mem::take(&mut group.scope_metrics);
            for scope in &mut scopes {
                let mut metrics = std::mem::take(&mut scope.metrics);
                metrics.retain_mut(|metric| {
                    let had_points = has_points(metric);
                    self.metric(group, scope, metric, &mut split);
                    !had_points || has_points(metric)
                });
                scope.metrics = metrics;
            }
            scopes.retain(|scope| !scope.metrics.is_empty());
            group.scope_metrics = scopes;
        }
        request.resource_metrics.retain(|group| !group.scope_metrics.is_empty());
        split
    }

    fn metric(&mut self, group: &ResourceMetrics, scope: &ScopeMetrics, metric: &mut Metric, split: &mut Split) {
        let rules: Vec<&Rule> = self.rules.iter().copied().filter(|rule| rule.concerns_metric(&metric.name)).collect();
        if rules.is_empty() {
            return;
        }
        let literal_type = literal_type(metric);
        let name = metric.name.clone();
        let is_quantile = literal_type.as_deref() == Some("summary") && !is_counter(literal_type.as_deref(), &name);
        let Some(mut data) = metric.data.take() else { return };
        let mut taken: HashMap<(Function, std::time::Duration, u64), Vec<Sample>> = HashMap::new();
        // Quantiles do not add up.
        let has_label = |attributes: &[KeyValue]| {
            attributes.iter().any(|attribute| rules.iter().any(|rule| rule.concerns_label(&attribute.key)))
        };
        let mode = match &mut data {
            Data::Gauge(gauge) if is_quantile => {
                let points = gauge.data_points.iter().filter(|point| has_label(&point.attributes));
                split.unsupported += points.count() as u64;
                None
            }
            Data::Gauge(gauge) => {
                let mode = match is_counter(literal_type.as_deref(), &name) {
                    true => Some(Mode::Counter),
                    false => None,
                };
                Work { splitter: self, rules: &rules, name: &name, taken: &mut taken, split }
                    .points(&mut gauge.data_points, mode);
                mode
            }
            Data::Sum(sum) => {
                let mode = match (temporality(sum.aggregation_temporality), sum.is_monotonic) {
                    (Some(AggregationTemporality::Delta), _) => Some(Mode::Delta),
                    (Some(AggregationTemporality::Cumulative), true) => Some(Mode::Counter),
                    _ => None,
                };
                Work { splitter: self, rules: &rules, name: &name, taken: &mut taken, split }
                    .points(&mut sum.data_points, mode);
                mode
            }
            Data::Histogram(histogram) => {
                let mode = histogram_mode(histogram.aggregation_temporality, literal_type.as_deref());
                Work { splitter: self, rules: &rules, name: &name, taken: &mut taken, split }
                    .points(&mut histogram.data_points, Some(mode));
                Some(mode)
            }
            Data::ExponentialHistogram(histogram) => {
                let mode = histogram_mode(histogram.aggregation_temporality, literal_type.as_deref());
                Work { splitter: self, rules: &rules, name: &name, taken: &mut taken, split }
                    .points(&mut histogram.data_points, Some(mode));
                Some(mode)
            }
            Data::Summary(summary) => {
                let points = summary.data_points.iter().filter(|point| has_label(&point.attributes));
                split.unsupported += points.count() as u64;
                None
            }
        };
        if !taken.is_empty() {
            let skeleton = Metric { data: Some(without_points(&data)), ..metric.clone() };
            for ((function, interval, since), samples) in taken {
                let target = Target {
                    tenant: self.tenant.clone(),
                    resource: group.resource.clone(),
                    resource_schema_url: group.schema_url.clone(),
                    scope: scope.scope.clone(),
                    scope_schema_url: scope.schema_url.clone(),
                    metric: skeleton.clone(),
                    mode: mode.unwrap_or(Mode::Gauge(function)),
                    interval,
                };
                split.taken.push(Taken { key: key_of(&target), target, samples, since });
            }
        }
        metric.data = Some(data);
    }
}

/// One metric being split.
struct Work<'w, 's> {
    splitter: &'w mut Splitter<'s>,
    rules: &'w [&'w Rule],
    name: &'w str,
    taken: &'w mut HashMap<(Function, std::time::Duration, u64), Vec<Sample>>,
    split: &'w mut Split,
}

impl Work<'_, '_> {
    /// `mode` of `None`: of a gauge, by the rule's function.
    fn points<P: Point>(&mut self, points: &mut Vec<P>, mode: Option<Mode>) {
        let mut rest = Vec::with_capacity(points.len());
        let mut touched = false;
        // For points that collide once their label is gone.
        let mut drop_function = Function::Sum;
        for mut point in points.drain(..) {
            let removal = self.removal(point.attributes());
            if removal.places.is_empty() {
                rest.push(point);
                continue;
            }
            let removed = take(point.attributes_mut(), &removal.places);
            let Some((function, interval, since)) = removal.rule else {
                self.split.dropped_labels += 1;
                touched = true;
                drop_function =
                    self.rules.iter().find(|rule| rule.action == Action::Drop).map_or(drop_function, |r| r.function);
                rest.push(point);
                continue;
            };
            let mut attributes = std::mem::take(point.attributes_mut());
            attributes.sort_by(|a, b| a.key.cmp(&b.key));
            let is_end = point.is_end();
            let value = point.value();
            if !is_end && value.is_none() {
                // It says nothing.
                continue;
            }
            let sample = Sample {
                key: encoded(&attributes).into(),
                attributes,
                member: hash(&removed),
                start: point.start(),
                time: point.time(),
                value: value.filter(|_| !is_end),
            };
            self.taken.entry((function, interval, since)).or_default().push(sample);
        }
        if touched {
            join(&mut rest, mode, drop_function);
        }
        *points = rest;
    }

    fn removal(&mut self, attributes: &[KeyValue]) -> Removal {
        let mut removal = Removal { places: Vec::new(), rule: None };
        for (place, attribute) in attributes.iter().enumerate() {
            for rule in self.rules.iter().filter(|rule| rule.concerns_label(&attribute.key)) {
                let since = match rule.max_values {
                    None => self.splitter.started,
                    Some(max_values) => match self.observe(attribute, max_values) {
                        None => continue,
                        Some(since) => since,
                    },
                };
                removal.places.push(place);
                if rule.action == Action::Aggregate && removal.rule.is_none() {
                    removal.rule = Some((rule.function, rule.interval, since));
                }
                break;
            }
        }
        removal
    }

    fn observe(&mut self, attribute: &KeyValue, max_values: usize) -> Option<u64> {
        let (tenant, metric, label) = (self.splitter.tenant.clone(), self.name.to_owned(), attribute.key.clone());
        let watched = Watched { tenant, metric, label };
        let value = attribute.value.as_ref().map(AnyValue::encode_to_vec);
        match self.splitter.automatic.observe(&watched, value, max_values, self.splitter.now) {
            Verdict::Keep => None,
            Verdict::Remove { since, is_news } => {
                if is_news {
                    self.split.news.push(watched);
                }
                Some(since)
            }
        }
    }
}

/// Points of one request that became equal, at one time, become one.
fn join<P: Point>(points: &mut Vec<P>, mode: Option<Mode>, function: Function) {
    let mut places: HashMap<(Vec<u8>, u64), usize> = HashMap::new();
    let mut joined: Vec<(P, Vec<Value>)> = Vec::with_capacity(points.len());
    for point in points.drain(..) {
        let mut attributes = point.attributes().clone();
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        match places.get(&(encoded(&attributes), point.time())) {
            Some(place) if !point.is_end() => {
                let (first, values) = &mut joined[*place];
                values.extend(point.value());
                if first.is_end() {
                    *first = point;
                }
            }
            Some(_) => {}
            None => {
                places.insert((encoded(&attributes), point.time()), joined.len());
                let values = point.value().filter(|_| !point.is_end()).into_iter().collect();
                joined.push((point, values));
            }
        }
    }
    let function = if mode.is_some() { Function::Sum } else { function };
    points.extend(joined.into_iter().map(|(mut point, values)| {
        if let (true, Some(value)) = (values.len() > 1, Value::folded(values.iter(), function)) {
            point.set_value(value);
        }
        point
    }));
}

/// Removes and returns those at the places, which are in order.
fn take(attributes: &mut Vec<KeyValue>, places: &[usize]) -> Vec<KeyValue> {
    let mut removed: Vec<KeyValue> = places.iter().rev().map(|place| attributes.remove(*place)).collect();
    removed.sort_by(|a, b| a.key.cmp(&b.key));
    removed
}

fn encoded(attributes: &[KeyValue]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for attribute in attributes {
        // Into a growing buffer encoding cannot fail.
        let _ = attribute.encode_length_delimited(&mut bytes);
    }
    bytes
}

fn hash(removed: &[KeyValue]) -> u64 {
    let mut hasher = DefaultHasher::new();
    encoded(removed).hash(&mut hasher);
    hasher.finish()
}

fn key_of(target: &Target) -> Vec<u8> {
    let mut key = Vec::new();
    for text in [target.tenant.as_str(), &target.resource_schema_url, &target.scope_schema_url] {
        key.extend_from_slice(text.as_bytes());
        key.push(0);
    }
    let _ = target.resource.clone().unwrap_or_default().encode_length_delimited(&mut key);
    let _ = target.scope.clone().unwrap_or_default().encode_length_delimited(&mut key);
    let _ = target.metric.encode_length_delimited(&mut key);
    key.extend_from_slice(format!("{:?} {:?}", target.mode, target.interval).as_bytes());
    key
}

fn temporality(number: i32) -> Option<AggregationTemporality> {
    AggregationTemporality::try_from(number).ok()
}

fn histogram_mode(number: i32, literal_type: Option<&str>) -> Mode {
    match temporality(number) {
        _ if literal_type == Some("gaugehistogram") => Mode::Gauge(Function::Sum),
        Some(AggregationTemporality::Delta) => Mode::Delta,
        _ => Mode::Counter,
    }
}

fn literal_type(metric: &Metric) -> Option<String> {
    let entry = metric.metadata.iter().find(|entry| entry.key == PROMETHEUS_TYPE)?;
    match entry.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// Series that came by Prometheus' own ways are gauges to OTLP, whatever they are to Prometheus. What nobody told the type of is
/// taken by its name.
fn is_counter(literal_type: Option<&str>, name: &str) -> bool {
    let ends_with = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    match literal_type {
        Some("counter" | "histogram") => true,
        Some("summary") => ends_with(&["_count", "_sum"]),
        Some("unknown") => ends_with(&["_total", "_count", "_sum", "_bucket"]),
        _ => false,
    }
}

fn has_points(metric: &Metric) -> bool {
    match &metric.data {
        None => false,
        Some(Data::Gauge(data)) => !data.data_points.is_empty(),
        Some(Data::Sum(data)) => !data.data_points.is_empty(),
        Some(Data::Histogram(data)) => !data.data_points.is_empty(),
        Some(Data::ExponentialHistogram(data)) => !data.data_points.is_empty(),
        Some(Data::Summary(data)) => !data.data_points.is_empty(),
    }
}

/// The same kind and settings.
fn without_points(data: &Data) -> Data {
    use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogram, Gauge, Histogram, Sum, Summary};
    match data {
        Data::Gauge(_) => Data::Gauge(Gauge::default()),
        Data::Sum(data) => Data::Sum(Sum {
            data_points: Vec::new(),
            aggregation_temporality: data.aggregation_temporality,
            is_monotonic: data.is_monotonic,
        }),
        Data::Histogram(data) => Data::Histogram(Histogram {
            data_points: Vec::new(),
            aggregation_temporality: data.aggregation_temporality,
        }),
        Data::ExponentialHistogram(data) => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: Vec::new(),
            aggregation_temporality: data.aggregation_temporality,
        }),
        Data::Summary(_) => Data::Summary(Summary::default()),
    }
}
