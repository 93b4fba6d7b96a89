//! What a commit does, whoever else commits at the same time.

use std::collections::{BTreeSet, HashSet};

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::{Catalog, CatalogError, Change, FileId, NewFile};

use crate::lake::{DATA_PATH, Lake, added, contents, file, ids, on_every_database, removed, tenant};

on_every_database! {
    starts_empty_with_all_columns
    lists_what_was_committed
    replaces_files_or_refuses
    reads_differences_as_it_reads_everything
    keeps_concurrent_writers_apart
    adds_a_column_once
    refuses_nonsense
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
        deletion: None,
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
