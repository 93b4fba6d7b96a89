//! A column whose pages begin and end with series (docs/decisions/0018-small-samples.md).
//!
//! Whole numbers are stored as differences, 64 of which share a width. From one series to the next is a jump, which makes 64
//! of them as wide as it is. A page begins with a number as it is: when each busy series has pages of its own, nobody pays much
//! for jumps. Arrow's writer ends pages where it wants to, so the column is written by the one below it.

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

/// A series whose value moves so often has pages of its own. Of one that moves less often, a page (its header, its place in
/// the index, its frame of the compression: about 60 bytes) would cost more than the jump, which compression gets back
/// where there is little else (docs/decisions/0023-bytes-a-sample.md).
const MOVES: usize = 96;

/// Rows of a page at most.
const PAGE_ROWS: usize = 16 << 10;

/// Rows of a page of several series at most, so that whoever wants one of them decodes few others.
const SHARED_ROWS: usize = 4 << 10;

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

/// Rows sorted by series, cut into pages: runs of `values` that move often by themselves, others together.
pub(super) fn pages<'r>(series: &Flat, values: &Flat, rows: &'r [Row]) -> Result<Vec<&'r [Row]>, ArrowError> {
    let mut pages = Vec::new();
    let (mut quiet, mut start) = (0, 0);
    for length in run_lengths(series, rows)? {
        let end = start + length;
        if length > MOVES && moves(values, &rows[start..end])? >= MOVES {
            pages.extend(rows[quiet..start].chunks(PAGE_ROWS));
            pages.extend(rows[start..end].chunks(PAGE_ROWS));
            quiet = end;
        } else if end - quiet > SHARED_ROWS {
            // Before this run rather than within it.
            pages.extend(rows[quiet..start].chunks(PAGE_ROWS));
            quiet = start;
        }
        start = end;
    }
    pages.extend(rows[quiet..].chunks(PAGE_ROWS));
    Ok(pages)
}

/// How often a value differs from the one before.
fn moves(values: &Flat, run: &[Row]) -> Result<usize, ArrowError> {
    let mut moves = 0;
    let mut last = None;
    for chunk in run.chunks(PAGE_ROWS) {
        let values = values.gather(chunk)?;
        let Some(values) = values.as_primitive_opt::<Int64Type>() else { return Ok(0) };
        for value in values.iter().flatten() {
            moves += usize::from(last.is_some_and(|last| last != value));
            last = Some(value);
        }
    }
    Ok(moves)
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

    use arrow::array::{Int64Array, UInt64Array};
    use arrow::datatypes::DataType;

    use super::*;

    /// The lengths of the pages of series of these lengths, whose values move at every so many rows.
    fn cut(series: &[(usize, usize)]) -> Vec<usize> {
        let runs = || series.iter().enumerate();
        let ids = runs().flat_map(|(id, (length, _))| std::iter::repeat_n(id as u64, *length));
        let values = runs().flat_map(|(_, (length, held))| (0..*length).map(move |row| (row / held) as i64));
        let ids = UInt64Array::from_iter_values(ids.collect::<Vec<_>>());
        let values = Int64Array::from_iter_values(values.collect::<Vec<_>>());
        let rows: Vec<Row> = (0..ids.len() as u32).map(|row| (0, row)).collect();
        let series = Flat::Arrays { arrays: vec![Arc::new(ids)], data_type: DataType::UInt64 };
        let values = Flat::Arrays { arrays: vec![Arc::new(values)], data_type: DataType::Int64 };
        let pages = pages(&series, &values, &rows).unwrap();
        assert_eq!(pages.concat(), rows);
        pages.iter().map(|page| page.len()).collect()
    }

    #[test]
    fn runs_that_move_often_have_pages_of_their_own() {
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[(10, 1), (20, 1), (30, 1)]), [60]);
        assert_eq!(cut(&[(97, 1), (240, 1), (10, 1), (20, 1), (97, 1), (5, 1)]), [97, 240, 30, 97, 5]);
        assert_eq!(cut(&[(40_000, 1), (3, 1)]), [16_384, 16_384, 7232, 3]);
    }

    #[test]
    fn quiet_runs_share_pages_however_long_they_are() {
        assert_eq!(cut(&[(240, 3), (240, 240), (240, 1), (960, 10)]), [480, 240, 960]);
        assert_eq!(cut(&[(240, 240); 40]), [4080, 4080, 1440]);
        assert_eq!(cut(&[(90, 1); 50]), [4050, 450]);
        assert_eq!(cut(&[(40_000, 40_000), (3, 1)]), [16_384, 16_384, 7232, 3]);
    }
}
