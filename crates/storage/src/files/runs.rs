//! A column whose pages begin and end with series (docs/decisions/0018-small-samples.md).
//!
//! Whole numbers are stored as differences, 64 of which share a width. From one series to the next is a jump, which makes 64
//! of them as wide as it is. A page begins with a number as it is: when each series has pages of its own, nobody pays for
//! jumps. Arrow's writer ends pages where it wants to, so the column is written by the one below it.

use std::io::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, UInt64Type};
use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::Int64Type as Int64;
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterPropertiesBuilder, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use trefoil_model::Table;

use super::gather::{Flat, Row};

/// A series of so many rows has pages of its own. Of fewer, a page (its header, its place in the index, its frame of the
/// compression: about 50 bytes) would cost more than the jump.
const LONG_RUN: usize = 64;

/// Rows of a page at most.
const PAGE_ROWS: usize = 16 << 10;

/// Whether pages of that column follow the series.
pub(super) fn follows_series(table: Table, column: &str) -> bool {
    table == Table::Samples && column == "value_int"
}

/// What the column's writer needs.
pub(super) struct RunColumn {
    column: ColumnDescPtr,
    properties: WriterPropertiesPtr,
}

impl RunColumn {
    pub fn new<W: Write + Send>(parquet: &SerializedFileWriter<W>, name: &str) -> Result<Self, ParquetError> {
        let columns = parquet.schema_descr().columns();
        let column = columns.iter().find(|column| column.path().parts() == [name]);
        let column = column.cloned().ok_or_else(|| ParquetError::General(format!("there is no column {name}")))?;
        let properties = WriterPropertiesBuilder::from(parquet.properties().as_ref().clone());
        // Every batch that is handed over becomes a page.
        let properties = properties.set_data_page_row_count_limit(1).set_write_batch_size(PAGE_ROWS).build();
        Ok(Self { column, properties: properties.into() })
    }

    /// Appends the column's rows to a row group, a page for each of `pages`.
    pub fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        values: &Flat,
        pages: &[&[Row]],
    ) -> Result<(), ParquetError> {
        let mut chunk = TrackedWrite::new(Vec::new());
        let sink = Box::new(SerializedPageWriter::new(&mut chunk));
        let mut writer = ColumnWriterImpl::<Int64>::new(self.column.clone(), self.properties.clone(), sink);
        let (mut present, mut levels): (Vec<i64>, Vec<i16>) = (Vec::new(), Vec::new());
        for page in pages {
            let page = values.gather(page)?;
            let Some(page) = page.as_primitive_opt::<Int64Type>() else {
                return Err(ParquetError::General(format!("{} is no column of integers", self.column.name())));
            };
            present.clear();
            present.extend(page.iter().flatten());
            levels.clear();
            levels.extend((0..page.len()).map(|row| i16::from(page.is_valid(row))));
            writer.write_batch(&present, Some(&levels), None)?;
        }
        let closed = writer.close()?;
        group.append_column(&Bytes::from(chunk.into_inner()?), closed)
    }
}

/// Rows sorted by series, cut into pages: long runs by themselves, short ones together.
pub(super) fn pages<'r>(series: &Flat, rows: &'r [Row]) -> Result<Vec<&'r [Row]>, ArrowError> {
    let mut pages = Vec::new();
    let mut cut = |rows: &'r [Row]| pages.extend(rows.chunks(PAGE_ROWS));
    let mut short = 0;
    let mut start = 0;
    for length in run_lengths(series, rows)? {
        let end = start + length;
        if length >= LONG_RUN {
            cut(&rows[short..start]);
            cut(&rows[start..end]);
            short = end;
        }
        start = end;
    }
    cut(&rows[short..]);
    Ok(pages)
}

/// Of how many rows each series in turn is.
fn run_lengths(series: &Flat, rows: &[Row]) -> Result<Vec<usize>, ArrowError> {
    let mut lengths = Vec::new();
    let mut last = None;
    for chunk in rows.chunks(PAGE_ROWS) {
        let ids = series.gather(chunk)?;
        for id in ids.as_primitive::<UInt64Type>().values() {
            match lengths.last_mut() {
                Some(length) if last == Some(*id) => *length += 1,
                _ => lengths.push(1),
            }
            last = Some(*id);
        }
    }
    Ok(lengths)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::UInt64Array;
    use arrow::datatypes::DataType;

    use super::*;

    /// The lengths of the pages of series of these lengths.
    fn cut(lengths: &[usize]) -> Vec<usize> {
        let ids = lengths.iter().enumerate().flat_map(|(id, length)| std::iter::repeat_n(id as u64, *length));
        let ids = UInt64Array::from_iter_values(ids.collect::<Vec<_>>());
        let rows: Vec<Row> = (0..ids.len() as u32).map(|row| (0, row)).collect();
        let series = Flat::Arrays { arrays: vec![Arc::new(ids)], data_type: DataType::UInt64 };
        let pages = pages(&series, &rows).unwrap();
        assert_eq!(pages.concat(), rows);
        pages.iter().map(|page| page.len()).collect()
    }

    #[test]
    fn long_runs_have_pages_of_their_own() {
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[10, 20, 30]), [60]);
        assert_eq!(cut(&[64, 240, 10, 20, 64, 5]), [64, 240, 30, 64, 5]);
        assert_eq!(cut(&[40_000, 3]), [16_384, 16_384, 7232, 3]);
        assert_eq!(cut(&[63; 300]), [16_384, 2516]);
    }
}
