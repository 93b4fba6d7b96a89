//! Files written anew without the rows that a deletion wants gone. Row groups without such rows are moved as they are.

use std::sync::Arc;

use parquet::file::metadata::PageIndexPolicy;
use tokio::sync::OwnedMutexGuard;
use tokio_util::task::AbortOnDropHandle;

use super::Compactor;
use super::groups::Group;
use super::merge;
use super::plan::Job;
use super::section::Input;
use crate::catalog::{DataFile, NewFile, TableColumns};
use crate::deletion::Deletion;
use crate::files::{FileStore, FilesError};
use crate::scan::Reader;

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

    /// Writes the file anew without the rows of the deletion; `None` if it has none of them. In no catalog yet.
    pub(crate) async fn rewrite(
        &self,
        file: &Arc<DataFile>,
        columns: &Arc<TableColumns>,
        deletion: &Arc<Deletion>,
    ) -> Result<Option<Rewritten>, FilesError> {
        let (files, reader, file) = (self.files.clone(), self.reader.clone(), Arc::clone(file));
        let (columns, deletion) = (Arc::clone(columns), Arc::clone(deletion));
        // In a task of its own: the Parquet library panics on some damaged files.
        let rewrite = async move { rewrite(&files, &reader, &file, &columns, &deletion).await };
        AbortOnDropHandle::new(tokio::spawn(rewrite)).await?
    }
}

async fn rewrite(
    files: &FileStore,
    reader: &Reader,
    file: &Arc<DataFile>,
    columns: &Arc<TableColumns>,
    deletion: &Arc<Deletion>,
) -> Result<Option<Rewritten>, FilesError> {
    let deleted_rows = count(files, reader, file, deletion).await?;
    if deleted_rows == 0 {
        return Ok(None);
    }
    let left = file.rows.saturating_sub(deleted_rows);
    if left == 0 {
        return Ok(Some(Rewritten { file: None, deleted_rows }));
    }
    let written = merge::merge(files, reader, columns, &Job::of_file(file), Some(deletion)).await?;
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
    deletion: &Arc<Deletion>,
) -> Result<u64, FilesError> {
    let footer =
        reader.footer(file, PageIndexPolicy::Optional).await.map_err(|error| FilesError::read(&file.path, error))?;
    merge::check_rows(file, &footer)?;
    let mut deleted = 0;
    for number in 0..footer.num_row_groups() {
        let key = Deletion::columns(file.table);
        let section = merge::column_bytes(files, file, &footer, number, |name| key.contains(&name)).await?;
        let group = Group::new(Arc::clone(file), Arc::clone(&footer), number, Input::Held(section))?;
        let (deletion, table) = (Arc::clone(deletion), file.table);
        let kept = tokio::task::spawn_blocking(move || deletion.kept(table, &group)).await??;
        deleted += (kept.len() - kept.true_count()) as u64;
    }
    Ok(deleted)
}
