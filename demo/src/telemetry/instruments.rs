//! What a pod measures. Names and units are those of the semantic conventions; the shop's own begin with `bookstore.`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::metrics::{Counter, Meter, UpDownCounter};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue, StringValue};

use super::exemplars::Exemplars;

/// Upper bounds in seconds, as the semantic conventions advise for requests and messages,
const REQUESTS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// and for the statements of a database.
const STATEMENTS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

pub struct Instruments {
    pub http_server: DurationHistogram,
    pub http_client: DurationHistogram,
    pub db_client: DurationHistogram,
    pub messaging_send: DurationHistogram,
    pub messaging_process: DurationHistogram,
    pub sent_messages: Counter<u64>,
    pub consumed_messages: Counter<u64>,
    pub orders: Counter<u64>,
    pub revenue: Counter<f64>,
    active_requests: UpDownCounter<i64>,
    /// Requests and messages being worked on.
    busy: Arc<AtomicI64>,
}

impl Instruments {
    /// `pod`: a number of the pod, from which its looks derive.
    pub fn new(meter: &Meter, exemplars: &Arc<Exemplars>, pod: u64) -> Self {
        let histogram = |name, about| DurationHistogram::new(meter, name, about, &REQUESTS, exemplars.clone());
        let db_client = "db.client.operation.duration";
        let about_db_client = "Duration of database client operations.";
        let busy = Arc::new(AtomicI64::new(0));
        observe_runtime(meter, &busy, pod);
        Self {
            http_server: histogram("http.server.request.duration", "Duration of HTTP server requests."),
            http_client: histogram("http.client.request.duration", "Duration of HTTP client requests."),
            db_client: DurationHistogram::new(meter, db_client, about_db_client, &STATEMENTS, exemplars.clone()),
            messaging_send: histogram("messaging.client.operation.duration", "Duration of sending messages."),
            messaging_process: histogram("messaging.process.duration", "Duration of processing a message."),
            sent_messages: meter.u64_counter("messaging.client.sent.messages").with_unit("{message}").build(),
            consumed_messages: meter.u64_counter("messaging.client.consumed.messages").with_unit("{message}").build(),
            orders: meter.u64_counter("bookstore.orders").with_unit("{order}").build(),
            revenue: meter.f64_counter("bookstore.revenue").with_unit("{USD}").build(),
            active_requests: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_description("Number of active HTTP server requests.")
                .with_unit("{request}")
                .build(),
            busy,
        }
    }

    /// Something is being worked on until the guard is dropped.
    pub fn work(&self) -> Work {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Work(self.busy.clone())
    }

    /// A request is being worked on until the guard is dropped.
    pub fn request(&self, method: impl Into<StringValue>) -> ActiveRequest {
        let attributes = [KeyValue::new("http.request.method", method.into()), KeyValue::new("url.scheme", "http")];
        self.active_requests.add(1, &attributes);
        ActiveRequest { count: self.active_requests.clone(), attributes, _work: self.work() }
    }
}

pub struct Work(Arc<AtomicI64>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct ActiveRequest {
    count: UpDownCounter<i64>,
    attributes: [KeyValue; 2],
    _work: Work,
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.count.add(-1, &self.attributes);
    }
}

/// A histogram of seconds that keeps exemplars.
pub struct DurationHistogram {
    name: &'static str,
    bounds: &'static [f64],
    histogram: opentelemetry::metrics::Histogram<f64>,
    exemplars: Arc<Exemplars>,
}

impl DurationHistogram {
    fn new(
        meter: &Meter,
        name: &'static str,
        about: &'static str,
        bounds: &'static [f64],
        exemplars: Arc<Exemplars>,
    ) -> Self {
        let histogram = meter.f64_histogram(name).with_description(about).with_unit("s");
        Self { name, bounds, histogram: histogram.with_boundaries(bounds.to_vec()).build(), exemplars }
    }

    /// Records how long the span of `context` took.
    pub fn record(&self, duration: Duration, attributes: &[KeyValue], context: &Context) {
        let seconds = duration.as_secs_f64();
        self.histogram.record(seconds, attributes);
        self.exemplars.offer(self.name, attributes, self.bounds, seconds, context.span().span_context());
    }
}

/// What a runtime tells about its process. Nine services share one here, so a pod's share is made up: a level of its own
/// that breathes over some minutes and grows with what the pod is doing.
fn observe_runtime(meter: &Meter, busy: &Arc<AtomicI64>, pod: u64) {
    let level = (pod % 64) as f64;
    let work = busy.clone();
    let busy = move || work.load(Ordering::Relaxed).max(0) as f64;
    let (cpu, memory, threads) = (busy.clone(), busy.clone(), busy);
    let _ = meter
        .f64_observable_gauge("process.cpu.utilization")
        .with_unit("1")
        .with_callback(move |observer| {
            observer.observe((0.04 + level / 2000.0 + 0.02 * wave(pod, 90.0) + 0.015 * cpu()).min(1.0), &[]);
        })
        .build();
    let _ = meter
        .i64_observable_up_down_counter("process.memory.usage")
        .with_unit("By")
        .with_callback(move |observer| {
            let mebibytes = 96.0 + 2.0 * level + 24.0 * wave(pod, 300.0) + 0.5 * memory();
            observer.observe((mebibytes * 1_048_576.0) as i64, &[]);
        })
        .build();
    let _ = meter
        .i64_observable_up_down_counter("process.thread.count")
        .with_unit("{thread}")
        .with_callback(move |observer| observer.observe(8 + (pod % 9) as i64 + (threads() / 4.0) as i64, &[]))
        .build();
}

/// Between 0 and 1, once up and down in `period` seconds; pods are out of step.
fn wave(pod: u64, period: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let phase = (pod % 1000) as f64 / 1000.0;
    0.5 + 0.5 * (std::f64::consts::TAU * (now / period + phase)).sin()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;
    use crate::telemetry::reader::Reader;

    fn kind(metric: &Metric) -> (String, String) {
        let kind = match metric.data.as_ref().unwrap() {
            Data::Gauge(_) => "gauge".to_owned(),
            Data::Sum(sum) if sum.is_monotonic => "counter".to_owned(),
            Data::Sum(_) => "up-down counter".to_owned(),
            Data::Histogram(histogram) => format!("histogram {:?}", &histogram.data_points[0].explicit_bounds[..2]),
            other => panic!("{other:?}"),
        };
        (kind, metric.unit.clone())
    }

    #[test]
    fn instruments_are_those_of_the_conventions() {
        let reader = Reader::default();
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
        let instruments = Instruments::new(&provider.meter("test"), &Arc::default(), 7);
        let (_get, _post) = (instruments.request("GET"), instruments.request("POST"));
        drop(instruments.request("POST"));
        for histogram in [
            &instruments.http_server,
            &instruments.http_client,
            &instruments.db_client,
            &instruments.messaging_send,
            &instruments.messaging_process,
        ] {
            histogram.record(Duration::from_millis(3), &[], &Context::new());
        }
        let metrics = reader.collect().remove(0).scope_metrics.remove(0).metrics;

        let kinds: BTreeMap<&str, _> = metrics.iter().map(|metric| (metric.name.as_str(), kind(metric))).collect();
        let (requests, statements) = ("histogram [0.005, 0.01]", "histogram [0.001, 0.005]");
        let expected = [
            ("db.client.operation.duration", statements, "s"),
            ("http.client.request.duration", requests, "s"),
            ("http.server.active_requests", "up-down counter", "{request}"),
            ("http.server.request.duration", requests, "s"),
            ("messaging.client.operation.duration", requests, "s"),
            ("messaging.process.duration", requests, "s"),
            ("process.cpu.utilization", "gauge", "1"),
            ("process.memory.usage", "up-down counter", "By"),
            ("process.thread.count", "up-down counter", "{thread}"),
        ];
        assert_eq!(kinds, expected.map(|(name, kind, unit)| (name, (kind.to_owned(), unit.to_owned()))).into());

        let active = metrics.iter().find(|metric| metric.name == "http.server.active_requests").unwrap();
        let Some(Data::Sum(active)) = &active.data else { panic!("{active:?}") };
        assert_eq!(active.data_points.len(), 2, "one for each method");
        for point in &active.data_points {
            let keys: Vec<&str> = point.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            assert!(keys.contains(&"http.request.method") && keys.contains(&"url.scheme"), "{keys:?}");
            assert_eq!(format!("{:?}", point.value), "Some(AsInt(1))");
        }
    }
}
