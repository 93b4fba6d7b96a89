//! What the store says about itself. Names are stable; units are in them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Signal, Table};

/// `{signal="traces"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfSignal {
    signal: &'static str,
}

impl From<Signal> for OfSignal {
    fn from(signal: Signal) -> Self {
        Self { signal: signal.as_str() }
    }
}

/// `{table="spans"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfTable {
    table: &'static str,
}

impl From<Table> for OfTable {
    fn from(table: Table) -> Self {
        Self { table: table.name() }
    }
}

/// `{signal="traces",reason="malformed"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refusal {
    pub signal: &'static str,
    pub reason: &'static str,
}

/// `{operation="flush"}`
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Operation {
    pub operation: &'static str,
}

type ByteGauge = Gauge<u64, AtomicU64>;

/// The metrics of one store. Clones share their values.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub accepted_items: Family<OfSignal, Counter>,
    pub rejected_items: Family<OfSignal, Counter>,
    pub repeated_entries: Counter,
    pub received_bytes: Family<OfSignal, Counter>,
    pub refused_requests: Family<Refusal, Counter>,
    pub append_seconds: Histogram,
    pub log_bytes: ByteGauge,
    pub log_written_bytes: Counter,
    pub log_records: Counter,
    pub log_syncs: Counter,
    pub log_sync_seconds: Histogram,
    pub log_lost_records: Counter,
    pub buffer_bytes: ByteGauge,
    pub buffer_rows: ByteGauge,
    pub recent_entries_bytes: ByteGauge,
    pub cache_bytes: ByteGauge,
    pub flushes: Counter,
    pub flush_seconds: Histogram,
    pub flushed_rows: Family<OfTable, Counter>,
    pub flushed_bytes: Family<OfTable, Counter>,
    pub flushed_files: Family<OfTable, Counter>,
    pub flush_failing: ByteGauge,
    pub catalog_commits: Counter,
    pub catalog_commit_seconds: Histogram,
    pub catalog_snapshot: ByteGauge,
    pub deleted_rows: Family<OfTable, Counter>,
    pub retention_rows: Family<OfTable, Counter>,
    pub errors: Family<Operation, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        Self {
            accepted_items: Family::default(),
            rejected_items: Family::default(),
            repeated_entries: Counter::default(),
            received_bytes: Family::default(),
            refused_requests: Family::default(),
            append_seconds: seconds(),
            log_bytes: Gauge::default(),
            log_written_bytes: Counter::default(),
            log_records: Counter::default(),
            log_syncs: Counter::default(),
            log_sync_seconds: seconds(),
            log_lost_records: Counter::default(),
            buffer_bytes: Gauge::default(),
            buffer_rows: Gauge::default(),
            recent_entries_bytes: Gauge::default(),
            cache_bytes: Gauge::default(),
            flushes: Counter::default(),
            flush_seconds: seconds(),
            flushed_rows: Family::default(),
            flushed_bytes: Family::default(),
            flushed_files: Family::default(),
            flush_failing: Gauge::default(),
            catalog_commits: Counter::default(),
            catalog_commit_seconds: seconds(),
            catalog_snapshot: Gauge::default(),
            deleted_rows: Family::default(),
            retention_rows: Family::default(),
            errors: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers everything as `trefoil_storage_*`.
    pub fn register(&self, registry: &mut Registry) {
        let storage = registry.sub_registry_with_prefix("trefoil_storage");
        let accepted = "Spans, log records and data points acknowledged";
        storage.register("accepted_items", accepted, self.accepted_items.clone());
        storage.register("rejected_items", "Items refused for good (partial success)", self.rejected_items.clone());
        let repeated = "Log entries that were stored already when they came";
        storage.register("repeated_entries", repeated, self.repeated_entries.clone());
        let received = "Bodies of export requests, decompressed";
        storage.register_with_unit("received", received, Unit::Bytes, self.received_bytes.clone());
        storage.register(
            "refused_requests",
            "Requests of which nothing was stored, by reason: malformed, unavailable, closed",
            self.refused_requests.clone(),
        );
        let append = "From the body's arrival at the store to its acknowledgement";
        storage.register_with_unit("append", append, Unit::Seconds, self.append_seconds.clone());
        let log = "Segments of the durable log, not yet covered by files";
        storage.register_with_unit("log", log, Unit::Bytes, self.log_bytes.clone());
        let written = "Written to the durable log";
        storage.register_with_unit("log_written", written, Unit::Bytes, self.log_written_bytes.clone());
        storage.register("log_records", "Records written to the durable log", self.log_records.clone());
        storage.register("log_syncs", "Group commits of the durable log", self.log_syncs.clone());
        let sync = "Write and fsync of one group commit";
        storage.register_with_unit("log_sync", sync, Unit::Seconds, self.log_sync_seconds.clone());
        storage.register(
            "log_lost_records",
            "Acknowledged records that a replay could not recover from a damaged log",
            self.log_lost_records.clone(),
        );
        let buffer = "Columns in memory: being filled and being flushed";
        storage.register_with_unit("buffer", buffer, Unit::Bytes, self.buffer_bytes.clone());
        storage.register("buffer_rows", "Rows in memory that are not in files yet", self.buffer_rows.clone());
        let recent = "Memory of which log entries came not long ago";
        storage.register_with_unit("recent_entries", recent, Unit::Bytes, self.recent_entries_bytes.clone());
        let cache = "Footers and bloom filters of files kept in memory";
        storage.register_with_unit("cache", cache, Unit::Bytes, self.cache_bytes.clone());
        storage.register("flushes", "Buffers written to files and committed", self.flushes.clone());
        let flush = "Writing one buffer to files and committing them";
        storage.register_with_unit("flush", flush, Unit::Seconds, self.flush_seconds.clone());
        storage.register("flushed_rows", "Rows written to files", self.flushed_rows.clone());
        storage.register_with_unit("flushed", "Parquet written by flushes", Unit::Bytes, self.flushed_bytes.clone());
        storage.register("flushed_files", "Files written by flushes", self.flushed_files.clone());
        storage.register(
            "flush_failing",
            "1 while flushes fail (object store or catalog unreachable); the log and the buffer grow meanwhile",
            self.flush_failing.clone(),
        );
        storage.register("catalog_commits", "Transactions of flushes in the catalog", self.catalog_commits.clone());
        let commit = "One such transaction";
        storage.register_with_unit("catalog_commit", commit, Unit::Seconds, self.catalog_commit_seconds.clone());
        storage.register("catalog_snapshot", "The catalog version last seen", self.catalog_snapshot.clone());
        let deleted = "Rows that somebody asked to delete";
        storage.register("deleted_rows", deleted, self.deleted_rows.clone());
        storage.register("retention_rows", "Rows that were past their time", self.retention_rows.clone());
        storage.register(
            "errors",
            "Failed operations: log_append, log_release, flush, compaction, retention",
            self.errors.clone(),
        );
    }

    pub fn failed(&self, operation: &'static str) {
        self.errors.get_or_create(&Operation { operation }).inc();
    }
}

/// Tenants come from outside: of more than these nothing is told.
const TOLD_TENANTS: usize = 1000;

/// Tells of the active series when it is asked: `trefoil_storage_active_series{tenant}`, `…_active_series_bytes`, and
/// `…_discarded_samples_total{tenant,reason}`.
#[derive(Clone)]
pub struct SeriesCollector(pub Arc<SeriesIndex>);

impl std::fmt::Debug for SeriesCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeriesCollector")
    }
}

impl Collector for SeriesCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let active = self.0.active();
        let mut tenants = active.tenants();
        tenants.sort_by_key(|(_, series)| std::cmp::Reverse(series.count()));
        tenants.truncate(TOLD_TENANTS);
        let help = "Series that have had a sample in the last two hours";
        let name = "trefoil_storage_active_series";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (tenant, series) in &tenants {
            let labels = [("tenant", tenant.as_str())];
            ConstGauge::new(series.count() as u64).encode(family.encode_family(&labels)?)?;
        }
        let help = "Memory of what is known of active series";
        let bytes = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Gauge)?;
        ConstGauge::new(active.bytes() as u64).encode(bytes)?;
        let help = "Samples refused for good, by reason";
        let name = "trefoil_storage_discarded_samples";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (tenant, series) in &tenants {
            for (reason, count) in series.discarded().filter(|(_, count)| *count > 0) {
                let labels = [("tenant", tenant.as_str()), ("reason", reason.as_str())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_documented() {
        let mut registry = Registry::default();
        let metrics = Metrics::default();
        metrics.register(&mut registry);
        metrics.accepted_items.get_or_create(&Signal::Traces.into()).inc_by(3);
        metrics.failed("flush");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "trefoil_storage_accepted_items_total{signal=\"traces\"} 3",
            "trefoil_storage_errors_total{operation=\"flush\"} 1",
            "trefoil_storage_log_bytes 0",
            "trefoil_storage_append_seconds_count 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
        }
    }
}
