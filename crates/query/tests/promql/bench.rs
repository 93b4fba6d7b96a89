//! A store in a directory of its own, OTLP messages to put there, and answers as text.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prometheus_client::registry::Registry;
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_promql::points::Point;
use trefoil_promql::source::is_stale_nan;
use trefoil_promql::steps::Steps;
use trefoil_promql::value::QueryResult;
use trefoil_query::Engine;
use trefoil_query::metrics::{PromqlError, PromqlOptions};
use trefoil_storage::{Storage, StorageConfig};

/// When everything begins: a quarter past noon of a day, in milliseconds.
pub const START: i64 = 1_760_000_000_000 / 86_400_000 * 86_400_000 + 44_100_000;

pub struct Bench {
    pub engine: Engine,
    pub storage: Storage,
    _directory: tempfile::TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        Self { engine: Engine::new(storage.clone(), 64 << 20).unwrap(), storage, _directory: directory }
    }

    /// What `/metrics` would say.
    pub fn metric(&self, name: &str) -> f64 {
        let mut registry = Registry::default();
        self.engine.register_metrics(&mut registry);
        self.storage.register_metrics(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.next().unwrap().parse().unwrap()
    }

    pub async fn append(&self, tenant: &Tenant, metrics: ExportMetricsServiceRequest) {
        let body = metrics.encode_to_vec().into();
        let appended = self.storage.append(tenant, Signal::Metrics, body).await.unwrap();
        assert_eq!(appended.rejected, 0, "{:?}", appended.message);
    }

    /// The answer at so many seconds after the start.
    pub async fn at(&self, seconds: i64, query: &str) -> String {
        self.ask(&Tenant::default(), seconds, query).await.unwrap_or_else(|error| format!("{}: {error}", error.kind()))
    }

    pub async fn ask(&self, tenant: &Tenant, seconds: i64, query: &str) -> Result<String, PromqlError> {
        let time = START + seconds * 1000;
        let answer = self.engine.promql_instant(tenant, query, time, &PromqlOptions::default()).await?;
        Ok(shown(&answer.result))
    }

    /// The answer every so many seconds.
    pub async fn range(&self, (from, to, step): (i64, i64, i64), query: &str) -> String {
        let steps = Steps::range(START + from * 1000, START + to * 1000, step * 1000);
        let options = PromqlOptions::default();
        let answer = self.engine.promql_range(&Tenant::default(), query, steps, &options).await;
        answer.map_or_else(|error| format!("{}: {error}", error.kind()), |answer| shown(&answer.result))
    }
}

/// Values of instant vectors, sorted by labels; `value@seconds` of matrices.
pub fn shown(result: &QueryResult) -> String {
    let mut lines: Vec<String> = match result {
        QueryResult::Scalar { value, .. } => vec![value.to_string()],
        QueryResult::String { value, .. } => vec![value.to_string()],
        QueryResult::Vector { samples, .. } => {
            samples.iter().map(|(labels, point)| format!("{labels} {}", value(point))).collect()
        }
        QueryResult::Matrix(series) => {
            let series = series.iter().map(|(labels, samples)| {
                let points = (0..samples.len()).map(|index| {
                    let seconds = (samples.times[index] - START) as f64 / 1000.0;
                    format!("{}@{seconds}", value(&samples.point(index).to_owned()))
                });
                format!("{labels} {}", points.collect::<Vec<_>>().join(" "))
            });
            series.collect()
        }
    };
    lines.sort();
    lines.join("\n")
}

fn value(point: &Point) -> String {
    match point {
        Point::Float(value) if is_stale_nan(*value) => "stale".to_owned(),
        Point::Float(value) => value.to_string(),
        Point::Histogram(histogram) if is_stale_nan(histogram.sum) => "stale".to_owned(),
        Point::Histogram(histogram) => histogram.to_string(),
    }
}

pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

pub fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| attribute(key, value)).collect()
}

/// So many seconds after the start, in nanoseconds.
pub fn nanos(seconds: i64) -> u64 {
    ((START + seconds * 1000) * 1_000_000) as u64
}

pub fn number(seconds: i64, labels: &[(&str, &str)], value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        time_unix_nano: nanos(seconds),
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

pub fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: format!("About {name}"),
        data: Some(data),
        ..Metric::default()
    }
}

pub fn gauge(data_points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points })
}

pub fn sum(temporality: i32, is_monotonic: bool, data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic })
}

/// A metric as it comes by Prometheus' own ways.
pub fn literal(name: &str, kind: &str, data: Data) -> Metric {
    Metric { metadata: attributes(&[("prometheus.type", kind)]), ..metric(name, "", data) }
}

pub fn request(resource: &[(&str, &str)], metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..InstrumentationScope::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes: attributes(resource), ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

/// Fails after a time in which it would have come long ago.
pub async fn wait_until(mut happens: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !happens().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap();
}
