use std::collections::BTreeMap;

use chrono::TimeZone;
use datafusion::common::ScalarValue;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use trefoil_model::Tenant;

use super::*;
use crate::catalog::{ColumnStats, NewFile};

struct Lake {
    catalog: Catalog,
    store: FileStore,
    _directory: tempfile::TempDir,
}

impl Lake {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let store = FileStore::open(data.to_str().unwrap(), &BTreeMap::new()).unwrap();
        let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url, data.to_str().unwrap()).await.unwrap();
        Self { catalog, store, _directory: directory }
    }

    async fn put(&self, path: &str) {
        self.store.object_store().put(&Path::from(path), "x".into()).await.unwrap();
    }

    /// A file of the tenant whose newest row is of that time.
    async fn add(&self, table: Table, tenant: &str, name: &str, newest: DateTime<Utc>) {
        let path = format!("main/{}/{tenant}/{name}.parquet", table.name());
        self.put(&path).await;
        let column = self.catalog.cached().columns(table).get(table.time_column()).unwrap().id;
        let time = Some(ScalarValue::TimestampNanosecond(newest.timestamp_nanos_opt(), None));
        let stats = ColumnStats {
            column_id: column,
            size_bytes: 1,
            value_count: 1,
            null_count: 0,
            min: time.clone(),
            max: time,
            contains_nan: None,
        };
        let file = NewFile {
            table,
            path,
            tenant: Tenant::new(tenant).unwrap(),
            rows: 1,
            size_bytes: 1,
            footer_size: 1,
            column_stats: vec![stats],
        };
        self.catalog.commit(Change { add: vec![file], ..Change::default() }).await.unwrap();
    }

    fn listed(&self, table: Table) -> Vec<String> {
        self.catalog.cached().all_files(table).map(|file| file.path.clone()).collect()
    }

    async fn stored(&self, table: Table) -> Vec<String> {
        self.store.list(table).await.unwrap().into_iter().map(|object| object.path).collect()
    }
}

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

#[tokio::test]
async fn what_is_past_its_tenants_retention_goes_in_two_steps() {
    let lake = Lake::new().await;
    let now = Utc::now();
    let config: RetentionConfig =
        serde_json::from_str(r#"{"block_retention": "24h", "tenants": {"vip": {"traces": 0}}}"#).unwrap();
    lake.add(Table::Spans, "acme", "old", now - hours(25)).await;
    lake.add(Table::Spans, "acme", "young", now - hours(1)).await;
    lake.add(Table::Spans, "vip", "old", now - hours(2500)).await;
    lake.add(Table::Logs, "vip", "old", now - hours(25)).await;

    let cleaned = clean(&lake.catalog, &lake.store, &config, now).await.unwrap();
    assert_eq!(cleaned, Cleaned { expired_files: 2, ..Cleaned::default() });
    assert_eq!(lake.listed(Table::Spans), ["main/spans/acme/young.parquet", "main/spans/vip/old.parquet"]);
    assert_eq!(lake.listed(Table::Logs), Vec::<String>::new());
    assert_eq!(lake.stored(Table::Spans).await.len(), 3, "readers may still be at it");

    let later = now + hours(2);
    let cleaned = clean(&lake.catalog, &lake.store, &config, later).await.unwrap();
    assert_eq!(cleaned.deleted_objects, 2);
    assert!(!lake.stored(Table::Spans).await.contains(&"main/spans/acme/old.parquet".to_owned()));
    assert_eq!(clean(&lake.catalog, &lake.store, &config, later).await.unwrap(), Cleaned::default());
}

#[tokio::test]
async fn only_old_objects_that_nothing_lists_are_orphans() {
    let lake = Lake::new().await;
    let now = Utc::now();
    lake.add(Table::Spans, "acme", "listed", now).await;
    lake.put("main/spans/acme/orphan.parquet").await;
    let config = RetentionConfig { block_retention: Duration::ZERO, ..RetentionConfig::default() };
    assert_eq!(clean(&lake.catalog, &lake.store, &config, now).await.unwrap(), Cleaned::default());
    let cleaned = clean(&lake.catalog, &lake.store, &config, now + hours(25)).await.unwrap();
    assert_eq!(cleaned, Cleaned { deleted_orphans: 1, ..Cleaned::default() });
    assert_eq!(lake.stored(Table::Spans).await, ["main/spans/acme/listed.parquet"]);
}

#[tokio::test]
async fn series_stay_as_long_as_the_samples_of_their_day() {
    let lake = Lake::new().await;
    let now = Utc.with_ymd_and_hms(2026, 3, 2, 20, 0, 0).unwrap();
    let config: RetentionConfig = serde_json::from_str(r#"{"block_retention": "24h"}"#).unwrap();
    lake.add(Table::Series, "acme", "yesterday", now - hours(30)).await;
    lake.add(Table::Samples, "acme", "yesterday", now - hours(30)).await;
    clean(&lake.catalog, &lake.store, &config, now).await.unwrap();
    assert_eq!(lake.listed(Table::Samples), Vec::<String>::new());
    assert_eq!(lake.listed(Table::Series).len(), 1);
    clean(&lake.catalog, &lake.store, &config, now + hours(24)).await.unwrap();
    assert_eq!(lake.listed(Table::Series), Vec::<String>::new());
}

#[test]
fn a_retention_beyond_the_calendar_keeps_everything() {
    assert_eq!(before(Utc::now(), Duration::MAX), None);
}
