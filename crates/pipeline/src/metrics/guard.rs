//! What `cardinality_guard` did: `otelcol_processor_cardinality_guard_*`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Labels that are named one by one; more are only logged.
const MOST_NAMED: usize = 1_000;

/// What became of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    Aggregated,
    /// They went on without a label.
    Dropped,
    /// They went on as they were, since they cannot be added up.
    Unsupported,
    /// There was no room to remember their series, so they are gone.
    Overflow,
    /// Aggregated points that nobody downstream took.
    Lost,
}

impl Guarded {
    const ALL: [Guarded; 5] =
        [Guarded::Aggregated, Guarded::Dropped, Guarded::Unsupported, Guarded::Overflow, Guarded::Lost];

    fn as_str(self) -> &'static str {
        match self {
            Guarded::Aggregated => "aggregated",
            Guarded::Dropped => "label_dropped",
            Guarded::Unsupported => "unsupported",
            Guarded::Overflow => "overflow",
            Guarded::Lost => "lost",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PointLabels {
    processor: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeriesLabels {
    processor: String,
    side: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RemovedLabels {
    processor: String,
    tenant: String,
    metric: String,
    label: String,
}

type Count = Gauge<u64, AtomicU64>;

#[derive(Debug, Default)]
pub struct Guards {
    points: Family<PointLabels, Counter>,
    series: Family<SeriesLabels, Count>,
    removed: Family<RemovedLabels, Count>,
    named: Mutex<HashSet<RemovedLabels>>,
}

impl Guards {
    pub fn register(&self, registry: &mut Registry) {
        let points = "Points whose labels the processor was to remove, by what became of them";
        registry.register("processor_cardinality_guard_points", points, self.points.clone());
        let series = "Series that are remembered (in) and what they become (out)";
        registry.register("processor_cardinality_guard_series", series, self.series.clone());
        let removed = "1 for each label that is removed because it has too many values";
        registry.register("processor_cardinality_guard_removed_label", removed, self.removed.clone());
    }

    pub fn remove(&self, processor: &str) {
        for outcome in Guarded::ALL.map(Guarded::as_str) {
            self.points.remove(&PointLabels { processor: processor.to_owned(), outcome });
        }
        for side in ["in", "out"] {
            self.series.remove(&SeriesLabels { processor: processor.to_owned(), side });
        }
        self.named.lock().retain(|labels| {
            let stays = labels.processor != processor;
            if !stays {
                self.removed.remove(labels);
            }
            stays
        });
    }
}

/// Of one processor.
#[derive(Debug, Clone)]
pub struct GuardMetrics {
    processor: String,
    all: Arc<Guards>,
}

impl GuardMetrics {
    pub fn new(all: Arc<Guards>, processor: String) -> Self {
        let metrics = Self { processor, all };
        Guarded::ALL.into_iter().for_each(|outcome| metrics.points(outcome, 0));
        metrics.series((0, 0));
        metrics
    }

    pub fn points(&self, outcome: Guarded, points: u64) {
        let labels = PointLabels { processor: self.processor.clone(), outcome: outcome.as_str() };
        self.all.points.get_or_create(&labels).inc_by(points);
    }

    /// How many series come in and how many go out.
    pub fn series(&self, (coming, going): (usize, usize)) {
        for (side, count) in [("in", coming), ("out", going)] {
            let labels = SeriesLabels { processor: self.processor.clone(), side };
            self.all.series.get_or_create(&labels).set(count as u64);
        }
    }

    /// A label is removed from now on.
    pub fn removes(&self, tenant: &str, metric: &str, label: &str) {
        let labels = self.labels(tenant, metric, label);
        let mut named = self.all.named.lock();
        if named.len() >= MOST_NAMED && !named.contains(&labels) {
            return;
        }
        self.all.removed.get_or_create(&labels).set(1);
        named.insert(labels);
    }

    /// Which labels (tenant, metric, label) are removed still.
    pub fn removes_only<'l>(&self, still: impl Iterator<Item = (&'l str, &'l str, &'l str)>) {
        let still: HashSet<RemovedLabels> =
            still.map(|(tenant, metric, label)| self.labels(tenant, metric, label)).collect();
        self.all.named.lock().retain(|labels| {
            let stays = labels.processor != self.processor || still.contains(labels);
            if !stays {
                self.all.removed.remove(labels);
            }
            stays
        });
    }

    fn labels(&self, tenant: &str, metric: &str, label: &str) -> RemovedLabels {
        let [tenant, metric, label] = [tenant, metric, label].map(str::to_owned);
        RemovedLabels { processor: self.processor.clone(), tenant, metric, label }
    }
}
