//! Metrics: two hundred series a pod, scraped every interval; mostly whole numbers.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
};
use prost::Message;

use crate::bookstore::{SCHEMA_URL, SERVICES, int, resource, scope, text};
use crate::random::{below, mix};
use crate::template::{Hole, Holes, Template};

/// Series of one pod: 138 counters, 46 gauges, 12 histograms and 4 exponential histograms.
pub const SERIES_PER_POD: usize = 200;
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const ROUTES: [&str; 10] =
    ["/", "/books", "/books/{isbn}", "/cart", "/checkout", "/orders", "/orders/{id}", "/search", "/login", "/healthz"];
/// Keys of one series' values; a histogram uses one for each bucket.
const KEYS_PER_SERIES: u32 = 32;

/// A request with one scrape of the pods `first .. first + pods`.
pub fn template(seed: u64, first: u64, pods: u64, start: u64) -> Template {
    let mut holes = Holes::default();
    let resource_metrics = (first..first + pods)
        .map(|pod| {
            let service = &SERVICES[(pod % SERVICES.len() as u64) as usize];
            let key = pod as u32 * SERIES_PER_POD as u32 * KEYS_PER_SERIES;
            let metrics = Builder { holes: &mut holes, key, start, seed }.metrics();
            ResourceMetrics {
                resource: Some(resource(seed, service, pod)),
                scope_metrics: vec![ScopeMetrics { scope: Some(scope(service.scope)), metrics, ..Default::default() }],
                schema_url: SCHEMA_URL.into(),
            }
        })
        .collect();
    let request = ExportMetricsServiceRequest { resource_metrics };
    Template::new(request.encode_to_vec(), holes, pods as usize * SERIES_PER_POD, 0)
}

/// Builds the metrics of one pod; `key` is the first free one.
struct Builder<'a> {
    holes: &'a mut Holes,
    key: u32,
    start: u64,
    seed: u64,
}

impl Builder<'_> {
    fn metrics(mut self) -> Vec<Metric> {
        let routes = || {
            ROUTES.iter().flat_map(|route| {
                [("GET", 200), ("GET", 404), ("POST", 200), ("POST", 500), ("GET", 304), ("PUT", 200)].map(
                    |(method, status)| {
                        vec![
                            text("http.route", *route),
                            text("http.request.method", method),
                            int("http.response.status_code", status),
                        ]
                    },
                )
            })
        };
        let tables = ["books", "orders", "outbox", "users", "carts"];
        let queries = tables.iter().flat_map(|table| {
            ["SELECT", "INSERT", "UPDATE", "DELETE"].map(|operation| {
                vec![
                    text("db.system.name", "postgresql"),
                    text("db.collection.name", *table),
                    text("db.operation.name", operation),
                ]
            })
        });
        let named =
            |key: &'static str, values: &'static [&'static str]| values.iter().map(move |v| vec![text(key, *v)]);
        let topics = &[
            "orders.placed",
            "orders.shipped",
            "payments.charge-succeeded",
            "payments.charge-failed",
            "catalog.updated",
            "carts.abandoned",
            "users.registered",
            "stock.low",
            "emails.queued",
            "audit",
        ];
        let numbered = |count: i64| (0..count).map(|number| vec![int("worker.number", number)]);
        vec![
            self.sum("http.server.requests", "{request}", routes()),
            self.sum("db.client.operations", "{operation}", queries),
            self.sum("messaging.client.sent.messages", "{message}", named("messaging.destination.name", topics)),
            self.sum("messaging.client.consumed.messages", "{message}", named("messaging.destination.name", topics)),
            self.sum("cache.requests", "{request}", named("cache.result", &["hit", "miss", "stale", "error"])),
            self.sum("process.io", "By", named("disk.io.direction", &["read", "write"])),
            self.sum("network.io", "By", named("network.io.direction", &["receive", "transmit"])),
            self.sum("worker.jobs", "{job}", numbered(30)),
            self.level("runtime.memory.used", "By", named("memory.pool", &["eden", "survivor", "old", "metaspace"])),
            self.level("http.server.active_requests", "{request}", named("http.route", &ROUTES)),
            self.level("db.client.connection.count", "{connection}", named("db.state", &["idle", "used", "pending"])),
            self.level("worker.queue.length", "{job}", numbered(20)),
            self.level("process.open_file_descriptors", "{descriptor}", numbered(1)),
            self.ratio("process.cpu.utilization", named("cpu.mode", &["user", "system"])),
            self.ratio("worker.utilization", numbered(6)),
            self.histogram("http.server.request.duration", named("http.route", &ROUTES)),
            self.histogram("db.client.operation.duration", named("db.operation.name", &["SELECT", "INSERT"])),
            self.exponential("messaging.process.duration", named("messaging.destination.name", &topics[..4])),
        ]
    }

    fn next(&mut self) -> (u32, u64) {
        let key = self.key;
        self.key += KEYS_PER_SERIES;
        (key, mix(self.seed, u64::from(key)))
    }

    fn point(&mut self, attributes: Vec<KeyValue>, value: number_data_point::Value) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.holes.fixed64(Hole::Tick),
            value: Some(value),
            ..Default::default()
        }
    }

    /// Counters: one in four idle, most slow, some fast.
    fn sum(&mut self, name: &str, unit: &str, series: impl Iterator<Item = Vec<KeyValue>>) -> Metric {
        let data_points = series
            .map(|attributes| {
                let (key, random) = self.next();
                let rate = match random % 8 {
                    0 | 1 => 0,
                    2..=5 => 1 + below(random, 40) as u32,
                    6 => 100 + below(random, 3000) as u32,
                    _ => 10_000 + below(random, 2_000_000) as u32,
                };
                let value = self.holes.sfixed64(Hole::Counter { key, rate });
                self.point(attributes, number_data_point::Value::AsInt(value))
            })
            .collect();
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        metric(name, unit, Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
    }

    fn level(&mut self, name: &str, unit: &str, series: impl Iterator<Item = Vec<KeyValue>>) -> Metric {
        let data_points = series
            .map(|attributes| {
                let (key, random) = self.next();
                let (base, spread) = if unit == "By" { (90_000_000, 4_000_000) } else { ((random % 50) as u32, 6) };
                let value = self.holes.sfixed64(Hole::Level { key, base, spread });
                self.point(attributes, number_data_point::Value::AsInt(value))
            })
            .collect();
        metric(name, unit, Data::Gauge(Gauge { data_points }))
    }

    fn ratio(&mut self, name: &str, series: impl Iterator<Item = Vec<KeyValue>>) -> Metric {
        let data_points = series
            .map(|attributes| {
                let (key, _) = self.next();
                let value = self.holes.double(Hole::Ratio { key });
                self.point(attributes, number_data_point::Value::AsDouble(value))
            })
            .collect();
        metric(name, "1", Data::Gauge(Gauge { data_points }))
    }

    fn histogram(&mut self, name: &str, series: impl Iterator<Item = Vec<KeyValue>>) -> Metric {
        const BUCKETS: u8 = BOUNDS.len() as u8 + 1;
        let data_points = series
            .map(|attributes| {
                let (key, random) = self.next();
                let rate = 20 + below(random, 600) as u32;
                let sum = Hole::ScaledSum { key, rate, count: BUCKETS, scale: 0.031 };
                let exemplars = if random.is_multiple_of(4) { vec![self.exemplar(key)] } else { Vec::new() };
                HistogramDataPoint {
                    attributes,
                    start_time_unix_nano: self.start,
                    time_unix_nano: self.holes.fixed64(Hole::Tick),
                    count: self.holes.fixed64(Hole::CounterSum { key, rate, count: BUCKETS }),
                    sum: Some(self.holes.double(sum)),
                    bucket_counts: (0..u32::from(BUCKETS))
                        .map(|place| self.holes.fixed64(Hole::Counter { key: key + place, rate: rate / (place + 1) }))
                        .collect(),
                    explicit_bounds: BOUNDS.to_vec(),
                    exemplars,
                    ..Default::default()
                }
            })
            .collect();
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        metric(name, "s", Data::Histogram(Histogram { data_points, aggregation_temporality }))
    }

    fn exemplar(&mut self, key: u32) -> Exemplar {
        Exemplar {
            time_unix_nano: self.holes.fixed64(Hole::Tick),
            trace_id: self.holes.bytes(Hole::TraceId { key }),
            span_id: self.holes.bytes(Hole::SpanId { key }),
            value: Some(exemplar::Value::AsDouble(self.holes.double(Hole::Ratio { key }))),
            ..Default::default()
        }
    }

    /// Deltas whose buckets are the same every time (packed varints have no fixed width); sums differ.
    fn exponential(&mut self, name: &str, series: impl Iterator<Item = Vec<KeyValue>>) -> Metric {
        let data_points = series
            .map(|attributes| {
                let (key, random) = self.next();
                let bucket_counts: Vec<u64> = (0..40).map(|place| below(mix(random, place), 30)).collect();
                ExponentialHistogramDataPoint {
                    attributes,
                    start_time_unix_nano: self.start,
                    time_unix_nano: self.holes.fixed64(Hole::Tick),
                    count: bucket_counts.iter().sum(),
                    sum: Some(self.holes.double(Hole::Ratio { key })),
                    scale: 3,
                    positive: Some(Buckets { offset: -48, bucket_counts }),
                    ..Default::default()
                }
            })
            .collect();
        let aggregation_temporality = AggregationTemporality::Delta.into();
        metric(name, "s", Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality }))
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: format!("The bookstore's {}.", name.replace('.', " ")),
        data: Some(data),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Filling;

    fn scrape(tick: u64) -> ExportMetricsServiceRequest {
        let filling = Filling { seed: 100 + tick, world: 1, time: 1_795_239_033_000_000_000 + tick, tick };
        ExportMetricsServiceRequest::decode(template(1, 0, 5, 1_795_000_000_000_000_000).fill(&filling).as_slice())
            .unwrap()
    }

    #[test]
    fn a_pod_has_its_series() {
        let request = scrape(0);
        for pod in &request.resource_metrics {
            let points: usize = pod.scope_metrics[0]
                .metrics
                .iter()
                .map(|metric| match metric.data.as_ref().unwrap() {
                    Data::Gauge(gauge) => gauge.data_points.len(),
                    Data::Sum(sum) => sum.data_points.len(),
                    Data::Histogram(histogram) => histogram.data_points.len(),
                    Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
                    Data::Summary(summary) => summary.data_points.len(),
                })
                .sum();
            assert_eq!(points, SERIES_PER_POD);
        }
    }

    #[test]
    fn histograms_add_up_and_grow() {
        let points = |request: ExportMetricsServiceRequest| -> Vec<HistogramDataPoint> {
            let metrics = request.resource_metrics.into_iter().flat_map(|pod| pod.scope_metrics[0].metrics.clone());
            metrics
                .filter_map(|metric| match metric.data {
                    Some(Data::Histogram(histogram)) => Some(histogram.data_points),
                    _ => None,
                })
                .flatten()
                .collect()
        };
        let (first, second) = (points(scrape(0)), points(scrape(1)));
        assert_eq!(first.len(), 60);
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first.bucket_counts.iter().sum::<u64>(), first.count);
            assert_eq!(first.bucket_counts.len(), first.explicit_bounds.len() + 1);
            assert!(second.bucket_counts.iter().zip(&first.bucket_counts).all(|(second, first)| second >= first));
            assert!(second.count > first.count);
        }
    }
}
