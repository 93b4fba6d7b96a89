//! Indexes brought up to date before anybody asks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{debug, warn};
use trefoil_model::{Table, Tenant};
use trefoil_storage::catalog::DataFile;
use trefoil_storage::deletion::DAY_NANOS;

use crate::Engine;
use crate::metrics::error::PromqlError;

/// Tenants that were asked about within it are asked about again.
const LATELY: Duration = Duration::from_secs(3600);

/// After a start, numbers are decoded that are no older.
const RECENT: Duration = Duration::from_secs(3600);

/// How often the store is looked at without a commit of this process; others commit, too.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// A store that commits all the time is followed that often.
const SHORTEST_NAP: Duration = Duration::from_secs(1);

impl Engine {
    /// Indexes the series of the default tenant, and of others from the largest on, as far as `cached_series` allows, and decodes their
    /// numbers of the last hour; then, whenever the store has changed, again of those that were asked about lately. Goes on until it is dropped.
    pub async fn keep_indexed(&self) {
        if let Err(error) = self.index_all().await {
            warn!(%error, "the series are not indexed yet; the first question does it");
        }
        let since = SystemTime::now().checked_sub(RECENT).and_then(|since| since.duration_since(UNIX_EPOCH).ok());
        let since = since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default();
        for tenant in self.metrics.indexes.lately(LATELY) {
            if let Err(error) = self.decode_numbers_since(&tenant, since).await {
                warn!(%error, %tenant, "recent numbers are not decoded yet; questions do it");
            }
        }
        loop {
            let _ = tokio::time::timeout(LONGEST_NAP, self.storage().committed()).await;
            for tenant in self.metrics.indexes.lately(LATELY) {
                if let Err(error) = self.index(&tenant).await {
                    debug!(%error, %tenant, "the series are not indexed; the next question does it");
                }
            }
            tokio::time::sleep(SHORTEST_NAP).await;
        }
    }

    async fn index_all(&self) -> Result<(), PromqlError> {
        let snapshot = self.snapshot(&Tenant::default()).await?;
        let files: Vec<Arc<DataFile>> = snapshot.catalog().all_files(Table::Series).cloned().collect();
        drop(snapshot);
        let mut room = self.metrics.indexes.most_series() as u64;
        for (tenant, series) in by_size(&files) {
            if series <= room {
                room = room.saturating_sub(self.index(&tenant).await?);
            }
        }
        Ok(())
    }

    /// How many series there are.
    async fn index(&self, tenant: &Tenant) -> Result<u64, PromqlError> {
        let snapshot = self.snapshot(tenant).await?;
        Ok(self.metrics.indexes.refresh(&snapshot, &self.metrics.view).await?.len() as u64)
    }
}

/// The default tenant, then the others from the largest on, with about as many series as each has: a row of `series` is a series
/// on a day.
fn by_size(files: &[Arc<DataFile>]) -> Vec<(Tenant, u64)> {
    let mut sizes: BTreeMap<&Tenant, (u64, i64, i64)> = BTreeMap::new();
    for file in files {
        let (first, last) = file.time_range().unwrap_or_default();
        let (rows, earliest, latest) = sizes.entry(&file.tenant).or_insert((0, first, last));
        *rows += file.rows;
        (*earliest, *latest) = (first.min(*earliest), last.max(*latest));
    }
    let days = |first: i64, last: i64| (last.div_euclid(DAY_NANOS) - first.div_euclid(DAY_NANOS)).unsigned_abs() + 1;
    let sizes = sizes.into_iter().map(|(tenant, (rows, first, last))| (tenant.clone(), rows / days(first, last)));
    let mut sizes: Vec<(Tenant, u64)> = sizes.collect();
    sizes.sort_by_key(|(tenant, series)| (*tenant != Tenant::default(), Reverse(*series)));
    sizes
}
