//! A Parquet file being written on a blocking thread: row group by row group, and within one column by column. So only one
//! column is held decoded at a time (but for [logs](Columns)), and its dictionary stays in the processor's cache.

use std::io;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use trefoil_model::{Table, Tenant};

use super::columns::Columns;
use super::forms;
use super::gather::{Parts, Row};
use super::keys::KeyColumns;
use super::output::Output;
use super::pages::Compressor;
use super::properties::{row_group_rows, writer_properties};
use super::runs::{RunColumn, follows_series, pages};
use super::stats::new_file;
use super::text_index::{Grams, GroupGrams, GroupTexts, TextIndex};
use super::times::{TimeColumn, are_times};
use super::{FileStore, FilesError};
use crate::bodies::BODY;
use crate::catalog::NewFile;

/// Rows gathered and handed to the encoder at once.
const CHUNK_ROWS: usize = 8 << 10;

/// See the module. Dropped unfinished, it leaves nothing behind.
pub(crate) struct FileWriter {
    table: Table,
    path: String,
    schema: SchemaRef,
    parquet: SerializedFileWriter<Output>,
    compressor: Compressor,
    groups: usize,
    texts: TextIndex,
    filtered_from: usize,
}

impl FileWriter {
    /// Starts the file at `path`; `schema` has the field ids. The texts of so many rows that are sorted together get a filter of their
    /// grams, those of fewer do not.
    pub fn create(
        store: &FileStore,
        table: Table,
        path: String,
        schema: SchemaRef,
        filtered_from: usize,
    ) -> Result<Self, FilesError> {
        let output = Output::create(store, &path)?;
        let made = parquet_writer(output, table, &schema).and_then(|parquet| Ok((parquet, Compressor::new()?)));
        let (parquet, compressor) = made.map_err(|error| write_error(&path, error))?;
        Ok(Self { table, path, schema, parquet, compressor, groups: 0, texts: TextIndex::default(), filtered_from })
    }

    /// Appends these rows, which are in the table's order, as row groups. The schema of `parts` is the file's. `fields` of their bodies were
    /// looked for in every row.
    pub fn write(&mut self, parts: &impl Parts, rows: &[Row], fields: &[String]) -> Result<(), FilesError> {
        let capacity = row_group_rows(self.table);
        let columns = Columns::new(self.table, parts);
        let apart = if self.table == Table::Logs { forms::apart(&columns, rows)? } else { None };
        let Some(sets) = apart else {
            return rows.chunks(capacity).try_for_each(|rows| self.write_group(&columns, rows, fields, rows.len()));
        };
        for set in &sets {
            // What is left over of a large set is small by itself, not for its form.
            let together = if set.len() <= capacity { rows.len() } else { 0 };
            for rows in set.chunks(capacity) {
                self.write_group(&columns, rows, fields, together.max(rows.len()))?;
            }
        }
        Ok(())
    }

    /// `together`: as many rows were there for the row group, which has those whose lines are of one form.
    fn write_group(
        &mut self,
        columns: &Columns<'_, impl Parts>,
        rows: &[Row],
        fields: &[String],
        together: usize,
    ) -> Result<(), FilesError> {
        self.groups += 1;
        let has_grams = self.table == Table::Logs && together >= self.filtered_from;
        let mut grams = has_grams.then(|| GroupGrams::of(columns)).transpose()?;
        let written = write_group(&mut self.parquet, self.table, columns, rows, grams.as_mut(), &mut self.compressor);
        written.map_err(|failed| match failed {
            Failed::Parts(error) => error,
            Failed::Parquet(error) => write_error(&self.path, error),
        })?;
        if self.table != Table::Logs {
            return Ok(());
        }
        let Grams { compressed, left_out } = grams.map(GroupGrams::finish).transpose()?.unwrap_or_default();
        let (fields, together) = (fields.to_vec(), together as u64);
        self.append_texts(&compressed, GroupTexts { fields, left_out, together, ..GroupTexts::default() })
    }

    /// Appends one row group by other means; `texts` = what is known of its bodies, wherever their grams lay before.
    pub fn append(
        &mut self,
        group: impl FnOnce(&mut SerializedFileWriter<Output>) -> Result<(), ParquetError>,
        texts: Option<(&[u8], GroupTexts)>,
    ) -> Result<(), FilesError> {
        self.groups += 1;
        group(&mut self.parquet).map_err(|error| write_error(&self.path, error))?;
        match texts {
            Some((grams, texts)) => self.append_texts(grams, texts),
            None => Ok(()),
        }
    }

    /// Of the row group that was appended last.
    fn append_texts(&mut self, grams: &[u8], texts: GroupTexts) -> Result<(), FilesError> {
        let offset = self.parquet.bytes_written() as u64;
        let written = self.parquet.write_all(grams);
        written.map_err(|source| FilesError::Write { path: self.path.clone(), source })?;
        self.texts.groups.resize(self.groups - 1, GroupTexts::default());
        self.texts.groups.push(GroupTexts { offset, length: grams.len() as u64, ..texts });
        Ok(())
    }

    /// Completes the file and makes it durable.
    pub fn finish(mut self, tenant: &Tenant) -> Result<NewFile, FilesError> {
        if let Some(entry) = self.texts.entry() {
            self.parquet.append_key_value_metadata(entry);
        }
        let footer = self.parquet.finish().map_err(|error| write_error(&self.path, error))?;
        let size = self.parquet.bytes_written() as u64;
        let output = self.parquet.inner_mut();
        output.finish().map_err(|source| FilesError::Write { path: self.path.clone(), source })?;
        Ok(new_file(self.table, tenant, self.path, size, output.footer_size(), &self.schema, &footer))
    }
}

/// `ArrowWriter` knows how Arrow's types are stored; the writing itself is done without it.
fn parquet_writer(output: Output, table: Table, schema: &Schema) -> Result<SerializedFileWriter<Output>, ParquetError> {
    let options =
        ArrowWriterOptions::new().with_properties(writer_properties(table, schema)).with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(output, schema.clone().into(), options)?;
    Ok(writer.into_serialized_writer()?.0)
}

/// Whose fault it was.
enum Failed {
    Parts(FilesError),
    Parquet(ParquetError),
}

impl<E: Into<ParquetError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed::Parquet(error.into())
    }
}

/// `grams` are given the bodies, which are gathered once for both.
fn write_group(
    parquet: &mut SerializedFileWriter<Output>,
    table: Table,
    columns: &Columns<'_, impl Parts>,
    rows: &[Row],
    mut grams: Option<&mut GroupGrams>,
    compressor: &mut Compressor,
) -> Result<(), Failed> {
    let schema = columns.schema();
    let flat = |index: usize| columns.at(index).map_err(Failed::Parts);
    let of_runs = schema.fields().iter().find(|field| follows_series(table, field.name()));
    let of_runs = of_runs.map(|field| RunColumn::new(parquet, field.name())).transpose()?;
    let times = schema.fields().iter().find(|field| are_times(table, field.name()));
    let times = times.map(|field| TimeColumn::new(parquet, field.name())).transpose()?;
    let of_keys = KeyColumns::new(parquet);
    let of_arrow = ArrowColumns::new(parquet);
    let mut group = parquet.next_row_group()?;
    for (index, field) in schema.fields().iter().enumerate() {
        let column = flat(index)?;
        if let (Some(of_runs), true) = (&of_runs, follows_series(table, field.name())) {
            let pages = match schema.index_of("series_id") {
                Ok(series) => {
                    let series = flat(series)?;
                    pages(&series, &column, rows)?
                }
                Err(_) => vec![rows],
            };
            of_runs.write(&mut group, &column, &pages)?;
            continue;
        }
        if let (Some(times), true) = (&times, are_times(table, field.name())) {
            times.write(&mut group, &column, rows, compressor)?;
            continue;
        }
        if of_keys.write(&mut group, field.name(), &column, rows, compressor)? {
            continue;
        }
        let mut writers = of_arrow.writers(index, field)?;
        for chunk in rows.chunks(CHUNK_ROWS) {
            let values = column.gather(chunk)?;
            if let Some(grams) = grams.as_mut().filter(|_| field.name() == BODY) {
                grams.add(chunk, &values).map_err(Failed::Parts)?;
            }
            for (writer, leaf) in writers.iter_mut().zip(&compute_leaves(field, &values)?) {
                writer.write(leaf)?;
            }
        }
        for writer in writers {
            writer.close()?.append_to_row_group(&mut group)?;
        }
    }
    group.close()?;
    Ok(())
}

/// Makes Arrow's writers for single columns. Its own factory makes those of all columns, most of which are not written by them.
struct ArrowColumns {
    schema: TypePtr,
    properties: WriterPropertiesPtr,
}

impl ArrowColumns {
    fn new(parquet: &SerializedFileWriter<Output>) -> Self {
        Self { schema: parquet.schema_descr().root_schema_ptr(), properties: parquet.properties().clone() }
    }

    /// Of a field at this place of the schema; a nested one has several leaves, each with a writer.
    fn writers(&self, index: usize, field: &FieldRef) -> Result<Vec<ArrowColumnWriter>, ParquetError> {
        let column = self.schema.get_fields()[index].clone();
        let schema = Type::group_type_builder(self.schema.name()).with_fields(vec![column]).build()?;
        let of_one = SerializedFileWriter::new(io::sink(), schema.into(), self.properties.clone())?;
        let arrow = Arc::new(Schema::new(vec![field.clone()]));
        ArrowRowGroupWriterFactory::new(&of_one, arrow).create_column_writers(0)
    }
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
