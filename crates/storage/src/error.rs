//! What callers of the store get back.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// An acknowledgement: every accepted item is durable and visible to snapshots taken from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// Items (spans, data points, log records) stored.
    pub accepted: u64,
    /// Items refused for good (OTLP partial success: the sender must not send them again).
    pub rejected: u64,
    /// Why items were refused, for the sender's log.
    pub message: Option<String>,
}

/// Why nothing of a request was stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The body is not an OTLP export request (HTTP 400, `INVALID_ARGUMENT`); sending it again will not help.
    #[error("{0}")]
    Malformed(String),
    /// The store cannot take it now (HTTP 503 or 429, `UNAVAILABLE` with `RetryInfo`); nothing of it was acknowledged.
    #[error("{reason}; try again in {retry_after:?}")]
    Unavailable { reason: String, retry_after: Duration },
    /// The store was closed; the process is going away.
    #[error("the store is closed")]
    Closed,
}

impl AppendError {
    /// A refusal after which trying again in a second makes sense.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        AppendError::Unavailable { reason: reason.into(), retry_after: Duration::from_secs(1) }
    }
}

/// Why the store could not be opened, read, flushed or closed.
#[derive(Debug, Error)]
pub enum StorageError {
    #[error("storage configuration: {0}")]
    Configuration(String),
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error(
        "the data directory {} is in use by another process; stop that one, or give this one another `storage.path`",
        .0.display()
    )]
    Locked(PathBuf),
    #[error("log: {0}")]
    Log(#[from] crate::log::LogError),
    #[error("object store: {0}")]
    ObjectStore(#[from] object_store::Error),
    #[error("files: {0}")]
    Files(String),
    #[error("catalog: {0}")]
    Catalog(String),
    #[error("the store is closed")]
    Closed,
}

impl From<crate::catalog::CatalogError> for StorageError {
    fn from(error: crate::catalog::CatalogError) -> Self {
        StorageError::Catalog(error.to_string())
    }
}
