//! What a pod measures. Names and units are those of the semantic conventions; the shop's own begin with `bookstore.`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::metrics::{Counter, Meter};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};

use super::exemplars::Exemplars;

/// Upper bounds in seconds, as the semantic conventions advise for durations.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

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
    /// Requests and messages being worked on.
    active: Arc<AtomicI64>,
}

impl Instruments {
    /// `pod`: a number of the pod, from which its looks derive.
    pub fn new(meter: &Meter, exemplars: &Arc<Exemplars>, pod: u64) -> Self {
        let histogram = |name, about| DurationHistogram::new(meter, name, about, exemplars.clone());
        let active = Arc::new(AtomicI64::new(0));
        observe_runtime(meter, &active, pod);
        Self {
            http_server: histogram("http.server.request.duration", "Duration of HTTP server requests."),
            http_client: histogram("http.client.request.duration", "Duration of HTTP client requests."),
            db_client: histogram("db.client.operation.duration", "Duration of database client operations."),
            messaging_send: histogram("messaging.client.operation.duration", "Duration of sending messages."),
            messaging_process: histogram("messaging.process.duration", "Duration of processing a message."),
            sent_messages: meter.u64_counter("messaging.client.sent.messages").with_unit("{message}").build(),
            consumed_messages: meter.u64_counter("messaging.client.consumed.messages").with_unit("{message}").build(),
            orders: meter.u64_counter("bookstore.orders").with_unit("{order}").build(),
            revenue: meter.f64_counter("bookstore.revenue").with_unit("{USD}").build(),
            active,
        }
    }

    /// Counts a request or message as being worked on, until the guard is dropped.
    pub fn work(&self) -> Active {
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(self.active.clone())
    }
}

pub struct Active(Arc<AtomicI64>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A histogram of seconds that keeps exemplars.
pub struct DurationHistogram {
    name: &'static str,
    histogram: opentelemetry::metrics::Histogram<f64>,
    exemplars: Arc<Exemplars>,
}

impl DurationHistogram {
    fn new(meter: &Meter, name: &'static str, about: &'static str, exemplars: Arc<Exemplars>) -> Self {
        let histogram = meter.f64_histogram(name).with_description(about).with_unit("s");
        Self { name, histogram: histogram.with_boundaries(SECONDS.to_vec()).build(), exemplars }
    }

    /// Records how long the span of `context` took.
    pub fn record(&self, duration: Duration, attributes: &[KeyValue], context: &Context) {
        let seconds = duration.as_secs_f64();
        self.histogram.record(seconds, attributes);
        self.exemplars.offer(self.name, attributes, &SECONDS, seconds, context.span().span_context());
    }
}

/// Gauges as a runtime has them. Nine services share one process here, so a pod's share is made up: a level of its own
/// that breathes over some minutes and grows with what the pod is doing.
fn observe_runtime(meter: &Meter, active: &Arc<AtomicI64>, pod: u64) {
    let level = (pod % 64) as f64;
    let requests = active.clone();
    let busy = move || requests.load(Ordering::Relaxed).max(0) as f64;
    let (cpu, memory, threads) = (busy.clone(), busy.clone(), busy);
    let of_active = active.clone();
    let _ = meter
        .i64_observable_up_down_counter("http.server.active_requests")
        .with_unit("{request}")
        .with_callback(move |observer| observer.observe(of_active.load(Ordering::Relaxed), &[]))
        .build();
    let _ = meter
        .f64_observable_gauge("process.cpu.utilization")
        .with_unit("1")
        .with_callback(move |observer| {
            observer.observe((0.04 + level / 2000.0 + 0.02 * wave(pod, 90.0) + 0.015 * cpu()).min(1.0), &[]);
        })
        .build();
    let _ = meter
        .f64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_callback(move |observer| {
            let mebibytes = 96.0 + 2.0 * level + 24.0 * wave(pod, 300.0) + 0.5 * memory();
            observer.observe((mebibytes * 1_048_576.0).round(), &[]);
        })
        .build();
    let _ = meter
        .u64_observable_gauge("process.thread.count")
        .with_unit("{thread}")
        .with_callback(move |observer| observer.observe(8 + pod % 9 + (threads() / 4.0) as u64, &[]))
        .build();
}

/// Between 0 and 1, once up and down in `period` seconds; pods are out of step.
fn wave(pod: u64, period: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let phase = (pod % 1000) as f64 / 1000.0;
    0.5 + 0.5 * (std::f64::consts::TAU * (now / period + phase)).sin()
}
