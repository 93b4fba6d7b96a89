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

    /// While nothing is accepted.
    pub(crate) fn suspended(reason: &str) -> Self {
        AppendError::Unavailable { reason: reason.to_owned(), retry_after: Duration::from_secs(5) }
    }
}

/// Why the store could not be opened, read, flushed or closed. The text says everything, causes included: there is no
/// [`source`](std::error::Error::source) to print after it.
#[derive(Debug, Error)]
pub enum StorageError {
    #[error("storage configuration: {0}")]
    Configuration(String),
    #[error("{path}: {cause}", path = path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    #[error(
        "the data directory {} is in use by another process; stop that one, or give this one another `storage.path`",
        .0.display()
    )]
    Locked(PathBuf),
    #[error("log: {0}")]
    Log(crate::log::LogError),
    #[error("object store: {0}")]
    ObjectStore(object_store::Error),
    #[error("files: {0}")]
    Files(String),
    #[error("catalog: {0}")]
    Catalog(String),
    #[error("the store is closed")]
    Closed,
}

impl From<crate::log::LogError> for StorageError {
    fn from(error: crate::log::LogError) -> Self {
        StorageError::Log(error)
    }
}

impl From<crate::catalog::CatalogError> for StorageError {
    fn from(error: crate::catalog::CatalogError) -> Self {
        StorageError::Catalog(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn a_chain_of_causes_says_nothing_twice() {
        let path = PathBuf::from("/data/log");
        let cause = || std::io::Error::other("the disk is on fire");
        let errors = [
            StorageError::Io { path: path.clone(), cause: cause() },
            StorageError::Log(crate::log::LogError::Io { path, source: cause() }),
            StorageError::ObjectStore(object_store::Error::Generic { store: "test", source: cause().into() }),
        ];
        for error in errors {
            assert!(error.to_string().contains("the disk is on fire"), "{error}");
            assert!(error.source().is_none(), "{error}");
        }
    }
}
