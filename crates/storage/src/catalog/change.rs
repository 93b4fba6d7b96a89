//! What one commit changes.

use arrow::datatypes::Field;
use datafusion::common::ScalarValue;
use trefoil_model::{Table, Tenant};

use super::deletions::DeletionStep;

/// The catalog's number of a data file (`data_file_id`); unique over all tables, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub i64);

/// Everything one commit does, all of it or nothing. Empty parts are left out; an empty change is not a commit.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Files that exist in the object store already, complete.
    pub add: Vec<NewFile>,
    /// Live files to end (compaction, retention). If one of them is not live any more the whole change is refused with
    /// [`CatalogError::Conflict`](super::CatalogError::Conflict).
    pub remove: Vec<FileId>,
    /// Columns that shall exist afterwards. One that exists with the same type is left as it is, so that several
    /// writers may ask for the same one; another type is a [`CatalogError::ColumnType`](super::CatalogError::ColumnType).
    pub add_columns: Vec<(Table, Field)>,
    /// `(writer, position)`: everything of that writer's log below `position` is in files now. It never moves backwards.
    /// A change with the very position that is recorded has been committed before (the answer got lost): it is not done
    /// again, whatever else is in it.
    pub log_position: Option<(String, u64)>,
    /// The request to delete logs that this is done for.
    pub deletion: Option<DeletionStep>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.add.is_empty()
            && self.remove.is_empty()
            && self.add_columns.is_empty()
            && self.log_position.is_none()
            && self.deletion.is_none()
    }
}

/// A Parquet file to list.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFile {
    pub table: Table,
    /// Relative to the data path, below the table's directory ([`table_directory`](super::table_directory)).
    pub path: String,
    /// The one tenant whose rows the file holds.
    pub tenant: Tenant,
    pub rows: u64,
    pub size_bytes: u64,
    /// Bytes of the Parquet footer's metadata, without the trailing length and magic.
    pub footer_size: u64,
    /// Of top-level scalar columns that the file physically holds, in any order; a column that is left out is never
    /// pruned by.
    pub column_stats: Vec<ColumnStats>,
}

/// Statistics of one column of one file. Bounds are inclusive and may be wider than the data, never narrower.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// The catalog's column id, which is also the Parquet field id.
    pub column_id: i64,
    /// Compressed bytes of the column in the file.
    pub size_bytes: u64,
    /// Values that are not NULL.
    pub value_count: u64,
    pub null_count: u64,
    /// In the column's Arrow type; `None` (or a null scalar) when unknown.
    pub min: Option<ScalarValue>,
    pub max: Option<ScalarValue>,
    /// For floating point columns only: whether a NaN is among the values (bounds do not cover it). `None` = unknown.
    pub contains_nan: Option<bool>,
}
