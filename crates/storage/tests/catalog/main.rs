//! The catalog against real databases: every scenario on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used)]

mod postgres_server;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field};
use chrono::Utc;
use datafusion::common::ScalarValue;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::{
    Catalog, CatalogError, CatalogSnapshot, Change, ColumnStats, FileId, NewFile, Withdrawn, table_directory,
};
use uuid::Uuid;

const DATA_PATH: &str = "/data/lake/";

/// A database of its own for one test.
struct Lake {
    url: String,
    _directory: Option<TempDir>,
    _server: Option<Arc<postgres_server::Server>>,
}

impl Lake {
    fn sqlite() -> Lake {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
        Lake { url, _directory: Some(directory), _server: None }
    }

    async fn postgres() -> Option<Lake> {
        let server = postgres_server::server()?;
        let url = server.database().await;
        Some(Lake { url, _directory: None, _server: Some(server) })
    }

    /// A handle as another process would have it.
    async fn open(&self) -> Catalog {
        Catalog::open(&self.url, DATA_PATH).await.unwrap()
    }

    /// Runs SQL behind the catalog's back.
    async fn execute(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_string());
        if self.url.starts_with("sqlite:") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            return sqlx::query(sql).execute(&pool).await.unwrap().rows_affected();
        }
        let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap().rows_affected()
    }

    /// A number from behind the catalog's back.
    async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT CAST(({sql}) AS BIGINT)"));
        if self.url.starts_with("sqlite:") {
            let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
            return sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        }
        let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
    }
}

macro_rules! on_every_database {
    ($($(#[$attribute:meta])* $scenario:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] $(#[$attribute])*
            async fn $scenario() { super::$scenario(super::Lake::sqlite()).await })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] $(#[$attribute])*
            async fn $scenario() {
                if let Some(lake) = super::Lake::postgres().await { super::$scenario(lake).await }
            })*
        }
    };
}

on_every_database! {
    starts_empty_with_all_columns
    lists_what_was_committed
    replaces_files_or_refuses
    reads_differences_as_it_reads_everything
    keeps_concurrent_writers_apart
    adds_a_column_once
    moves_log_positions_forward_with_the_files
    withdraws_a_commit_whether_or_not_it_happened
    expires_only_what_nobody_reads
    recovers_from_sleeping_through_an_expiry
    follows_changes_of_other_clients
    refuses_nonsense
    refuses_a_newer_lake
    adds_the_columns_that_an_older_release_did_not_know
    refuses_another_data_path
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// A file of 100 rows whose time column spans `[from, from + 1000]` nanoseconds.
fn file(catalog: &CatalogSnapshot, table: Table, tenant_name: &str, from: i64) -> NewFile {
    let time = |nanos| Some(ScalarValue::TimestampNanosecond(Some(nanos), None));
    let mut column_stats = Vec::new();
    for column in catalog.columns(table).all().iter().filter(|column| !column.data_type.is_nested()) {
        let (min, max) = match (&column.data_type, column.name.as_str()) {
            (DataType::Timestamp(..), _) => (time(from), time(from + 1000)),
            (_, "tenant") => (Some(tenant_name.into()), Some(tenant_name.into())),
            (DataType::Utf8View, _) => (Some("aa".into()), Some("zz".into())),
            (DataType::UInt64, _) => (Some(ScalarValue::from(1u64)), Some(ScalarValue::from(u64::MAX))),
            (DataType::FixedSizeBinary(n), _) => {
                let id = |byte| Some(ScalarValue::FixedSizeBinary(*n, Some(vec![byte; *n as usize])));
                (id(0), id(0xff))
            }
            _ => (None, None),
        };
        column_stats.push(ColumnStats {
            column_id: column.id,
            size_bytes: 123,
            value_count: 90,
            null_count: 10,
            min,
            max,
            contains_nan: (column.data_type == DataType::Float64).then_some(false),
        });
    }
    NewFile {
        table,
        path: format!("{}{tenant_name}/2026-01-01/{}.parquet", table_directory(table), Uuid::now_v7()),
        tenant: tenant(tenant_name),
        rows: 100,
        size_bytes: 5_000,
        footer_size: 700,
        column_stats,
    }
}

fn added(add: Vec<NewFile>) -> Change {
    Change { add, ..Change::default() }
}

fn removed(remove: Vec<FileId>) -> Change {
    Change { remove, ..Change::default() }
}

fn ids(snapshot: &CatalogSnapshot, table: Table) -> Vec<FileId> {
    snapshot.all_files(table).map(|file| file.id).collect()
}

/// Everything a snapshot says, to compare two.
fn contents(snapshot: &CatalogSnapshot) -> String {
    let tables = Table::ALL.map(|table| {
        let files: Vec<_> = snapshot.all_files(table).collect();
        format!("{:?}\n{files:?}", snapshot.columns(table).all())
    });
    format!("{}\n{:?}\n{}", snapshot.id(), snapshot.log_position("w"), tables.join("\n"))
}

async fn starts_empty_with_all_columns(lake: Lake) {
    let catalog = lake.open().await;
    let snapshot = catalog.snapshot().await.unwrap();
    assert_eq!(snapshot.id(), 1);
    for table in Table::ALL {
        let columns = snapshot.columns(table);
        assert_eq!(columns.schema(), &table.base_schema());
        assert_eq!(columns.promoted(), []);
        assert_eq!(snapshot.all_files(table).count(), 0);
    }
    // Ids are given depth first and reach every level of a nested column.
    let events = snapshot.columns(Table::Spans).get("events").unwrap().field_with_ids();
    let DataType::List(element) = events.data_type() else { panic!("{events}") };
    let DataType::Struct(members) = element.data_type() else { panic!("{element}") };
    let mut fields = vec![&events, element.as_ref()];
    fields.extend(members.iter().map(AsRef::as_ref));
    let found: Vec<&str> = fields.iter().map(|field| field.metadata()["PARQUET:field_id"].as_str()).collect();
    assert_eq!(found, ["15", "16", "17", "18", "19", "20"]);

    let again = lake.open().await;
    assert_eq!(contents(&snapshot), contents(&again.snapshot().await.unwrap()));
}

async fn lists_what_was_committed(lake: Lake) {
    let catalog = lake.open().await;
    let other = lake.open().await;
    let empty = catalog.snapshot().await.unwrap();
    let odd = "a*b'(c)!";
    let mut files: Vec<NewFile> = Table::ALL.map(|table| file(&empty, table, "acme", 1_000_000)).into();
    files.push(file(&empty, Table::Spans, odd, 5));
    let change = Change { log_position: Some(("w".to_string(), 77)), ..added(files.clone()) };
    let id = catalog.commit(change).await.unwrap();
    assert_eq!(id, 2);

    for catalog in [&catalog, &other] {
        let snapshot = catalog.snapshot().await.unwrap();
        assert_eq!(snapshot.id(), 2);
        assert_eq!(snapshot.log_position("w"), Some(77));
        assert_eq!(snapshot.log_position("someone else"), None);
        for (table, new) in Table::ALL.into_iter().zip(&files) {
            let listed = snapshot.files(table, &tenant("acme"));
            assert_eq!(listed.len(), 1, "{}", table.name());
            let listed = &listed[0];
            assert_eq!((&listed.path, listed.rows, listed.size_bytes), (&new.path, 100, 5_000));
            assert_eq!((listed.footer_size, listed.added_in, listed.table), (700, 2, table));
            assert_eq!(listed.time_range(), Some((1_000_000, 1_001_000)));
        }
        let spans = &snapshot.files(Table::Spans, &tenant("acme"))[0];
        let trace_id = spans.bounds("trace_id").unwrap();
        assert_eq!(trace_id.max, Some(ScalarValue::FixedSizeBinary(16, Some(vec![0xff; 16]))));
        assert_eq!(trace_id.null_count, 10);
        assert_eq!(spans.bounds("service_name").unwrap().min, Some(ScalarValue::Utf8View(Some("aa".into()))));
        assert_eq!(spans.bounds("span_attributes"), None);
        let samples = &snapshot.files(Table::Samples, &tenant("acme"))[0];
        assert_eq!(samples.bounds("series_id").unwrap().max, Some(ScalarValue::UInt64(Some(u64::MAX))));
        let tenants: Vec<&str> = snapshot.tenants(Table::Spans).map(Tenant::as_str).collect();
        assert_eq!(tenants, [odd, "acme"]);
        assert_eq!(snapshot.files(Table::Logs, &tenant(odd)).len(), 0);
    }
    // A snapshot taken before stays as it was.
    assert_eq!(empty.all_files(Table::Spans).count(), 0);
    assert_eq!(lake.number("SELECT record_count FROM ducklake_table_stats WHERE table_id = 1").await, 200);
}

async fn replaces_files_or_refuses(lake: Lake) {
    let catalog = lake.open().await;
    let empty = catalog.snapshot().await.unwrap();
    let small = |count| (0..count).map(|i| file(&empty, Table::Logs, "acme", i)).collect::<Vec<_>>();
    catalog.commit(added(small(3))).await.unwrap();
    let before = catalog.snapshot().await.unwrap();
    let sources = ids(&before, Table::Logs);
    let compaction = Change { remove: sources.clone(), ..added(small(1)) };
    catalog.commit(compaction).await.unwrap();
    let after = catalog.snapshot().await.unwrap();
    assert_eq!(after.all_files(Table::Logs).count(), 1);
    assert_eq!(before.all_files(Table::Logs).count(), 3);
    assert_eq!(lake.number("SELECT record_count FROM ducklake_table_stats WHERE table_id = 2").await, 100);

    // A second compaction that planned with the same sources, together with other changes: none of them happens.
    let field = Field::new("log.x", DataType::Int64, true);
    let late = Change {
        remove: vec![ids(&after, Table::Logs)[0], sources[1]],
        add: small(1),
        add_columns: vec![(Table::Logs, field)],
        log_position: Some(("w".to_string(), 5)),
    };
    let error = catalog.commit(late).await.unwrap_err();
    assert!(matches!(error, CatalogError::Conflict { file } if file == sources[1].0), "{error}");
    assert!(!error.is_transient());
    assert_eq!(contents(&lake.open().await.snapshot().await.unwrap()), contents(&after));
}

async fn reads_differences_as_it_reads_everything(lake: Lake) {
    let writer = lake.open().await;
    let reader = lake.open().await;
    for round in 0..6i64 {
        let known = writer.snapshot().await.unwrap();
        let mut change = Change { log_position: Some(("w".to_string(), round as u64 + 1)), ..Change::default() };
        for table in Table::ALL {
            for name in ["acme", "books", "new"].iter().take(1 + round as usize % 3) {
                change.add.push(file(&known, table, name, round));
            }
            // Every other round some files go, in one all of them.
            let keep = if round == 3 { 0 } else { 2 };
            if round % 2 == 1 {
                change.remove.extend(ids(&known, table).into_iter().skip(keep));
            }
        }
        if round == 2 {
            change.add_columns.push((Table::Spans, Field::new("span.http.route", DataType::Utf8View, true)));
        }
        writer.commit(change).await.unwrap();
        // The reader misses some rounds.
        if round != 1 {
            let incremental = contents(&reader.snapshot().await.unwrap());
            assert_eq!(incremental, contents(&lake.open().await.snapshot().await.unwrap()), "round {round}");
            assert_eq!(incremental, contents(&writer.cached()), "round {round}");
        }
    }
}

async fn keeps_concurrent_writers_apart(lake: Lake) {
    const WRITERS: usize = 4;
    const COMMITS: usize = 8;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        // Handles opened at once: one of them makes the tables.
        let url = lake.url.clone();
        writers.spawn(async move {
            let catalog = Catalog::open(&url, DATA_PATH).await.unwrap();
            let mut snapshots = Vec::new();
            for round in 0..COMMITS {
                let known = catalog.snapshot().await.unwrap();
                let files = vec![
                    file(&known, Table::Spans, "acme", round as i64),
                    file(&known, Table::Samples, "acme", round as i64),
                ];
                let log_position = Some((format!("writer{writer}"), round as u64 + 1));
                snapshots.push(catalog.commit(Change { log_position, ..added(files) }).await.unwrap());
            }
            snapshots
        });
    }
    let mut taken: Vec<i64> = writers.join_all().await.into_iter().flatten().collect();
    taken.sort_unstable();
    assert_eq!(taken, (2..2 + (WRITERS * COMMITS) as i64).collect::<Vec<_>>());

    let catalog = lake.open().await;
    let snapshot = catalog.snapshot().await.unwrap();
    assert_eq!(ids(&snapshot, Table::Spans).len(), WRITERS * COMMITS);
    for writer in 0..WRITERS {
        assert_eq!(catalog.snapshot().await.unwrap().log_position(&format!("writer{writer}")), Some(COMMITS as u64));
    }
    // Row ids of one table are handed out once, without gaps.
    let starts = "SELECT count(DISTINCT row_id_start) FROM ducklake_data_file WHERE table_id = 1";
    assert_eq!(lake.number(starts).await, (WRITERS * COMMITS) as i64);
    let highest = "SELECT max(row_id_start) FROM ducklake_data_file WHERE table_id = 1";
    assert_eq!(lake.number(highest).await, (WRITERS * COMMITS) as i64 * 100 - 100);
}

async fn adds_a_column_once(lake: Lake) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let catalog = lake.open().await;
        writers.spawn(async move {
            let own = format!("span.own{writer}");
            let fields = ["span.http.route", "resource.k8s.pod.name", &own]
                .map(|name| (Table::Spans, Field::new(name, DataType::Utf8View, true)));
            let snapshot = catalog.add_columns(fields.to_vec()).await.unwrap();
            fields.map(|(table, field)| snapshot.columns(table).get(field.name()).unwrap().id)
        });
    }
    let given = writers.join_all().await;
    assert!(given.iter().all(|ids| ids[..2] == given[0][..2]), "{given:?}");
    let distinct: HashSet<i64> = given.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), 6);

    let catalog = lake.open().await;
    let snapshot = catalog.snapshot().await.unwrap();
    let promoted = snapshot.columns(Table::Spans).promoted();
    assert_eq!(promoted.iter().map(|column| column.id).collect::<BTreeSet<_>>(), distinct.into_iter().collect());
    assert_eq!(snapshot.columns(Table::Logs).promoted(), []);

    // What exists is no commit; another type is refused.
    let again = catalog.add_columns(vec![(Table::Spans, Field::new("span.http.route", DataType::Utf8, true))]);
    assert_eq!(again.await.unwrap().id(), snapshot.id());
    let other_type = vec![(Table::Spans, Field::new("span.http.route", DataType::Int64, true))];
    let error = catalog.add_columns(other_type).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "column \"span.http.route\" of table spans exists as varchar, it cannot become int64"
    );
}

async fn moves_log_positions_forward_with_the_files(lake: Lake) {
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    let change = |position| Change {
        log_position: Some(("w".to_string(), position)),
        ..added(vec![file(&known, Table::Logs, "acme", 1)])
    };
    catalog.commit(change(10)).await.unwrap();
    let error = catalog.commit(change(9)).await.unwrap_err();
    assert!(matches!(error, CatalogError::LogPosition { recorded: 10, proposed: 9, .. }), "{error}");
    assert_eq!(catalog.snapshot().await.unwrap().all_files(Table::Logs).count(), 1);
    // The same position once more is the same change once more.
    assert_eq!(catalog.commit(change(10)).await.unwrap(), 2);
    assert_eq!(catalog.snapshot().await.unwrap().all_files(Table::Logs).count(), 1);
    // A position alone is a commit, the same once more is none.
    let alone = Change { log_position: Some(("w".to_string(), 11)), ..Change::default() };
    assert_eq!(catalog.commit(alone.clone()).await.unwrap(), 3);
    assert_eq!(catalog.commit(alone).await.unwrap(), 3);
    assert_eq!(catalog.commit(Change::default()).await.unwrap(), 3);
    assert_eq!(catalog.snapshot().await.unwrap().log_position("w"), Some(11));
}

async fn withdraws_a_commit_whether_or_not_it_happened(lake: Lake) {
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    let change = |position| Change {
        log_position: Some(("w".to_string(), position)),
        ..added(vec![file(&known, Table::Logs, "acme", 1), file(&known, Table::Spans, "acme", 1)])
    };
    let paths = |change: &Change| change.add.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let listed = async || {
        let snapshot = catalog.snapshot().await.unwrap();
        (snapshot.all_files(Table::Logs).count(), snapshot.all_files(Table::Spans).count())
    };

    // It has not happened, and does nothing when it arrives late. As often as it is said.
    let lost = change(10);
    for _ in 0..2 {
        assert_eq!(catalog.withdraw("w", 10, &paths(&lost)).await.unwrap(), Withdrawn::Prevented);
    }
    catalog.commit(lost).await.unwrap();
    assert_eq!(listed().await, (0, 0));

    // It has happened.
    let happened = change(11);
    catalog.commit(happened.clone()).await.unwrap();
    assert_eq!(listed().await, (1, 1));
    for _ in 0..2 {
        let withdrawn = catalog.withdraw("w", 11, &paths(&happened)).await.unwrap();
        assert_eq!(withdrawn, Withdrawn::Undone { replaced: 0 });
        assert_eq!(listed().await, (0, 0));
    }
    assert_eq!(lake.number("SELECT sum(record_count) FROM ducklake_table_stats").await, 0);

    // It has happened, and somebody has merged one of the files since.
    let merged = change(12);
    catalog.commit(merged.clone()).await.unwrap();
    let source = ids(&catalog.snapshot().await.unwrap(), Table::Logs);
    catalog.commit(Change { remove: source, ..added(vec![file(&known, Table::Logs, "acme", 1)]) }).await.unwrap();
    let withdrawn = catalog.withdraw("w", 12, &paths(&merged)).await.unwrap();
    assert_eq!(withdrawn, Withdrawn::Undone { replaced: 1 });
    assert_eq!(listed().await, (1, 0));

    // Others, and what comes next, are not touched.
    catalog.commit(change(13)).await.unwrap();
    assert_eq!(listed().await, (2, 1));
    let error = catalog.withdraw("w", 12, &paths(&merged)).await.unwrap_err();
    assert!(matches!(error, CatalogError::LogPosition { recorded: 13, proposed: 12, .. }), "{error}");
    assert_eq!(catalog.withdraw("other", 12, &[]).await.unwrap(), Withdrawn::Prevented);
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

async fn refuses_nonsense(lake: Lake) {
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    let good = file(&known, Table::Logs, "acme", 1);
    let mut unknown_column = good.clone();
    unknown_column.column_stats[0].column_id = 999;
    let required = vec![(Table::Logs, Field::new("log.x", DataType::Int64, false))];
    let cases = [
        (added(vec![NewFile { path: "elsewhere.parquet".into(), ..good.clone() }]), "not below \"main/logs/\""),
        (added(vec![NewFile { path: "main/logs/../x.parquet".into(), ..good.clone() }]), "not below"),
        (added(vec![good.clone(), good.clone()]), "added twice"),
        (added(vec![NewFile { rows: 0, ..good.clone() }]), "no rows"),
        (added(vec![unknown_column]), "has no column 999"),
        (removed(vec![FileId(1), FileId(1)]), "removed twice"),
        (Change { add_columns: required, ..Change::default() }, "must be nullable"),
        (Change { log_position: Some(("w".into(), u64::MAX)), ..Change::default() }, "too large"),
    ];
    for (change, reason) in cases {
        let error = catalog.commit(change).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(catalog.snapshot().await.unwrap().id(), 1);
}

async fn refuses_a_newer_lake(lake: Lake) {
    lake.open().await;
    lake.execute("UPDATE ducklake_metadata SET value = '2.0' WHERE key = 'version'").await;
    let error = Catalog::open(&lake.url, DATA_PATH).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has DuckLake version 2.0, this program knows 1.0; use a Trefoil release that knows it"),
        "{error}"
    );
    lake.execute("UPDATE ducklake_metadata SET value = '1.0' WHERE key = 'version'").await;
    lake.execute("UPDATE trefoil_migrations SET version = 99").await;
    let error = Catalog::open(&lake.url, DATA_PATH).await.unwrap_err();
    assert!(matches!(error, CatalogError::NewerApplication { found: 99, known: 1, .. }), "{error}");
}

async fn adds_the_columns_that_an_older_release_did_not_know(lake: Lake) {
    let catalog = lake.open().await;
    let route = vec![(Table::Spans, Field::new("span.http.route", DataType::Utf8View, true))];
    let before = catalog.add_columns(route).await.unwrap();
    let highest = before.columns(Table::Spans).all().iter().map(|column| column.id).max().unwrap();
    // A scalar, and a list with everything inside it.
    let events = before.columns(Table::Spans).get("events").unwrap().id;
    let of_events = "table_id = 1 AND column_id >= $first AND column_id < $first + 6";
    let of_events = of_events.replace("$first", &events.to_string());
    assert_eq!(lake.execute(&format!("DELETE FROM ducklake_column WHERE {of_events}")).await, 6);
    let kind = "DELETE FROM ducklake_column WHERE column_name = 'kind' AND table_id = 1";
    assert_eq!(lake.execute(kind).await, 1);

    let after = lake.open().await.snapshot().await.unwrap();
    let columns = after.columns(Table::Spans);
    assert_eq!(after.id(), before.id() + 1);
    let names = |columns: &[trefoil_storage::catalog::Column]| {
        columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(columns.all()), names(before.columns(Table::Spans).all()));
    for name in ["kind", "events"] {
        let (old, new) = (before.columns(Table::Spans).get(name).unwrap(), columns.get(name).unwrap());
        assert!(new.nullable && new.id > highest.max(old.id), "{new:?}");
        assert_eq!(new.data_type, old.data_type);
    }
    assert_eq!(names(columns.promoted()), ["span.http.route"]);
    // A process that runs meanwhile sees them too, and it is done once.
    assert_eq!(contents(&catalog.snapshot().await.unwrap()), contents(&after));
    assert_eq!(lake.open().await.snapshot().await.unwrap().id(), after.id());
    let altered = "SELECT count(*) FROM ducklake_snapshot_changes WHERE changes_made = 'altered_table:1'";
    assert_eq!(lake.number(altered).await, 2);
}

async fn refuses_another_data_path(lake: Lake) {
    lake.open().await;
    // A trailing slash makes no difference.
    Catalog::open(&lake.url, "/data/lake").await.unwrap();
    let error = Catalog::open(&lake.url, "s3://bucket/lake").await.unwrap_err();
    assert!(error.to_string().contains("UPDATE ducklake_metadata SET value = 's3://bucket/lake/'"), "{error}");
}

#[tokio::test]
async fn says_what_is_wrong_with_a_url() {
    for url in ["mysql://me:secret@host/db", "nonsense", "sqlite:", "sqlite::memory:", "postgres://host:port/x"] {
        let error = Catalog::open(url, DATA_PATH).await.unwrap_err();
        assert!(matches!(error, CatalogError::Url { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn says_that_the_database_cannot_be_reached() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:secret@127.0.0.1:{free}/lake");
    let error = Catalog::open(&url, DATA_PATH).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("cannot reach the catalog database postgres://127.0.0.1:{free}/lake"))
    );
    assert!(error.is_transient() && error.to_string().contains("refused"), "{error}");

    let error = Catalog::open("sqlite:/no/such/directory/catalog.sqlite", DATA_PATH).await.unwrap_err();
    assert!(error.to_string().contains("sqlite:/no/such/directory/catalog.sqlite"), "{error}");
    assert!(error.to_string().contains("unable to open database file"), "{error}");
}

#[tokio::test]
async fn says_that_an_sqlite_file_is_damaged() {
    let lake = Lake::sqlite();
    lake.open().await.close().await;
    let path = lake.url.strip_prefix("sqlite:").unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    // Not the header, which SQLite checks first: the pages of the tables.
    bytes[4096..].fill(0xA5);
    std::fs::write(path, &bytes).unwrap();
    let error = Catalog::open(&lake.url, DATA_PATH).await.unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error:?}");
    std::fs::write(path, b"this is a text file, not a database, and it is long enough to have a header").unwrap();
    let error = Catalog::open(&lake.url, DATA_PATH).await.unwrap_err();
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error:?}");
}

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
