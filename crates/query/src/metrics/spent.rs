//! What the selectors of a query read and what they could leave out, for whoever asks how an answer came about.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;
use trefoil_model::Table;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::source::SelectHints;
use trefoil_storage::Snapshot;

/// The samples of the store, as one selector read them: numbers and distributions in a round each. (Series are found in an
/// index in memory.)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSpent {
    /// Files that had to be opened, and those of the tenant that what the catalog knows of them has spared.
    pub files: u64,
    pub pruned_files: u64,
    /// Of the files opened, likewise by their statistics.
    pub row_groups: u64,
    pub pruned_row_groups: u64,
    /// Fetched from files.
    pub bytes: u64,
    /// That were read, those of the buffer included.
    pub rows: u64,
    /// That were looked through in memory, where a question before had left them decoded.
    pub kept_rows: u64,
}

impl TableSpent {
    pub fn add(&mut self, more: &Self) {
        self.files += more.files;
        self.pruned_files += more.pruned_files;
        self.row_groups += more.row_groups;
        self.pruned_row_groups += more.pruned_row_groups;
        self.bytes += more.bytes;
        self.rows += more.rows;
        self.kept_rows += more.kept_rows;
    }
}

/// What one selector took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectorSpent {
    pub selector: String,
    /// Milliseconds since the epoch, both inclusive.
    pub start_ms: i64,
    pub end_ms: i64,
    /// Metrics of the store whose names fit, their series, and those of them that fulfilled the matchers.
    pub metrics: usize,
    pub series_looked_at: usize,
    pub stored_series: usize,
    /// Prometheus' series of them, and their samples (a histogram is one).
    pub series: usize,
    pub samples: usize,
    pub samples_table: TableSpent,
    pub time: Duration,
}

/// Filled while a query runs. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Spent(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    current: SelectorSpent,
    selectors: Vec<SelectorSpent>,
}

impl Spent {
    /// What the selectors took, in the order in which they were read.
    pub fn selectors(&self) -> Vec<SelectorSpent> {
        self.with(|told| told.selectors.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what the selector that is being read has taken so far.
    pub fn note(&self, note: impl FnOnce(&mut SelectorSpent)) {
        self.with(|told| note(&mut told.current));
    }

    /// Notes what a plan over samples has done that ran to its end.
    pub fn ran(&self, plan: &dyn ExecutionPlan, snapshot: &Snapshot) {
        let mut scanned = Scanned::default();
        scanned.add(plan);
        let all = snapshot.catalog().files(Table::Samples, snapshot.tenant()).len();
        self.note(|spent| {
            spent.samples_table.add(&TableSpent {
                files: scanned.files.len() as u64,
                pruned_files: all.saturating_sub(scanned.files.len()) as u64,
                row_groups: scanned.row_groups,
                pruned_row_groups: scanned.pruned_row_groups,
                bytes: scanned.bytes,
                rows: scanned.rows,
                kept_rows: 0,
            });
        });
    }

    /// Closes the account of a selector.
    pub fn selected(&self, matchers: &[Matcher], hints: &SelectHints, read: Read) {
        let matchers: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
        self.with(|told| {
            let noted = std::mem::take(&mut told.current);
            told.selectors.push(SelectorSpent {
                selector: format!("{{{}}}", matchers.join(", ")),
                start_ms: hints.start,
                end_ms: hints.end,
                series: read.series,
                samples: read.samples,
                time: read.time,
                ..noted
            });
        });
    }
}

/// What a selector came to, and how long that took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Read {
    pub series: usize,
    pub samples: usize,
    pub time: Duration,
}

#[derive(Default)]
struct Scanned {
    files: HashSet<String>,
    row_groups: u64,
    pruned_row_groups: u64,
    bytes: u64,
    rows: u64,
}

impl Scanned {
    fn add(&mut self, plan: &dyn ExecutionPlan) {
        for child in plan.children() {
            self.add(child.as_ref());
        }
        let metrics = plan.metrics();
        if plan.children().is_empty() {
            self.rows += metrics.as_ref().and_then(|metrics| metrics.output_rows()).unwrap_or(0) as u64;
        }
        let source = plan.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        let config = source.and_then(|source| source.as_ref().downcast_ref::<FileScanConfig>());
        for file in config.iter().flat_map(|config| &config.file_groups).flat_map(|group| group.iter()) {
            self.files.insert(file.object_meta.location.to_string());
        }
        for metric in metrics.iter().flat_map(|metrics| metrics.iter()) {
            match metric.value() {
                MetricValue::Count { name, count } if name == "bytes_scanned" => self.bytes += count.value() as u64,
                MetricValue::PruningMetrics { name, pruning_metrics } if name == "row_groups_pruned_statistics" => {
                    self.row_groups += pruning_metrics.matched() as u64;
                    self.pruned_row_groups += pruning_metrics.pruned() as u64;
                }
                _ => {}
            }
        }
    }
}
