//! What is one database's own way: locks, connections, the log beside the file.

use std::time::Duration;

use arrow::datatypes::{DataType, Field};
use trefoil_model::Table;
use trefoil_storage::catalog::Change;

use crate::lake::{Lake, added, file};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_whoever_holds_the_sqlite_lock() {
    let lake = Lake::sqlite();
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    let pool = sqlx::SqlitePool::connect(&lake.url).await.unwrap();
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let commit = tokio::spawn({
        let (catalog, change) = (catalog.clone(), added(vec![file(&known, Table::Logs, "acme", 1)]));
        async move { catalog.commit(change).await }
    });
    // Readers do not wait.
    assert_eq!(catalog.snapshot().await.unwrap().id(), 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!commit.is_finished());
    lock.rollback().await.unwrap();
    assert_eq!(commit.await.unwrap().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_once_though_connections_are_killed() {
    let Some(lake) = Lake::postgres().await else { return };
    let catalog = lake.open().await;
    let killer = tokio::spawn({
        let pool = sqlx::PgPool::connect(&lake.url).await.unwrap();
        async move {
            let mut killed = 0;
            loop {
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE application_name = 'trefoil' AND datname = current_database()";
                killed += sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap();
                if killed >= 20 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        }
    });
    let mut commits = 0;
    while commits < 10 || !killer.is_finished() {
        let known = catalog.cached();
        let log_position = Some(("w".to_string(), commits + 1));
        let change = Change { log_position, ..added(vec![file(&known, Table::Spans, "acme", commits as i64)]) };
        match catalog.commit(change.clone()).await {
            Ok(_) => commits += 1,
            Err(error) if error.is_transient() => {}
            Err(error) => panic!("{error}"),
        }
        let listed = lake.number("SELECT count(*) FROM ducklake_data_file").await;
        assert_eq!(listed, commits as i64, "after commit {commits}");
    }
    killer.await.unwrap();
    let snapshot = catalog.snapshot().await.unwrap();
    assert_eq!(snapshot.all_files(Table::Spans).count() as u64, commits);
    assert_eq!(snapshot.log_position("w"), Some(commits));
}

#[tokio::test]
async fn the_log_of_an_sqlite_catalog_does_not_stay() {
    let lake = Lake::sqlite();
    let catalog = lake.open().await;
    let log = std::path::PathBuf::from(format!("{}-wal", lake.url.strip_prefix("sqlite:").unwrap()));
    let log_bytes = || std::fs::metadata(&log).unwrap().len();
    assert!(log_bytes() > 100_000);
    catalog.checkpoint().await.unwrap();
    assert_eq!(log_bytes(), 0);
    // Somebody who reads keeps it, and neither waits for the other.
    let reader = sqlx::SqlitePool::connect(&lake.url).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    let count = "SELECT count(*) FROM ducklake_snapshot";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&mut *reading).await.unwrap();
    catalog.add_columns(vec![(Table::Spans, Field::new("span.kept", DataType::Int64, true))]).await.unwrap();
    let started = std::time::Instant::now();
    catalog.checkpoint().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let after: i64 = sqlx::query_scalar(count).fetch_one(&mut *reading).await.unwrap();
    assert_eq!(before, after);
    assert!(log_bytes() > 0);
    reading.rollback().await.unwrap();
    catalog.checkpoint().await.unwrap();
    assert_eq!(log_bytes(), 0);
}
