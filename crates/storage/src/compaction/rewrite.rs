//! Files written anew with some of their rows. Row groups all of whose rows stay are moved as they are.

use std::sync::Arc;

use arrow::array::BooleanArray;
use bytes::Bytes;

use parquet::file::metadata::PageIndexPolicy;
use tokio::sync::OwnedMutexGuard;
use tokio_util::task::AbortOnDropHandle;
use trefoil_model::Table;

use super::Compactor;
use super::groups::Group;
use super::merge;
use super::plan::Job;
use super::section::{Input, Section};
use crate::catalog::{DataFile, NewFile, TableColumns};
use crate::files::{FileStore, FilesError};
use crate::scan::Reader;

/// Which rows of a file stay when it is written anew.
pub(crate) trait Keep: Send + Sync {
    /// The columns that tell.
    fn columns(&self, table: Table) -> &'static [&'static str];

    /// A flag for each row of the group.
    fn kept(&self, group: &Group) -> Result<BooleanArray, FilesError>;

    /// Whether it is known without a look that no row of a row group stays.
    fn leaves_out(&self, _row_group: usize) -> bool {
        false
    }
}

/// What took the place of a file.
pub(crate) struct Rewritten {
    /// `None`: nothing is left of it.
    pub file: Option<NewFile>,
    pub deleted_rows: u64,
}

impl Compactor {
    /// While it is held, this process merges nothing.
    pub(crate) async fn pause(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// Writes the file anew with the rows that stay; `None` if all of them do. In no catalog yet.
    pub(crate) async fn rewrite(
        &self,
        file: &Arc<DataFile>,
        columns: &Arc<TableColumns>,
        keep: Arc<dyn Keep>,
    ) -> Result<Option<Rewritten>, FilesError> {
        let (files, reader, file) = (self.files.clone(), self.reader.clone(), Arc::clone(file));
        let columns = Arc::clone(columns);
        // In a task of its own: the Parquet library panics on some damaged files.
        let rewrite = async move { rewrite(&files, &reader, &file, &columns, &keep).await };
        AbortOnDropHandle::new(tokio::spawn(rewrite)).await?
    }

    /// Writes the rows of a file that stay (all, if nobody says which) to another file of the same table; `None` if none does. In no
    /// catalog yet.
    pub(crate) async fn copy(
        &self,
        file: &Arc<DataFile>,
        columns: &Arc<TableColumns>,
        keep: Option<Arc<dyn Keep>>,
    ) -> Result<Option<NewFile>, FilesError> {
        let (files, reader, job) = (self.files.clone(), self.reader.clone(), Job::of_file(file));
        let columns = Arc::clone(columns);
        let copy = async move { merge::merge(&files, &reader, &columns, &job, keep.as_ref()).await };
        AbortOnDropHandle::new(tokio::spawn(copy)).await?
    }
}

async fn rewrite(
    files: &FileStore,
    reader: &Reader,
    file: &Arc<DataFile>,
    columns: &Arc<TableColumns>,
    keep: &Arc<dyn Keep>,
) -> Result<Option<Rewritten>, FilesError> {
    let deleted_rows = count(files, reader, file, keep).await?;
    if deleted_rows == 0 {
        return Ok(None);
    }
    let left = file.rows.saturating_sub(deleted_rows);
    if left == 0 {
        return Ok(Some(Rewritten { file: None, deleted_rows }));
    }
    let written = merge::merge(files, reader, columns, &Job::of_file(file), Some(keep)).await?;
    match written {
        Some(written) if written.rows == left => Ok(Some(Rewritten { file: Some(written), deleted_rows })),
        other => {
            let rows = other.map_or(0, |written| written.rows);
            Err(FilesError::read(&file.path, format!("without deleted rows it has {rows} rows instead of {left}")))
        }
    }
}

/// How many rows of the file are to go, by the columns that tell.
async fn count(
    files: &FileStore,
    reader: &Reader,
    file: &Arc<DataFile>,
    keep: &Arc<dyn Keep>,
) -> Result<u64, FilesError> {
    let footer =
        reader.footer(file, PageIndexPolicy::Optional).await.map_err(|error| FilesError::read(&file.path, error))?;
    merge::check_rows(file, &footer)?;
    let mut deleted = 0;
    for number in 0..footer.num_row_groups() {
        let key = keep.columns(file.table);
        let section = match key {
            [] => Section { offset: 0, bytes: Bytes::new() },
            key => merge::column_bytes(files, file, &footer, number, |name| key.contains(&name)).await?,
        };
        let group = Group::new(Arc::clone(file), Arc::clone(&footer), number, Input::Held(section))?;
        let keep = Arc::clone(keep);
        let kept = tokio::task::spawn_blocking(move || keep.kept(&group)).await??;
        deleted += (kept.len() - kept.true_count()) as u64;
    }
    Ok(deleted)
}
