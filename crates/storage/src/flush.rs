//! From buffer to files: freeze, write, commit, forget.
//!
//! The commit lists the files *and* moves the log position to the generation's end, in one transaction. Before it, a
//! replay brings the rows back; after it, a replay leaves them out. Whether a commit whose answer got lost happened is
//! asked of the catalog, never guessed: with a log by trying it again, without one by [withdrawing](crate::refusal) it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};
use trefoil_model::promote::Scope;
use trefoil_model::{Table, Tenant};

use crate::buffer::Frozen;
use crate::catalog::{CatalogError, CatalogSnapshot, Change, NewFile};
use crate::engine::Engine;
use crate::error::StorageError;
use crate::files;
use crate::refusal::PATIENCE;
use crate::sequencer::{Acknowledgement, Cut};

/// Files written at once: sorting and encoding is work for a core each …
const WRITERS: usize = 2;
/// … but object stores let one wait.
const REMOTE_WRITERS: usize = 16;

/// A flush that has begun.
pub(crate) struct Pending {
    pub frozen: Arc<Frozen>,
    /// Without a log: who waits for the commit …
    pub waiting: Vec<Acknowledgement>,
    /// … and when the first of them will have waited long enough.
    pub deadline: Option<Instant>,
    /// Once they are written: a commit that failed is tried again with the same files.
    pub files: Option<Vec<NewFile>>,
    /// When they were begun to be written.
    written: Instant,
    /// The catalog did not say whether the commit happened.
    pub is_unanswered: bool,
}

impl Pending {
    fn new(cut: Cut, deadline: Option<Instant>) -> Self {
        Self {
            frozen: cut.frozen,
            waiting: cut.waiting,
            deadline,
            files: None,
            written: Instant::now(),
            is_unanswered: false,
        }
    }
}

impl Engine {
    /// Everything appended before the call is in files when it returns. It goes on if the caller goes away.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<(), StorageError> {
        let engine = self.clone();
        let flush = tokio::spawn(async move { engine.flush_in_turn().await });
        flush.await.map_err(|error| StorageError::Files(format!("the flush was cut off: {error}")))?
    }

    async fn flush_in_turn(&self) -> Result<(), StorageError> {
        let mut pending = self.flushing.lock().await;
        // What an earlier flush left goes first: there is one frozen generation.
        self.finish(&mut pending).await?;
        let sequencer = self.sequencer().map_err(|_| StorageError::Closed)?;
        let deadline = self.deadline();
        *pending = sequencer.freeze().await.map(|cut| Pending::new(cut, deadline));
        if pending.is_none() && self.admission.is_flush_failing() {
            // There is nothing to try it with. Whoever asks whether it works must not need to send something first.
            self.catalog.snapshot().await?;
            self.set_flush_failing(false);
        }
        self.finish(&mut pending).await
    }

    /// Draws a line: everything of the tenant that was acknowledged before the call is in files of the snapshot that is
    /// returned, nothing that arrived later is, and whatever arrives later brings its `series` row again.
    pub(crate) async fn seal(self: &Arc<Self>, tenant: &Tenant) -> Result<Arc<CatalogSnapshot>, StorageError> {
        let (engine, tenant) = (self.clone(), tenant.clone());
        let seal = tokio::spawn(async move { engine.seal_in_turn(&tenant).await });
        seal.await.map_err(|error| StorageError::Files(format!("the flush was cut off: {error}")))?
    }

    async fn seal_in_turn(&self, tenant: &Tenant) -> Result<Arc<CatalogSnapshot>, StorageError> {
        // Held to the end, so that no later flush gets into the snapshot.
        let mut pending = self.flushing.lock().await;
        self.finish(&mut pending).await?;
        let sequencer = self.sequencer().map_err(|_| StorageError::Closed)?;
        let deadline = self.deadline();
        {
            let _nobody_on_the_way = self.intake.write().await;
            self.series.forget(tenant);
            *pending = sequencer.freeze().await.map(|cut| Pending::new(cut, deadline));
        }
        self.finish(&mut pending).await?;
        Ok(self.catalog.snapshot().await?)
    }

    /// Without a log: of the active generation.
    fn deadline(&self) -> Option<Instant> {
        let left = PATIENCE.saturating_sub(self.buffer.age().unwrap_or_default());
        (!self.has_log()).then(|| Instant::now() + left)
    }

    /// Flushes what a replay found so far; `end` is the position after the last record.
    pub(crate) async fn flush_replayed(&self, end: u64) -> Result<(), StorageError> {
        let mut pending = self.flushing.lock().await;
        self.finish(&mut pending).await?;
        let cut = self.buffer.freeze(end).map(|frozen| Cut { frozen, waiting: Vec::new() });
        *pending = cut.map(|cut| Pending::new(cut, None));
        self.finish(&mut pending).await
    }

    /// Is a flush waiting to be tried again?
    pub(crate) fn has_pending_flush(&self) -> bool {
        self.flushing.try_lock().is_ok_and(|pending| pending.is_some())
    }

    async fn finish(&self, slot: &mut Option<Pending>) -> Result<(), StorageError> {
        let Some(pending) = slot.as_mut() else { return Ok(()) };
        let started = Instant::now();
        debug!(end = pending.frozen.end, rows = pending.frozen.rows, "flushing");
        let result = self.try_finish(pending).await;
        self.set_flush_failing(result.is_err());
        if result.is_err() {
            self.metrics.failed("flush");
        }
        match &result {
            Ok(()) => {
                if let Some(done) = slot.take() {
                    self.succeed(done, started.elapsed()).await;
                }
            }
            // Its rows are acknowledged: they stay until the flush succeeds.
            Err(_) if self.has_log() => {}
            Err(error) => {
                if let Some(mut failed) = slot.take() {
                    self.refuse(&mut failed, error);
                    self.settle(failed).await;
                }
            }
        }
        result
    }

    async fn succeed(&self, done: Pending, took: Duration) {
        let end = done.frozen.end;
        self.buffer.remove(end);
        self.committed.notify_one();
        self.count(&done, took);
        for acknowledgement in done.waiting {
            let _ = acknowledgement.send(Ok(()));
        }
        self.observe_memory();
        if let Ok(sequencer) = self.sequencer() {
            sequencer.release(end).await;
        }
    }

    fn set_flush_failing(&self, is_failing: bool) {
        self.metrics.flush_failing.set(u64::from(is_failing));
        self.admission.set_flush_failing(is_failing);
    }

    /// After an error nothing of it is in the catalog, or `is_unanswered` is set.
    async fn try_finish(&self, pending: &mut Pending) -> Result<(), StorageError> {
        // Another process takes files that nobody lists for garbage some day.
        let is_fresh = pending.written.elapsed() < self.config.garbage.orphan_age / 2;
        let files = match pending.files.clone().filter(|_| is_fresh) {
            Some(files) => files,
            None => {
                pending.written = Instant::now();
                self.write(pending).await?
            }
        };
        if pending.files.is_none() {
            self.keep_entries(pending.frozen.end).await;
        }
        pending.files = Some(files.clone());
        let log_position = Some((self.writer.clone(), pending.frozen.end));
        let change = Change { add: files, log_position, ..Change::default() };
        let started = Instant::now();
        let committed = match pending.deadline {
            None => self.catalog.commit(change).await,
            Some(deadline) => self.catalog.commit_until(change, deadline).await,
        };
        // With a log it is tried again with the same position, at which the catalog does it once.
        pending.is_unanswered = matches!(committed, Err(CatalogError::Unanswered { .. }));
        let snapshot = committed?;
        self.metrics.catalog_commits.inc();
        self.metrics.catalog_commit_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.catalog_snapshot.set(u64::try_from(snapshot).unwrap_or(0));
        Ok(())
    }

    /// Before the commit, after which nobody brings these entries back. Without it, those that are sent again after a restart are
    /// stored again.
    async fn keep_entries(&self, end: u64) {
        let Some(kept) = self.kept_entries.clone() else { return };
        let entries = self.buffer.frozen_entries();
        if entries.is_empty() {
            return;
        }
        match tokio::task::spawn_blocking(move || kept.lock().append(end, &entries)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "cannot keep which log entries are stored"),
            Err(error) => warn!(%error, "keeping which log entries are stored was cut off"),
        }
    }

    /// After a deletion: what is sent again may be gone. Where the files cannot be removed, it is dropped once more after a restart.
    pub(crate) async fn forget_entries(&self) {
        self.buffer.forget_stored_entries();
        let Some(kept) = self.kept_entries.clone() else { return };
        match tokio::task::spawn_blocking(move || kept.lock().clear()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "cannot forget which log entries were stored"),
            Err(error) => warn!(%error, "forgetting which log entries were stored was cut off"),
        }
    }

    async fn write(&self, pending: &mut Pending) -> Result<Vec<NewFile>, StorageError> {
        let mut columns = promoted_columns(&pending.frozen);
        columns.extend(self.body_columns(&pending.frozen).await?);
        let columns = self.catalog.add_columns(columns);
        let Some(deadline) = pending.deadline else {
            return self.write_files(&pending.frozen, &*columns.await?).await;
        };
        let late = |what: &str| format!("not done in time; check that {what} runs and what slows it down");
        let snapshot = timeout_at(deadline, columns).await;
        let snapshot = snapshot.map_err(|_| StorageError::Catalog(late("the catalog")))??;
        let frozen = pending.frozen.clone();
        let mut writing = std::pin::pin!(self.write_files(&frozen, &snapshot));
        if let Ok(written) = timeout_at(deadline, &mut writing).await {
            return written;
        }
        let error = StorageError::Files(late("the object store"));
        self.refuse(pending, &error);
        self.set_flush_failing(true);
        self.outlast(writing).await;
        Err(error)
    }

    /// The columns of bodies that come new.
    async fn body_columns(&self, frozen: &Arc<Frozen>) -> Result<Vec<(Table, Field)>, StorageError> {
        let (fields, frozen, known) = (self.fields.clone(), frozen.clone(), self.catalog.cached());
        let learn = move || fields.lock().columns(&frozen, known.columns(Table::Logs));
        let learned = tokio::task::spawn_blocking(learn).await;
        learned.map_err(|error| StorageError::Files(format!("bodies could not be looked at: {error}")))
    }

    async fn write_files(&self, frozen: &Frozen, snapshot: &CatalogSnapshot) -> Result<Vec<NewFile>, StorageError> {
        self.promotion.adopt(snapshot);
        let parts = frozen.tenants.iter().flat_map(|(tenant, tables)| {
            Table::ALL.into_iter().zip(tables).map(move |(table, batches)| (tenant, table, batches))
        });
        let writes: Vec<_> = parts
            .filter(|(_, _, batches)| !batches.is_empty())
            .map(|(tenant, table, batches)| {
                let columns = snapshot.columns(table).clone();
                async move { files::write(&self.files, &columns, table, tenant, batches.clone()).await }
            })
            .collect();
        let writers = if self.files.is_remote() { REMOTE_WRITERS } else { WRITERS };
        // To the end also if one fails: what still writes holds memory that nobody would count.
        let written: Vec<Result<Vec<NewFile>, _>> =
            futures::stream::iter(writes).buffer_unordered(writers).collect().await;
        let written: Vec<Vec<NewFile>> = written.into_iter().collect::<Result<_, _>>()?;
        Ok(written.into_iter().flatten().collect())
    }

    fn count(&self, done: &Pending, took: Duration) {
        let files = done.files.as_deref().unwrap_or_default();
        self.metrics.flushes.inc();
        self.metrics.flush_seconds.observe(took.as_secs_f64());
        for file in files {
            let of = file.table.into();
            self.metrics.flushed_rows.get_or_create(&of).inc_by(file.rows);
            self.metrics.flushed_bytes.get_or_create(&of).inc_by(file.size_bytes);
            self.metrics.flushed_files.get_or_create(&of).inc();
        }
        let tenants: std::collections::BTreeSet<&Tenant> = files.iter().map(|file| &file.tenant).collect();
        info!(
            rows = done.frozen.rows,
            buffer_bytes = done.frozen.bytes,
            files = files.len(),
            tenants = tenants.len(),
            file_bytes = files.iter().map(|file| file.size_bytes).sum::<u64>(),
            milliseconds = took.as_millis() as u64,
            "flushed"
        );
    }
}

/// The promoted columns that occur in a generation, as the catalog has them.
fn promoted_columns(frozen: &Frozen) -> Vec<(Table, Field)> {
    let mut found: HashMap<(Table, String), DataType> = HashMap::new();
    for (table, batch) in frozen
        .tenants
        .values()
        .flat_map(|tables| Table::ALL.into_iter().zip(tables))
        .flat_map(|(table, batches)| batches.iter().map(move |batch| (table, batch)))
    {
        for field in batch.schema_ref().fields() {
            if Scope::split(field.name()).is_none() {
                continue;
            }
            let data_type = match field.data_type() {
                DataType::Dictionary(_, value) => value.as_ref(),
                other => other,
            };
            let data_type = match data_type {
                DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                other => other.clone(),
            };
            found.entry((table, field.name().clone())).or_insert(data_type);
        }
    }
    let mut columns: Vec<(Table, Field)> =
        found.into_iter().map(|((table, name), data_type)| (table, Field::new(name, data_type, true))).collect();
    columns.sort_by(|(a, x), (b, y)| (a, x.name()).cmp(&(b, y.name())));
    columns
}
