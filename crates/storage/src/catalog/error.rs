//! Why the catalog refused, and what to do about it.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum CatalogError {
    #[error(
        "the catalog URL {url:?} is not usable: {reason}; expected sqlite:<path> or postgres://<user>@<host>/<database>"
    )]
    Url { url: String, reason: String },

    #[error(
        "cannot reach the catalog database {database}: {source}; check that it runs and that the URL, user and password are right"
    )]
    Unreachable { database: String, source: sqlx::Error },

    #[error(
        "the catalog {database} has DuckLake version {found}, this program knows {known}; use a Trefoil release that knows it"
    )]
    Version { database: String, found: String, known: &'static str },

    #[error(
        "the catalog {database} was written by a newer Trefoil (application schema {found}, this program knows {known}); use that release"
    )]
    NewerApplication { database: String, found: i64, known: i64 },

    #[error(
        "the catalog {database} describes files under {recorded:?}, but the configured data path is {configured:?}; \
         configure the former, or, if the files were moved: UPDATE ducklake_metadata SET value = '{configured}' WHERE key = 'data_path'"
    )]
    DataPath { database: String, recorded: String, configured: String },

    #[error("the catalog database {database} is damaged: {reason}; restore it from a backup")]
    Corrupt { database: String, reason: String },

    #[error("the catalog {database} holds {found}, which Trefoil does not read: {advice}")]
    Foreign { database: String, found: String, advice: &'static str },

    #[error(
        "file {file} of the change is not live any more (another process compacted or expired it); plan the change anew"
    )]
    Conflict { file: i64 },

    #[error(
        "writer {writer:?} is at log position {recorded} already, the change says {proposed}; two processes use the same writer name"
    )]
    LogPosition { writer: String, recorded: u64, proposed: u64 },

    #[error("column {column:?} of table {table} exists as {existing}, it cannot become {proposed}")]
    ColumnType { table: &'static str, column: String, existing: String, proposed: String },

    #[error("the deletion {request} was changed meanwhile: it was cancelled, or another process worked on it")]
    DeletionConflict { request: String },

    #[error("invalid change: {0}")]
    InvalidChange(String),

    #[error("the catalog database {database} stayed busy through {attempts} attempts: {source}")]
    Busy { database: String, attempts: u32, source: sqlx::Error },

    /// Commit the same change again, or withdraw it.
    #[error("the catalog database {database} did not say whether a commit happened: {reason}")]
    Unanswered { database: String, reason: String },

    #[error("the catalog database {database} did not answer in time; check that it runs and what slows it down")]
    Late { database: String },

    #[error("the catalog database {database} failed: {source}")]
    Database { database: String, source: sqlx::Error },
}

impl CatalogError {
    /// Whether the same call may succeed later without anyone doing anything but waiting.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            CatalogError::Unreachable { .. }
                | CatalogError::Busy { .. }
                | CatalogError::Unanswered { .. }
                | CatalogError::Late { .. }
        )
    }
}
