//! What comes in: `otelcol_receiver_*`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use trefoil_model::Signal;

use super::items::{ItemCounters, Items};
use crate::telemetry::{Accepted, Refused};

/// `{receiver="otlp",transport="grpc"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    receiver: String,
    transport: &'static str,
}

impl Labels {
    fn with(&self, outcome: Outcome) -> RequestLabels {
        let Labels { receiver, transport } = self.clone();
        RequestLabels { receiver, transport, outcome: outcome.as_str() }
    }
}

/// `{receiver="otlp",transport="grpc",outcome="success"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    receiver: String,
    transport: &'static str,
    outcome: &'static str,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Taken, if only in part.
    Success,
    /// By the pipelines.
    Refused,
    /// By the receiver itself: a body it cannot read, no tenant, no pipeline of the signal. Or the client went away.
    Failure,
}

impl Outcome {
    const ALL: [Outcome; 3] = [Outcome::Success, Outcome::Refused, Outcome::Failure];

    const fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Refused => "refused",
            Outcome::Failure => "failure",
        }
    }
}

#[derive(Debug)]
pub struct Receivers {
    accepted: Items<Labels>,
    refused: Items<Labels>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<Labels, Histogram>,
    known: Mutex<HashSet<Labels>>,
}

impl Default for Receivers {
    fn default() -> Self {
        // From half a millisecond (a small request into the log) to a minute (waiting for an object store).
        let seconds = || Histogram::new(exponential_buckets(0.000_5, 2.0, 18));
        Self {
            accepted: Items::default(),
            refused: Items::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            known: Mutex::default(),
        }
    }
}

impl Receivers {
    pub fn register(&self, registry: &mut Registry) {
        self.accepted.register(registry, "receiver_accepted", "taken by the pipelines");
        let refused = "not taken: refused by the pipelines, or rejected one by one (partial success)";
        self.refused.register(registry, "receiver_refused", refused);
        let requests = "Requests answered; refused is by the pipelines, failure by the receiver itself";
        registry.register("receiver_requests", requests, self.requests.clone());
        let seconds = "From a request's headers to its answer, so reading the body and making it durable included";
        registry.register_with_unit("receiver_duration", seconds, Unit::Seconds, self.seconds.clone());
    }

    fn over(&self, labels: Labels) -> TransportMetrics {
        let request = |outcome| self.requests.get_or_create_owned(&labels.with(outcome));
        let metrics = TransportMetrics {
            accepted: self.accepted.of(&labels),
            refused: self.refused.of(&labels),
            requests: Outcome::ALL.map(request),
            seconds: self.seconds.get_or_create_owned(&labels),
        };
        self.known.lock().insert(labels);
        metrics
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        self.known.lock().retain(|labels| {
            let keep = wanted(&labels.receiver);
            if !keep {
                self.remove(labels);
            }
            keep
        });
    }

    fn remove(&self, labels: &Labels) {
        self.accepted.remove(labels);
        self.refused.remove(labels);
        self.seconds.remove(labels);
        for outcome in Outcome::ALL {
            self.requests.remove(&labels.with(outcome));
        }
    }
}

/// Of one receiver.
#[derive(Debug, Clone)]
pub struct ReceiverMetrics {
    receivers: Arc<Receivers>,
    receiver: String,
}

impl ReceiverMetrics {
    pub(super) fn new(receivers: Arc<Receivers>, receiver: String) -> Self {
        Self { receivers, receiver }
    }

    /// What comes over `grpc` or `http`.
    pub fn over(&self, transport: &'static str) -> TransportMetrics {
        self.receivers.over(Labels { receiver: self.receiver.clone(), transport })
    }
}

/// Of one receiver and one protocol of it.
#[derive(Debug, Clone)]
pub struct TransportMetrics {
    accepted: ItemCounters,
    refused: ItemCounters,
    /// By `Outcome as usize`.
    requests: [Counter; 3],
    seconds: Histogram,
}

impl TransportMetrics {
    /// A request begins.
    pub fn begin(&self) -> RequestMetrics<'_> {
        RequestMetrics { of: self, start: Instant::now(), outcome: Outcome::Failure }
    }
}

/// Of one request. It is counted when this is dropped: a failure unless the pipelines have answered, also if its client
/// did not wait for that.
#[derive(Debug)]
pub struct RequestMetrics<'a> {
    of: &'a TransportMetrics,
    start: Instant,
    outcome: Outcome,
}

impl RequestMetrics<'_> {
    /// The pipelines answered for `items` items.
    pub fn delivered(&mut self, signal: Signal, items: u64, answer: &Result<Accepted, Refused>) {
        let (refused, outcome) = match answer {
            Ok(accepted) => (accepted.rejected.min(items), Outcome::Success),
            Err(_) => (items, Outcome::Refused),
        };
        self.of.accepted.add(signal, items - refused);
        self.of.refused.add(signal, refused);
        self.outcome = outcome;
    }
}

impl Drop for RequestMetrics<'_> {
    fn drop(&mut self) {
        self.of.requests[self.outcome as usize].inc();
        self.of.seconds.observe(self.start.elapsed().as_secs_f64());
    }
}
