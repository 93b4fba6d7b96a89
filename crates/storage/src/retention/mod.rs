//! The end of old data: files whose newest row is past its tenant's retention leave the catalog, and objects that nothing
//! lists any more leave the store.
//!
//! A file goes as a whole; one that is only partly past waits until all of it is (files hold one day each). Deleting takes
//! two steps, so that a query or a foreign reader that began before is not disturbed: a catalog commit now, the object
//! itself after the grace period. Every step may be repeated or cut off at any point.

mod config;

pub use config::{RetentionConfig, TenantRetention};

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use trefoil_model::{Signal, Table};

use crate::catalog::{Catalog, CatalogError, CatalogSnapshot, Change, FileId};
use crate::files::{FileStore, FilesError, created_at};

/// Files ended by one commit, so that a commit stays short.
const FILES_PER_COMMIT: usize = 1000;

/// An upload takes less than this; a younger object that nothing lists may be about to be committed.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Files past their retention that left the catalog.
    pub expired_files: usize,
    /// Objects deleted: their grace period is over.
    pub deleted_objects: usize,
    /// Objects deleted that no catalog ever listed (a write that was cut off).
    pub deleted_orphans: usize,
}

/// One round: ends what is past its retention at `now`, and deletes what nothing lists any more.
pub async fn clean(
    catalog: &Catalog,
    store: &FileStore,
    config: &RetentionConfig,
    now: DateTime<Utc>,
) -> Result<Cleaned, RetentionError> {
    let expired_files = expire(catalog, config, now).await?;
    let mut cleaned = Cleaned { expired_files, ..Cleaned::default() };
    if let Some(older_than) = before(now, config.grace) {
        cleaned.deleted_objects = delete_unlisted(catalog, store, older_than).await?;
    }
    if let Some(older_than) = before(now, config.grace.max(ORPHAN_AGE)) {
        cleaned.deleted_orphans = delete_orphans(catalog, store, older_than).await?;
    }
    Ok(cleaned)
}

/// `None` where the calendar ends: nothing is that old.
fn before(now: DateTime<Utc>, age: Duration) -> Option<DateTime<Utc>> {
    now.checked_sub_signed(TimeDelta::from_std(age).ok()?)
}

#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Files(#[from] FilesError),
}

async fn expire(catalog: &Catalog, config: &RetentionConfig, now: DateTime<Utc>) -> Result<usize, RetentionError> {
    let past = past_retention(&*catalog.snapshot().await?, config, now);
    let mut expired = 0;
    for files in past.chunks(FILES_PER_COMMIT) {
        match catalog.commit(Change { remove: files.to_vec(), ..Change::default() }).await {
            Ok(_) => expired += files.len(),
            // A compaction took one of them; the next round sees what it made of it.
            Err(CatalogError::Conflict { file }) => tracing::debug!(file, "a file to expire was replaced meanwhile"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(expired)
}

fn past_retention(snapshot: &CatalogSnapshot, config: &RetentionConfig, now: DateTime<Utc>) -> Vec<FileId> {
    let mut past = Vec::new();
    for table in Table::ALL {
        for file in snapshot.all_files(table) {
            let Some(age) = config.of(&file.tenant, signal(table)) else { continue };
            // A file whose times the catalog does not know stays: losing data is worse than keeping it.
            let Some((_, newest)) = file.time_range() else { continue };
            let Some(oldest_kept) = before(now, age).and_then(|oldest| oldest.timestamp_nanos_opt()) else { continue };
            // A series row stands for its whole day and is needed as long as any sample of that day.
            let newest = if table == Table::Series { end_of_day(newest) } else { newest };
            if newest < oldest_kept {
                past.push(file.id);
            }
        }
    }
    past
}

fn end_of_day(nanos: i64) -> i64 {
    const DAY: i64 = 86_400_000_000_000;
    nanos.div_euclid(DAY).saturating_add(1).saturating_mul(DAY)
}

fn signal(table: Table) -> Signal {
    match table {
        Table::Spans => Signal::Traces,
        Table::Logs => Signal::Logs,
        Table::Samples | Table::Series | Table::Exemplars => Signal::Metrics,
    }
}

async fn delete_unlisted(
    catalog: &Catalog,
    store: &FileStore,
    older_than: DateTime<Utc>,
) -> Result<usize, RetentionError> {
    let mut deleted = 0;
    loop {
        let paths = catalog.expire_snapshots(older_than).await?;
        if paths.is_empty() {
            return Ok(deleted);
        }
        deleted += store.delete(paths.iter().cloned()).await?;
        catalog.confirm_deleted(&paths).await?;
    }
}

async fn delete_orphans(
    catalog: &Catalog,
    store: &FileStore,
    older_than: DateTime<Utc>,
) -> Result<usize, RetentionError> {
    let mut candidates = Vec::new();
    for table in Table::ALL {
        for object in store.list(table).await? {
            let born = created_at(&object.path).unwrap_or(object.modified);
            if born.max(object.modified) < older_than {
                candidates.push(object.path);
            }
        }
    }
    if candidates.is_empty() {
        return Ok(0);
    }
    // Asked after the listing: what was committed in between is referenced now.
    let referenced: HashSet<String> = catalog.referenced_paths().await?;
    candidates.retain(|path| !referenced.contains(path));
    for path in &candidates {
        tracing::info!(%path, "deleting a file that was written but never committed");
    }
    Ok(store.delete(candidates).await?)
}

#[cfg(test)]
mod tests;
