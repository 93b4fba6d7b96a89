//! Deletion of samples: files that hold some are written anew without them, and replace the old ones in one commit
//! (docs/decisions/0016-deletion.md). That of logs begins here, and goes on in [`crate::withheld`].

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, TimestampNanosecondType, UInt64Type};
use chrono::{TimeDelta, Utc};
use datafusion::common::ScalarValue;
use tokio::sync::OwnedMutexGuard;
use tracing::{info, warn};
use trefoil_model::{Table, Tenant};

use crate::buffer::Tables;
use crate::catalog::{Bounds, CatalogError, CatalogSnapshot, Change, DataFile, NewFile};
use crate::compaction::{Group, Keep};
use crate::engine::Engine;
use crate::error::StorageError;
use crate::files::FilesError;
use crate::retention;
use crate::snapshot::Snapshot;
use crate::storage::Storage;

/// Of a UTC day.
pub const DAY_NANOS: i64 = 86_400_000_000_000;

/// How long cleaning waits for queries.
const PATIENCE: Duration = Duration::from_secs(120);

/// The tables that hold something of a sample.
const TABLES: [Table; 3] = [Table::Samples, Table::Exemplars, Table::Series];

/// What is to be deleted of one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Series, by their ids …
    pub series: HashSet<u64>,
    /// … and the names of their metrics, as they are stored.
    pub metrics: BTreeSet<String>,
    /// Unix nanoseconds, both inclusive.
    pub first_nanos: i64,
    pub last_nanos: i64,
    /// (series, day) of days that are not wholly between the two: the series has no sample left on that day, so its row in
    /// `series` goes as well. (Of days between the two all rows of the series go.)
    pub emptied: HashSet<(u64, i32)>,
    /// Rows of `series` stay from this day on, whatever became of the samples: other processes write, too, and would not
    /// bring the row of a series again that they brought today.
    pub rows_kept_from: Option<i32>,
}

/// What a deletion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    pub samples: u64,
    pub exemplars: u64,
    /// Files that were replaced or taken out.
    pub files: usize,
}

/// A deletion that has begun: a line is drawn, what is before it can be looked at and deleted. While it lives this process
/// merges no files.
pub struct Beginning {
    pub(crate) engine: Arc<Engine>,
    pub(crate) snapshot: Snapshot,
    _nothing_is_merged: OwnedMutexGuard<()>,
}

impl Beginning {
    /// Everything acknowledged before the deletion began, and nothing that arrived later.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Deletes what was found in the snapshot. On return no new snapshot of any process shows the rows, and none ever will; if
    /// it fails, nothing is deleted. The old files stay for the grace period, see [`Storage::clean`]. `None` when another
    /// process replaced some of the files meanwhile: then nothing is deleted either; begin again.
    pub async fn delete(self, mut deletion: Deletion) -> Result<Option<Deleted>, StorageError> {
        if deletion.series.is_empty() {
            return Ok(Some(Deleted::default()));
        }
        if self.snapshot.catalog.has_other_writers(&self.engine.writer) {
            let yesterday = Utc::now().timestamp().div_euclid(86_400) - 1;
            deletion.rows_kept_from = i32::try_from(yesterday).ok();
        }
        self.engine.delete(&self.snapshot, Arc::new(deletion)).await
    }
}

impl Storage {
    /// Begins to delete rows of a tenant. Rows that *another* process of a cluster has not flushed yet are not seen, as they
    /// are not by queries here.
    pub async fn begin_deletion(&self, tenant: &Tenant) -> Result<Beginning, StorageError> {
        let engine = self.engine().clone();
        if engine.is_closed() {
            return Err(StorageError::Closed);
        }
        let nothing_is_merged = engine.compactor.pause().await;
        let snapshot = engine.files_only(tenant, engine.seal(tenant).await?);
        Ok(Beginning { engine, snapshot, _nothing_is_merged: nothing_is_merged })
    }

    /// Deletes the files that are in no current table any more: what deletions, compaction and retention replaced. It waits for
    /// the queries of this process that may still read them; those of other processes may fail. Returns how many files went.
    pub async fn clean(&self) -> Result<usize, StorageError> {
        let engine = self.engine();
        if !engine.leases.outlast(PATIENCE).await {
            let reason = format!("queries that began more than {PATIENCE:?} ago still read the files; try again later");
            return Err(StorageError::Files(reason));
        }
        // The current snapshot is never superseded, so this is all but that.
        retention::collect_expired(&engine.catalog, &engine.files, Utc::now() + TimeDelta::hours(1)).await
    }
}

impl Engine {
    pub(crate) fn files_only(&self, tenant: &Tenant, catalog: Arc<CatalogSnapshot>) -> Snapshot {
        let (reader, buffered) = (self.reader.leased(self.leases.take()), Arc::new(Tables::default()));
        Snapshot { tenant: tenant.clone(), catalog, reader, buffered }
    }

    /// `None` if somebody else replaced a file meanwhile: then nothing is deleted.
    async fn delete(&self, snapshot: &Snapshot, deletion: Arc<Deletion>) -> Result<Option<Deleted>, StorageError> {
        let mut change = Change::default();
        let mut deleted = Deleted::default();
        let rewritten = self.rewrite(snapshot, &deletion, &mut change, &mut deleted).await;
        let committed = match rewritten {
            Ok(()) => self.catalog.commit(change.clone()).await,
            Err(error) => {
                self.discard(change.add).await;
                return Err(error);
            }
        };
        match committed {
            Ok(_) => {}
            Err(CatalogError::Conflict { .. }) => {
                self.discard(change.add).await;
                return Ok(None);
            }
            // Whether it was committed is unknown, so the new files must stay.
            Err(error) => return Err(error.into()),
        }
        self.metrics.deleted_rows.get_or_create(&Table::Samples.into()).inc_by(deleted.samples);
        self.metrics.deleted_rows.get_or_create(&Table::Exemplars.into()).inc_by(deleted.exemplars);
        info!(
            tenant = snapshot.tenant.as_str(),
            series = deletion.series.len(),
            samples = deleted.samples,
            files = deleted.files,
            "deleted samples"
        );
        Ok(Some(deleted))
    }

    async fn rewrite(
        &self,
        snapshot: &Snapshot,
        deletion: &Arc<Deletion>,
        change: &mut Change,
        deleted: &mut Deleted,
    ) -> Result<(), StorageError> {
        for table in TABLES {
            let columns = snapshot.catalog.columns(table);
            let files = snapshot.catalog.files(table, &snapshot.tenant);
            for file in files.iter().filter(|file| deletion.may_concern(file)) {
                let Some(rewritten) = self.compactor.rewrite(file, columns, deletion.clone()).await? else { continue };
                change.remove.push(file.id);
                change.add.extend(rewritten.file);
                deleted.files += 1;
                match table {
                    Table::Samples => deleted.samples += rewritten.deleted_rows,
                    Table::Exemplars => deleted.exemplars += rewritten.deleted_rows,
                    Table::Spans | Table::Logs | Table::Series => {}
                }
            }
        }
        Ok(())
    }

    /// Certainly not committed.
    pub(crate) async fn discard(&self, files: impl IntoIterator<Item = NewFile>) {
        let paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
        if let Err(error) = self.files.delete(paths).await {
            warn!(%error, "cannot delete files of a deletion that failed; they are collected as orphans");
        }
    }
}

impl Deletion {
    /// The days (since the epoch) of which only a part is deleted: at most two.
    pub fn broken_days(&self) -> BTreeSet<i32> {
        let ends = [self.first_nanos, self.last_nanos].map(|nanos| nanos.div_euclid(DAY_NANOS));
        ends.into_iter().filter_map(|day| i32::try_from(day).ok()).filter(|day| !self.has_whole(*day)).collect()
    }

    fn has_whole(&self, day: i32) -> bool {
        let start = i64::from(day).saturating_mul(DAY_NANOS);
        self.first_nanos <= start && start.saturating_add(DAY_NANOS - 1) <= self.last_nanos
    }

    /// Whether nothing of the series is left on that day.
    fn empties(&self, id: u64, day: i32) -> bool {
        if self.rows_kept_from.is_some_and(|kept| day >= kept) {
            return false;
        }
        self.has_whole(day) || self.emptied.contains(&(id, day))
    }

    /// By what the catalog knows of the file.
    fn may_concern(&self, file: &DataFile) -> bool {
        let (Some(first), Some(last)) = (self.metrics.first(), self.metrics.last()) else { return true };
        let text = |text: &str| ScalarValue::Utf8View(Some(text.to_owned()));
        if file.bounds("metric_name").is_some_and(|bounds| excludes(bounds, &text(first), &text(last))) {
            return false;
        }
        let time = match file.table {
            Table::Samples | Table::Exemplars => "time_unix_nano",
            Table::Spans | Table::Logs | Table::Series => return true,
        };
        // An exemplar is told by the time of its point.
        let nanos = |nanos| ScalarValue::TimestampNanosecond(Some(nanos), None);
        file.table == Table::Exemplars
            || !file
                .bounds(time)
                .is_some_and(|bounds| excludes(bounds, &nanos(self.first_nanos), &nanos(self.last_nanos)))
    }
}

impl Keep for Deletion {
    fn columns(&self, table: Table) -> &'static [&'static str] {
        match table {
            Table::Samples => &["series_id", "time_unix_nano"],
            Table::Exemplars => &["series_id", "point_time_unix_nano"],
            Table::Series => &["series_id", "day"],
            Table::Spans | Table::Logs => &[],
        }
    }

    fn kept(&self, group: &Group) -> Result<BooleanArray, FilesError> {
        let table = group.table();
        let &[id, time] = self.columns(table) else { return Ok(BooleanArray::from(vec![true; group.rows()])) };
        let all = 0..group.rows();
        let ids = group.column(id, &all)?;
        let ids = numbers::<UInt64Type>(group, id, ids.as_ref())?;
        if !ids.values().iter().any(|id| self.series.contains(id)) {
            return Ok(BooleanArray::from(vec![true; ids.len()]));
        }
        let times = group.column(time, &all)?;
        let kept = match table {
            Table::Series => {
                let days = numbers::<Date32Type>(group, time, times.as_ref())?;
                let rows = ids.values().iter().zip(days.values());
                rows.map(|(id, day)| !(self.series.contains(id) && self.empties(*id, *day))).collect::<Vec<bool>>()
            }
            _ => {
                let times = numbers::<TimestampNanosecondType>(group, time, times.as_ref())?;
                let is_in_time = |time: &i64| (self.first_nanos..=self.last_nanos).contains(time);
                let rows = ids.values().iter().zip(times.values());
                rows.map(|(id, time)| !(is_in_time(time) && self.series.contains(id))).collect::<Vec<bool>>()
            }
        };
        Ok(BooleanArray::from(kept))
    }
}

/// Whether no value from `first` to `last` is within the bounds.
fn excludes(bounds: &Bounds, first: &ScalarValue, last: &ScalarValue) -> bool {
    let is_less = |a: &ScalarValue, b: &ScalarValue| a.partial_cmp(b).is_some_and(|order| order.is_lt());
    bounds.max.as_ref().is_some_and(|max| is_less(max, first))
        || bounds.min.as_ref().is_some_and(|min| is_less(last, min))
}

fn numbers<'a, T: ArrowPrimitiveType>(
    group: &Group,
    name: &str,
    column: Option<&'a Arc<dyn Array>>,
) -> Result<&'a PrimitiveArray<T>, FilesError> {
    let column = column.and_then(|column| column.as_primitive_opt::<T>()).filter(|column| column.null_count() == 0);
    column.ok_or_else(|| FilesError::read(group.path(), format!("it has no proper column {name}")))
}
