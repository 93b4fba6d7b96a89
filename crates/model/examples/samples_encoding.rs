//! What a sample costs in a file by order of rows, encoding and compression; the numbers of
//! docs/decisions/0006-samples-encoding.md.
//!
//! `cargo run --release -p trefoil-model --example samples_encoding -- [rows] [series]`

#![allow(clippy::unwrap_used, reason = "an experiment may fail loudly")]

use std::time::Instant;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use trefoil_loadgen::source::Clock;
use trefoil_loadgen::{Signal as Load, Source, SourceOptions};
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant};

const SORTED: &[&str] = &["metric_name", "series_id", "time_unix_nano"];
const DELTA: Encoding = Encoding::DELTA_BINARY_PACKED;
const SPLIT: Encoding = Encoding::BYTE_STREAM_SPLIT;

fn main() {
    let argument = |at, default| std::env::args().nth(at).map_or(default, |number| number.parse().unwrap());
    let samples = samples(argument(1, 1_000_000), argument(2, 20_000));
    println!("{} samples", samples.num_rows());
    let rows = samples.num_rows() as f64;

    let started = Instant::now();
    let sorted = sort(&samples, SORTED);
    println!("sort by {SORTED:?}: {:.0} ns a sample", started.elapsed().as_nanos() as f64 / rows);

    let (_, sizes) = write("as decided", &sorted, decided(1));
    for (column, size) in sizes.iter().filter(|(_, size)| *size as f64 / rows >= 0.005) {
        println!("    {column:<45} {:.3}", *size as f64 / rows);
    }
    write("zstd 3", &sorted, decided(3));
    write("no compression", &sorted, decided(1).set_compression(Compression::UNCOMPRESSED));
    write("value_int in a dictionary first", &sorted, with(decided(1), "value_int", true, DELTA));
    write("value_int plain", &sorted, with(decided(1), "value_int", false, Encoding::PLAIN));
    write("value_double in a dictionary first", &sorted, with(decided(1), "value_double", true, SPLIT));
    write("value_double plain", &sorted, with(decided(1), "value_double", false, Encoding::PLAIN));
    write("time in a dictionary first", &sorted, with(decided(1), "time_unix_nano", true, DELTA));
    write("series_id delta", &sorted, with(decided(1), "series_id", false, DELTA));
    write("series_id plain", &sorted, with(decided(1), "series_id", false, Encoding::PLAIN));
    write("start_time delta", &sorted, with(decided(1), "start_time_unix_nano", false, DELTA));
    write("without columns that are all NULL", &without_null_columns(&sorted), decided(1));
    write("without distribution columns", &without_distributions(&sorted), decided(1));
    write("all values as doubles, split", &doubles_only(&sorted), with(decided(1), "value_double", false, SPLIT));
    write("all values as doubles, dictionary", &doubles_only(&sorted), with(decided(1), "value_double", true, SPLIT));
    for order in [&["time_unix_nano"][..], &["metric_name", "time_unix_nano", "series_id"]] {
        write(&format!("sorted by {order:?}"), &sort(&samples, order), decided(1));
    }
}

/// Samples of the load generator: pods scraped every few seconds for as long as it takes.
fn samples(rows: usize, series: usize) -> RecordBatch {
    let clock = Clock::Steps { start: 1_795_219_200_000_000_000, step: 50_000_000 };
    let source = Source::new(SourceOptions { clock, series, ..SourceOptions::new(Load::Metrics) });
    let (promoted, limits, known, tenant) =
        (Promoted::default(), Limits::default(), SeriesIndex::default(), Tenant::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &known, received: 1, trace_ids: None };
    let batches: Vec<RecordBatch> = (0..(rows / source.items()) as u64)
        .map(|number| {
            let decoded = decode(Signal::Metrics, &tenant, &source.request(number), &context).unwrap();
            known.remember(&tenant, &decoded.new_series);
            let of_samples = decoded.batches.into_iter().find(|(table, _)| *table == Table::Samples);
            let plain = of_samples.map(|(_, batch)| batch).unwrap();
            // Dictionaries of different requests differ.
            let columns = plain.columns().iter().map(|column| match column.data_type() {
                DataType::Dictionary(..) => cast(column, &DataType::Utf8View).unwrap(),
                _ => column.clone(),
            });
            RecordBatch::try_new(Table::Samples.base_schema(), columns.collect()).unwrap()
        })
        .collect();
    println!("{series} series, {:.0} bytes a sample on the wire", source.bytes_per_item());
    concat_batches(&Table::Samples.base_schema(), &batches).unwrap()
}

fn sort(batch: &RecordBatch, order: &[&str]) -> RecordBatch {
    let columns: Vec<SortColumn> =
        order.iter().map(|name| SortColumn { values: batch[*name].clone(), options: None }).collect();
    take_record_batch(batch, &lexsort_to_indices(&columns, None).unwrap()).unwrap()
}

/// What the decision page says.
fn decided(zstd: i32) -> WriterPropertiesBuilder {
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(zstd).unwrap()))
        .set_data_page_row_count_limit(16 << 10)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let builder = with(builder, "time_unix_nano", false, DELTA);
    let builder = with(builder, "value_int", false, DELTA);
    with(builder, "value_double", false, SPLIT)
}

fn with(
    builder: WriterPropertiesBuilder,
    column: &str,
    dictionary: bool,
    encoding: Encoding,
) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(column);
    builder.set_column_dictionary_enabled(path.clone(), dictionary).set_column_encoding(path, encoding)
}

fn project(batch: &RecordBatch, keep: impl Fn(&str, &ArrayRef) -> bool) -> RecordBatch {
    let schema = batch.schema();
    let kept: Vec<usize> =
        (0..batch.num_columns()).filter(|&index| keep(schema.field(index).name(), batch.column(index))).collect();
    batch.project(&kept).unwrap()
}

fn without_null_columns(batch: &RecordBatch) -> RecordBatch {
    project(batch, |_, column| column.null_count() < column.len())
}

fn without_distributions(batch: &RecordBatch) -> RecordBatch {
    let first = batch.schema().index_of("count").unwrap();
    batch.project(&(0..first).collect::<Vec<_>>()).unwrap()
}

/// What there would be without `value_int`.
fn doubles_only(batch: &RecordBatch) -> RecordBatch {
    let ints = cast(&batch["value_int"], &DataType::Float64).unwrap();
    let is_int = arrow::compute::is_not_null(&batch["value_int"]).unwrap();
    let doubles = arrow::compute::kernels::zip::zip(&is_int, &ints, &batch["value_double"]).unwrap();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<_> = columns
        .filter(|(field, _)| field.name() != "value_int")
        .map(|(field, column)| {
            (field.clone(), if field.name() == "value_double" { doubles.clone() } else { column.clone() })
        })
        .collect();
    let schema = Schema::new(columns.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>());
    RecordBatch::try_new(schema.into(), columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

/// The best of three writes: (bytes, compressed bytes of each leaf column).
fn write(name: &str, batch: &RecordBatch, properties: WriterPropertiesBuilder) -> (usize, Vec<(String, i64)>) {
    let properties = properties.build();
    let rows = batch.num_rows() as f64;
    let mut best = f64::MAX;
    let mut outcome = (0, vec![]);
    for _ in 0..3 {
        let started = Instant::now();
        let mut file = vec![];
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.clone())).unwrap();
        writer.write(batch).unwrap();
        let metadata = writer.close().unwrap();
        best = best.min(started.elapsed().as_nanos() as f64 / rows);
        let columns = metadata.row_groups()[0].columns().iter();
        let columns = columns.map(|column| (column.column_path().string(), column.compressed_size()));
        outcome = (file.len(), columns.collect());
    }
    println!("{name:<45} {:>6.2} bytes a sample, {best:>5.0} ns", outcome.0 as f64 / rows);
    outcome
}
