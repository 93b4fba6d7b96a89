//! The list of what is stored: which files make up which table, in an SQL database (SQLite or PostgreSQL) laid out as
//! DuckLake 1.0, so that DuckDB and other lakehouse readers see the same tables.
//!
//! Every change is one transaction and one snapshot id. Files are never changed in place; a removed file stays readable
//! for snapshots that still list it until [`Catalog::expire_snapshots`] gives its path up.

mod change;
mod columns;
mod error;
mod snapshot;

pub use change::{Change, ColumnStats, FileId, NewFile};
pub use columns::{Column, TableColumns};
pub use error::CatalogError;
pub use snapshot::{Bounds, CatalogSnapshot, DataFile, pruning_columns};

use trefoil_model::Table;

/// The directory of a table's files, relative to the data path, with a trailing slash: `main/spans/`.
pub fn table_directory(table: Table) -> String {
    format!("main/{}/", table.name())
}
