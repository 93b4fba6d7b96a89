//! A file put together from row groups: some moved as they are, some made of rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use trefoil_model::{Table, Tenant};

use super::groups::{Group, Groups};
use super::section::Section;
use crate::catalog::{Column, NewFile};
use crate::files::{FileStore, FileWriter, FilesError, Output, Parts, sorted};

/// The file being made, on a blocking thread.
pub(super) struct Stitcher {
    table: Table,
    columns: Vec<Column>,
    schema: SchemaRef,
    writer: FileWriter,
}

impl Stitcher {
    /// `columns` = those of all inputs together.
    pub fn create(files: &FileStore, table: Table, path: String, columns: Vec<Column>) -> Result<Self, FilesError> {
        let schema = Arc::new(Schema::new(columns.iter().map(Column::field_with_ids).collect::<Vec<_>>()));
        let writer = FileWriter::create(files, table, path, schema.clone())?;
        Ok(Self { table, columns, schema, writer })
    }

    /// Whether row groups of this file can be moved: a column that it lacks must be one that NULLs are easily written for.
    pub fn can_move(&self, footer: &ParquetMetaData) -> bool {
        let fields = footer.file_metadata().schema_descr().root_schema().get_fields();
        let has = |column: &Column| fields.iter().any(|field| field.name() == column.name);
        self.columns.iter().all(|column| column.children.is_empty() || has(column))
    }

    /// Appends a row group of an input, which lies in `input`. Columns that it does not have become NULL.
    pub fn move_group(&mut self, footer: &ParquetMetaData, group: usize, input: &Section) -> Result<(), FilesError> {
        self.writer.append(|parquet| move_group(parquet, footer, group, input))
    }

    /// Sorts row groups into one.
    pub fn sort(&mut self, groups: &[Group]) -> Result<(), FilesError> {
        let parts = Groups::new(&self.columns, &self.schema, groups);
        let rows = parts.rows().iter().enumerate();
        let rows = rows.flat_map(|(part, &rows)| (0..rows).map(move |row| (part as u32, row as u32)));
        let rows = sorted(self.table, &parts, rows.collect())?;
        self.writer.write_group(&parts, &rows)
    }

    pub fn finish(self, tenant: &Tenant) -> Result<NewFile, FilesError> {
        self.writer.finish(tenant)
    }
}

fn move_group(
    writer: &mut SerializedFileWriter<Output>,
    footer: &ParquetMetaData,
    group: usize,
    input: &Section,
) -> Result<()> {
    let metadata = footer.row_group(group);
    let rows = metadata.num_rows().max(0) as u64;
    let paths: HashMap<&[String], usize> =
        metadata.columns().iter().enumerate().map(|(index, chunk)| (chunk.column_path().parts(), index)).collect();
    let wanted: Vec<_> = writer.schema_descr().columns().to_vec();
    let mut output = writer.next_row_group()?;
    for column in wanted {
        match paths.get(column.path().parts()) {
            Some(&index) => output.append_column(input, chunk_as_closed(footer, group, index, rows, input)?)?,
            None => write_nulls(&mut output, rows)?,
        }
    }
    output.close()?;
    Ok(())
}

/// What the writer of this chunk knew when it was done with it.
fn chunk_as_closed(
    footer: &ParquetMetaData,
    group: usize,
    index: usize,
    rows: u64,
    input: &Section,
) -> Result<ColumnCloseResult> {
    let chunk = footer.row_group(group).column(index);
    let column_index = footer.column_index().and_then(|groups| groups.get(group)?.get(index));
    let offset_index = footer.offset_index().and_then(|groups| groups.get(group)?.get(index));
    Ok(ColumnCloseResult {
        bytes_written: chunk.compressed_size().max(0) as u64,
        rows_written: rows,
        metadata: chunk.clone(),
        bloom_filter: bloom_filter(chunk, input)?,
        column_index: column_index.filter(|_| chunk.column_index_offset().is_some()).cloned(),
        offset_index: offset_index.cloned(),
    })
}

fn bloom_filter(chunk: &ColumnChunkMetaData, input: &Section) -> Result<Option<Sbbf>> {
    let range = (chunk.bloom_filter_offset(), chunk.bloom_filter_length());
    let (Some(offset), Some(length)) = range else { return Ok(None) };
    let (offset, length) = (u64::try_from(offset).unwrap_or(u64::MAX), usize::try_from(length).unwrap_or(0));
    Sbbf::from_bytes(&input.get_bytes(offset, length)?).map(Some)
}

/// A column chunk without a value, of an optional scalar.
fn write_nulls(output: &mut SerializedRowGroupWriter<'_, Output>, rows: u64) -> Result<()> {
    let Some(mut column) = output.next_column()? else { return Err(general("more columns than the file has")) };
    let levels = vec![0i16; usize::try_from(rows).unwrap_or_default()];
    let levels = Some(levels.as_slice());
    match column.untyped() {
        ColumnWriter::BoolColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::Int32ColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::Int64ColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::Int96ColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::FloatColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::DoubleColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::ByteArrayColumnWriter(writer) => writer.write_batch(&[], levels, None),
        ColumnWriter::FixedLenByteArrayColumnWriter(writer) => writer.write_batch(&[], levels, None),
    }?;
    column.close()
}

fn general(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_string())
}
