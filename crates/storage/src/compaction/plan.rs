//! Which files to merge next.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use trefoil_model::{Table, Tenant};

use super::CompactionOptions;
use crate::catalog::{CatalogSnapshot, DataFile};
use crate::files::created_at;

/// A file joins smaller ones when it has at most this many times the rows that they have together. So a row is rewritten a
/// number of times that grows with the logarithm of what there is, however slowly files trickle in. Rows are what merging
/// costs; by bytes a large file of samples, which takes a tenth of the bytes a row, would join every time.
const GROWTH: u64 = 2;
/// The same of a day to which nothing comes any more: what is merged there is not merged again.
const LAST_GROWTH: u64 = 16;
/// Files below this count as this large: merging tiny ones is cheap whatever their proportions.
const SMALLEST_ROWS: u64 = 1 << 10;

/// Files of one tenant, table and day to become one, in the order of their times; those of logs as they were stored.
#[derive(Debug)]
pub(super) struct Job {
    pub table: Table,
    pub tenant: Tenant,
    /// Days since the epoch, from the files' directory.
    pub day: i32,
    pub files: Vec<Arc<DataFile>>,
}

/// What a job is about, whichever files there are.
pub(super) type Key = (Table, Tenant, i32);

impl Job {
    /// One file, to be written anew.
    pub fn of_file(file: &Arc<DataFile>) -> Self {
        let day = day_of(&file.path).unwrap_or_default();
        Self { table: file.table, tenant: file.tenant.clone(), day, files: vec![Arc::clone(file)] }
    }

    pub fn key(&self) -> Key {
        (self.table, self.tenant.clone(), self.day)
    }
}

/// Of the jobs that are `wanted`, the one that does away with the most files.
pub(super) fn next_job(
    snapshot: &CatalogSnapshot,
    options: &CompactionOptions,
    now: DateTime<Utc>,
    wanted: impl Fn(&Key) -> bool,
) -> Option<Job> {
    let mut days: BTreeMap<(Table, &Tenant, i32), Vec<&Arc<DataFile>>> = BTreeMap::new();
    for table in Table::ALL {
        for file in snapshot.all_files(table).filter(|file| file.size_bytes < options.target_bytes / 2) {
            let Some(day) = day_of(&file.path) else { continue };
            days.entry((table, &file.tenant, day)).or_default().push(file);
        }
    }
    let today = day_number(now);
    let jobs = days.into_iter().filter_map(|((table, tenant, day), files)| {
        let newest = files.iter().filter_map(|file| created_at(&file.path)).max();
        let is_settled = newest.is_some_and(|newest| {
            now.signed_duration_since(newest).to_std().is_ok_and(|age| age >= options.settled_after)
        });
        let mut files = match day < today || is_settled {
            true => choose(files, options, 2, LAST_GROWTH)?,
            false => choose(files, options, options.min_files, GROWTH)?,
        };
        match table {
            // Lines of one moment stay in the order of their arrival.
            Table::Logs => files.sort_by(|one, other| one.name().cmp(other.name())),
            _ => files.sort_by_key(|file| (file.time_range(), file.id)),
        }
        Some(Job { table, tenant: tenant.clone(), day, files })
    });
    jobs.filter(|job| wanted(&job.key())).max_by_key(|job| job.files.len())
}

fn choose(
    mut files: Vec<&Arc<DataFile>>,
    options: &CompactionOptions,
    min_files: usize,
    growth: u64,
) -> Option<Vec<Arc<DataFile>>> {
    files.sort_by_key(|file| (file.rows, file.id));
    let mut chosen = Vec::new();
    let (mut rows, mut bytes) = (0u64, 0u64);
    for file in files {
        let file_rows = file.rows.max(SMALLEST_ROWS);
        let is_too_large = !chosen.is_empty() && file_rows > rows.saturating_mul(growth);
        if is_too_large && chosen.len() < min_files {
            // The small ones before it are too few; they wait for company.
            chosen.clear();
            (rows, bytes) = (0, 0);
        } else if is_too_large || chosen.len() >= options.max_files || bytes + file.size_bytes > options.target_bytes {
            break;
        }
        rows += file_rows;
        bytes += file.size_bytes;
        chosen.push(Arc::clone(file));
    }
    (chosen.len() >= min_files).then_some(chosen)
}

/// The day in `…/<YYYY-MM-DD>/<name>`.
fn day_of(path: &str) -> Option<i32> {
    let directory = path.rsplit('/').nth(1)?;
    Some(chrono::NaiveDate::parse_from_str(directory, "%Y-%m-%d").ok()?.to_epoch_days())
}

fn day_number(now: DateTime<Utc>) -> i32 {
    now.date_naive().to_epoch_days()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_in_the_path() {
        assert_eq!(day_of("main/spans/acme/1970-01-03/x.parquet"), Some(2));
        assert_eq!(day_of("x.parquet"), None);
    }
}
