//! Messages, packets and connections of `syslog` receivers: `otelcol_syslog_receiver_*`, and the Collector's `otelcol_tcp_input_*`.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Count = Gauge<u64, AtomicU64>;

/// Why a packet is gone; nobody waits for an answer who could send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroppedPacket {
    /// As many as may wait do so already.
    QueueFull,
    /// The records under way are as large as they may be together.
    Busy,
}

impl DroppedPacket {
    const ALL: [DroppedPacket; 2] = [DroppedPacket::QueueFull, DroppedPacket::Busy];

    pub fn as_str(self) -> &'static str {
        match self {
            DroppedPacket::QueueFull => "queue_full",
            DroppedPacket::Busy => "busy",
        }
    }
}

/// `{receiver="syslog",transport="tcp"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    receiver: String,
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiverLabel {
    receiver: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    receiver: String,
    reason: &'static str,
}

const TRANSPORTS: [&str; 2] = ["tcp", "udp"];

#[derive(Debug, Default)]
pub struct Syslogs {
    malformed: Family<Labels, Counter>,
    truncated: Family<Labels, Counter>,
    dropped: Family<DroppedLabels, Counter>,
    active: Family<ReceiverLabel, Count>,
    refused: Family<ReceiverLabel, Counter>,
    known: Mutex<HashSet<String>>,
}

impl Syslogs {
    pub fn register(&self, registry: &mut Registry) {
        let malformed = "Messages that are none of the configured protocol";
        registry.register("syslog_receiver_malformed_messages", malformed, self.malformed.clone());
        let truncated = "Messages that were longer than their limit, or whose end never came";
        registry.register("syslog_receiver_truncated_messages", truncated, self.truncated.clone());
        let dropped = "UDP packets that are gone, by reason";
        registry.register("syslog_receiver_dropped_packets", dropped, self.dropped.clone());
        registry.register("tcp_input_active_connections", "TCP connections that are open", self.active.clone());
        let refused = "TCP connections that were refused, as there were max_connections";
        registry.register("tcp_input_refused_connections", refused, self.refused.clone());
    }

    pub fn over(&self, receiver: String, transport: &'static str) -> SyslogMetrics {
        self.known.lock().insert(receiver.clone());
        let labels = Labels { receiver, transport };
        SyslogMetrics {
            malformed: self.malformed.get_or_create_owned(&labels),
            truncated: self.truncated.get_or_create_owned(&labels),
        }
    }

    pub fn connections(&self, receiver: String) -> ConnectionMetrics {
        self.known.lock().insert(receiver.clone());
        let label = ReceiverLabel { receiver };
        ConnectionMetrics {
            active: self.active.get_or_create_owned(&label),
            refused: self.refused.get_or_create_owned(&label),
        }
    }

    pub fn packets_dropped(&self, receiver: String) -> PacketsDropped {
        self.known.lock().insert(receiver.clone());
        let labels = |reason: DroppedPacket| DroppedLabels { receiver: receiver.clone(), reason: reason.as_str() };
        PacketsDropped(DroppedPacket::ALL.map(|reason| self.dropped.get_or_create_owned(&labels(reason))))
    }

    pub fn retain(&self, wanted: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.known.lock().extract_if(|receiver| !wanted(receiver)).collect();
        for receiver in gone {
            for transport in TRANSPORTS {
                let labels = Labels { receiver: receiver.clone(), transport };
                self.malformed.remove(&labels);
                self.truncated.remove(&labels);
            }
            for reason in DroppedPacket::ALL {
                self.dropped.remove(&DroppedLabels { receiver: receiver.clone(), reason: reason.as_str() });
            }
            let label = ReceiverLabel { receiver };
            self.active.remove(&label);
            self.refused.remove(&label);
        }
    }
}

/// Of one receiver and one transport of it.
#[derive(Debug, Clone)]
pub struct SyslogMetrics {
    pub malformed: Counter,
    pub truncated: Counter,
}

/// Of one receiver over TCP.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    pub active: Count,
    pub refused: Counter,
}

/// Of one receiver over UDP; by `DroppedPacket as usize`.
#[derive(Debug, Clone)]
pub struct PacketsDropped([Counter; 2]);

impl PacketsDropped {
    /// Counts a packet that is gone; returns how many went so before.
    pub fn dropped(&self, reason: DroppedPacket) -> u64 {
        self.0[reason as usize].inc()
    }
}
