//! From buffer to files: freeze, write, commit, forget.
//!
//! The commit lists the files *and* moves the log position to the generation's end, in one transaction. Before it, a
//! replay brings the rows back; after it, a replay leaves them out. Whether a commit whose answer got lost happened is
//! asked of the catalog, never guessed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field};
use futures::{StreamExt, TryStreamExt};
use tracing::{debug, info, warn};
use trefoil_model::promote::Scope;
use trefoil_model::{Table, Tenant};

use crate::buffer::Frozen;
use crate::catalog::{CatalogError, Change, NewFile};
use crate::engine::Engine;
use crate::error::{AppendError, StorageError};
use crate::files;
use crate::sequencer::{Acknowledgement, Cut};

/// Files written at once: sorting and encoding is work for a core each.
const WRITERS: usize = 2;
/// Between questions to a catalog that does not answer.
const OUTCOME_RETRY: Duration = Duration::from_millis(500);

/// A flush that has begun.
pub(crate) struct Pending {
    frozen: Arc<Frozen>,
    waiting: Vec<Acknowledgement>,
    /// Once they are written: a commit that failed is tried again with the same files.
    files: Option<Vec<NewFile>>,
    /// A commit was sent: it may have happened.
    is_committing: bool,
}

impl From<Cut> for Pending {
    fn from(cut: Cut) -> Self {
        Self { frozen: cut.frozen, waiting: cut.waiting, files: None, is_committing: false }
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
        *pending = sequencer.freeze().await.map(Pending::from);
        self.finish(&mut pending).await
    }

    /// Flushes what a replay found so far; `end` is the position after the last record.
    pub(crate) async fn flush_replayed(&self, end: u64) -> Result<(), StorageError> {
        let mut pending = self.flushing.lock().await;
        self.finish(&mut pending).await?;
        let cut = self.buffer.freeze(end).map(|frozen| Cut { frozen, waiting: Vec::new() });
        *pending = cut.map(Pending::from);
        self.finish(&mut pending).await
    }

    /// Is a flush waiting to be tried again?
    pub(crate) fn has_pending_flush(&self) -> bool {
        self.flushing.try_lock().is_ok_and(|pending| pending.is_some())
    }

    async fn finish(&self, slot: &mut Option<Pending>) -> Result<(), StorageError> {
        let Some(pending) = slot.as_mut() else { return Ok(()) };
        let started = Instant::now();
        let result = self.try_finish(pending).await;
        self.metrics.flush_failing.set(u64::from(result.is_err()));
        self.admission.set_flush_failing(result.is_err());
        let outcome = match &result {
            Ok(()) => Some(Ok(())),
            Err(error) => {
                self.metrics.failed("flush");
                // Without a log nobody was acknowledged: the senders keep their data, so the store need not.
                (!self.has_log()).then(|| Err(AppendError::unavailable(format!("cannot commit: {error}"))))
            }
        };
        let Some(outcome) = outcome else { return result };
        let end = pending.frozen.end;
        self.buffer.remove(end);
        if let Some(done) = slot.take() {
            if outcome.is_ok() {
                self.count(&done, started.elapsed());
            }
            for acknowledgement in done.waiting {
                let _ = acknowledgement.send(outcome.clone());
            }
        }
        self.observe_buffer();
        if outcome.is_ok()
            && let Ok(sequencer) = self.sequencer()
        {
            sequencer.release(end).await;
        }
        result
    }

    /// On return with an error nothing of it is in the catalog, or (with a log) it will turn out when it is tried again.
    async fn try_finish(&self, pending: &mut Pending) -> Result<(), StorageError> {
        if pending.is_committing {
            // With the same position the catalog does it once: what did happen is not repeated.
            debug!(end = pending.frozen.end, "asking the catalog again for a commit without an answer");
        }
        if pending.files.is_none() {
            pending.files = Some(self.write_files(&pending.frozen).await?);
        }
        let change = Change {
            add: pending.files.clone().unwrap_or_default(),
            log_position: Some((self.writer.clone(), pending.frozen.end)),
            ..Change::default()
        };
        pending.is_committing = true;
        let started = Instant::now();
        match self.catalog.commit(change).await {
            Ok(snapshot) => {
                self.metrics.catalog_commits.inc();
                self.metrics.catalog_commit_seconds.observe(started.elapsed().as_secs_f64());
                self.metrics.catalog_snapshot.set(u64::try_from(snapshot).unwrap_or(0));
                Ok(())
            }
            Err(error) if self.has_log() || !error.is_transient() => Err(error.into()),
            Err(error) if self.did_commit(pending.frozen.end, &error).await => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks until the catalog answers: the senders can be told neither yes nor no before.
    async fn did_commit(&self, end: u64, error: &CatalogError) -> bool {
        self.admission.set_flush_failing(true);
        self.metrics.flush_failing.set(1);
        self.admission.set_outcome_unknown(true);
        warn!(%error, "the catalog does not say whether a commit happened; its senders wait until it does");
        let did_commit = loop {
            match self.catalog.log_position(&self.writer).await {
                Ok(position) => break position.is_some_and(|position| position >= end),
                Err(error) => debug!(%error, "still no answer from the catalog"),
            }
            tokio::select! {
                () = tokio::time::sleep(OUTCOME_RETRY) => {}
                () = self.shutdown.cancelled() => break false,
            }
        };
        self.admission.set_outcome_unknown(false);
        did_commit
    }

    async fn write_files(&self, frozen: &Frozen) -> Result<Vec<NewFile>, StorageError> {
        let snapshot = self.catalog.add_columns(promoted_columns(frozen)).await?;
        self.promotion.adopt(&snapshot);
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
        let written: Vec<Vec<NewFile>> = futures::stream::iter(writes).buffer_unordered(WRITERS).try_collect().await?;
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
