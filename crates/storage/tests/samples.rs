//! What files of samples look like.

#![allow(clippy::unwrap_used)]

// Of what the tests of files share only a part is needed here.
#[allow(dead_code)]
mod support;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Schema};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use support::{Bench, rows_of};
use trefoil_model::Table;
use trefoil_storage::compaction::{CompactionOptions, Compactor};

/// The first moment of a day past.
const START: i64 = 1_700_006_400_000_000_000;

/// A counter for each of (series, samples), from some sample on; every fifth series is not of whole numbers.
fn counters(series: &[(u64, usize)], from: usize) -> RecordBatch {
    counters_since(START, series, from)
}

fn counters_since(start: i64, series: &[(u64, usize)], from: usize) -> RecordBatch {
    let rows: Vec<(u64, usize)> =
        series.iter().flat_map(|(id, samples)| (from..from + samples).map(move |sample| (*id, sample))).collect();
    let each = |of: &dyn Fn(u64, usize) -> Option<i64>| rows.iter().map(|(id, sample)| of(*id, *sample)).collect();
    let times: Vec<Option<i64>> = each(&|_, sample| Some(start + sample as i64 * 15_000_000_000));
    let ints: Vec<Option<i64>> =
        each(&|id, sample| (id % 5 != 0).then_some((id * 1_000_003 % 7_919_000) as i64 + 3 * sample as i64));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("tenant", Arc::new(StringArray::from(vec!["default"; rows.len()]))),
        ("metric_name", Arc::new(StringArray::from(vec!["requests_total"; rows.len()]))),
        ("series_id", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|(id, _)| *id)))),
        ("time_unix_nano", Arc::new(TimestampNanosecondArray::from(times))),
        ("flags", Arc::new(UInt32Array::from(vec![0; rows.len()]))),
        ("value_int", Arc::new(Int64Array::from(ints))),
        ("value_is_int", Arc::new(BooleanArray::from(vec![false; rows.len()]))),
    ];
    let base = Table::Samples.base_schema();
    let fields = columns.iter().map(|(name, array)| {
        let field = base.field_with_name(name).unwrap().clone();
        if *field.data_type() == DataType::Utf8View { field.with_data_type(array.data_type().clone()) } else { field }
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(schema.into(), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// The columns of the only file, and the first rows of the pages of `value_int`.
async fn only_file(bench: &Bench) -> (Vec<String>, Vec<i64>) {
    let files = bench.catalog.snapshot().await.unwrap().files(Table::Samples, &bench.tenant);
    assert_eq!(files.len(), 1);
    let file = std::fs::File::open(bench.directory().join(&files[0].path)).unwrap();
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let reader = SerializedFileReader::new_with_options(file, options).unwrap();
    let metadata = reader.metadata();
    let names: Vec<String> =
        metadata.row_group(0).columns().iter().map(|column| column.column_path().string()).collect();
    let ints = names.iter().position(|name| name == "value_int").unwrap();
    let pages = metadata.offset_index().unwrap()[0][ints].page_locations();
    (names, pages.iter().map(|page| page.first_row_index).collect())
}

#[tokio::test]
async fn numbers_take_no_columns_of_histograms_and_long_series_have_pages() {
    let bench = Bench::local().await;
    let rows = counters(&[(1, 200), (2, 10), (3, 20), (4, 240), (5, 70)], 0);
    let expected = rows_of(&bench.scan(Table::Samples, vec![rows.clone()]).await);
    bench.write(Table::Samples, vec![rows]).await;
    assert_eq!(rows_of(&bench.scan(Table::Samples, vec![]).await), expected);
    let (names, pages) = only_file(&bench).await;
    assert_eq!(names, ["tenant", "metric_name", "series_id", "time_unix_nano", "flags", "value_int", "value_is_int"]);
    assert_eq!(pages, [0, 200, 230, 470]);
}

#[tokio::test]
async fn merged_files_bring_the_samples_of_a_series_together() {
    let bench = Bench::local().await;
    let series: Vec<(u64, usize)> = (1..=40).map(|id| (id, 16)).collect();
    for file in 0..8 {
        bench.write(Table::Samples, vec![counters(&series, file * 16)]).await;
    }
    let before = rows_of(&bench.scan(Table::Samples, vec![]).await);
    let compactor =
        Compactor::new(bench.catalog.clone(), bench.files.clone(), bench.reader.clone(), CompactionOptions::default());
    assert_eq!(compactor.run_once().await.unwrap().map(|job| job.rows), Some(40 * 128));
    assert_eq!(rows_of(&bench.scan(Table::Samples, vec![]).await), before);
    let (_, pages) = only_file(&bench).await;
    assert_eq!(pages, (0..40).map(|series| series * 128).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_day_that_is_settled_is_merged_though_it_is_today() {
    let bench = Bench::local().await;
    let today = chrono::Utc::now().timestamp().div_euclid(86_400) * 86_400 * 1_000_000_000;
    for file in 0..2 {
        bench.write(Table::Samples, vec![counters_since(today, &[(1, 16), (2, 16)], file * 16)]).await;
    }
    let compactor = |options| Compactor::new(bench.catalog.clone(), bench.files.clone(), bench.reader.clone(), options);
    assert_eq!(compactor(CompactionOptions::default()).run_once().await.unwrap(), None);
    let at_once = CompactionOptions { settled_after: std::time::Duration::ZERO, ..CompactionOptions::default() };
    assert_eq!(compactor(at_once.clone()).run_once().await.unwrap().map(|job| job.files), Some(2));
    assert_eq!(compactor(at_once).run_once().await.unwrap(), None);
}

/// Inputs wait in their files or, from an object store, in memory.
#[tokio::test]
async fn samples_are_merged_alike_wherever_they_lie() {
    let mut merged = Vec::new();
    for bench in [Bench::local().await, Bench::in_memory().await] {
        let series: Vec<(u64, usize)> = (1..=300).map(|id| (id, 70)).collect();
        for file in 0..3 {
            bench.write(Table::Samples, vec![counters(&series, file * 70)]).await;
        }
        let options = CompactionOptions::default();
        let compactor = Compactor::new(bench.catalog.clone(), bench.files.clone(), bench.reader.clone(), options);
        assert_eq!(compactor.run_once().await.unwrap().map(|job| job.rows), Some(300 * 210));
        merged.push(rows_of(&bench.scan(Table::Samples, vec![]).await));
    }
    assert_eq!(merged[0].len(), 300 * 210);
    assert_eq!(merged[0], merged[1]);
}
