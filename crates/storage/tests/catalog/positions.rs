//! Positions of logs move with the files that cover them.

use trefoil_model::Table;
use trefoil_storage::catalog::{CatalogError, Change, Withdrawn};

use crate::lake::{Lake, added, file, ids, on_every_database};

on_every_database! {
    moves_log_positions_forward_with_the_files
    withdraws_a_commit_whether_or_not_it_happened
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
