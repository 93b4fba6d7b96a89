//! What the catalog lists at one moment: tables, columns and live files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::common::ScalarValue;
use trefoil_model::{Table, Tenant};

use super::change::FileId;
use super::columns::TableColumns;

/// An immutable view of the catalog at one snapshot id. Cheap to hold; files it names stay in the object store for the
/// grace period of [`Catalog::expire_snapshots`](super::Catalog::expire_snapshots).
#[derive(Debug, Clone)]
pub struct CatalogSnapshot {
    pub(super) id: i64,
    pub(super) schema_version: i64,
    pub(super) tables: [TableFiles; 5],
    pub(super) log_positions: HashMap<String, u64>,
}

/// The live files of one table by tenant, each list in the order of the files' ids (oldest commit first).
#[derive(Debug, Clone)]
pub(super) struct TableFiles {
    pub(super) columns: Arc<TableColumns>,
    pub(super) by_tenant: BTreeMap<Tenant, Arc<[Arc<DataFile>]>>,
}

impl CatalogSnapshot {
    /// DuckLake's snapshot id; grows by one with every commit.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The table's columns (base columns, then promoted ones in the order of their creation) with their ids.
    pub fn columns(&self, table: Table) -> &Arc<TableColumns> {
        &self.tables[table as usize].columns
    }

    /// The tenant's live files, oldest commit first.
    pub fn files(&self, table: Table, tenant: &Tenant) -> Arc<[Arc<DataFile>]> {
        self.tables[table as usize].by_tenant.get(tenant).cloned().unwrap_or_else(|| Arc::from([]))
    }

    /// Tenants that have live files in the table, in order.
    pub fn tenants(&self, table: Table) -> impl Iterator<Item = &Tenant> {
        self.tables[table as usize].by_tenant.keys()
    }

    /// Every tenant's live files: for maintenance (compaction, retention), never for a query.
    pub fn all_files(&self, table: Table) -> impl Iterator<Item = &Arc<DataFile>> {
        self.tables[table as usize].by_tenant.values().flat_map(|files| files.iter())
    }

    /// Whether anybody but this writer has ever committed.
    pub(crate) fn has_other_writers(&self, writer: &str) -> bool {
        self.log_positions.keys().any(|other| other != writer)
    }

    /// The writer's log position *as of this snapshot*: what lies below it is in the files listed here, what lies above
    /// is not. Read with the files in one transaction, so it tells which buffered rows a scan still has to add.
    pub fn log_position(&self, writer: &str) -> Option<u64> {
        self.log_positions.get(writer).copied()
    }
}

/// A live data file.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    pub id: FileId,
    pub table: Table,
    pub tenant: Tenant,
    /// Relative to the data path.
    pub path: String,
    pub rows: u64,
    pub size_bytes: u64,
    /// Bytes of the Parquet footer's metadata, without the trailing length and magic; 0 when unknown.
    pub footer_size: u64,
    /// The snapshot whose commit added the file.
    pub added_in: i64,
    /// In the order of [`pruning_columns`].
    pub(super) bounds: Vec<Option<Bounds>>,
}

impl DataFile {
    /// What the catalog knows of one of the table's [`pruning_columns`]; `None` for other columns and unknown values.
    pub fn bounds(&self, column: &str) -> Option<&Bounds> {
        let index = pruning_columns(self.table).iter().position(|name| *name == column)?;
        self.bounds.get(index)?.as_ref()
    }

    /// Begins with the time when the youngest row was stored: of two files, the one with the lesser name was stored first.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Inclusive bounds of the table's time column in Unix nanoseconds.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        let bounds = self.bounds(self.table.time_column())?;
        match (&bounds.min, &bounds.max) {
            (
                Some(ScalarValue::TimestampNanosecond(Some(min), _)),
                Some(ScalarValue::TimestampNanosecond(Some(max), _)),
            ) => Some((*min, *max)),
            _ => None,
        }
    }
}

/// Bounds of one column in one file, inclusive, perhaps wider than the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    pub min: Option<ScalarValue>,
    pub max: Option<ScalarValue>,
    pub null_count: u64,
}

/// The columns whose bounds a [`CatalogSnapshot`] holds in memory. (`tenant` needs none: a file has one.) The catalog
/// has those of the other columns too, for other readers; for Trefoil they are in the file's footer.
pub const fn pruning_columns(table: Table) -> &'static [&'static str] {
    match table {
        Table::Spans => &["start_time_unix_nano", "trace_id", "service_name", "name", "duration_nano", "status_code"],
        Table::Logs => &["time_unix_nano", "service_name", "stream_id", "trace_id", "severity_number"],
        Table::Samples => &["time_unix_nano", "metric_name", "series_id"],
        Table::Series => &["first_time_unix_nano", "metric_name", "series_id", "day", "service_name"],
        Table::Exemplars => &["time_unix_nano", "metric_name", "series_id", "trace_id"],
    }
}
