//! The times of samples: a column of whole numbers without NULL, packed by [`delta`] and put into pages here, since Arrow's
//! writer packs to the bit (docs/decisions/0023-bytes-a-sample.md).

use std::io::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampNanosecondType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnIndexBuilder;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use trefoil_model::Table;

use super::delta;
use super::gather::{Flat, Row};
use super::pages::{Compressor, Pages};

/// Rows of a page.
const PAGE_ROWS: usize = 16 << 10;

/// Whether that column is written here.
pub(super) fn are_times(table: Table, column: &str) -> bool {
    table == Table::Samples && column == table.time_column()
}

/// What the column's writer needs.
pub(super) struct TimeColumn {
    column: ColumnDescPtr,
    level: ZstdLevel,
}

impl TimeColumn {
    pub fn new<W: Write + Send>(parquet: &SerializedFileWriter<W>, name: &str) -> Result<Self> {
        let columns = parquet.schema_descr().columns();
        let column = columns.iter().find(|column| column.path().parts() == [name]).cloned();
        let column = column.filter(|column| column.physical_type() == Type::INT64 && column.max_def_level() == 0);
        let column =
            column.ok_or_else(|| ParquetError::General(format!("{name} is no column of times without NULL")))?;
        let level = match parquet.properties().compression(column.path()) {
            Compression::ZSTD(level) => level,
            other => return Err(ParquetError::General(format!("{name} is to be compressed by {other}"))),
        };
        Ok(Self { column, level })
    }

    /// Appends the column's rows to a row group.
    pub fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        times: &Flat,
        rows: &[Row],
        compressor: &mut Compressor,
    ) -> Result<()> {
        let mut chunk = TrackedWrite::new(Vec::new());
        let pages = Pages::new(&mut chunk, &self.column, self.level, compressor)?;
        let closed = self.write_pages(pages, times, rows)?;
        group.append_column(&Bytes::from(chunk.into_inner()?), closed)
    }

    fn write_pages(&self, mut pages: Pages<'_, Vec<u8>>, times: &Flat, rows: &[Row]) -> Result<ColumnCloseResult> {
        let mut bounds: Option<(i64, i64)> = None;
        let mut column_index = ColumnIndexBuilder::new(Type::INT64);
        let mut encoded = Vec::new();
        for rows in rows.chunks(PAGE_ROWS) {
            let times = times.gather(rows)?;
            let times = times.as_primitive_opt::<TimestampNanosecondType>().filter(|times| times.null_count() == 0);
            let times = times.ok_or_else(|| ParquetError::General("a sample without a time".into()))?.values();
            encoded.clear();
            delta::encode(times, &mut encoded);
            pages.write_data(rows.len(), Encoding::DELTA_BINARY_PACKED, &encoded)?;
            let (least, greatest) = times
                .iter()
                .fold((i64::MAX, i64::MIN), |(least, greatest), time| (least.min(*time), greatest.max(*time)));
            column_index.append(false, least.to_le_bytes().into(), greatest.to_le_bytes().into(), 0);
            bounds = Some(bounds.map_or((least, greatest), |(a, b)| (a.min(least), b.max(greatest))));
        }
        let (least, greatest) = bounds.unzip();
        let statistics = ValueStatistics::<i64>::new(least, greatest, None, Some(0), false);
        let statistics = Statistics::Int64(statistics.with_backwards_compatible_min_max(true));
        pages.close(statistics, Some(column_index))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampNanosecondArray;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::file::metadata::PageIndexPolicy;
    use parquet::file::properties::WriterProperties;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::*;

    const SCHEMA: &str = "message samples { required int64 time_unix_nano (TIMESTAMP(NANOS, false)); }";

    /// A file with these times, in a row group each.
    fn file(groups: &[Vec<i64>]) -> Bytes {
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let schema = parse_message_type(SCHEMA).unwrap();
        let mut file = SerializedFileWriter::new(Vec::new(), schema.into(), properties.into()).unwrap();
        let column = TimeColumn::new(&file, "time_unix_nano").unwrap();
        for times in groups {
            let rows: Vec<Row> = (0..times.len() as u32).map(|row| (0, row)).collect();
            let times = TimestampNanosecondArray::from(times.clone());
            let times = Flat::Arrays { data_type: times.data_type().clone(), arrays: vec![Arc::new(times)] };
            let mut group = file.next_row_group().unwrap();
            column.write(&mut group, &times, &rows, &mut Compressor::new().unwrap()).unwrap();
            group.close().unwrap();
        }
        file.into_inner().unwrap().into()
    }

    fn open(file: &Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap()
    }

    fn read(file: &Bytes) -> Vec<i64> {
        let batches = open(file).build().unwrap().map(Result::unwrap);
        let times = batches.map(|batch| batch.column(0).as_primitive::<TimestampNanosecondType>().values().to_vec());
        times.collect::<Vec<_>>().concat()
    }

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), 0..9i64, Just(i64::MIN), Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn any_times_come_back(groups in proptest::collection::vec(proptest::collection::vec(time(), 1..700), 1..3)) {
            prop_assert_eq!(read(&file(&groups)), groups.concat());
        }
    }

    #[test]
    fn pages_are_in_the_index_with_their_bounds() {
        let times: Vec<i64> = (0..40_000).map(|row| (row % 240) * 15_000_000_000 - row).collect();
        let file = file(&[vec![7], times.clone()]);
        assert_eq!(read(&file)[1..], times);
        let opened = open(&file);
        let metadata = opened.metadata();
        let pages = metadata.offset_index().unwrap()[1][0].page_locations();
        assert_eq!(pages.iter().map(|page| page.first_row_index).collect::<Vec<_>>(), [0, 16_384, 32_768]);
        let statistics = metadata.row_group(1).column(0).statistics().unwrap();
        let bytes = |time: Option<&i64>| time.unwrap().to_le_bytes();
        assert_eq!(statistics.min_bytes_opt(), Some(bytes(times.iter().min()).as_slice()));
        assert_eq!(statistics.max_bytes_opt(), Some(bytes(times.iter().max()).as_slice()));
        assert_eq!(statistics.null_count_opt(), Some(0));
        let index = format!("{:?}", metadata.column_index().unwrap()[1][0]);
        for page in times.chunks(PAGE_ROWS) {
            assert!(index.contains(&page.iter().min().unwrap().to_string()), "{index}");
            assert!(index.contains(&page.iter().max().unwrap().to_string()), "{index}");
        }
    }

    #[test]
    fn regular_times_take_next_to_nothing_and_jitter_little() {
        // Series that jump back by an hour, and forth to another target's moment.
        let bytes_a_row = |jitter: i64| {
            let each = (0..60i64).flat_map(|series| (0..240i64).map(move |tick| (series, tick)));
            let times = each.map(|(series, tick)| {
                let late = (tick * 7919 + series * 104_729) % jitter;
                tick * 15_000_000_000 + (series * 7_654_321 % 15_000 + late) * 1_000_000
            });
            let size = open(&file(&[times.collect()])).metadata().row_group(0).compressed_size();
            size as f64 / (60.0 * 240.0)
        };
        assert!(bytes_a_row(1) < 0.12, "{}", bytes_a_row(1));
        assert!(bytes_a_row(4) < 1.2, "{}", bytes_a_row(4));
    }
}
