//! What the pipelines say about themselves, under the names of the Collector's internal telemetry, so that dashboards
//! and alerts made for it work: `otelcol_receiver_accepted_spans_total`, `otelcol_exporter_queue_size`, …
//! (The Collector's documentation.md of receiverhelper, processorhelper, exporterhelper, batchprocessor and servicegraphconnector; units and
//! `_total` are in the names as Prometheus wants them.)
//!
//! Families are registered once, for the life of the process; components get handles by their ids when they are built.
//! A component that a reload builds anew counts on where the one before it stopped; of one that is gone from the
//! configuration the series go too ([`Metrics::retain`]).

use std::sync::Arc;

use prometheus_client::registry::Registry;

use self::connector::Connectors;
use self::exporter::Exporters;
use self::files::Files;
use self::guard::Guards;
use self::journald::Journals;
use self::packets::Packets;
use self::processor::Processors;
use self::receiver::Receivers;
use self::syslog::Syslogs;
use self::workflow::Workflows;

mod connector;
mod exporter;
mod files;
mod guard;
mod items;
mod journald;
mod packets;
mod processor;
mod receiver;
mod scrape;
mod syslog;
#[cfg(test)]
mod tests;
mod workflow;

pub use connector::{OutletMetrics, PropagationMetrics, ServiceGraphMetrics, SpanMetrics};
pub use exporter::{ExporterMetrics, QueueMetrics};
pub use files::FileMetrics;
pub use guard::{GuardMetrics, Guarded};
pub use items::ItemCounters;
pub use journald::JournaldMetrics;
pub use packets::{Dropped, PacketMetrics};
pub use processor::{BatchMetrics, ProcessorMetrics, Trigger};
pub use receiver::{ReceiverMetrics, RequestMetrics, TransportMetrics};
pub use scrape::ScrapeMetrics;
pub use syslog::{ConnectionMetrics, DroppedPacket, PacketsDropped, SyslogMetrics};
pub use workflow::WorkflowMetrics;

/// The metrics of all components. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    receivers: Arc<Receivers>,
    packets: Arc<Packets>,
    workflows: Arc<Workflows>,
    files: Arc<Files>,
    syslogs: Arc<Syslogs>,
    journals: Arc<Journals>,
    processors: Arc<Processors>,
    guards: Arc<Guards>,
    connectors: Arc<Connectors>,
    exporters: Arc<Exporters>,
    scrapes: ScrapeMetrics,
}

impl Metrics {
    /// Registers everything as `otelcol_*`, and what is about scraping as `prometheus_target_*`.
    pub fn register(&self, registry: &mut Registry) {
        self.scrapes.register(registry);
        let registry = registry.sub_registry_with_prefix("otelcol");
        self.receivers.register(registry);
        self.packets.register(registry);
        self.workflows.register(registry);
        self.files.register(registry);
        self.syslogs.register(registry);
        self.journals.register(registry);
        self.processors.register(registry);
        self.guards.register(registry);
        self.connectors.register(registry);
        self.exporters.register(registry);
    }

    /// Of all that is scraped.
    pub fn scrapes(&self) -> ScrapeMetrics {
        self.scrapes.clone()
    }

    /// Of the receiver `id`, or of whatever else takes telemetry in.
    pub fn receiver(&self, id: impl ToString) -> ReceiverMetrics {
        ReceiverMetrics::new(self.receivers.clone(), id.to_string())
    }

    /// Of the UDP packets that come to the `jaeger` receiver `id`.
    pub fn packets(&self, id: impl ToString, transport: &'static str) -> PacketMetrics {
        PacketMetrics::new(self.packets.clone(), id.to_string(), transport)
    }

    /// Of the events that come to the `workflow` receiver `id`.
    pub fn workflows(&self, id: impl ToString) -> WorkflowMetrics {
        self.workflows.of(id.to_string())
    }

    /// Of the files that the `filelog` receiver `id` reads.
    pub fn files(&self, id: impl ToString) -> FileMetrics {
        self.files.of(id.to_string())
    }

    /// Of the messages that come to the `syslog` receiver `id` over `tcp` or `udp`.
    pub fn syslog(&self, id: impl ToString, transport: &'static str) -> SyslogMetrics {
        self.syslogs.over(id.to_string(), transport)
    }

    /// Of the TCP connections to the receiver `id`.
    pub fn connections(&self, id: impl ToString) -> ConnectionMetrics {
        self.syslogs.connections(id.to_string())
    }

    /// Of the UDP packets that come to the `syslog` receiver `id` and are gone.
    pub fn packets_dropped(&self, id: impl ToString) -> PacketsDropped {
        self.syslogs.packets_dropped(id.to_string())
    }

    /// Of the `journald` receiver `id`.
    pub fn journald(&self, id: impl ToString) -> JournaldMetrics {
        self.journals.of(id.to_string())
    }

    /// What goes into and comes out of the processor `id` in pipelines of `signal`.
    pub fn processor(&self, id: impl ToString, signal: trefoil_model::Signal) -> ProcessorMetrics {
        self.processors.processor(id.to_string(), signal)
    }

    /// What the processor `id` refuses itself.
    pub fn refused_by(&self, id: impl ToString) -> ItemCounters {
        self.processors.refused_by(id.to_string())
    }

    /// Of the `batch` processor `id`.
    pub fn batch(&self, id: impl ToString) -> BatchMetrics {
        self.processors.batch(id.to_string())
    }

    /// Of the `cardinality_guard` processor `id`.
    pub fn guard(&self, id: impl ToString) -> GuardMetrics {
        self.processors.knows(id.to_string());
        GuardMetrics::new(self.guards.clone(), id.to_string())
    }

    /// Of what the connector `id` holds and hands on.
    pub fn outlet(&self, id: impl ToString) -> OutletMetrics {
        self.connectors.outlet(id.to_string())
    }

    /// Of the `spanmetrics` connector `id`.
    pub fn span_metrics(&self, id: impl ToString) -> SpanMetrics {
        self.connectors.span_metrics(id.to_string())
    }

    /// Of the `servicegraph` connector `id`.
    pub fn service_graph(&self, id: impl ToString) -> ServiceGraphMetrics {
        self.connectors.service_graph(id.to_string())
    }

    /// Of the `propagation` connector `id`.
    pub fn propagation(&self, id: impl ToString) -> PropagationMetrics {
        self.connectors.propagation(id.to_string())
    }

    /// Of the exporter `id`.
    pub fn exporter(&self, id: impl ToString) -> ExporterMetrics {
        self.exporters.exporter(id.to_string())
    }

    /// Of the sending queue of the exporter `id`.
    pub fn queue(&self, id: impl ToString) -> QueueMetrics {
        QueueMetrics::new(self.exporters.clone(), id.to_string())
    }

    /// Forgets the series of one exporter.
    pub fn forget_exporter(&self, id: impl ToString) {
        let gone = id.to_string();
        self.exporters.retain(|name| name != gone);
    }

    /// Forgets the series of components whose ids are not wanted any more.
    pub fn retain(
        &self,
        receiver: impl Fn(&str) -> bool,
        processor: impl Fn(&str) -> bool,
        connector: impl Fn(&str) -> bool,
        exporter: impl Fn(&str) -> bool,
    ) {
        self.receivers.retain(&receiver);
        self.packets.retain(&receiver);
        self.workflows.retain(&receiver);
        self.files.retain(&receiver);
        self.syslogs.retain(&receiver);
        self.journals.retain(&receiver);
        for gone in self.processors.retain(processor) {
            self.guards.remove(&gone);
        }
        self.connectors.retain(connector);
        self.exporters.retain(exporter);
    }
}
