//! What the parts of the store share.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use arrow::datatypes::Field;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use trefoil_model::promote::{KeyCounts, Learner};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Table};

use crate::admission::Admission;
use crate::bodies;
use crate::buffer::Buffer;
use crate::catalog::{Catalog, CatalogSnapshot};
use crate::compaction::Compactor;
use crate::config::{Acknowledge, StorageConfig};
use crate::error::AppendError;
use crate::files::FileStore;
use crate::flush::Pending;
use crate::lease::Leases;
use crate::lock::DirectoryLock;
use crate::metrics::Metrics;
use crate::recent::KeptEntries;
use crate::retention::RetentionConfig;
use crate::scan::Reader;
use crate::sequencer::Sequencer;
use crate::trace_ids::TraceIdsByTenant;

pub(crate) struct Engine {
    pub config: StorageConfig,
    pub catalog: Catalog,
    pub files: FileStore,
    pub reader: Reader,
    pub compactor: Compactor,
    /// Whose log position in the catalog is this store's.
    pub writer: String,
    pub buffer: Arc<Buffer>,
    /// Which entries of logs are in files, beside the log, if there is one.
    pub kept_entries: Option<Arc<Mutex<KeptEntries>>>,
    pub trace_ids: TraceIdsByTenant,
    pub admission: Admission,
    pub metrics: Metrics,
    pub limits: Limits,
    pub series: Arc<SeriesIndex>,
    /// Held by requests from before they are decoded until the sequencer has them, so that a deletion can draw a line.
    pub intake: tokio::sync::RwLock<()>,
    pub leases: Leases,
    /// As of the last reload.
    pub retention: ArcSwap<RetentionConfig>,
    /// One permit a core: more long bodies decoded at once would take more memory and no less time.
    pub decoders: Arc<Semaphore>,
    pub promotion: Promotion,
    /// Which fields of bodies become columns.
    pub fields: Arc<Mutex<bodies::Learner>>,
    /// The flush under way or to be tried again. Whoever holds this flushes.
    pub flushing: tokio::sync::Mutex<Option<Pending>>,
    /// Something may be due for a flush.
    pub wake: Notify,
    /// Files were added or replaced.
    pub committed: Notify,
    /// Set after the replay; gone once the store is closed.
    pub sequencer: OnceLock<Mutex<Option<Sequencer>>>,
    pub closed: AtomicBool,
    pub shutdown: CancellationToken,
    pub lock: Mutex<Option<DirectoryLock>>,
}

impl Engine {
    pub(crate) fn sequencer(&self) -> Result<Sequencer, AppendError> {
        self.sequencer.get().and_then(|sequencer| sequencer.lock().clone()).ok_or(AppendError::Closed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(crate) fn has_log(&self) -> bool {
        self.config.acknowledge == Acknowledge::Log
    }

    /// Metrics of what is held in memory, as of now.
    pub(crate) fn observe_memory(&self) {
        let size = self.buffer.size();
        self.metrics.buffer_bytes.set(size.bytes as u64);
        self.metrics.buffer_rows.set(size.rows as u64);
        self.metrics.recent_entries_bytes.set(self.buffer.recent_bytes());
        self.metrics.cache_bytes.set(self.reader.cache_bytes());
    }
}

/// Which attributes are columns, and the learning of further ones.
pub(crate) struct Promotion {
    current: ArcSwap<Promoted>,
    learners: Mutex<[Learner; 2]>,
}

impl Promotion {
    /// What the catalog has as columns, and the conventions.
    pub(crate) fn new(snapshot: &CatalogSnapshot) -> Self {
        Self {
            current: ArcSwap::from_pointee(restore(snapshot)),
            learners: Mutex::new([Learner::new(Table::Spans), Learner::new(Table::Logs)]),
        }
    }

    pub(crate) fn current(&self) -> Arc<Promoted> {
        self.current.load_full()
    }

    /// Takes note of attributes that are not columns. Returns columns that should exist from now on: they are used once
    /// the catalog has them ([`Promotion::adopt`]), so that two processes cannot give one key two types.
    pub(crate) fn observe(&self, table: Table, seen: &KeyCounts) -> Vec<(Table, Field)> {
        let index = match table {
            Table::Spans => 0,
            Table::Logs => 1,
            Table::Samples | Table::Series | Table::Exemplars => return Vec::new(),
        };
        let known = self.current();
        let Some(extended) = self.learners.lock()[index].observe(seen, &known) else { return Vec::new() };
        extended.columns(table)[known.columns(table).len()..].iter().map(|column| (table, column.field())).collect()
    }

    /// Uses the columns that the catalog has now.
    pub(crate) fn adopt(&self, snapshot: &CatalogSnapshot) {
        let known = self.current();
        let is_new = |table: Table, scopes: &[arrow::datatypes::FieldRef]| {
            scopes.iter().any(|field| {
                trefoil_model::promote::Scope::split(field.name())
                    .is_some_and(|(scope, key)| known.lookup(table, scope, key.as_bytes()).is_none())
            })
        };
        if is_new(Table::Spans, snapshot.columns(Table::Spans).schema().fields())
            || is_new(Table::Logs, snapshot.columns(Table::Logs).schema().fields())
        {
            self.current.store(Arc::new(restore(snapshot)));
        }
    }
}

fn restore(snapshot: &CatalogSnapshot) -> Promoted {
    let fields = |table: Table| snapshot.columns(table).schema().fields().clone();
    Promoted::restore(&fields(Table::Spans), &fields(Table::Logs))
}
