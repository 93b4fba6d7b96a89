//! Deleting objects: those that no snapshot lists any more, and those that never were listed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use trefoil_model::Table;

use crate::catalog::Catalog;
use crate::error::StorageError;
use crate::files::FileStore;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectOptions {
    /// How long files stay readable after they left the catalog: longer than any query runs.
    pub grace: Duration,
    /// How old an object that the catalog has never heard of must be: longer than any flush waits for its commit.
    pub orphan_age: Duration,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self { grace: Duration::from_secs(15 * 60), orphan_age: Duration::from_secs(24 * 3600) }
    }
}

/// Objects that [`collect`] deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Of files that had been compacted or were past their time.
    pub expired: usize,
    /// Of files that were written but never committed, and what was left of broken writes.
    pub orphans: usize,
}

/// Deletes what nobody can read any more. It may be interrupted anywhere and run by many processes at once: an object
/// that is gone already is as good as deleted.
pub async fn collect(
    catalog: &Catalog,
    files: &FileStore,
    options: &CollectOptions,
    now: DateTime<Utc>,
) -> Result<Collected, StorageError> {
    let expired = collect_expired(catalog, files, before(now, options.grace)).await?;
    let orphans = collect_orphans(catalog, files, before(now, options.orphan_age)).await?;
    catalog.checkpoint().await?;
    Ok(Collected { expired, orphans })
}

fn before(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(age).ok().and_then(|age| now.checked_sub_signed(age)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

pub(crate) async fn collect_expired(
    catalog: &Catalog,
    files: &FileStore,
    older_than: DateTime<Utc>,
) -> Result<usize, StorageError> {
    let mut deleted = 0;
    loop {
        let paths = catalog.expire_snapshots(older_than).await?;
        if paths.is_empty() {
            return Ok(deleted);
        }
        deleted += files.delete(paths.iter().cloned()).await?;
        catalog.confirm_deleted(&paths).await?;
    }
}

async fn collect_orphans(
    catalog: &Catalog,
    files: &FileStore,
    older_than: DateTime<Utc>,
) -> Result<usize, StorageError> {
    // First the objects, then the catalog: what is committed in between is not taken for an orphan.
    let mut old = Vec::new();
    for table in Table::ALL {
        let objects = files.list(table).await?;
        old.extend(objects.into_iter().filter(|object| object.modified < older_than).map(|object| object.path));
    }
    if old.is_empty() {
        return Ok(0);
    }
    let referenced = catalog.referenced_paths().await?;
    old.retain(|path| !referenced.contains(path));
    if !old.is_empty() {
        tracing::info!(count = old.len(), first = old[0], "deleting files that were never committed");
    }
    Ok(files.delete(old).await?)
}
