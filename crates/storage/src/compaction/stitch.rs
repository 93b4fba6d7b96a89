//! A file put together from row groups: some moved as they are, some made of rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::ChunkReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use trefoil_model::{Table, Tenant};

use super::groups::{Group, Groups, Slice};
use super::ranges;
use super::section::Section;
use crate::bodies::BodyColumns;
use crate::catalog::{Column, NewFile};
use crate::files::text_index::{GroupTexts, TextIndex};
use crate::files::{FileStore, FileWriter, FilesError, Output, Parts, row_group_rows, sorted};

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
        let writer = FileWriter::create(files, table, path, schema.clone(), 0)?;
        Ok(Self { table, columns, schema, writer })
    }

    /// Appends a row group of an input, which lies in `input`. Columns that it does not have become NULL.
    pub fn move_group(&mut self, footer: &ParquetMetaData, group: usize, input: &Section) -> Result<(), FilesError> {
        let texts = texts(footer, group, input).map_err(|error| FilesError::read("an input", error))?;
        let texts = texts.as_ref().map(|(grams, texts)| (&grams[..], texts.clone()));
        self.writer.append(|parquet| move_group(parquet, footer, group, input), texts)
    }

    /// Sorts row groups together, into as many as it takes.
    pub fn sort(&mut self, groups: &[Group]) -> Result<(), FilesError> {
        let capacity = row_group_rows(self.table);
        for set in ranges::split(groups, capacity)? {
            let slices = set.into_iter().map(|(number, rows)| Slice { group: &groups[number], rows });
            let slices: Vec<Slice<'_>> = slices.collect();
            let names = self.columns.iter().map(|column| column.name.as_str());
            let of_bodies = if self.table == Table::Logs { BodyColumns::among(names) } else { None };
            let fields = of_bodies.as_ref().map(BodyColumns::fields).unwrap_or_default();
            let mut parts = Groups::new(&self.columns, &self.schema, slices);
            if let Some(columns) = &of_bodies {
                parts.read_bodies(columns)?;
            }
            let rows = parts.rows().iter().enumerate();
            let rows = rows.flat_map(|(part, &rows)| (0..rows).map(move |row| (part as u32, row as u32)));
            let rows = sorted(self.table, &parts, rows.collect())?;
            self.writer.write(&parts, &rows, fields)?;
        }
        Ok(())
    }

    pub fn finish(self, tenant: &Tenant) -> Result<NewFile, FilesError> {
        self.writer.finish(tenant)
    }
}

/// What is known of the texts of a row group, which lies in `input`, their grams first, if there are some.
fn texts(footer: &ParquetMetaData, group: usize, input: &Section) -> Result<Option<(Bytes, GroupTexts)>> {
    let index = TextIndex::of(footer);
    let Some(known) = index.group(group) else { return Ok(None) };
    let grams =
        known.range().map(|range| input.get_bytes(range.start, usize::try_from(known.length).unwrap_or(usize::MAX)));
    Ok(Some((grams.transpose()?.unwrap_or_default(), known.clone())))
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
            None => write_nulls(&mut output, rows, column.max_rep_level() > 0)?,
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

/// A column chunk without a value, of an optional column; of a nested one every leaf has its own.
fn write_nulls(output: &mut SerializedRowGroupWriter<'_, Output>, rows: u64, is_repeated: bool) -> Result<()> {
    let Some(mut column) = output.next_column()? else { return Err(general("more columns than the file has")) };
    let levels = vec![0i16; usize::try_from(rows).unwrap_or_default()];
    let levels = Some(levels.as_slice());
    let repeated = levels.filter(|_| is_repeated);
    match column.untyped() {
        ColumnWriter::BoolColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::Int32ColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::Int64ColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::Int96ColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::FloatColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::DoubleColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::ByteArrayColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
        ColumnWriter::FixedLenByteArrayColumnWriter(writer) => writer.write_batch(&[], levels, repeated),
    }?;
    column.close()
}

fn general(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_string())
}
