//! Requests to delete logs change with the files that they are about.

use trefoil_model::Table;
use trefoil_storage::catalog::{CatalogError, Change, DeletionStatus, DeletionStep, LogDeletion};

use crate::lake::{Lake, added, file, ids, on_every_database, tenant};

on_every_database! {
    takes_files_out_and_puts_them_back
    finishes_requests_once
}

fn request(id: &str, created_at: i64) -> LogDeletion {
    LogDeletion {
        tenant: tenant("acme"),
        id: id.to_owned(),
        query: r#"{app="a"} |= "'x"#.to_owned(),
        first_nanos: i64::MIN,
        last_nanos: i64::MAX,
        created_at,
        status: DeletionStatus::Received,
    }
}

async fn takes_files_out_and_puts_them_back(lake: Lake) {
    let catalog = lake.open().await;
    let known = catalog.snapshot().await.unwrap();
    catalog.commit(added(vec![file(&known, Table::Logs, "acme", 1)])).await.unwrap();
    let listed = async || ids(&catalog.snapshot().await.unwrap(), Table::Logs);
    let taken = file(&known, Table::Logs, "acme", 50);
    let withhold = |id: &str, remove| Change {
        remove,
        deletion: Some(DeletionStep::Withhold {
            tenant: tenant("acme"),
            id: id.to_owned(),
            files: vec![taken.clone()],
        }),
        ..Change::default()
    };
    let before = listed().await;
    let error = catalog.commit(withhold("x", before.clone())).await.unwrap_err();
    assert!(matches!(&error, CatalogError::DeletionConflict { request } if request == "x"), "{error}");
    assert_eq!(listed().await, before, "nothing of it happened");

    catalog.add_deletion(&request("x", 5), 1).await.unwrap().unwrap();
    catalog.add_deletion(&request("x", 5), 1).await.unwrap().unwrap();
    assert_eq!(catalog.add_deletion(&request("y", 6), 1).await.unwrap(), None);
    assert_eq!(catalog.deletions(&tenant("acme")).await.unwrap(), [request("x", 5)]);
    assert_eq!(catalog.deletions(&tenant("other")).await.unwrap(), []);
    catalog.commit(withhold("x", before.clone())).await.unwrap();
    assert_eq!(listed().await, []);
    let withheld = catalog.withheld_files(&tenant("acme"), "x").await.unwrap();
    let told: Vec<_> = withheld.iter().map(|file| (&file.path, file.rows, file.size_bytes, file.footer_size)).collect();
    assert_eq!(told, [(&taken.path, taken.rows, taken.size_bytes, taken.footer_size)]);
    assert!(catalog.referenced_paths().await.unwrap().contains(&taken.path));

    let restore = |paths| Change {
        deletion: Some(DeletionStep::Restore { tenant: tenant("acme"), id: "x".to_owned(), paths }),
        ..added(vec![file(&known, Table::Logs, "acme", 90)])
    };
    let error = catalog.commit(restore(Vec::new())).await.unwrap_err();
    assert!(matches!(error, CatalogError::DeletionConflict { .. }), "{error}");
    assert_eq!((listed().await.len(), catalog.unfinished_deletions().await.unwrap().len()), (0, 1));
    catalog.commit(restore(vec![taken.path.clone()])).await.unwrap();
    assert_eq!((listed().await.len(), catalog.deletions(&tenant("acme")).await.unwrap().len()), (1, 0));
    assert!(!catalog.referenced_paths().await.unwrap().contains(&taken.path));
    assert!(!catalog.mark_withheld(&tenant("acme"), "x").await.unwrap());
}

async fn finishes_requests_once(lake: Lake) {
    let (catalog, acme) = (lake.open().await, tenant("acme"));
    let known = catalog.snapshot().await.unwrap();
    let taken = file(&known, Table::Logs, "acme", 1);
    catalog.add_deletion(&request("x", 5), 10).await.unwrap().unwrap();
    catalog.add_deletion(&request("a", 7), 10).await.unwrap().unwrap();
    let step = DeletionStep::Withhold { tenant: acme.clone(), id: "x".to_owned(), files: vec![taken.clone()] };
    catalog.commit(Change { deletion: Some(step.clone()), ..Change::default() }).await.unwrap();
    assert_eq!(catalog.finish_deletion(&acme, "x").await.unwrap(), [""; 0], "it is not done yet");
    assert!(catalog.mark_withheld(&acme, "x").await.unwrap());
    let error = catalog.commit(Change { deletion: Some(step), ..Change::default() }).await.unwrap_err();
    assert!(matches!(error, CatalogError::DeletionConflict { .. }), "{error}");
    assert_eq!(catalog.finish_deletion(&acme, "x").await.unwrap(), [taken.path]);
    assert_eq!(catalog.finish_deletion(&acme, "x").await.unwrap(), [""; 0]);
    let status: Vec<_> = catalog.deletions(&acme).await.unwrap().into_iter().map(|deletion| deletion.status).collect();
    assert_eq!(status, [DeletionStatus::Processed, DeletionStatus::Received]);
    assert!(!catalog.forget_deletion(&acme, "a").await.unwrap());
    assert_eq!(catalog.forget_old_deletions(5).await.unwrap(), 0);
    assert_eq!(catalog.forget_old_deletions(6).await.unwrap(), 1);
    assert_eq!(catalog.unfinished_deletions().await.unwrap(), [request("a", 7)]);
}
