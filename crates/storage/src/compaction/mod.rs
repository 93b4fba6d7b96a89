//! Keeping files few: small files of one tenant, table and day become one.
//!
//! Row groups that are large already are moved as they are, byte for byte: they hold what arrived in one stretch of time, so
//! they stay prunable by time, and moving them costs next to nothing. Small row groups are sorted together, column by column,
//! and written as large ones. Samples are sorted together far beyond one row group, each of which then has some of the series
//! for a longer time: that is what makes them small (docs/decisions/0018-small-samples.md). Replacing the old files by the new one is a single commit: whoever is killed, the catalog lists
//! the old files or the new one; what nobody lists is collected by [`crate::retention::collect`].

mod groups;
mod merge;
mod plan;
mod ranges;
mod rewrite;
mod section;
mod stitch;

pub(crate) use groups::Group;
pub(crate) use rewrite::Keep;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};
use tokio_util::task::AbortOnDropHandle;
use trefoil_model::Table;

use crate::catalog::{Catalog, CatalogError, Change, NewFile, TableColumns};
use crate::error::StorageError;
use crate::files::{FileStore, FilesError};
use crate::scan::Reader;

/// What compaction aims at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactionOptions {
    /// Files from half of this on are left alone; none is made larger.
    pub target_bytes: u64,
    /// Of the current day, so many files are merged at once; of days past, two suffice.
    pub min_files: usize,
    /// A day to which nothing was added for so long counts as past, whichever it is.
    pub settled_after: Duration,
    /// The most files read by one job.
    pub max_files: usize,
}

impl Default for CompactionOptions {
    fn default() -> Self {
        Self { target_bytes: 256 << 20, min_files: 8, settled_after: Duration::from_secs(15 * 60), max_files: 64 }
    }
}

/// What one job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    pub table: Table,
    pub files: usize,
    pub rows: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

#[derive(Debug, Clone, Default)]
pub struct CompactionMetrics {
    pub jobs: Counter,
    /// Jobs whose inputs somebody else removed meanwhile.
    pub conflicts: Counter,
    pub merged_files: Counter,
    pub read_bytes: Counter,
    pub written_bytes: Counter,
    pub busy_seconds: Counter<f64, std::sync::atomic::AtomicU64>,
}

impl CompactionMetrics {
    /// Registers everything as `trefoil_storage_compaction_*`.
    pub fn register(&self, registry: &mut Registry) {
        let compaction = registry.sub_registry_with_prefix("trefoil_storage_compaction");
        compaction.register("jobs", "Merges committed", self.jobs.clone());
        let conflicts = "Merges thrown away because another process removed their input";
        compaction.register("conflicts", conflicts, self.conflicts.clone());
        compaction.register("merged_files", "Files replaced by larger ones", self.merged_files.clone());
        compaction.register_with_unit("read", "Size of the files replaced", Unit::Bytes, self.read_bytes.clone());
        compaction.register_with_unit("written", "Size of the files made", Unit::Bytes, self.written_bytes.clone());
        compaction.register_with_unit("busy", "Time spent merging", Unit::Seconds, self.busy_seconds.clone());
    }
}

/// Merges files, one job at a time on one thread. Any number of processes may do so over one catalog: of two that merge the
/// same files one loses, and nothing is lost.
#[derive(Debug, Clone)]
pub struct Compactor {
    catalog: Catalog,
    files: FileStore,
    reader: Reader,
    options: CompactionOptions,
    metrics: CompactionMetrics,
    /// Merges that failed, and when: one damaged file must not hold up all others.
    failed: Arc<Mutex<HashMap<plan::Key, Instant>>>,
    /// Whoever replaces files of this process holds it: a deletion is not to lose its work to a merge.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// How long a merge that failed is not tried again.
const HOLD: Duration = Duration::from_secs(600);

impl Compactor {
    pub fn new(catalog: Catalog, files: FileStore, reader: Reader, options: CompactionOptions) -> Self {
        Self {
            catalog,
            files,
            reader,
            options,
            metrics: CompactionMetrics::default(),
            failed: Arc::default(),
            turn: Arc::default(),
        }
    }

    pub fn metrics(&self) -> &CompactionMetrics {
        &self.metrics
    }

    /// Does the most urgent job; `None` when there is nothing to do. Call it again soon after `Some`.
    ///
    /// Errors leave everything as it was: an unreadable input (named), a failing store or catalog.
    pub async fn run_once(&self) -> Result<Option<Compacted>, StorageError> {
        let _turn = self.turn.lock().await;
        let started = Instant::now();
        let snapshot = self.catalog.snapshot().await?;
        let held = self.held();
        let job = plan::next_job(&snapshot, &self.options, Utc::now(), |key| !held.contains(key));
        let Some(job) = job.map(Arc::new) else { return Ok(None) };
        tracing::debug!(table = job.table.name(), files = job.files.len(), "compacting");
        let merged = self.merge(&job, snapshot.columns(job.table).clone()).await;
        let file = merged.inspect_err(|error| {
            let (table, tenant) = (job.table.name(), job.tenant.as_str());
            tracing::warn!(%error, table, tenant, day = job.day, "cannot merge these files; others go first for a while");
            self.failed.lock().insert(job.key(), Instant::now());
        })?;
        let compacted = Compacted {
            table: job.table,
            files: job.files.len(),
            rows: file.rows,
            bytes_before: job.files.iter().map(|file| file.size_bytes).sum(),
            bytes_after: file.size_bytes,
        };
        let is_committed = self.commit(&job, file).await?;
        self.metrics.busy_seconds.inc_by(started.elapsed().as_secs_f64());
        if !is_committed {
            self.metrics.conflicts.inc();
            return Ok(None);
        }
        self.metrics.jobs.inc();
        self.metrics.merged_files.inc_by(compacted.files as u64);
        self.metrics.read_bytes.inc_by(compacted.bytes_before);
        self.metrics.written_bytes.inc_by(compacted.bytes_after);
        Ok(Some(compacted))
    }

    /// In a task of its own: the Parquet library panics on some damaged files.
    async fn merge(&self, job: &Arc<plan::Job>, columns: Arc<TableColumns>) -> Result<NewFile, FilesError> {
        let (files, reader, job) = (self.files.clone(), self.reader.clone(), Arc::clone(job));
        let expected: u64 = job.files.iter().map(|file| file.rows).sum();
        let merge = async move { merge::merge(&files, &reader, &columns, &job, None).await };
        match AbortOnDropHandle::new(tokio::spawn(merge)).await?? {
            Some(file) if file.rows == expected => Ok(file),
            Some(file) => Err(FilesError::read(&file.path, format!("it has {} rows instead of {expected}", file.rows))),
            None => Err(FilesError::Encode { path: "a merged file".into(), reason: "its inputs have no rows".into() }),
        }
    }

    /// What failed not long ago.
    fn held(&self) -> HashSet<plan::Key> {
        let mut failed = self.failed.lock();
        failed.retain(|_, when| when.elapsed() < HOLD);
        failed.keys().cloned().collect()
    }

    /// Whether the inputs were still there to be replaced.
    async fn commit(&self, job: &plan::Job, file: NewFile) -> Result<bool, StorageError> {
        let path = file.path.clone();
        let change =
            Change { add: vec![file], remove: job.files.iter().map(|file| file.id).collect(), ..Change::default() };
        match self.catalog.commit(change).await {
            Ok(_) => Ok(true),
            Err(CatalogError::Conflict { .. }) => {
                // Certainly not committed. After any other error that is unknown, and the file must stay.
                self.files.delete([path]).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
