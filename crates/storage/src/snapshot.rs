//! One consistent moment of one tenant's data.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::FieldRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, internal_err};
use futures::stream::BoxStream;
use trefoil_model::{Table, Tenant};

use crate::buffer::Tables;
use crate::catalog::{CatalogSnapshot, DataFile};
use crate::scan::{Reader, Section, TableScan, Texts};

/// Everything of one tenant that was acknowledged before the snapshot was taken: files of one catalog version and the
/// buffered rows beyond it, no row twice and none missing. Its files stay readable for the catalog's grace period.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) tenant: Tenant,
    pub(crate) catalog: Arc<CatalogSnapshot>,
    pub(crate) reader: Reader,
    pub(crate) buffered: Arc<Tables>,
}

impl Snapshot {
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The tenant's rows of a table. There is no way to a table that leads around the tenant.
    pub fn table(&self, table: Table) -> Arc<dyn TableProvider> {
        let buffered = self.buffered[table as usize].clone();
        Arc::new(TableScan::new(&self.reader, &self.catalog, &self.tenant, table, buffered))
    }

    /// The tenant's files of a table, oldest commit first.
    pub fn files(&self, table: Table) -> Arc<[Arc<DataFile>]> {
        self.catalog.files(table, &self.tenant)
    }

    /// The rows of a table that are not in files yet, as they lie in the buffer: columns in any order, promoted ones
    /// missing, strings in any encoding. In the order of their arrival.
    pub fn buffered(&self, table: Table) -> &[RecordBatch] {
        &self.buffered[table as usize]
    }

    /// The sections of one of the [`Snapshot::files`], in the order of its rows.
    pub async fn sections(&self, file: &DataFile) -> Result<Arc<Vec<Section>>> {
        self.check(file)?;
        self.reader.sections(file).await
    }

    /// Some of the table's base columns of neighbouring rows of a file's row group, a batch for each section. `rows` begins
    /// where a section does. Columns come in the types of the table; one that the file does not have is NULL. `fetched` counts
    /// the bytes that it takes from the file.
    pub async fn section_rows(
        &self,
        file: &DataFile,
        row_group: usize,
        rows: Range<usize>,
        columns: &[&str],
        fetched: &Arc<AtomicU64>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        self.check(file)?;
        self.reader.section_rows(file, row_group, rows, columns, fetched).await
    }

    /// [`Snapshot::section_rows`] of columns of numbers, all sections at once, which takes a fraction of the time.
    pub async fn section_numbers(
        &self,
        file: &DataFile,
        row_group: usize,
        rows: Range<usize>,
        columns: &[&str],
        fetched: &Arc<AtomicU64>,
    ) -> Result<Vec<RecordBatch>> {
        self.check(file)?;
        self.reader.section_numbers(file, row_group, rows, columns, fetched).await
    }

    /// How many rows each row group of one of the [`Snapshot::files`] has.
    pub async fn group_rows(&self, file: &DataFile) -> Result<Vec<usize>> {
        self.check(file)?;
        self.reader.group_rows(file).await
    }

    /// The first and the last time of a row group, nanoseconds since the epoch, as far as the file says it.
    pub async fn group_times(&self, file: &DataFile, row_group: usize) -> Result<Option<(i64, i64)>> {
        self.check(file)?;
        self.reader.group_times(file, row_group).await
    }

    /// The row groups of one of the files of spans or logs that may have some of a trace.
    pub async fn groups_of_trace(&self, file: &DataFile, trace_id: &[u8; 16]) -> Result<Vec<usize>> {
        self.check(file)?;
        self.reader.groups_of_id(file, "trace_id", trace_id).await
    }

    /// The row groups of one of the files of logs that may have some of a span.
    pub async fn groups_of_span(&self, file: &DataFile, span_id: &[u8; 8]) -> Result<Vec<usize>> {
        self.check(file)?;
        self.reader.groups_of_id(file, "span_id", span_id).await
    }

    /// Some columns of all rows of a file's row group, in the types that `wanted` has for them; texts can be dictionaries. `None`:
    /// the file does not have the column. `fetched` counts the bytes that it takes from the file.
    pub async fn group_columns(
        &self,
        file: &DataFile,
        row_group: usize,
        wanted: &[FieldRef],
        fetched: &Arc<AtomicU64>,
    ) -> Result<Vec<Option<ArrayRef>>> {
        self.check(file)?;
        self.reader.group_columns(file, row_group, wanted, fetched).await
    }

    /// What one of the files of logs knows of the texts of bodies, row group by row group.
    pub async fn texts(&self, file: &DataFile) -> Result<Arc<Vec<Texts>>> {
        self.check(file)?;
        self.reader.texts(file).await
    }

    /// Counts files that a reader of sections opened, and that what the catalog knows of them has spared it.
    pub fn note_scanned(&self, opened: u64, pruned: u64) {
        let metrics = self.reader.metrics();
        metrics.scanned_files.inc_by(opened);
        metrics.pruned_files.inc_by(pruned);
    }

    fn check(&self, file: &DataFile) -> Result<()> {
        match file.tenant == self.tenant {
            true => Ok(()),
            false => internal_err!("the file {} is not of the tenant that is asked for", file.path),
        }
    }

    /// The catalog version underneath.
    pub fn catalog(&self) -> &Arc<CatalogSnapshot> {
        &self.catalog
    }

    /// Rows of a table that are not in files yet.
    pub fn buffered_rows(&self, table: Table) -> usize {
        self.buffered[table as usize].iter().map(|batch| batch.num_rows()).sum()
    }
}
