//! A lake of an older release, whose tables lack columns, under this one.

#![allow(clippy::unwrap_used)]

mod store_support;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::prelude::SessionContext;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sqlx::{AssertSqlSafe, SqlitePool};
use store_support::*;
use trefoil_model::{Signal, Table, Tenant};
use trefoil_storage::Storage;

/// A scalar that this release says is never NULL, and a list.
const NEW: [&str; 2] = ["kind", "events"];

/// Takes the columns out of the catalog and out of the files.
async fn make_older(directory: &Path) {
    let catalog = SqlitePool::connect(&format!("sqlite:{}", directory.join("catalog.sqlite").display())).await.unwrap();
    let execute = async |sql: String| sqlx::query(AssertSqlSafe(sql)).execute(&catalog).await.unwrap().rows_affected();
    let ids = "SELECT column_id FROM ducklake_column WHERE table_id = 1 AND column_name IN ('kind', 'events')";
    execute(format!("DELETE FROM ducklake_file_column_stats WHERE table_id = 1 AND column_id IN ({ids})")).await;
    let inside = format!(
        "WITH RECURSIVE inside(id) AS ({ids} UNION SELECT c.column_id FROM ducklake_column c JOIN inside \
         ON c.parent_column = inside.id AND c.table_id = 1) SELECT id FROM inside"
    );
    assert_eq!(execute(format!("DELETE FROM ducklake_column WHERE table_id = 1 AND column_id IN ({inside})")).await, 7);
    for path in files_below(&directory.join("data/main/spans")) {
        without_new_columns(&path);
        let (name, size) = (path.file_name().unwrap().to_str().unwrap(), path.metadata().unwrap().len());
        let sql = format!(
            "UPDATE ducklake_data_file SET file_size_bytes = {size}, footer_size = 0 WHERE path LIKE '%{name}'"
        );
        assert_eq!(execute(sql).await, 1);
    }
    catalog.close().await;
}

fn without_new_columns(path: &Path) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let schema = batches[0].schema();
    let kept: Vec<usize> =
        (0..schema.fields().len()).filter(|&column| !NEW.contains(&schema.field(column).name().as_str())).collect();
    // A file has a list only if some row has one.
    assert!(kept.len() < schema.fields().len());
    let file = File::create(path).unwrap();
    let compressed = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(file, schema.project(&kept).unwrap().into(), Some(compressed)).unwrap();
    for batch in batches {
        writer.write(&batch.project(&kept).unwrap()).unwrap();
    }
    writer.close().unwrap();
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// (rows, rows with a kind, rows with a kind other than 0 by filter, rows with events)
async fn counts(storage: &Storage) -> [i64; 4] {
    let snapshot = storage.snapshot(&Tenant::default()).await.unwrap();
    let context = SessionContext::new();
    context.register_table("spans", snapshot.table(Table::Spans)).unwrap();
    let mut counts = [0; 4];
    for (count, condition) in counts.iter_mut().zip(["true", "kind IS NOT NULL", "kind >= 0", "events IS NOT NULL"]) {
        let sql = format!("SELECT count(*) FROM spans WHERE {condition}");
        let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
        *count = batches[0].column(0).as_primitive::<Int64Type>().value(0);
    }
    counts
}

/// A row group of an older file that is large enough to be moved, but lacks a list.
#[tokio::test(flavor = "multi_thread")]
async fn large_row_groups_of_older_files_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = quiet(directory.path());
    config.compaction.min_files = 2;
    let storage = Storage::open(config.clone()).await.unwrap();
    for first in (0..66_000).step_by(1000) {
        append(&storage, Signal::Traces, 1, first..first + 1000).await;
    }
    storage.close().await.unwrap();
    make_older(directory.path()).await;

    let storage = Storage::open(config).await.unwrap();
    append(&storage, Signal::Traces, 1, 66_000..132_000).await;
    storage.flush().await.unwrap();
    let expected = counts(&storage).await;
    assert_eq!(storage.compact().await.unwrap(), 1);
    assert_eq!(counts(&storage).await, expected);
    storage.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_this_release_are_added_and_null_in_older_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = quiet(directory.path());
    config.compaction.min_files = 2;
    let storage = Storage::open(config.clone()).await.unwrap();
    append(&storage, Signal::Traces, 1, 0..10).await;
    storage.flush().await.unwrap();
    append(&storage, Signal::Traces, 1, 10..20).await;
    let events = { counts(&storage).await[3] };
    storage.close().await.unwrap();
    make_older(directory.path()).await;

    let storage = Storage::open(config.clone()).await.unwrap();
    assert_eq!(counts(&storage).await, [20, 0, 0, 0]);
    append(&storage, Signal::Traces, 1, 20..40).await;
    let expected = [40, 20, 20, events];
    assert_eq!(counts(&storage).await, expected, "buffered");
    storage.flush().await.unwrap();
    assert_eq!(counts(&storage).await, expected, "flushed");
    assert_eq!(storage.compact().await.unwrap(), 1);
    assert_eq!(counts(&storage).await, expected, "compacted");
    storage.close().await.unwrap();

    let storage = Storage::open(config).await.unwrap();
    assert_eq!(counts(&storage).await, expected, "reopened");
    assert_exactly_once(&found(&storage, Signal::Traces).await, &BTreeMap::from([(1, 40)]), "reopened");
    storage.close().await.unwrap();
}
