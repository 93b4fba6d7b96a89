//! Deletion on a real catalog and real files: what was deleted is gone for good, what was not is there once.

#![allow(clippy::unwrap_used)]

mod store_support;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, UInt64Type};
use datafusion::prelude::SessionContext;
use object_store::memory::InMemory;
use store_support::*;
use trefoil_model::samples::KnownSamples;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::catalog::{Catalog, Change};
use trefoil_storage::files::FileStore;
use trefoil_storage::log::LocalDisk;
use trefoil_storage::units::ByteSize;
use trefoil_storage::{AppendError, Deleted, Deletion, Snapshot, Storage};

async fn rows(snapshot: &Snapshot, table: Table, sql: &str) -> Vec<arrow::array::RecordBatch> {
    let context = SessionContext::new();
    context.register_table(table.name(), snapshot.table(table)).unwrap();
    context.sql(sql).await.unwrap().collect().await.unwrap()
}

async fn series_ids(storage: &Storage) -> HashSet<u64> {
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let batches = rows(&snapshot, Table::Series, "SELECT DISTINCT series_id FROM series").await;
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<UInt64Type>().values().to_vec()).collect()
}

/// Everything of the series that have samples with these values.
async fn of_series(snapshot: &Snapshot, condition: &str) -> Deletion {
    let sql = format!("SELECT DISTINCT series_id, metric_name FROM samples WHERE {condition}");
    let mut deletion = Deletion { first_nanos: i64::MIN, last_nanos: i64::MAX, ..Deletion::default() };
    for batch in rows(snapshot, Table::Samples, &sql).await {
        deletion.series.extend(batch.column(0).as_primitive::<UInt64Type>().values());
        let names = arrow::compute::cast(batch.column(1), &arrow::datatypes::DataType::Utf8).unwrap();
        deletion.metrics.extend(names.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    deletion
}

async fn delete(storage: &Storage, condition: &str) -> Deleted {
    let begun = storage.begin_deletion(&Tenant::default()).await.unwrap();
    let deletion = of_series(begun.snapshot(), condition).await;
    begun.delete(deletion).await.unwrap().unwrap()
}

async fn count(storage: &Storage) -> i64 {
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let batches = rows(&snapshot, Table::Samples, "SELECT count(*) FROM samples").await;
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Numbers of a connection.
async fn numbers(storage: &Storage, connection: u32) -> BTreeSet<u64> {
    let found = found(storage, Signal::Metrics).await;
    let numbers = found.get(&connection).cloned().unwrap_or_default();
    assert!(numbers.values().all(|count| *count == 1), "nothing is there twice");
    numbers.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_that_were_judged_before_a_deletion_are_to_be_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    append(&storage, Signal::Metrics, 1, 0..10).await;
    let series = storage.series().active().of(&Tenant::default());
    let judged = || {
        let mut samples = KnownSamples::default();
        samples.era = series.era();
        let metric = samples.metric("m");
        samples.push(metric, 1, 1_700_000_000_000_000_000, 0, 1.0);
        samples
    };
    let before = judged();
    delete(&storage, "true").await;
    let refused = storage.append_samples(&Tenant::default(), before, Default::default()).await.unwrap_err();
    assert!(matches!(refused, AppendError::Unavailable { .. }), "{refused}");
    assert_eq!(count(&storage).await, 0);
    storage.append_samples(&Tenant::default(), judged(), Default::default()).await.unwrap();
    assert_eq!(count(&storage).await, 1);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_series_stay_deleted_and_may_come_again() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    append(&storage, Signal::Metrics, 1, 0..300).await;
    append(&storage, Signal::Metrics, 2, 0..300).await;
    storage.flush().await.unwrap();
    append(&storage, Signal::Metrics, 1, 300..400).await;
    append(&storage, Signal::Metrics, 2, 300..400).await;
    let before = storage.snapshot(&Tenant::default()).await.unwrap();
    let deleted = delete(&storage, "metric_name LIKE '%1'").await;
    assert_eq!(deleted.samples, 400);
    assert_eq!((numbers(&storage, 1).await.len(), numbers(&storage, 2).await.len()), (0, 400));
    assert_eq!(found_in(&before, Signal::Metrics).await[&1].len(), 400, "a snapshot does not change");

    let ids = series_ids(&storage).await;
    append(&storage, Signal::Metrics, 1, 10..20).await;
    assert_eq!(numbers(&storage, 1).await, (10..20).collect());
    assert!(series_ids(&storage).await.len() > ids.len(), "its row comes with its next sample");

    let copy = copy_of(directory.path()).await;
    let reopened = Storage::open(quiet(copy.path())).await.unwrap();
    assert_eq!(numbers(&reopened, 1).await, (10..20).collect());
    assert_eq!(numbers(&reopened, 2).await, (0..400).collect());
    reopened.compact().await.unwrap();
    assert_eq!(count(&reopened).await, 410);
    reopened.close().await.unwrap();

    drop(before);
    assert!(storage.clean().await.unwrap() > 0);
    assert_eq!(count(&storage).await, 410);
    assert_eq!(delete(&storage, "true").await.samples, 410);
    assert_eq!((count(&storage).await, series_ids(&storage).await.len()), (0, 0));
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_exact_and_rows_of_days_that_are_left_stay() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    append(&storage, Signal::Metrics, 1, 0..100).await;
    let begun = storage.begin_deletion(&Tenant::default()).await.unwrap();
    let times =
        rows(begun.snapshot(), Table::Samples, "SELECT CAST(time_unix_nano AS BIGINT), value_int FROM samples").await;
    let mut times: Vec<(i64, i64)> = times
        .iter()
        .flat_map(|batch| {
            let (times, values) =
                (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
            times.values().iter().copied().zip(values.values().iter().copied()).collect::<Vec<_>>()
        })
        .collect();
    times.sort_unstable();
    let mut deletion = of_series(begun.snapshot(), "true").await;
    (deletion.first_nanos, deletion.last_nanos) = (times[10].0, times[89].0);
    assert!(!deletion.broken_days().is_empty());
    assert_eq!(begun.delete(deletion).await.unwrap().unwrap().samples, 80);
    let left: BTreeSet<u64> = times[..10].iter().chain(&times[90..]).map(|(_, number)| *number as u64).collect();
    assert_eq!(numbers(&storage, 1).await, left);
    assert!(!series_ids(&storage).await.is_empty());
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_replaced_is_not_deleted_from() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    append(&storage, Signal::Metrics, 1, 0..10).await;
    let begun = storage.begin_deletion(&Tenant::default()).await.unwrap();
    let deletion = of_series(begun.snapshot(), "true").await;
    let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
    let other = Catalog::open(&url, &directory.path().join("data").canonicalize().unwrap().display().to_string()).await;
    let other = other.unwrap();
    let files: Vec<_> = other.cached().all_files(Table::Samples).map(|file| file.id).collect();
    other.commit(Change { remove: files, ..Change::default() }).await.unwrap();
    assert_eq!(begun.delete(deletion).await.unwrap(), None);
    assert_eq!(series_ids(&storage).await.len(), 1, "nothing at all was deleted");
    let objects = walk(&directory.path().join("data"));
    assert_eq!(objects, 2, "nor is anything left behind");
    other.close().await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_rows_of_series_stay_where_other_processes_write() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(quiet(directory.path())).await.unwrap();
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap() as u64;
    let recent =
        |connection| trefoil_loadgen::numbered::request(trefoil_loadgen::Signal::Metrics, connection, 0..10, now);
    storage.append(&Tenant::default(), Signal::Metrics, recent(1).into()).await.unwrap();
    append(&storage, Signal::Metrics, 2, 0..10).await;
    let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
    let other = Catalog::open(&url, &directory.path().join("data").canonicalize().unwrap().display().to_string()).await;
    let other = other.unwrap();
    other.commit(Change { log_position: Some(("another".to_owned(), 5)), ..Change::default() }).await.unwrap();
    assert_eq!(delete(&storage, "true").await.samples, 20);
    assert_eq!((count(&storage).await, series_ids(&storage).await.len()), (0, 1), "the old one's row goes");
    other.close().await;
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_deletes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let failing = Failing::new(Arc::new(InMemory::new()));
    let files = FileStore::new(Arc::new(failing.clone()));
    let mut config = quiet(directory.path());
    config.data = Some("memory:///".to_owned());
    let storage = Storage::open_on(config, files, Arc::new(LocalDisk)).await.unwrap();
    append(&storage, Signal::Metrics, 1, 0..100).await;
    append(&storage, Signal::Metrics, 2, 0..100).await;
    let begun = storage.begin_deletion(&Tenant::default()).await.unwrap();
    let deletion = of_series(begun.snapshot(), "metric_name LIKE '%1'").await;
    failing.is_down.store(true, SeqCst);
    assert!(begun.delete(deletion).await.is_err());
    assert!(storage.begin_deletion(&Tenant::default()).await.is_ok(), "there was nothing to flush");
    append(&storage, Signal::Metrics, 2, 100..101).await;
    assert!(storage.begin_deletion(&Tenant::default()).await.is_err());
    failing.is_down.store(false, SeqCst);
    assert_eq!((numbers(&storage, 1).await.len(), numbers(&storage, 2).await.len()), (100, 101));
    assert_eq!(delete(&storage, "metric_name LIKE '%1'").await.samples, 100);
    assert_eq!((numbers(&storage, 1).await.len(), numbers(&storage, 2).await.len()), (0, 101));
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_row_groups_without_deleted_rows_are_moved() {
    // More than half of what a row group may have, so that compaction leaves it as it is.
    const LARGE: u64 = 1_100_000;
    const SMALL: u64 = 200_000;
    let directory = tempfile::tempdir().unwrap();
    let mut config = quiet(directory.path());
    (config.buffer.flush_bytes, config.buffer.max_bytes) = (ByteSize::mib(1024), ByteSize::mib(2048));
    let storage = Storage::open(config).await.unwrap();
    for (connection, end) in [(1, LARGE), (2, SMALL), (3, SMALL)] {
        for start in (0..end).step_by(100_000) {
            append(&storage, Signal::Metrics, connection, start..end.min(start + 100_000)).await;
        }
        storage.flush().await.unwrap();
    }
    storage.compact().await.unwrap();
    let compacted = storage.snapshot(&Tenant::default()).await.unwrap();
    assert_eq!(compacted.catalog().files(Table::Samples, &Tenant::default()).len(), 1);
    let started = std::time::Instant::now();
    assert_eq!(delete(&storage, "metric_name LIKE '%2'").await.samples, SMALL);
    eprintln!("deleted from a file of {LARGE} samples in {:?}", started.elapsed());
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let counts = "SELECT metric_name, count(*), count(DISTINCT value_int) FROM samples GROUP BY 1 ORDER BY 1";
    let batches = rows(&snapshot, Table::Samples, counts).await;
    let counts = |column: usize| -> Vec<i64> {
        batches.iter().flat_map(|batch| batch.column(column).as_primitive::<Int64Type>().values().to_vec()).collect()
    };
    assert_eq!((counts(1), counts(2)), (vec![LARGE as i64, SMALL as i64], vec![LARGE as i64, SMALL as i64]));
    storage.close().await.unwrap();
}

/// Files below a directory.
fn walk(directory: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}
