//! Which series are known: the memory that lets `decode` emit a `series` row once a day instead of once a point.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use hashbrown::HashSet;
use parking_lot::RwLock;

use crate::Tenant;
use crate::active::{ActiveSeries, LimitsByTenant};

/// How many (tenant, series, day) entries an index holds unless told otherwise: 42 to 86 MB when full.
pub const DEFAULT_CAPACITY: usize = 4 << 20;

/// What a (tenant, day) costs beside its series, in entries, so that a flood of tenants or days is bounded too.
const DAY_COST: usize = 64;

/// Locks a day is split over, so that growing one of its sets does not stall every request.
const SHARDS: usize = 8;

/// A bounded set of (tenant, series id, day) whose `series` row is in the buffer or in files already.
///
/// It only saves work, so forgetting is always safe: the row is emitted again, and readers expect repetitions. When the
/// index is full the oldest days make room for newer ones; when nothing older is left, further series are not remembered
/// (their rows come again with every request) until [`SeriesIndex::forget_before`] or a newer day frees room.
///
/// Days are counted from 1970-01-01 (Arrow's `Date32`).
pub struct SeriesIndex {
    // By day first: the oldest is what goes first.
    days: RwLock<BTreeMap<(i32, Tenant), Arc<Day>>>,
    entries: AtomicUsize,
    capacity: usize,
    active: ActiveSeries,
    /// How often a tenant was forgotten; changes only under the write lock of `days`.
    forgotten: AtomicU64,
}

/// The series of one tenant that are known on one day: a handle that `decode` keeps over the points of a request.
#[derive(Clone)]
pub struct KnownSeries(Option<Arc<Day>>);

#[derive(Default)]
struct Day {
    shards: [RwLock<HashSet<u64, ahash::RandomState>>; SHARDS],
    len: AtomicUsize,
}

impl Default for SeriesIndex {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl SeriesIndex {
    /// An empty index of at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self::with_limits(capacity, LimitsByTenant::none())
    }

    /// The same, and as many active series, within limits.
    pub fn with_limits(capacity: usize, limits: LimitsByTenant) -> Self {
        let active = ActiveSeries::new(capacity, limits);
        Self { days: RwLock::default(), entries: AtomicUsize::new(0), capacity, active, forgotten: AtomicU64::new(0) }
    }

    /// The series that have had samples lately.
    pub fn active(&self) -> &ActiveSeries {
        &self.active
    }

    /// The known series of a tenant on a day. What is remembered later shows up only in handles of days that already
    /// had a series.
    pub fn on(&self, tenant: &Tenant, day: i32) -> KnownSeries {
        KnownSeries(self.days.read().get(&(day, tenant.clone())).cloned())
    }

    pub fn contains(&self, tenant: &Tenant, series_id: u64, day: i32) -> bool {
        self.on(tenant, day).contains(series_id)
    }

    /// Takes note of (series id, day) pairs whose `series` rows are safe, that is: after the append succeeded.
    pub fn remember(&self, tenant: &Tenant, series: &[(u64, i32)]) {
        self.remember_since(self.era(), tenant, series);
    }

    /// To be taken before a request is decoded, for [`SeriesIndex::remember_since`].
    pub fn era(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }

    /// As [`SeriesIndex::remember`], unless [`SeriesIndex::forget`] was called since `era`: the rows that the request brought
    /// may have been deleted meanwhile.
    pub fn remember_since(&self, era: u64, tenant: &Tenant, series: &[(u64, i32)]) {
        self.know_rows(era, tenant, series);
        for same_day in series.chunk_by(|a, b| a.1 == b.1) {
            let day = same_day[0].1;
            let Some(known) = self.reserve(era, tenant, day, same_day.len()) else { continue };
            let added = same_day.iter().filter(|(series_id, _)| known.insert(*series_id)).count();
            known.len.fetch_add(added, Relaxed);
            self.entries.fetch_add(added, Relaxed);
        }
    }

    /// How many series of the tenant are known on that day.
    pub fn count(&self, tenant: &Tenant, day: i32) -> usize {
        self.days.read().get(&(day, tenant.clone())).map_or(0, |known| known.len.load(Relaxed))
    }

    /// All entries, the fixed cost of each (tenant, day) included; what is compared with the capacity.
    pub fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// Forgets the days before `day`. To be called when retention drops their `series` rows, so that a late sample
    /// brings its row again.
    pub fn forget_before(&self, day: i32) {
        let mut days = self.days.write();
        let before = days.len();
        while let Some(oldest) = days.first_entry().filter(|oldest| oldest.key().0 < day) {
            self.release(&oldest.remove());
        }
        if days.len() < before {
            self.active.forget_rows();
        }
    }

    /// Forgets all series of a tenant, since some of their `series` rows are about to be deleted: every series brings its row
    /// again with its next sample.
    pub fn forget(&self, tenant: &Tenant) {
        let mut days = self.days.write();
        self.forgotten.fetch_add(1, Relaxed);
        if let Some(active) = self.active.get(tenant) {
            active.forget_stored();
        }
        days.retain(|(_, of), day| {
            let stays = of != tenant;
            if !stays {
                self.release(day);
            }
            stays
        });
    }

    fn know_rows(&self, era: u64, tenant: &Tenant, series: &[(u64, i32)]) {
        let Some(active) = self.active.get(tenant) else { return };
        // Nothing is forgotten while this is held.
        let _days = self.days.read();
        if self.era() == era {
            series.iter().for_each(|(series_id, day)| active.know_row(*series_id, *day));
        }
    }

    /// Room for `wanted` more series, or None when there is none, or when something was forgotten since `era`.
    fn reserve(&self, era: u64, tenant: &Tenant, day: i32, wanted: usize) -> Option<Arc<Day>> {
        let key = (day, tenant.clone());
        let has_room = |cost: usize| self.entries().saturating_add(cost) <= self.capacity;
        if has_room(wanted) {
            let days = self.days.read();
            if self.era() != era {
                return None;
            }
            if let Some(known) = days.get(&key) {
                return Some(known.clone());
            }
        }
        let mut days = self.days.write();
        if self.era() != era {
            return None;
        }
        let cost = wanted + if days.contains_key(&key) { 0 } else { DAY_COST };
        while !has_room(cost) {
            let oldest = days.first_entry().filter(|oldest| oldest.key().0 < day)?;
            self.release(&oldest.remove());
        }
        let known = days.entry(key).or_insert_with(|| {
            self.entries.fetch_add(DAY_COST, Relaxed);
            Arc::default()
        });
        Some(known.clone())
    }

    fn release(&self, day: &Day) {
        // A racing `remember` may still add to a day that just left; the counter then stays a few entries too high
        // rather than wrapping below zero.
        let freed = DAY_COST + day.len.load(Relaxed);
        let _ = self.entries.fetch_update(Relaxed, Relaxed, |entries| Some(entries.saturating_sub(freed)));
    }
}

impl KnownSeries {
    pub fn contains(&self, series_id: u64) -> bool {
        self.0.as_ref().is_some_and(|day| day.shard(series_id).read().contains(&series_id))
    }
}

impl Day {
    fn shard(&self, series_id: u64) -> &RwLock<HashSet<u64, ahash::RandomState>> {
        &self.shards[series_id as usize % SHARDS]
    }

    fn insert(&self, series_id: u64) -> bool {
        self.shard(series_id).write().insert(series_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> Tenant {
        Tenant::new(id).unwrap()
    }

    fn ids(range: std::ops::Range<u64>, day: i32) -> Vec<(u64, i32)> {
        range.map(|id| (id, day)).collect()
    }

    #[test]
    fn remembers_by_tenant_series_and_day() {
        let index = SeriesIndex::default();
        let (acme, other) = (tenant("acme"), tenant("other"));
        index.remember(&acme, &[(1, 10), (2, 10), (1, 11), (1, 10)]);
        assert!(index.contains(&acme, 1, 10) && index.contains(&acme, 2, 10) && index.contains(&acme, 1, 11));
        assert!(!index.contains(&acme, 2, 11) && !index.contains(&other, 1, 10));
        assert_eq!((index.count(&acme, 10), index.count(&acme, 11), index.count(&other, 10)), (2, 1, 0));
        assert_eq!(index.entries(), 3 + 2 * DAY_COST);
    }

    #[test]
    fn forgets_the_days_that_retention_dropped() {
        let index = SeriesIndex::default();
        let acme = tenant("acme");
        index.remember(&acme, &[(1, -1), (1, 0), (1, 1)]);
        index.forget_before(1);
        assert!(!index.contains(&acme, 1, -1) && !index.contains(&acme, 1, 0) && index.contains(&acme, 1, 1));
        assert_eq!(index.entries(), 1 + DAY_COST);
    }

    #[test]
    fn a_forgotten_tenant_is_not_remembered_by_older_requests() {
        let index = SeriesIndex::default();
        let (acme, other) = (tenant("acme"), tenant("other"));
        index.remember(&acme, &[(1, 10), (1, 11)]);
        index.remember(&other, &[(1, 10)]);
        let era = index.era();
        index.forget(&acme);
        assert!(!index.contains(&acme, 1, 10) && !index.contains(&acme, 1, 11) && index.contains(&other, 1, 10));
        assert_eq!(index.entries(), 1 + DAY_COST);
        index.remember_since(era, &acme, &[(2, 10)]);
        assert!(!index.contains(&acme, 2, 10), "its row may be among the deleted ones");
        index.remember_since(index.era(), &acme, &[(2, 10)]);
        assert!(index.contains(&acme, 2, 10));
    }

    #[test]
    fn a_full_index_gives_old_days_up_for_new_ones_only() {
        let index = SeriesIndex::new(2 * DAY_COST + 100);
        let acme = tenant("acme");
        index.remember(&acme, &ids(0..60, 10));
        index.remember(&acme, &ids(0..60, 9));
        assert_eq!((index.count(&acme, 10), index.count(&acme, 9)), (60, 0), "an older day takes nothing away");
        index.remember(&acme, &ids(0..60, 11));
        assert_eq!((index.count(&acme, 10), index.count(&acme, 11)), (0, 60), "a newer day does");
        assert_eq!(index.entries(), 60 + DAY_COST);
    }

    #[test]
    fn a_flood_of_series_tenants_or_days_stays_within_the_capacity() {
        let index = SeriesIndex::new(10_000);
        for n in 0..500 {
            index.remember(&tenant(&format!("t{n}")), &ids(0..10, 10));
            index.remember(&tenant("days"), &ids(0..10, 10 + n));
            index.remember(&tenant("series"), &ids(n as u64 * 100..n as u64 * 100 + 100, 600));
            assert!(index.entries() <= 10_000);
        }
    }

    #[test]
    fn many_threads_agree() {
        let index = SeriesIndex::default();
        let acme = tenant("acme");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|n| index.remember(&acme, &ids(n * 10..n * 10 + 20, 10))));
            }
        });
        assert_eq!(index.count(&acme, 10), 1010);
        assert_eq!(index.entries(), 1010 + DAY_COST);
    }
}
