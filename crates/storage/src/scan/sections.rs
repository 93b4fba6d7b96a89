//! Neighbouring rows of files, for readers that keep what they have decoded: where they lie, what is known of them without
//! reading, and their columns.
//!
//! Sections begin at every [`SECTION_ROWS`]th row of a row group, whatever pages the columns have, so that they can be told
//! apart by number. Files never change, and so neither do their sections.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampNanosecondType, UInt64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use trefoil_model::Table;

use super::constant::{constant, leaf};
use super::reader::{Reader, named};
use crate::catalog::DataFile;

/// Rows of a section; the last one of a row group has fewer.
pub const SECTION_ROWS: usize = 1 << 16;

/// Rows of one file that are read together, and what the file says of them. Bounds are inclusive, perhaps wider than the
/// data, and `None` where they are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub row_group: usize,
    /// Counted from the beginning of the row group; `rows.start` is a multiple of [`SECTION_ROWS`].
    pub rows: Range<usize>,
    pub metrics: Option<(String, String)>,
    pub series: Option<(u64, u64)>,
    /// Of the table's time column, nanoseconds since the epoch.
    pub times: Option<(i64, i64)>,
}

impl Section {
    /// The section's place among those of its row group.
    pub fn number(&self) -> usize {
        self.rows.start / SECTION_ROWS
    }

    /// The metric's name, if all rows are of one metric.
    pub fn only_metric(&self) -> Option<&str> {
        self.metrics.as_ref().filter(|(first, last)| first == last).map(|(first, _)| first.as_str())
    }

    pub(super) fn bytes(&self) -> usize {
        let names = self.metrics.as_ref().map_or(0, |(first, last)| first.len() + last.len());
        size_of::<Self>() + names
    }
}

impl Reader {
    /// The sections of a file, in the order of its rows.
    pub(crate) async fn sections(&self, file: &DataFile) -> Result<Arc<Vec<Section>>> {
        if let Some(sections) = self.known_sections(&file.path) {
            return Ok(sections);
        }
        let footer = self.footer(file, PageIndexPolicy::Optional).await?;
        let sections = Arc::new(of_file(file.table, &footer)?);
        self.keep_sections(&file.path, &sections);
        Ok(sections)
    }

    /// Some columns of neighbouring rows of a row group, a batch for each section. `rows` begins where a section does.
    ///
    /// Columns come in the types of the table; a column that the file does not have is NULL. `fetched` counts bytes.
    pub(crate) async fn section_rows(
        &self,
        file: &DataFile,
        row_group: usize,
        rows: Range<usize>,
        columns: &[&str],
        fetched: &Arc<AtomicU64>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let footer = self.footer(file, PageIndexPolicy::Optional).await?;
        let metadata = ArrowReaderMetadata::try_new(footer.clone(), ArrowReaderOptions::new())?;
        let table = file.table.base_schema();
        let wanted = columns.iter().map(|name| table.field_with_name(name).cloned()).collect::<Result<Vec<_>, _>>()?;
        let wanted = Arc::new(Schema::new(wanted));
        let constants = constants(&footer, row_group, &wanted)?;

        let root = metadata.parquet_schema().root_schema();
        let is_read = |name: &str| wanted.index_of(name).is_ok_and(|place| constants[place].is_none());
        let roots = root.get_fields().iter().enumerate();
        let roots: Vec<usize> = roots.filter(|(_, field)| is_read(field.name())).map(|(place, _)| place).collect();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let selection = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
        let batches = ParquetRecordBatchStreamBuilder::new_with_metadata(self.open(file, fetched)?, metadata)
            .with_row_groups(vec![row_group])
            .with_projection(mask)
            .with_row_selection(RowSelection::from(selection))
            .with_batch_size(SECTION_ROWS)
            .build()
            .map_err(|error| named(&file.path, error.into()))?;
        let path = file.path.clone();
        let batches = batches.map_err(move |error| named(&path, DataFusionError::from(error)));
        Ok(batches.map(move |batch| typed(&batch?, &wanted, &constants)).boxed())
    }
}

/// Of each column its value if it has the same in all rows of the row group, as far as the file says so.
fn constants(footer: &ParquetMetaData, row_group: usize, wanted: &SchemaRef) -> Result<Vec<Option<ScalarValue>>> {
    let has = |name: &str| footer.file_metadata().schema().get_fields().iter().any(|column| column.name() == name);
    let constant = |field: &Arc<Field>| match field.data_type() {
        data_type if !has(field.name()) => Ok(Some(ScalarValue::try_from(data_type)?)),
        DataType::UInt32 | DataType::Int64 | DataType::Float64 | DataType::Timestamp(..) => {
            let leaf = leaf(footer, field.name());
            Ok(leaf.map(|leaf| constant(footer, row_group, leaf, field)).transpose()?.flatten())
        }
        _ => Ok(None),
    };
    wanted.fields().iter().map(constant).collect()
}

fn typed(batch: &RecordBatch, wanted: &SchemaRef, constants: &[Option<ScalarValue>]) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let column = |(field, constant): (&Arc<Field>, &Option<ScalarValue>)| -> Result<ArrayRef> {
        match (constant, batch.column_by_name(field.name())) {
            (Some(value), _) if value.is_null() => Ok(new_null_array(field.data_type(), rows)),
            (Some(value), _) => Ok(cast(&value.to_array_of_size(rows)?, field.data_type())?),
            (None, Some(array)) if array.data_type() == field.data_type() => Ok(array.clone()),
            (None, Some(array)) => Ok(cast(array, field.data_type())?),
            (None, None) => Ok(new_null_array(field.data_type(), rows)),
        }
    };
    let columns = wanted.fields().iter().zip(constants).map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(wanted.clone(), columns, &options)?)
}

/// Some of a table's base columns of a batch of its buffer, in the types of the table; NULL where the batch has none.
pub fn base_columns(table: Table, batch: &RecordBatch, columns: &[&str]) -> Result<RecordBatch> {
    let table = table.base_schema();
    let wanted = columns.iter().map(|name| table.field_with_name(name).cloned()).collect::<Result<Vec<_>, _>>()?;
    typed(batch, &Arc::new(Schema::new(wanted)), &vec![None; columns.len()])
}

fn of_file(table: Table, footer: &ParquetMetaData) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for row_group in 0..footer.num_row_groups() {
        let pages = Pages { table, footer, row_group };
        let (metrics, series) = (pages.bounds("metric_name")?, pages.bounds("series_id")?);
        let times = pages.bounds(table.time_column())?;
        let rows = usize::try_from(footer.row_group(row_group).num_rows()).unwrap_or_default();
        for start in (0..rows).step_by(SECTION_ROWS) {
            let rows = start..rows.min(start + SECTION_ROWS);
            sections.push(Section {
                row_group,
                metrics: metrics.as_ref().and_then(|bounds| bounds.of(&rows, text)),
                series: series.as_ref().and_then(|bounds| {
                    bounds.of(&rows, |array, page| {
                        array.as_primitive_opt::<UInt64Type>().map(|values| values.value(page))
                    })
                }),
                times: times.as_ref().and_then(|bounds| {
                    bounds.of(&rows, |array, page| {
                        array.as_primitive_opt::<TimestampNanosecondType>().map(|values| values.value(page))
                    })
                }),
                rows,
            });
        }
    }
    Ok(sections)
}

fn text(array: &dyn Array, page: usize) -> Option<String> {
    let array = cast(array, &DataType::Utf8).ok()?;
    Some(array.as_string_opt::<i32>()?.value(page).to_owned())
}

struct Pages<'f> {
    table: Table,
    footer: &'f ParquetMetaData,
    row_group: usize,
}

/// What the pages of a column hold.
struct PageBounds {
    first_rows: Vec<usize>,
    least: ArrayRef,
    greatest: ArrayRef,
}

impl Pages<'_> {
    fn bounds(&self, column: &str) -> Result<Option<PageBounds>> {
        let (Some(indexes), Some(offsets)) = (self.footer.column_index(), self.footer.offset_index()) else {
            return Ok(None);
        };
        let schema = self.footer.file_metadata().schema_descr();
        let Some(leaf) = leaf(self.footer, column) else { return Ok(None) };
        let table = self.table.base_schema();
        // By its place in the file: that has not all columns of the table.
        let statistics = StatisticsConverter::from_column_index(leaf, table.field_with_name(column)?, schema)?;
        let (group, Some(pages)) = ([self.row_group], offsets.get(self.row_group).and_then(|group| group.get(leaf)))
        else {
            return Ok(None);
        };
        let least = statistics.data_page_mins(indexes, offsets, &group)?;
        let greatest = statistics.data_page_maxes(indexes, offsets, &group)?;
        let first_rows: Vec<usize> = pages
            .page_locations()
            .iter()
            .map(|page| usize::try_from(page.first_row_index).unwrap_or_default())
            .collect();
        let is_whole = first_rows.len() == least.len() && least.len() == greatest.len() && !first_rows.is_empty();
        Ok(is_whole.then_some(PageBounds { first_rows, least, greatest }))
    }
}

impl PageBounds {
    /// The least and the greatest of the pages that have some of the rows.
    fn of<T: Ord>(&self, rows: &Range<usize>, value: impl Fn(&dyn Array, usize) -> Option<T>) -> Option<(T, T)> {
        let first = self.first_rows.partition_point(|row| *row <= rows.start).saturating_sub(1);
        let end = self.first_rows.partition_point(|row| *row < rows.end);
        let of = |array: &ArrayRef| -> Option<Vec<T>> {
            (first..end).map(|page| array.is_valid(page).then(|| value(array, page)).flatten()).collect()
        };
        Some((of(&self.least)?.into_iter().min()?, of(&self.greatest)?.into_iter().max()?))
    }
}
