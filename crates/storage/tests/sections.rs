//! Sections of files: what is said of them holds, and their rows are those of the file.

#![allow(clippy::unwrap_used)]

mod store_support;

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{TimestampNanosecondType, UInt64Type};
use futures::TryStreamExt;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::Storage;
use trefoil_storage::scan::{SECTION_ROWS, base_columns};

const COLUMNS: [&str; 5] = ["series_id", "metric_name", "time_unix_nano", "value_int", "flags"];
const NUMBERS: [&str; 6] =
    ["series_id", "time_unix_nano", "start_time_unix_nano", "flags", "value_int", "value_double"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_sections_holds_for_their_rows() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(store_support::quiet(directory.path())).await.unwrap();
    for part in 0..7u64 {
        store_support::append(&storage, Signal::Metrics, 1, part * 10_000..(part + 1) * 10_000).await;
    }
    let tenant = Tenant::default();
    let snapshot = storage.snapshot(&tenant).await.unwrap();
    let mut buffered = 0;
    for batch in snapshot.buffered(Table::Samples) {
        let batch = base_columns(Table::Samples, batch, &COLUMNS).unwrap();
        assert_eq!(
            batch.column(1).data_type(),
            Table::Samples.base_schema().field_with_name("metric_name").unwrap().data_type()
        );
        buffered += batch.num_rows();
    }
    storage.flush().await.unwrap();

    let snapshot = storage.snapshot(&tenant).await.unwrap();
    let other = storage.snapshot(&Tenant::new("other").unwrap()).await.unwrap();
    let (mut rows, mut several) = (0, false);
    for file in snapshot.files(Table::Samples).iter() {
        assert!(
            other.sections(file).await.is_err()
                && other.section_rows(file, 0, 0..1, &COLUMNS, &Arc::default()).await.is_err()
        );
        let sections = snapshot.sections(file).await.unwrap();
        several |= sections.len() > 1;
        for group in sections.chunk_by(|a, b| a.row_group == b.row_group) {
            let all = group[0].rows.start..group.last().unwrap().rows.end;
            let batches =
                snapshot.section_rows(file, group[0].row_group, all, &COLUMNS, &Arc::default()).await.unwrap();
            let batches: Vec<_> = batches.try_collect().await.unwrap();
            assert_eq!(batches.len(), group.len());
            for (section, batch) in group.iter().zip(&batches) {
                assert_eq!((section.rows.len(), section.rows.start % SECTION_ROWS), (batch.num_rows(), 0));
                rows += batch.num_rows();
                let (least, most) = section.series.unwrap();
                assert!(
                    batch.column(0).as_primitive::<UInt64Type>().values().iter().all(|id| (least..=most).contains(id))
                );
                let (least, most) = section.metrics.clone().unwrap();
                let names = batch.column(1).as_string_view();
                assert!(names.iter().all(|name| (least.as_str()..=most.as_str()).contains(&name.unwrap())));
                let (least, most) = section.times.unwrap();
                let times = batch.column(2).as_primitive::<TimestampNanosecondType>();
                assert!(times.values().iter().all(|time| (least..=most).contains(time)));
                assert_eq!((batch.column(3).null_count(), batch.column(4).null_count()), (0, 0));
                // Alone they are what they are together.
                let alone = snapshot
                    .section_rows(file, section.row_group, section.rows.clone(), &COLUMNS, &Arc::default())
                    .await
                    .unwrap();
                assert_eq!(alone.try_collect::<Vec<_>>().await.unwrap(), std::slice::from_ref(batch));
            }
            // The way for numbers alone gives the same.
            let all = group[0].rows.start..group.last().unwrap().rows.end;
            for rows in [all, group[group.len() - 1].rows.clone()] {
                let row_group = group[0].row_group;
                let expected =
                    snapshot.section_rows(file, row_group, rows.clone(), &NUMBERS, &Arc::default()).await.unwrap();
                let expected: Vec<_> = expected.try_collect().await.unwrap();
                let fetched = Arc::default();
                let numbers =
                    snapshot.section_numbers(file, row_group, rows.clone(), &NUMBERS, &fetched).await.unwrap();
                assert_eq!(numbers, expected);
                assert!(fetched.load(std::sync::atomic::Ordering::Relaxed) > 0);
                assert!(other.section_numbers(file, row_group, rows, &NUMBERS, &fetched).await.is_err());
            }
        }
    }
    assert_eq!(rows, buffered);
    assert!(several, "the test needs more than {SECTION_ROWS} rows in a file");
    storage.close().await.unwrap();
}
