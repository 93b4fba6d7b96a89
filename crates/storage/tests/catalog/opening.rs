//! Which lakes are opened, which are refused, and what is said of those that cannot be.

use arrow::datatypes::{DataType, Field};
use trefoil_model::Table;
use trefoil_storage::catalog::{Catalog, CatalogError};

use crate::lake::{DATA_PATH, Lake, contents, on_every_database};

on_every_database! {
    refuses_a_newer_lake
    adds_the_columns_that_an_older_release_did_not_know
    refuses_another_data_path
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
    lake.execute("UPDATE trefoil_migrations SET version = 99 WHERE version = 3").await;
    let error = Catalog::open(&lake.url, DATA_PATH).await.unwrap_err();
    assert!(matches!(error, CatalogError::NewerApplication { found: 99, known: 3, .. }), "{error}");
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
