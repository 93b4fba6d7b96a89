//! UDP packets that come to `jaeger` receivers: `otelcol_jaeger_receiver_thrift_pkt_*`.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a packet is gone; nobody waits for an answer who could send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// As many as may wait do so already.
    QueueFull,
    /// The bodies of all requests and packets together are as large as they may be.
    Busy,
    /// Longer than `max_packet_size`.
    TooLarge,
    /// No call of `emitBatch`.
    Malformed,
    /// The pipelines did not take it.
    Refused,
}

impl Dropped {
    pub(crate) const ALL: [Dropped; 5] =
        [Dropped::QueueFull, Dropped::Busy, Dropped::TooLarge, Dropped::Malformed, Dropped::Refused];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Dropped::QueueFull => "queue_full",
            Dropped::Busy => "busy",
            Dropped::TooLarge => "too_large",
            Dropped::Malformed => "malformed",
            Dropped::Refused => "refused",
        }
    }
}

/// `{receiver="jaeger",transport="udp_thrift_compact"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    receiver: String,
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    receiver: String,
    transport: &'static str,
    reason: &'static str,
}

impl Labels {
    fn with(&self, reason: Dropped) -> DroppedLabels {
        let Labels { receiver, transport } = self.clone();
        DroppedLabels { receiver, transport, reason: reason.as_str() }
    }
}

#[derive(Debug, Default)]
pub struct Packets {
    processed: Family<Labels, Counter>,
    dropped: Family<DroppedLabels, Counter>,
    known: Mutex<HashSet<Labels>>,
}

impl Packets {
    pub fn register(&self, registry: &mut Registry) {
        let processed = "UDP packets whose spans the pipelines took";
        registry.register("jaeger_receiver_thrift_pkt_processed", processed, self.processed.clone());
        let dropped = "UDP packets that are gone, by reason";
        registry.register("jaeger_receiver_thrift_pkt_dropped", dropped, self.dropped.clone());
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        self.known.lock().retain(|labels| {
            let keep = wanted(&labels.receiver);
            if !keep {
                self.processed.remove(labels);
                for reason in Dropped::ALL {
                    self.dropped.remove(&labels.with(reason));
                }
            }
            keep
        });
    }
}

/// Of one receiver and one protocol of it.
#[derive(Debug, Clone)]
pub struct PacketMetrics {
    processed: Counter,
    /// By `Dropped as usize`.
    dropped: [Counter; 5],
}

impl PacketMetrics {
    pub(super) fn new(all: Arc<Packets>, receiver: String, transport: &'static str) -> Self {
        let labels = Labels { receiver, transport };
        let dropped = |reason| all.dropped.get_or_create_owned(&labels.with(reason));
        let metrics =
            Self { processed: all.processed.get_or_create_owned(&labels), dropped: Dropped::ALL.map(dropped) };
        all.known.lock().insert(labels);
        metrics
    }

    pub fn processed(&self) {
        self.processed.inc();
    }

    /// Counts a packet that is gone; returns how many went so before.
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize].inc()
    }
}
