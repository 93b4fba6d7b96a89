//! Columns of numbers, decoded without more than that takes.
//!
//! Where a series has pages of its own there are thousands of small pages, for which readers of whole tables do much around each.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, TimeUnit, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use bytes::Bytes;
use bytes::buf::{Buf, Reader as BytesReader};
use datafusion::common::{Result, ScalarValue};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type as physical;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::constant::{constant, leaf};
use super::reader::{Reader, named};
use super::sections::SECTION_ROWS;
use crate::catalog::DataFile;

type Decoded<T> = std::result::Result<T, ParquetError>;

impl Reader {
    /// Some columns (of numbers) of neighbouring rows of a row group, a batch for each section. `rows` begins where a section
    /// does.
    ///
    /// Columns come in the types of the table; a column that the file does not have is NULL. `fetched` counts bytes.
    pub(crate) async fn section_numbers(
        &self,
        file: &DataFile,
        row_group: usize,
        rows: Range<usize>,
        columns: &[&str],
        fetched: &Arc<AtomicU64>,
    ) -> Result<Vec<RecordBatch>> {
        let footer = self.footer(file, PageIndexPolicy::Optional).await?;
        let table = file.table.base_schema();
        let wanted = columns.iter().map(|name| table.field_with_name(name).cloned()).collect::<Result<Vec<_>, _>>()?;
        let wanted = Arc::new(Schema::new(wanted));
        let sources = wanted.fields().iter().map(|field| Source::of(&footer, row_group, field));
        let sources = sources.collect::<Result<Vec<_>>>()?;

        let ranges = sources.iter().flat_map(|source| match source {
            Source::Constant(_) => Vec::new(),
            Source::Column(column) => column.bytes(&rows),
        });
        let ranges: Vec<Range<u64>> = ranges.collect();
        let parts = self.open(file, fetched)?.get_byte_ranges(ranges.clone()).await;
        let parts = parts.map_err(|error| named(&file.path, error.into()))?;
        let bytes = Arc::new(Fetched::new(file.size_bytes, &ranges, parts));

        let sections = rows.clone().step_by(SECTION_ROWS);
        let sections: Vec<Range<usize>> = sections.map(|start| start..rows.end.min(start + SECTION_ROWS)).collect();
        let mut decoded = Vec::with_capacity(sources.len());
        for (source, field) in sources.iter().zip(wanted.fields()) {
            decoded.push(match source {
                Source::Constant(value) => {
                    sections.iter().map(|rows| repeated(value, rows.len(), field.data_type())).collect::<Result<_>>()?
                }
                Source::Column(column) => column
                    .decode(&bytes, &sections, field.data_type())
                    .map_err(|error| named(&file.path, error.into()))?,
            });
        }
        let batch = |(place, rows): (usize, &Range<usize>)| {
            let columns = decoded.iter().map(|sections| sections[place].clone()).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            Ok(RecordBatch::try_new_with_options(wanted.clone(), columns, &options)?)
        };
        sections.iter().enumerate().map(batch).collect()
    }
}

/// Where the values of a column are from.
enum Source<'f> {
    /// The file says that all rows of the row group have it.
    Constant(ScalarValue),
    Column(Column<'f>),
}

impl<'f> Source<'f> {
    fn of(footer: &'f ParquetMetaData, row_group: usize, field: &'f Field) -> Result<Self> {
        let Some(column) = Column::named(footer, row_group, field.name()) else {
            return Ok(Self::Constant(ScalarValue::try_from(field.data_type())?));
        };
        Ok(match constant(footer, row_group, column.leaf, field)? {
            Some(value) => Self::Constant(value),
            None => Self::Column(column),
        })
    }
}

fn repeated(value: &ScalarValue, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
    match value.is_null() {
        true => Ok(new_null_array(data_type, rows)),
        false => Ok(cast(&value.to_array_of_size(rows)?, data_type)?),
    }
}

/// A column of a row group.
pub(super) struct Column<'f> {
    footer: &'f ParquetMetaData,
    row_group: usize,
    leaf: usize,
}

impl<'f> Column<'f> {
    /// `None` where the file does not have it.
    pub fn named(footer: &'f ParquetMetaData, row_group: usize, name: &str) -> Option<Self> {
        Some(Self { footer, row_group, leaf: leaf(footer, name)? })
    }

    fn pages(&self) -> Option<&'f Vec<PageLocation>> {
        Some(self.footer.offset_index()?.get(self.row_group)?.get(self.leaf)?.page_locations())
    }

    /// Which bytes of the file have the rows.
    pub fn bytes(&self, rows: &Range<usize>) -> Vec<Range<u64>> {
        let (begin, len) = self.footer.row_group(self.row_group).column(self.leaf).byte_range();
        let end = begin + len;
        let place = |page: &PageLocation| u64::try_from(page.offset).unwrap_or(end).clamp(begin, end);
        let whole = begin..end;
        let Some((pages, first)) = self.pages().and_then(|pages| Some((pages, pages.first()?))) else {
            return Vec::from([whole]);
        };
        let row = |page: &PageLocation| usize::try_from(page.first_row_index).unwrap_or_default();
        let from = pages.partition_point(|page| row(page) <= rows.start).saturating_sub(1);
        let to = pages.partition_point(|page| row(page) < rows.end);
        let pages_begin = pages.get(from).map_or(end, place);
        let pages_end = pages.get(to).map_or(end, place);
        // What is before the first page is the dictionary.
        let dictionary = begin..place(first);
        [dictionary, pages_begin..pages_end].into_iter().filter(|range| !range.is_empty()).collect()
    }

    /// The rows of each range; these ascend. `file` has at least the bytes of [`Column::bytes`].
    pub fn decode(&self, file: &Arc<Fetched>, rows: &[Range<usize>], to: &DataType) -> Decoded<Vec<ArrayRef>> {
        match to {
            DataType::UInt64 => self.arrays::<physical::Int64Type, UInt64Type>(file, rows, to),
            DataType::UInt32 => self.arrays::<physical::Int32Type, UInt32Type>(file, rows, to),
            DataType::Int64 => self.arrays::<physical::Int64Type, Int64Type>(file, rows, to),
            DataType::Float64 => self.arrays::<physical::DoubleType, Float64Type>(file, rows, to),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                self.arrays::<physical::Int64Type, TimestampNanosecondType>(file, rows, to)
            }
            other => Err(ParquetError::NYI(format!("{other} is not decoded by columns"))),
        }
    }

    /// `P` is how values lie in the file, `A` (as wide) what they are.
    fn arrays<P: physical::DataType, A: ArrowPrimitiveType>(
        &self,
        file: &Arc<Fetched>,
        rows: &[Range<usize>],
        to: &DataType,
    ) -> Decoded<Vec<ArrayRef>>
    where
        P::T: Copy + Default + arrow::datatypes::ArrowNativeType,
    {
        let group = self.footer.row_group(self.row_group);
        let chunk = group.column(self.leaf);
        let described = self.footer.file_metadata().schema_descr().column(self.leaf);
        if described.physical_type() != P::get_physical_type() || described.max_rep_level() > 0 {
            return Err(ParquetError::General(format!("column {} is not of numbers", described.path())));
        }
        let has_nulls = described.max_def_level();
        let total = usize::try_from(group.num_rows()).unwrap_or_default();
        let pages = SerializedPageReader::new(file.clone(), chunk, total, self.pages().cloned())?;
        let mut reader = ColumnReaderImpl::<P>::new(described, Box::new(pages));
        let (mut at, mut levels) = (0, Vec::new());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(rows.len());
        for rows in rows {
            reader.skip_records(rows.start.saturating_sub(at))?;
            at = rows.end;
            levels.clear();
            let mut values: Vec<P::T> = Vec::with_capacity(rows.len());
            let (read, ..) = reader.read_records(rows.len(), Some(&mut levels), None, &mut values)?;
            if read != rows.len() {
                return Err(ParquetError::EOF(format!("{read} rows instead of {}", rows.len())));
            }
            let nulls = (values.len() < rows.len()).then(|| {
                let nulls: NullBuffer = levels.iter().map(|level| *level == has_nulls).collect();
                values = spread(&values, &nulls);
                nulls
            });
            let values = ScalarBuffer::<A::Native>::new(Buffer::from_vec(values), 0, rows.len());
            let array =
                PrimitiveArray::<A>::try_new(values, nulls).map_err(|error| ParquetError::External(error.into()))?;
            arrays.push(Arc::new(array.with_data_type(to.clone())));
        }
        Ok(arrays)
    }
}

/// Puts the values where there are some.
fn spread<T: Copy + Default>(values: &[T], nulls: &NullBuffer) -> Vec<T> {
    let mut all = vec![T::default(); nulls.len()];
    for (place, value) in nulls.valid_indices().zip(values) {
        all[place] = *value;
    }
    all
}

/// Some bytes of a file, at the places that they have there.
pub(super) struct Fetched {
    len: u64,
    /// Where each begins, ascending.
    parts: Vec<(u64, Bytes)>,
}

impl Fetched {
    /// `len` is the file's; `ranges` and `parts` belong together.
    pub fn new(len: u64, ranges: &[Range<u64>], parts: Vec<Bytes>) -> Self {
        let mut parts: Vec<_> = ranges.iter().map(|range| range.start).zip(parts).collect();
        parts.sort_unstable_by_key(|(start, _)| *start);
        Self { len, parts }
    }

    /// What was fetched from that place on.
    fn from(&self, start: u64) -> Decoded<Bytes> {
        let after = self.parts.partition_point(|(begin, _)| *begin <= start);
        let part = after.checked_sub(1).and_then(|place| self.parts.get(place));
        let found = part.and_then(|(begin, bytes)| {
            let skipped = usize::try_from(start - begin).ok()?;
            (skipped < bytes.len()).then(|| bytes.slice(skipped..))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("the bytes at {start} belong to no page")))
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Fetched {
    type T = BytesReader<Bytes>;

    fn get_read(&self, start: u64) -> Decoded<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Decoded<Bytes> {
        let mut bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("a page at {start} says it has {length} bytes")));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}
