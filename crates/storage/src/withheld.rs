//! Deletion of logs: files that hold some are written anew without them, and what was taken out of them is kept aside in files that no
//! table lists, until it cannot be put back any more (docs/decisions/0016-deletion.md, 0041-deletion-of-logs.md).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use thiserror::Error;
use tracing::{info, warn};
use trefoil_model::Table;

use crate::catalog::{CatalogError, Change, DataFile, DeletionStatus, DeletionStep, LogDeletion, NewFile};
use crate::compaction::{Group, Keep};
use crate::deletion::Beginning;
use crate::engine::Engine;
use crate::error::StorageError;
use crate::files::FilesError;
use crate::storage::Storage;

/// Files that are replaced by one commit.
const FILES_AT_ONCE: usize = 64;
/// How often putting back is tried while somebody else takes more out.
const ATTEMPTS: usize = 10;

/// Some rows of a file: flags of all rows of each row group that has some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picked(HashMap<usize, BooleanBuffer>);

impl Picked {
    /// `rows`: a flag for each row of the row group.
    pub fn insert(&mut self, row_group: usize, rows: BooleanBuffer) {
        if rows.count_set_bits() > 0 {
            self.0.insert(row_group, rows);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn rows(&self) -> u64 {
        self.0.values().map(|rows| rows.count_set_bits() as u64).sum()
    }

    fn of(&self, group: &Group) -> Result<Option<&BooleanBuffer>, FilesError> {
        match self.0.get(&group.number()) {
            Some(rows) if rows.len() != group.rows() => {
                let reason = format!("row group {} has {} rows, not {}", group.number(), group.rows(), rows.len());
                Err(FilesError::read(group.path(), reason))
            }
            rows => Ok(rows),
        }
    }
}

/// All rows but those that are picked.
struct Rest(Arc<Picked>);

/// The rows that are picked.
struct Taken(Arc<Picked>);

impl Keep for Rest {
    fn columns(&self, _table: Table) -> &'static [&'static str] {
        &[]
    }

    fn kept(&self, group: &Group) -> Result<BooleanArray, FilesError> {
        let kept = self.0.of(group)?.map_or_else(|| BooleanBuffer::new_set(group.rows()), |picked| !picked);
        Ok(kept.into())
    }
}

impl Keep for Taken {
    fn columns(&self, _table: Table) -> &'static [&'static str] {
        &[]
    }

    fn kept(&self, group: &Group) -> Result<BooleanArray, FilesError> {
        let kept = self.0.of(group)?.cloned().unwrap_or_else(|| BooleanBuffer::new_unset(group.rows()));
        Ok(kept.into())
    }

    fn leaves_out(&self, row_group: usize) -> bool {
        !self.0.0.contains_key(&row_group)
    }
}

/// Why rows were not taken out. Some may have been: begin again, and what is left is found.
#[derive(Debug, Error)]
pub enum WithholdError {
    /// Begin again.
    #[error("another process replaced some of the files")]
    Replaced,
    /// There is no such request any more, or it is done.
    #[error("the request was cancelled")]
    Cancelled,
    #[error("{0}")]
    Storage(#[from] StorageError),
}

impl From<FilesError> for WithholdError {
    fn from(error: FilesError) -> Self {
        WithholdError::Storage(error.into())
    }
}

/// Rows of logs on their way out of the tables.
pub struct Withholding<'b> {
    begun: &'b Beginning,
    deletion: &'b LogDeletion,
    change: Change,
    taken: Vec<NewFile>,
    files: usize,
    rows: u64,
}

impl Beginning {
    /// For a request of the tenant whose snapshot this is.
    pub fn withholding<'b>(&'b self, deletion: &'b LogDeletion) -> Withholding<'b> {
        Withholding { begun: self, deletion, change: Change::default(), taken: Vec::new(), files: 0, rows: 0 }
    }
}

impl Withholding<'_> {
    /// Takes rows out of a file of logs of the snapshot. They are out once this or [`Withholding::finish`] has made a commit.
    pub async fn take(&mut self, file: &Arc<DataFile>, picked: Picked) -> Result<(), WithholdError> {
        if picked.is_empty() {
            return Ok(());
        }
        let taken = self.write(file, Arc::new(picked)).await;
        if taken.is_err() {
            self.discard().await;
        }
        taken?;
        match self.change.remove.len() >= FILES_AT_ONCE {
            true => self.commit().await,
            false => Ok(()),
        }
    }

    /// All rows of the request were taken: returns how many there were, all of which are out of the tables of all processes.
    pub async fn finish(mut self) -> Result<u64, WithholdError> {
        self.commit().await?;
        let engine = &self.begun.engine;
        let is_marked = engine.catalog.mark_withheld(&self.deletion.tenant, &self.deletion.id).await;
        if !is_marked.map_err(StorageError::from)? {
            return Err(WithholdError::Cancelled);
        }
        if self.rows > 0 {
            engine.forget_entries().await;
        }
        let (tenant, id) = (self.deletion.tenant.as_str(), &self.deletion.id);
        info!(tenant, request = id, rows = self.rows, files = self.files, "deleted logs");
        Ok(self.rows)
    }

    /// Leaves out what no commit has taken out yet.
    pub async fn give_up(mut self) {
        self.discard().await;
    }

    async fn write(&mut self, file: &Arc<DataFile>, picked: Arc<Picked>) -> Result<(), WithholdError> {
        let (engine, rows) = (&self.begun.engine, picked.rows());
        let columns = self.begun.snapshot.catalog.columns(Table::Logs);
        let taken = engine.compactor.copy(file, columns, Some(Arc::new(Taken(picked.clone())))).await?;
        let Some(taken) = taken.filter(|taken| taken.rows == rows) else {
            return Err(FilesError::read(&file.path, format!("{rows} rows of it could not be read again")).into());
        };
        self.taken.push(taken);
        let Some(rest) = engine.compactor.rewrite(file, columns, Arc::new(Rest(picked))).await? else {
            return Err(FilesError::read(&file.path, "none of its rows goes").into());
        };
        self.change.remove.push(file.id);
        self.change.add.extend(rest.file);
        self.files += 1;
        self.rows += rows;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), WithholdError> {
        if self.change.remove.is_empty() {
            return Ok(());
        }
        let (rows, engine) = (self.taken.iter().map(|file| file.rows).sum(), &self.begun.engine);
        let (tenant, id) = (self.deletion.tenant.clone(), self.deletion.id.clone());
        let step = DeletionStep::Withhold { tenant, id, files: self.taken.clone() };
        let committed = engine.catalog.commit(Change { deletion: Some(step), ..self.change.clone() }).await;
        let refusal = match committed {
            Ok(_) => {
                self.change = Change::default();
                self.taken.clear();
                engine.committed.notify_one();
                engine.metrics.deleted_rows.get_or_create(&Table::Logs.into()).inc_by(rows);
                return Ok(());
            }
            Err(CatalogError::Conflict { .. }) => WithholdError::Replaced,
            Err(CatalogError::DeletionConflict { .. }) => WithholdError::Cancelled,
            // Whether it was committed is unknown, so the new files must stay.
            Err(error) => return Err(StorageError::from(error).into()),
        };
        self.discard().await;
        Err(refusal)
    }

    async fn discard(&mut self) {
        let files = std::mem::take(&mut self.change).add.into_iter().chain(std::mem::take(&mut self.taken));
        self.begun.engine.discard(files).await;
    }
}

impl Storage {
    /// Puts back what was taken out of the tables for a request, and forgets the request. False: it is not there, or processed.
    pub async fn restore(&self, deletion: &LogDeletion) -> Result<bool, StorageError> {
        let engine = self.engine();
        for _ in 0..ATTEMPTS {
            let files = engine.catalog.withheld_files(&deletion.tenant, &deletion.id).await?;
            let mut change = Change::default();
            if let Err(error) = engine.copy_back(&files, &mut change).await {
                engine.discard(change.add).await;
                match engine.is_pending(deletion).await? {
                    // Somebody else may have finished it, and deleted what was to be read.
                    true => return Err(error),
                    false => return Ok(false),
                }
            }
            let paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
            let (tenant, id) = (deletion.tenant.clone(), deletion.id.clone());
            change.deletion = Some(DeletionStep::Restore { tenant, id, paths: paths.clone() });
            match engine.catalog.commit(change.clone()).await {
                Ok(_) => {
                    engine.committed.notify_one();
                    engine.delete_objects(paths).await;
                    info!(tenant = deletion.tenant.as_str(), request = deletion.id, "put back logs");
                    return Ok(true);
                }
                Err(CatalogError::DeletionConflict { .. }) => engine.discard(change.add).await,
                Err(error) => return Err(error.into()),
            }
            if !engine.is_pending(deletion).await? {
                return Ok(false);
            }
        }
        Err(StorageError::Files("another process kept deleting for the same request; try again later".to_owned()))
    }

    /// Deletes what is withheld for a request: it cannot be put back any more.
    pub async fn finish_deletion(&self, deletion: &LogDeletion) -> Result<(), StorageError> {
        let engine = self.engine();
        let paths = engine.catalog.finish_deletion(&deletion.tenant, &deletion.id).await?;
        engine.delete_objects(paths).await;
        Ok(())
    }
}

impl Engine {
    async fn copy_back(&self, files: &[DataFile], change: &mut Change) -> Result<(), StorageError> {
        let catalog = self.catalog.snapshot().await?;
        for file in files {
            let copied = self.compactor.copy(&Arc::new(file.clone()), catalog.columns(Table::Logs), None).await?;
            match copied {
                Some(copied) if copied.rows == file.rows => change.add.push(copied),
                copied => {
                    change.add.extend(copied);
                    return Err(FilesError::read(&file.path, format!("it does not have {} rows", file.rows)).into());
                }
            }
        }
        Ok(())
    }

    async fn is_pending(&self, deletion: &LogDeletion) -> Result<bool, StorageError> {
        let known = self.catalog.deletions(&deletion.tenant).await?;
        Ok(known.iter().any(|known| known.id == deletion.id && known.status != DeletionStatus::Processed))
    }

    /// Of which the catalog knows nothing any more.
    async fn delete_objects(&self, paths: Vec<String>) {
        if let Err(error) = self.files.delete(paths).await {
            warn!(%error, "cannot delete files of a deletion that is done; they are collected as orphans");
        }
    }
}
