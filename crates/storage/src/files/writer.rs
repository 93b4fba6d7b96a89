//! A Parquet file being written on a blocking thread: row group by row group, and within one column by column. So only one
//! column is held decoded at a time, and its dictionary stays in the processor's cache.

use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedFileWriter;
use trefoil_model::{Table, Tenant};

use super::gather::{Row, Unified};
use super::output::Output;
use super::properties::writer_properties;
use super::stats::new_file;
use super::{FileStore, FilesError};
use crate::catalog::NewFile;

/// Rows gathered and handed to the encoder at once.
const CHUNK_ROWS: usize = 8 << 10;

/// See the module. Dropped unfinished, it leaves nothing behind.
pub(crate) struct FileWriter {
    table: Table,
    path: String,
    schema: SchemaRef,
    parquet: SerializedFileWriter<Output>,
    groups: usize,
}

impl FileWriter {
    /// Starts the file at `path`; `schema` has the field ids.
    pub fn create(store: &FileStore, table: Table, path: String, schema: SchemaRef) -> Result<Self, FilesError> {
        let output = Output::create(store, &path)?;
        match parquet_writer(output, table, &schema) {
            Ok(parquet) => Ok(Self { table, path, schema, parquet, groups: 0 }),
            Err(error) => Err(write_error(&path, error)),
        }
    }

    /// Appends one row group of these rows, which are in the table's order. The columns are those of the file's schema;
    /// strings may be dictionary-encoded.
    pub fn write_group(&mut self, unified: &Unified, rows: &[Row]) -> Result<(), FilesError> {
        let number = self.groups;
        self.append(|parquet| write_group(parquet, number, unified, rows))
    }

    /// Appends one row group by other means.
    pub fn append(
        &mut self,
        group: impl FnOnce(&mut SerializedFileWriter<Output>) -> Result<()>,
    ) -> Result<(), FilesError> {
        self.groups += 1;
        group(&mut self.parquet).map_err(|error| write_error(&self.path, error))
    }

    /// Completes the file and makes it durable.
    pub fn finish(mut self, tenant: &Tenant) -> Result<NewFile, FilesError> {
        let footer = self.parquet.finish().map_err(|error| write_error(&self.path, error))?;
        let size = self.parquet.bytes_written() as u64;
        let output = self.parquet.inner_mut();
        output.finish().map_err(|source| FilesError::Write { path: self.path.clone(), source })?;
        Ok(new_file(self.table, tenant, self.path, size, output.footer_size(), &self.schema, &footer))
    }
}

/// `ArrowWriter` knows how Arrow's types are stored; the writing itself is done without it.
fn parquet_writer(output: Output, table: Table, schema: &Schema) -> Result<SerializedFileWriter<Output>> {
    let options =
        ArrowWriterOptions::new().with_properties(writer_properties(table, schema)).with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(output, schema.clone().into(), options)?;
    Ok(writer.into_serialized_writer()?.0)
}

fn write_group(
    parquet: &mut SerializedFileWriter<Output>,
    number: usize,
    unified: &Unified,
    rows: &[Row],
) -> Result<()> {
    let factory = ArrowRowGroupWriterFactory::new(parquet, unified.schema.clone());
    let mut writers = factory.create_column_writers(number)?.into_iter();
    let mut group = parquet.next_row_group()?;
    for (field, column) in unified.schema.fields().iter().zip(unified.columns()) {
        let mut chunks = rows.chunks(CHUNK_ROWS).map(|chunk| column.gather(chunk)).peekable();
        // A nested column has several leaves, each with a writer.
        let leaves = match chunks.peek() {
            Some(Ok(array)) => compute_leaves(field, array)?.len(),
            _ => return Err(ParquetError::General("a row group without rows".into())),
        };
        let mut writers: Vec<_> = writers.by_ref().take(leaves).collect();
        for array in chunks {
            for (writer, leaf) in writers.iter_mut().zip(compute_leaves(field, &array?)?) {
                writer.write(&leaf)?;
            }
        }
        for writer in writers {
            writer.close()?.append_to_row_group(&mut group)?;
        }
    }
    group.close()?;
    Ok(())
}

/// The disk's or the object store's own words, where it was they that failed.
fn write_error(path: &str, error: ParquetError) -> FilesError {
    let path = path.to_string();
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => FilesError::Write { path, source: *source },
            Err(other) => FilesError::Encode { path, reason: other.to_string() },
        },
        other => FilesError::Encode { path, reason: other.to_string() },
    }
}
