//! The door to the store.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};
use trefoil_model::samples::KnownSamples;
use trefoil_model::series::{DEFAULT_CAPACITY, SeriesIndex};
use trefoil_model::{Limits, Signal, Table, Tenant};
use uuid::Uuid;

use crate::admission::Admission;
use crate::bodies::Learner;
use crate::buffer::{Buffer, Following, View};
use crate::catalog::Catalog;
use crate::compaction::Compactor;
use crate::config::{Acknowledge, StorageConfig};
use crate::engine::{Engine, Promotion};
use crate::error::{AppendError, Appended, StorageError};
use crate::files::FileStore;
use crate::ingest::Request;
use crate::lease::Leases;
use crate::lock::DirectoryLock;
use crate::log::Recovery;
use crate::log::disk::{Disk, LocalDisk};
use crate::maintenance;
use crate::metrics::{Metrics, SeriesCollector};
use crate::recent::{KeptEntries, Recent};
use crate::retention::RetentionConfig;
use crate::scan::Reader;
use crate::sequencer::{Journal, Sequencer};
use crate::snapshot::Snapshot;
use crate::trace_ids::TraceIdsByTenant;

/// How long closing waits for the object store and the catalog.
const LAST_FLUSH: Duration = Duration::from_secs(30);

/// One open store; clones share it. The last one dropped stops the background work; [`Storage::close`] does so in order.
#[derive(Clone)]
pub struct Storage(Arc<Handle>);

struct Handle {
    engine: Arc<Engine>,
    tasks: Mutex<JoinSet<()>>,
    log_thread: Mutex<Option<oneshot::Receiver<()>>>,
    _shutdown: DropGuard,
}

impl Storage {
    /// Opens (or creates) the store, recovers from its log what is not in files yet, and starts the background work.
    /// Says in the program's log what it found and repaired. Errors name the place and what to do.
    pub async fn open(config: StorageConfig) -> Result<Storage, StorageError> {
        config.validate()?;
        let data_url = config.data_url();
        let (options, url) = (config.object_store.clone(), data_url.clone());
        let files = tokio::task::spawn_blocking(move || FileStore::open(&url, &options))
            .await
            .map_err(|error| StorageError::Files(format!("opening {data_url} was cut off: {error}")))??;
        Self::open_on(config, files, Arc::new(LocalDisk)).await
    }

    /// As [`Storage::open`], with files and log on what the caller brings: for tests that make them fail.
    pub async fn open_on(
        config: StorageConfig,
        files: FileStore,
        disk: Arc<dyn Disk>,
    ) -> Result<Storage, StorageError> {
        config.validate()?;
        let trace_ids = TraceIdsByTenant::new(&config.trace_ids)?;
        let has_log = config.acknowledge == Acknowledge::Log;
        let lock = has_log.then(|| DirectoryLock::acquire(&config.path)).transpose()?;
        let catalog = Catalog::open(&config.catalog_url(), &recorded_data_path(&config.data_url())?).await?;
        let snapshot = catalog.snapshot().await?;

        let recovery = has_log.then(|| Recovery::open(&config.log_directory(), disk)).transpose()?;
        let writer = recovery.as_ref().map_or_else(Uuid::now_v7, Recovery::id).to_string();
        let position = snapshot.log_position(&writer).unwrap_or(1);

        let reader = Reader::new(files.clone(), config.cache_bytes.get());
        let mut recent = Recent::new(config.recent_entries_bytes.get(), config.acknowledge);
        let mut kept_entries = None;
        if has_log && config.recent_entries_bytes.get() > 0 {
            let (path, bytes) = (config.log_directory(), config.recent_entries_bytes.get());
            let (kept, entries) = tokio::task::spawn_blocking(move || KeptEntries::open(&path, bytes, position))
                .await
                .map_err(|error| StorageError::Files(format!("reading recent log entries was cut off: {error}")))?;
            recent = recent.knowing(entries);
            kept_entries = Some(Arc::new(Mutex::new(kept)));
        }
        let buffer = Arc::new(Buffer::new(position, recent));
        let metrics = Metrics::default();
        let shutdown = CancellationToken::new();
        let series = Arc::new(SeriesIndex::with_limits(DEFAULT_CAPACITY, config.limits.by_tenant()));
        let max_batch_bytes = usize::try_from(config.log.max_batch_bytes.get()).unwrap_or(usize::MAX);
        let engine = Arc::new(Engine {
            compactor: Compactor::new(catalog.clone(), files.clone(), reader.clone(), config.compaction.options()),
            admission: Admission::new(
                buffer.clone(),
                usize::try_from(config.buffer.max_bytes.get()).unwrap_or(usize::MAX),
            ),
            promotion: Promotion::new(&snapshot),
            fields: Arc::new(Mutex::new(Learner::new(config.fields.clone(), snapshot.columns(Table::Logs)))),
            leases: Leases::default(),
            intake: tokio::sync::RwLock::new(()),
            retention: ArcSwap::from_pointee(config.retention.clone()),
            config,
            catalog,
            files,
            reader,
            writer,
            buffer: buffer.clone(),
            kept_entries,
            trace_ids,
            metrics: metrics.clone(),
            limits: Limits::default(),
            series,
            decoders: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))),
            flushing: tokio::sync::Mutex::new(None),
            wake: Notify::new(),
            committed: Notify::new(),
            sequencer: OnceLock::new(),
            closed: AtomicBool::new(false),
            shutdown: shutdown.clone(),
            lock: Mutex::new(lock),
        });
        let journal = match recovery {
            Some(recovery) => Journal::Log(engine.replay(recovery.start_at(position)).await?),
            None => Journal::Commit { next_sequence: position, waiting: Vec::new() },
        };
        let (sequencer, ended) = Sequencer::start(journal, buffer, metrics, max_batch_bytes)
            .map_err(|cause| StorageError::Io { path: engine.config.log_directory(), cause })?;
        engine.sequencer.get_or_init(|| Mutex::new(Some(sequencer)));

        let mut tasks = JoinSet::new();
        tasks.spawn(maintenance::flush_when_due(engine.clone()));
        tasks.spawn(maintenance::compact_when_due(engine.clone()));
        tasks.spawn(maintenance::collect_when_due(engine.clone()));
        tasks.spawn(maintenance::forget_idle_series(engine.clone()));
        Ok(Storage(Arc::new(Handle {
            engine,
            tasks: Mutex::new(tasks),
            log_thread: Mutex::new(Some(ended)),
            _shutdown: shutdown.drop_guard(),
        })))
    }

    /// What tenants set for themselves is kept in the catalog.
    pub fn settings(&self) -> &Catalog {
        &self.0.engine.catalog
    }

    /// Requests to delete logs are kept in the catalog.
    pub fn deletions(&self) -> &Catalog {
        &self.0.engine.catalog
    }

    /// Stores one OTLP export request (protobuf). On return its accepted items are durable and visible. If the caller
    /// gives up waiting, they may be stored without anybody having been told.
    pub async fn append(&self, tenant: &Tenant, signal: Signal, body: Bytes) -> Result<Appended, AppendError> {
        self.0.engine.append(tenant, Request::Otlp(signal, body)).await
    }

    /// Stores samples of series that [`Storage::series`] knows, and an `ExportMetricsServiceRequest` with the rest of what
    /// came with them; otherwise as [`Storage::append`].
    pub async fn append_samples(
        &self,
        tenant: &Tenant,
        samples: KnownSamples,
        rest: Bytes,
    ) -> Result<Appended, AppendError> {
        self.0.engine.append(tenant, Request::Samples(Box::new(samples), rest)).await
    }

    /// Which series are known, and the last samples of the active ones.
    pub fn series(&self) -> &Arc<SeriesIndex> {
        &self.0.engine.series
    }

    /// Everything of the tenant that was acknowledged before the call.
    pub async fn snapshot(&self, tenant: &Tenant) -> Result<Snapshot, StorageError> {
        self.snapshot_with(tenant, |buffer| (buffer.view(tenant), ())).await.map(|(snapshot, ())| snapshot)
    }

    /// A snapshot, and what this process takes for a table of the tenant afterwards: no row is in both or in neither.
    pub async fn follow(&self, tenant: &Tenant, table: Table) -> Result<(Snapshot, Following), StorageError> {
        self.snapshot_with(tenant, |buffer| buffer.follow(tenant, table)).await
    }

    /// What becomes visible in a table of all tenants from now on.
    pub fn follow_all(&self, table: Table) -> Following {
        self.0.engine.buffer.follow_all(table)
    }

    async fn snapshot_with<T>(
        &self,
        tenant: &Tenant,
        view: impl FnOnce(&Buffer) -> (View, T),
    ) -> Result<(Snapshot, T), StorageError> {
        let engine = &self.0.engine;
        if engine.is_closed() {
            return Err(StorageError::Closed);
        }
        let reader = engine.reader.leased(engine.leases.take());
        // In this order, see `View::above`.
        let (view, more) = view(&engine.buffer);
        let catalog = engine.catalog.snapshot().await?;
        let buffered = Arc::new(view.above(catalog.log_position(&engine.writer)));
        Ok((Snapshot { tenant: tenant.clone(), catalog, reader, buffered }, more))
    }

    /// Waits until files have been added or replaced since the last call. For one who waits.
    pub async fn committed(&self) {
        self.0.engine.committed.notified().await;
    }

    /// Writes what is in the buffer to files and commits them.
    pub async fn flush(&self) -> Result<(), StorageError> {
        self.0.engine.flush().await
    }

    /// Merges small files until there is nothing to merge; returns the number of merges.
    pub async fn compact(&self) -> Result<usize, StorageError> {
        maintenance::compact_all(&self.0.engine).await
    }

    /// Enforces retention and deletes files that nobody can read any more, as happens in the background.
    pub async fn collect(&self) -> Result<(), StorageError> {
        maintenance::collect(&self.0.engine, chrono::Utc::now()).await
    }

    /// How long what is kept from now on; rows that are past it leave within a minute or what `garbage.interval` says.
    pub fn set_retention(&self, retention: RetentionConfig) {
        self.0.engine.retention.store(Arc::new(retention));
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    /// Refuses further appends, flushes, and releases everything (the directory's lock too). With a log, a flush that
    /// fails here loses nothing: the log is replayed at the next start. Calling it again does nothing.
    pub async fn close(&self) -> Result<(), StorageError> {
        let engine = &self.0.engine;
        if engine.closed.swap(true, SeqCst) {
            return Ok(());
        }
        // Flushes of the background task are not needed any more; this one is.
        let flushed = tokio::time::timeout(LAST_FLUSH, engine.flush()).await.unwrap_or_else(|_| {
            Err(StorageError::Files(format!("the object store or the catalog did not answer within {LAST_FLUSH:?}")))
        });
        if let (Err(error), true) = (&flushed, engine.has_log()) {
            warn!(%error, "could not flush before closing; the log has everything, and the next start recovers it");
        }
        engine.shutdown.cancel();
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock());
        while tasks.join_next().await.is_some() {}
        if let Some(sequencer) = engine.sequencer.get() {
            sequencer.lock().take();
        }
        let log_thread = self.0.log_thread.lock().take();
        if let Some(ended) = log_thread {
            let _ = ended.await;
        }
        engine.catalog.close().await;
        engine.lock.lock().take();
        info!("the store is closed");
        match engine.has_log() {
            true => Ok(()),
            false => flushed,
        }
    }

    /// Registers the store's metrics: `trefoil_storage_*`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let engine = &self.0.engine;
        engine.metrics.register(registry);
        engine.compactor.metrics().register(registry);
        engine.reader.metrics().register(registry);
        registry.register_collector(Box::new(SeriesCollector(engine.series.clone())));
    }

    /// Did the last flush fail, because files or the catalog cannot be written? The gauge `trefoil_storage_flush_failing`.
    pub fn is_flush_failing(&self) -> bool {
        self.0.engine.admission.is_flush_failing()
    }
}

/// The data path as the catalog records it: independent of the directory the program was started in.
fn recorded_data_path(url: &str) -> Result<String, StorageError> {
    let directory = match url.split_once("://") {
        None => url,
        Some(("file", path)) => path,
        Some(_) => return Ok(url.to_string()),
    };
    let io = |cause| StorageError::Io { path: directory.into(), cause };
    let absolute = Path::new(directory).canonicalize().or_else(|_| std::path::absolute(directory)).map_err(io)?;
    Ok(absolute.display().to_string())
}
