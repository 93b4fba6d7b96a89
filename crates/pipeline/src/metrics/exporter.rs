//! What goes out: `otelcol_exporter_*`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use trefoil_model::Signal;

use super::items::{ItemCounters, Items};
use crate::telemetry::{Accepted, Refused};

/// `{exporter="otlphttp/tempo"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    exporter: String,
}

type Size = Gauge<u64, AtomicU64>;

#[derive(Debug, Default)]
pub struct Exporters {
    sent: Items<Labels>,
    send_failed: Items<Labels>,
    enqueue_failed: Items<Labels>,
    queue_size: Family<Labels, Size>,
    queue_capacity: Family<Labels, Size>,
    known: Mutex<HashSet<Labels>>,
}

impl Exporters {
    pub fn register(&self, registry: &mut Registry) {
        self.sent.register(registry, "exporter_sent", "taken by the destination");
        let failed = "that the destination did not take, after all retries; those with a sending queue are lost";
        self.send_failed.register(registry, "exporter_send_failed", failed);
        let refused = "that found no room in the sending queue; their sender was told";
        self.enqueue_failed.register(registry, "exporter_enqueue_failed", refused);
        let size = "What waits in the sending queue and is being sent, in units of its sizer (requests by default)";
        registry.register("exporter_queue_size", size, self.queue_size.clone());
        let capacity = "What the sending queue can hold, in the same units";
        registry.register("exporter_queue_capacity", capacity, self.queue_capacity.clone());
    }

    pub fn exporter(&self, exporter: String) -> ExporterMetrics {
        let labels = Labels { exporter };
        self.known.lock().insert(labels.clone());
        ExporterMetrics { sent: self.sent.of(&labels), failed: self.send_failed.of(&labels) }
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        self.known.lock().retain(|labels| {
            let keep = wanted(&labels.exporter);
            if !keep {
                self.sent.remove(labels);
                self.send_failed.remove(labels);
                self.enqueue_failed.remove(labels);
                self.remove_queue(labels);
            }
            keep
        });
    }

    fn remove_queue(&self, labels: &Labels) {
        self.queue_size.remove(labels);
        self.queue_capacity.remove(labels);
    }
}

/// Of one exporter.
#[derive(Debug, Clone)]
pub struct ExporterMetrics {
    pub sent: ItemCounters,
    pub failed: ItemCounters,
}

impl ExporterMetrics {
    /// What the destination said in the end about `items` items.
    pub fn answered(&self, signal: Signal, items: u64, answer: &Result<Accepted, Refused>) {
        let failed = match answer {
            Ok(accepted) => accepted.rejected.min(items),
            Err(_) => items,
        };
        self.sent.add(signal, items - failed);
        self.failed.add(signal, failed);
    }

    /// `items` items will never be sent.
    pub fn lost(&self, signal: Signal, items: u64) {
        self.failed.add(signal, items);
    }
}

/// Of one exporter's sending queue.
#[derive(Debug)]
pub struct QueueMetrics {
    pub enqueue_failed: ItemCounters,
    pub size: Size,
    exporters: Arc<Exporters>,
    labels: Labels,
}

impl QueueMetrics {
    pub(super) fn new(exporters: Arc<Exporters>, exporter: String) -> Self {
        let labels = Labels { exporter };
        exporters.known.lock().insert(labels.clone());
        Self {
            enqueue_failed: exporters.enqueue_failed.of(&labels),
            size: exporters.queue_size.get_or_create_owned(&labels),
            exporters,
            labels,
        }
    }

    /// The queue is there and holds `capacity`.
    pub fn started(&self, capacity: u64) {
        self.exporters.queue_capacity.get_or_create(&self.labels).set(capacity);
    }

    /// The queue is gone; the exporter's next configuration may not have one.
    pub fn stopped(&self) {
        self.exporters.remove_queue(&self.labels);
    }
}
