//! Why a file could not be written, read or deleted. Every message names the file.

use thiserror::Error;

use crate::error::StorageError;

#[derive(Debug, Error)]
pub enum FilesError {
    #[error("the data location {url:?} is not usable: {reason}; give a directory or a URL such as s3://bucket/prefix")]
    Location { url: String, reason: String },

    #[error("cannot write {path}: {source}; check the free space and that the data location is reachable and writable")]
    Write { path: String, source: std::io::Error },

    #[error("cannot encode {path}: {reason}")]
    Encode { path: String, reason: String },

    #[error(
        "cannot read {path}: {reason}; the catalog lists it, so restore the file from a backup or remove it from the catalog"
    )]
    Read { path: String, reason: String },

    #[error("object store: {0}")]
    ObjectStore(#[from] object_store::Error),

    #[error("column {column:?} of table {table} is not in the catalog; add it with a change before writing files")]
    UnknownColumn { table: &'static str, column: String },

    #[error("the writing task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl FilesError {
    pub(crate) fn read(path: &str, reason: impl ToString) -> Self {
        FilesError::Read { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl From<FilesError> for StorageError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::ObjectStore(source) => StorageError::ObjectStore(source),
            other => StorageError::Files(other.to_string()),
        }
    }
}
