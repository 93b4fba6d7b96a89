//! Letting go: rows past their time leave the catalog file by file; objects that nobody can read any more are deleted.

mod collect;
mod policy;

pub(crate) use collect::collect_expired;
pub use collect::{CollectOptions, Collected, collect};
pub use policy::{RetentionConfig, TenantRetention};

use chrono::{DateTime, TimeDelta, Utc};
use trefoil_model::Table;

use crate::catalog::{Catalog, CatalogError, Change, DataFile};
use crate::error::StorageError;
use crate::files::created_at;

/// Files that [`enforce`] took out of the catalog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    pub files: usize,
    pub rows: u64,
    pub bytes: u64,
    /// By `Table`.
    pub rows_of: [u64; Table::ALL.len()],
}

/// Takes the files out of the catalog whose rows are all past their time; the objects stay until [`collect`] finds that
/// no snapshot lists them. A file with a row that is still wanted stays as it is: files hold one day at most.
///
/// A row's time is what its sender said, or, where that lies in the future, when it was stored. If a compaction replaces
/// a file meanwhile, nothing is dropped; the next call tries again.
pub async fn enforce(catalog: &Catalog, policy: &RetentionConfig, now: DateTime<Utc>) -> Result<Dropped, StorageError> {
    let snapshot = catalog.snapshot().await?;
    let mut dropped = Dropped::default();
    let mut remove = Vec::new();
    for file in Table::ALL.into_iter().flat_map(|table| snapshot.all_files(table)) {
        if is_past(file, policy, now) {
            remove.push(file.id);
            dropped.files += 1;
            dropped.rows += file.rows;
            dropped.rows_of[file.table as usize] += file.rows;
            dropped.bytes += file.size_bytes;
        }
    }
    if remove.is_empty() {
        return Ok(dropped);
    }
    match catalog.commit(Change { remove, ..Change::default() }).await {
        Ok(_) => Ok(dropped),
        Err(CatalogError::Conflict { .. }) => Ok(Dropped::default()),
        Err(error) => Err(error.into()),
    }
}

fn is_past(file: &DataFile, policy: &RetentionConfig, now: DateTime<Utc>) -> bool {
    let Some(kept) = policy.of(&file.tenant, file.table) else { return false };
    // A duration that does not fit reaches back beyond all time.
    let Some(cutoff) = TimeDelta::from_std(kept).ok().and_then(|kept| now.checked_sub_signed(kept)) else {
        return false;
    };
    let said = file.time_range().map(|(_, newest)| DateTime::from_timestamp_nanos(newest));
    let newest = match (said, created_at(&file.path)) {
        (Some(said), Some(stored)) => said.min(stored),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return false,
    };
    // A series row stands for its whole day: the samples of that day need it as long as they live.
    let stands_for = if file.table == Table::Series { TimeDelta::days(1) } else { TimeDelta::zero() };
    newest.checked_add_signed(stands_for).is_some_and(|newest| newest < cutoff)
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use trefoil_model::Tenant;

    use super::*;
    use crate::catalog::{ColumnStats, NewFile};

    async fn add(catalog: &Catalog, table: Table, newest: DateTime<Utc>) {
        let time = Some(ScalarValue::TimestampNanosecond(newest.timestamp_nanos_opt(), None));
        let stats = ColumnStats {
            column_id: catalog.cached().columns(table).get(table.time_column()).unwrap().id,
            size_bytes: 1,
            value_count: 1,
            null_count: 0,
            min: time.clone(),
            max: time,
            contains_nan: None,
        };
        let file = NewFile {
            table,
            path: format!("main/{}/acme/some.parquet", table.name()),
            tenant: Tenant::new("acme").unwrap(),
            rows: 1,
            size_bytes: 1,
            footer_size: 1,
            column_stats: vec![stats],
        };
        catalog.commit(Change { add: vec![file], ..Change::default() }).await.unwrap();
    }

    #[tokio::test]
    async fn series_stay_as_long_as_the_samples_of_their_day() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url, directory.path().to_str().unwrap()).await.unwrap();
        let policy: RetentionConfig = serde_json::from_str(r#"{"block_retention": "24h"}"#).unwrap();
        let now = Utc::now();
        add(&catalog, Table::Series, now - TimeDelta::hours(30)).await;
        add(&catalog, Table::Samples, now - TimeDelta::hours(30)).await;
        enforce(&catalog, &policy, now).await.unwrap();
        assert_eq!(catalog.cached().all_files(Table::Samples).count(), 0);
        assert_eq!(catalog.cached().all_files(Table::Series).count(), 1);
        enforce(&catalog, &policy, now + TimeDelta::hours(24)).await.unwrap();
        assert_eq!(catalog.cached().all_files(Table::Series).count(), 0);
    }
}
