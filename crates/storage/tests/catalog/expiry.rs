//! Snapshots that nobody reads any more, and what other clients of the lake remove.

use std::collections::HashSet;
use std::time::Duration;

use chrono::Utc;
use trefoil_model::Table;
use trefoil_storage::catalog::{Catalog, FileId};

use crate::lake::{DATA_PATH, Lake, added, contents, file, ids, on_every_database, removed, tenant};

on_every_database! {
    expires_only_what_nobody_reads
    recovers_from_sleeping_through_an_expiry
    follows_changes_of_other_clients
}

async fn expires_only_what_nobody_reads(lake: Lake) {
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    catalog
        .commit(added(vec![file(&known, Table::Logs, "acme", 1), file(&known, Table::Logs, "acme", 2)]))
        .await
        .unwrap();
    let before = catalog.snapshot().await.unwrap();
    let old = before.files(Table::Logs, &tenant("acme"));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let read_at = Utc::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    catalog.commit(removed(vec![old[0].id])).await.unwrap();

    // Whoever began to read at `read_at` read the snapshot before the removal, though that was older.
    assert_eq!(catalog.expire_snapshots(read_at).await.unwrap(), Vec::<String>::new());
    assert!(catalog.referenced_paths().await.unwrap().contains(&old[0].path));
    assert_eq!(lake.number("SELECT count(*) FROM ducklake_snapshot").await, 2);

    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(catalog.expire_snapshots(Utc::now()).await.unwrap(), [old[0].path.clone()]);
    assert_eq!(lake.number("SELECT count(*) FROM ducklake_snapshot").await, 1);
    let stats = format!("SELECT count(*) FROM ducklake_file_column_stats WHERE data_file_id = {}", old[0].id.0);
    assert_eq!(lake.number(&stats).await, 0);
    // Until the deletion is confirmed, the path comes again and is no orphan.
    assert_eq!(catalog.expire_snapshots(Utc::now()).await.unwrap(), [old[0].path.clone()]);
    assert!(catalog.referenced_paths().await.unwrap().contains(&old[0].path));
    catalog.confirm_deleted(&[old[0].path.clone()]).await.unwrap();
    assert_eq!(catalog.expire_snapshots(Utc::now()).await.unwrap(), Vec::<String>::new());
    assert_eq!(catalog.referenced_paths().await.unwrap(), HashSet::from([old[1].path.clone()]));
    assert_eq!(ids(&lake.open().await.snapshot().await.unwrap(), Table::Logs), [old[1].id]);
}

async fn recovers_from_sleeping_through_an_expiry(lake: Lake) {
    let sleeper = lake.open().await;
    let writer = lake.open().await;
    let known = writer.snapshot().await.unwrap();
    writer.commit(added(vec![file(&known, Table::Logs, "acme", 1)])).await.unwrap();
    let seen = sleeper.snapshot().await.unwrap();
    writer.commit(removed(ids(&seen, Table::Logs))).await.unwrap();
    writer.commit(added(vec![file(&known, Table::Logs, "acme", 2)])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(writer.expire_snapshots(Utc::now()).await.unwrap().len(), 1);
    // The row that told of the removal is gone.
    assert_eq!(contents(&sleeper.snapshot().await.unwrap()), contents(&writer.snapshot().await.unwrap()));
}

async fn follows_changes_of_other_clients(lake: Lake) {
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    catalog
        .commit(added(vec![file(&known, Table::Logs, "acme", 1), file(&known, Table::Logs, "acme", 2)]))
        .await
        .unwrap();
    assert_eq!(catalog.snapshot().await.unwrap().all_files(Table::Logs).count(), 2);
    // As DuckDB merges files: into the past, the sources vanish without a trace.
    let now = if lake.url.starts_with("sqlite:") { "CURRENT_TIMESTAMP" } else { "now()" };
    lake.execute(&format!("INSERT INTO ducklake_snapshot SELECT snapshot_id + 1, {now}, schema_version, next_catalog_id, next_file_id FROM ducklake_snapshot WHERE snapshot_id = 2")).await;
    lake.execute("INSERT INTO ducklake_snapshot_changes(snapshot_id, changes_made) VALUES (3, 'merge_adjacent:2')")
        .await;
    lake.execute("DELETE FROM ducklake_data_file WHERE data_file_id = 0").await;
    let snapshot = catalog.snapshot().await.unwrap();
    assert_eq!((snapshot.id(), ids(&snapshot, Table::Logs)), (3, vec![FileId(1)]));
    assert_eq!(catalog.commit(removed(vec![FileId(1)])).await.unwrap(), 4);

    lake.execute("INSERT INTO ducklake_delete_file(delete_file_id, table_id, begin_snapshot) VALUES (9, 2, 4)").await;
    let error = Catalog::open(&lake.url, DATA_PATH).await.unwrap_err();
    assert!(error.to_string().contains("rows that another DuckLake client deleted"), "{error}");
}
