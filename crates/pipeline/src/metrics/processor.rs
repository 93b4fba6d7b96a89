//! What passes processors: `otelcol_processor_*`.

use std::collections::HashSet;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use trefoil_model::Signal;

use super::items::{ItemCounters, Items};

/// `{processor="batch"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    processor: String,
}

/// `{processor="batch",otel_signal="traces"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    processor: String,
    otel_signal: &'static str,
}

/// The Collector's for the sizes of batches.
const BATCH_SIZES: [f64; 22] = [
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 1e4, 2e4, 3e4,
    5e4, 1e5,
];

#[derive(Debug)]
pub struct Processors {
    incoming: Family<SignalLabels, Counter>,
    outgoing: Family<SignalLabels, Counter>,
    refused: Items<Labels>,
    batch_size: Family<Labels, Histogram>,
    by_size: Family<Labels, Counter>,
    by_timeout: Family<Labels, Counter>,
    known: Mutex<HashSet<String>>,
}

impl Default for Processors {
    fn default() -> Self {
        Self {
            incoming: Family::default(),
            outgoing: Family::default(),
            refused: Items::default(),
            batch_size: Family::new_with_constructor(|| Histogram::new(BATCH_SIZES)),
            by_size: Family::default(),
            by_timeout: Family::default(),
            known: Mutex::default(),
        }
    }
}

impl Processors {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("processor_incoming_items", "Items handed to the processor", self.incoming.clone());
        registry.register("processor_outgoing_items", "Items that the processor handed on", self.outgoing.clone());
        self.refused.register(registry, "processor_refused", "that the processor itself refused (memory_limiter)");
        registry.register("processor_batch_batch_send_size", "Items in a batch sent on", self.batch_size.clone());
        let by_size = "Batches sent because they were large enough";
        registry.register("processor_batch_batch_size_trigger_send", by_size, self.by_size.clone());
        let by_timeout = "Batches sent because their time was up";
        registry.register("processor_batch_timeout_trigger_send", by_timeout, self.by_timeout.clone());
    }

    pub fn processor(&self, processor: String, signal: Signal) -> ProcessorMetrics {
        self.known.lock().insert(processor.clone());
        let labels = SignalLabels { processor, otel_signal: signal.as_str() };
        ProcessorMetrics {
            incoming: self.incoming.get_or_create_owned(&labels),
            outgoing: self.outgoing.get_or_create_owned(&labels),
        }
    }

    pub fn refused_by(&self, processor: String) -> ItemCounters {
        self.known.lock().insert(processor.clone());
        self.refused.of(&Labels { processor })
    }

    pub fn batch(&self, processor: String) -> BatchMetrics {
        self.known.lock().insert(processor.clone());
        let labels = Labels { processor };
        BatchMetrics {
            size: self.batch_size.get_or_create_owned(&labels),
            by_size: self.by_size.get_or_create_owned(&labels),
            by_timeout: self.by_timeout.get_or_create_owned(&labels),
        }
    }

    pub fn knows(&self, processor: String) {
        self.known.lock().insert(processor);
    }

    /// Returns those that are gone.
    pub fn retain(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let gone: Vec<String> = self.known.lock().extract_if(|processor| !wanted(processor)).collect();
        gone.iter().for_each(|processor| self.remove(processor));
        gone
    }

    fn remove(&self, processor: &str) {
        for signal in Signal::ALL {
            let labels = SignalLabels { processor: processor.to_owned(), otel_signal: signal.as_str() };
            self.incoming.remove(&labels);
            self.outgoing.remove(&labels);
        }
        let labels = Labels { processor: processor.to_owned() };
        self.refused.remove(&labels);
        self.batch_size.remove(&labels);
        self.by_size.remove(&labels);
        self.by_timeout.remove(&labels);
    }
}

/// Of one processor in the pipelines of one signal.
#[derive(Debug, Clone)]
pub struct ProcessorMetrics {
    pub incoming: Counter,
    pub outgoing: Counter,
}

/// Of one `batch` processor.
#[derive(Debug, Clone)]
pub struct BatchMetrics {
    size: Histogram,
    by_size: Counter,
    by_timeout: Counter,
}

/// Why a batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    Size,
    /// Also at the end of a pipeline's life.
    Timeout,
}

impl BatchMetrics {
    pub fn triggered(&self, by: Trigger) {
        match by {
            Trigger::Size => self.by_size.inc(),
            Trigger::Timeout => self.by_timeout.inc(),
        };
    }

    pub fn sent(&self, items: u64) {
        self.size.observe(items as f64);
    }
}
