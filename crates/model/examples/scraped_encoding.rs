//! What scraped samples cost in a file by encoding, compression and samples a series; the numbers of
//! docs/decisions/0018-small-samples.md.
//!
//! `cargo run --release -p trefoil-model --example scraped_encoding -- [series] [ticks]`

#![allow(clippy::unwrap_used, reason = "an experiment may fail loudly")]

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    UInt32Array, UInt64Array, new_null_array,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use trefoil_loadgen::random::{below, mix, skewed, unit};
use trefoil_model::Table;

const DELTA: Encoding = Encoding::DELTA_BINARY_PACKED;
const SPLIT: Encoding = Encoding::BYTE_STREAM_SPLIT;
const PLAIN: Encoding = Encoding::PLAIN;

const STEP: i64 = 15_000_000_000;
const START: i64 = 1_795_219_200_000_000_000;
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, f64::INFINITY];

/// One scraped process: its series in an order of metrics; each a value for every tick.
fn process(seed: u64, ticks: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut series = Vec::new();
    for route in 0..4u64 {
        let seed = mix(seed, route + 100);
        let rate = 1 + skewed(mix(seed, 1), 200);
        let mut buckets = vec![Vec::with_capacity(ticks); BOUNDS.len()];
        let (mut sums, mut counts) = (Vec::new(), Vec::new());
        let mut totals = [below(mix(seed, 2), 100_000); BOUNDS.len()];
        let (mut sum, mut count) = (unit(mix(seed, 3)) * 1000.0, totals[0]);
        for tick in 0..ticks as u64 {
            let requests = below(mix(seed, tick + 10), rate * 2 + 1);
            for request in 0..requests {
                let latency = 0.004 * (unit(mix(seed, tick << 20 | request)) * 6.0).exp2().powf(1.3);
                sum += latency;
                count += 1;
                for (bound, total) in BOUNDS.iter().zip(&mut totals) {
                    *total += u64::from(latency <= *bound);
                }
            }
            for (bucket, total) in buckets.iter_mut().zip(&totals) {
                bucket.push(*total as f64);
            }
            sums.push(sum);
            counts.push(count as f64);
        }
        series.extend(buckets.into_iter().map(|bucket| ("http_request_duration_seconds_bucket", bucket)));
        series.push(("http_request_duration_seconds_sum", sums));
        series.push(("http_request_duration_seconds_count", counts.clone()));
        series.push(("http_requests_total", counts));
        let errors = (0..ticks as u64).scan(0.0, |total, tick| {
            *total += f64::from(below(mix(seed, tick + 77_000), 20) == 0);
            Some(*total)
        });
        series.push(("http_errors_total", errors.collect()));
    }
    let walk = |key: u64, start: f64, width: u64, unit_of: f64| -> Vec<f64> {
        let steps = (0..ticks as u64).scan(start, |value, tick| {
            *value += (below(mix(mix(seed, key), tick), width * 2 + 1) as f64 - width as f64) * unit_of;
            Some(value.max(0.0))
        });
        steps.collect()
    };
    series.push(("process_resident_memory_bytes", walk(1, 3e8, 40, 4096.0)));
    series.push(("go_goroutines", walk(2, 60.0, 2, 1.0)));
    series.push(("queue_length", (0..ticks as u64).map(|tick| skewed(mix(seed, tick + 5000), 20) as f64).collect()));
    series.push(("up", vec![1.0; ticks]));
    series.push(("process_start_time_seconds", vec![1_795_000_000.25 + (seed % 1000) as f64; ticks]));
    series.push(("build_info", vec![1.0; ticks]));
    series.push(("process_max_fds", vec![1_048_576.0; ticks]));
    let cpu = (0..ticks as u64).scan(below(mix(seed, 9), 100_000), |total, tick| {
        *total += below(mix(seed, tick + 9000), 200);
        Some(*total as f64 / 100.0)
    });
    series.push(("process_cpu_seconds_total", cpu.collect()));
    series.push(("temperature_celsius", walk(3, 40.0, 5, 0.1)));
    series
}

fn main() {
    let argument = |at, default| std::env::args().nth(at).map_or(default, |number| number.parse().unwrap());
    let (series, ticks) = (argument(1, 20_000), argument(2, 240));
    let only = std::env::args().nth(3);
    let batch = batch(series, ticks);
    let rows = batch.num_rows() as f64;
    let ints = batch["value_int"].len() - batch["value_int"].null_count();
    println!("{} rows, {:.1} % whole", batch.num_rows(), ints as f64 / rows * 100.0);
    let (_, sizes) = write("as decided", &batch, decided(1));
    for (column, size) in sizes.iter().filter(|(_, size)| *size as f64 / rows >= 0.0005) {
        println!("    {column:<45} {:.4}", *size as f64 / rows);
    }
    if only.is_some() {
        return;
    }
    for column in ["value_int", "value_double"] {
        let part = project(&batch, column);
        for (name, dictionary, encoding) in [
            ("delta", false, DELTA),
            ("plain", false, PLAIN),
            ("split", false, SPLIT),
            ("dictionary, delta", true, DELTA),
            ("dictionary, split", true, SPLIT),
            ("dictionary, plain", true, PLAIN),
        ] {
            if column == "value_double" && encoding == DELTA {
                continue;
            }
            for zstd in [1, 3, 9, 15] {
                write(&format!("{column} {name}, zstd {zstd}"), &part, with(decided(zstd), column, dictionary, encoding));
            }
        }
    }
}

fn project(batch: &RecordBatch, column: &str) -> RecordBatch {
    batch.project(&[batch.schema().index_of(column).unwrap()]).unwrap()
}

fn batch(wanted: usize, ticks: usize) -> RecordBatch {
    let mut all: Vec<(&str, u64, Vec<f64>)> = Vec::new();
    let mut number = 0;
    while all.len() < wanted {
        number += 1;
        let of_process = process(mix(7, number), ticks);
        all.extend(of_process.into_iter().enumerate().map(|(index, (name, values))| {
            (name, mix(number, index as u64), values)
        }));
    }
    all.truncate(wanted);
    all.sort_by_key(|(name, id, _)| (*name, *id));
    let values: Vec<f64> = all.iter().flat_map(|(_, _, values)| values.iter().copied()).collect();
    let rows = values.len();
    let is_whole = |value: f64| value.abs() < 9e15 && value.fract() == 0.0;
    let each = |of: &dyn Fn(usize, usize) -> i64| -> Vec<i64> {
        (0..all.len()).flat_map(|series| (0..ticks).map(move |tick| (series, tick))).map(|(s, t)| of(s, t)).collect()
    };
    let schema = Table::Samples.base_schema();
    let columns: Vec<ArrayRef> = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "tenant" => Arc::new(StringArray::from(vec!["default"; rows])),
            "metric_name" => Arc::new(StringArray::from_iter_values(
                all.iter().flat_map(|(name, ..)| std::iter::repeat_n(*name, ticks)),
            )),
            "series_id" => Arc::new(UInt64Array::from_iter_values(
                all.iter().flat_map(|(_, id, _)| std::iter::repeat_n(*id, ticks)),
            )),
            // A process is scraped at its own moment, to the millisecond.
            "time_unix_nano" => Arc::new(TimestampNanosecondArray::from(each(&|series, tick| {
                START + tick as i64 * STEP + (all[series].1 % 15_000) as i64 * 1_000_000
            }))),
            "flags" => Arc::new(UInt32Array::from(vec![0; rows])),
            "value_is_int" => Arc::new(BooleanArray::from(vec![false; rows])),
            "value_int" => {
                Arc::new(Int64Array::from_iter(values.iter().map(|value| is_whole(*value).then_some(*value as i64))))
            }
            "value_double" => {
                Arc::new(Float64Array::from_iter(values.iter().map(|value| (!is_whole(*value)).then_some(*value))))
            }
            _ => new_null_array(field.data_type(), rows),
        }
    }).map(|array| array).collect();
    let fields = schema.fields().iter().zip(&columns);
    let fields: Vec<_> = fields.map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone())).collect();
    RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns).unwrap()
}

fn decided(zstd: i32) -> WriterPropertiesBuilder {
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(zstd).unwrap()))
        .set_data_page_row_count_limit(16 << 10)
        .set_max_row_group_row_count(Some(2 << 20))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let builder = with(builder, "time_unix_nano", false, DELTA);
    let builder = with(builder, "value_int", false, DELTA);
    with(builder, "value_double", true, SPLIT)
}

fn with(builder: WriterPropertiesBuilder, column: &str, dictionary: bool, encoding: Encoding) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(column);
    builder.set_column_dictionary_enabled(path.clone(), dictionary).set_column_encoding(path, encoding)
}

fn write(name: &str, batch: &RecordBatch, properties: WriterPropertiesBuilder) -> (usize, Vec<(String, i64)>) {
    let rows = batch.num_rows() as f64;
    let mut file = vec![];
    let started = Instant::now();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    let metadata = writer.close().unwrap();
    let nanos = started.elapsed().as_nanos() as f64 / rows;
    let mut sizes: Vec<(String, i64)> = Vec::new();
    for group in metadata.row_groups() {
        for (index, column) in group.columns().iter().enumerate() {
            if sizes.len() <= index {
                sizes.push((column.column_path().string(), 0));
            }
            sizes[index].1 += column.compressed_size();
        }
    }
    println!("{name:<45} {:>7.3} bytes a sample, {nanos:>5.0} ns", file.len() as f64 / rows);
    (file.len(), sizes)
}
