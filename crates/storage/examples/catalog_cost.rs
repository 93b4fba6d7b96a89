//! What the catalog costs: commits, polls, refreshes, a start with many files.
//!
//! `cargo run --release -p trefoil-storage --example catalog_cost -- sqlite:/tmp/cost.sqlite` (or an empty PostgreSQL
//! database's URL).

use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field};
use chrono::Utc;
use datafusion::common::ScalarValue;
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::{Catalog, CatalogError, CatalogSnapshot, Change, ColumnStats, NewFile, table_directory};
use uuid::Uuid;

const DATA_PATH: &str = "/nowhere/";
/// Promoted columns of spans and logs, so that a file has about 40 columns with statistics.
const PROMOTED: usize = 20;

#[tokio::main]
async fn main() -> Result<(), CatalogError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "sqlite:/tmp/catalog_cost.sqlite".to_string());
    let catalog = Catalog::open(&url, DATA_PATH).await?;
    let names = (0..PROMOTED).flat_map(|i| {
        [Table::Spans, Table::Logs]
            .map(|table| (table, Field::new(format!("resource.key{i}"), DataType::Utf8View, true)))
    });
    let snapshot = catalog.add_columns(names.collect()).await?;
    let stats: usize = Table::ALL.into_iter().map(|table| file(&snapshot, table, 0).column_stats.len()).sum();
    println!("{url}: {stats} columns with statistics over the 5 tables");

    commits(&catalog, "5 files (1 a table)", 1, 200).await?;
    commits(&catalog, "50 files (10 a table)", 10, 40).await?;
    commits(&catalog, "500 files (100 a table)", 100, 8).await?;
    let begin = Instant::now();
    for _ in 0..200 {
        catalog.snapshot().await?;
    }
    println!("snapshot() when nothing changed: {:.3?}", begin.elapsed() / 200);

    let files: usize = Table::ALL.into_iter().map(|table| catalog.cached().all_files(table).count()).sum();
    let begin = Instant::now();
    let other = Catalog::open(&url, DATA_PATH).await?;
    println!("open with {files} files: {:.1?}", begin.elapsed());
    let known = catalog.cached();
    catalog.commit(change(&known, 1)).await?;
    let begin = Instant::now();
    other.snapshot().await?;
    println!("refresh after one commit of 5 files, {files} files known: {:.2?}", begin.elapsed());

    let remove = catalog.cached().all_files(Table::Spans).take(50).map(|file| file.id).collect();
    let begin = Instant::now();
    catalog.commit(Change { remove, add: vec![file(&known, Table::Spans, 1)], ..Change::default() }).await?;
    println!("compaction commit (50 files out, 1 in): {:.2?}", begin.elapsed());
    let begin = Instant::now();
    let expired = catalog.expire_snapshots(Utc::now()).await?.len();
    println!("expire_snapshots ({expired} files): {:.2?}", begin.elapsed());
    catalog.close().await;
    Ok(())
}

async fn commits(catalog: &Catalog, label: &str, files: usize, rounds: usize) -> Result<(), CatalogError> {
    let known = catalog.snapshot().await?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let change = change(&known, files);
        let begin = Instant::now();
        catalog.commit(change).await?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times.get((rounds * share / 100).min(rounds - 1)).copied().unwrap_or(Duration::ZERO);
    println!("commit of {label}: median {:.2?}, 90 % within {:.2?}", at(50), at(90));
    Ok(())
}

fn change(known: &CatalogSnapshot, files: usize) -> Change {
    let position = Utc::now().timestamp_micros().unsigned_abs();
    let add = (0..files).flat_map(|i| Table::ALL.map(|table| file(known, table, i as i64))).collect();
    Change { add, log_position: Some(("cost".to_string(), position)), ..Change::default() }
}

fn file(known: &CatalogSnapshot, table: Table, from: i64) -> NewFile {
    let column_stats = known.columns(table).all().iter().filter(|column| !column.data_type.is_nested()).map(|column| {
        let bound = |byte: u8| match &column.data_type {
            DataType::Utf8View => Some(ScalarValue::from(format!("a value of {} and its {byte}", column.name))),
            DataType::Timestamp(..) => Some(ScalarValue::TimestampNanosecond(Some(from + i64::from(byte)), None)),
            DataType::FixedSizeBinary(n) => Some(ScalarValue::FixedSizeBinary(*n, Some(vec![byte; *n as usize]))),
            DataType::UInt64 => Some(ScalarValue::from(u64::MAX - u64::from(byte))),
            DataType::Int32 => Some(ScalarValue::from(i32::from(byte))),
            DataType::Int64 => Some(ScalarValue::from(i64::from(byte))),
            _ => None,
        };
        ColumnStats {
            column_id: column.id,
            size_bytes: 4_000,
            value_count: 9_000,
            null_count: 1_000,
            min: bound(0),
            max: bound(255),
            contains_nan: None,
        }
    });
    NewFile {
        table,
        path: format!("{}default/2026-01-01/{}.parquet", table_directory(table), Uuid::now_v7()),
        tenant: Tenant::default(),
        rows: 10_000,
        size_bytes: 400_000,
        footer_size: 9_000,
        column_stats: column_stats.collect(),
    }
}
