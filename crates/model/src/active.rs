//! Series that have had samples lately: how many there are, and the last sample of each.
//!
//! What Prometheus keeps of a series in its head, in 40 bytes. It answers three questions at ingest: is there room for another
//! series of the tenant; is a sample one that is stored already, or does it contradict one; is the series' row of the day safe.
//! A series leaves after two hours without a sample. Everything here is in the memory of one process and is gone after a
//! restart (but for what the log brings back): forgetting means that something is accepted, never that something is lost.

mod flight;
mod labelled;
mod limits;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use hashbrown::HashMap;
use indexmap::IndexMap;
use indexmap::map::Entry as Slot;
use parking_lot::{Mutex, RwLock};

pub use self::flight::{Flight, Verdict};
pub use self::labelled::{Labelled, LabelledSeries};
pub use self::limits::{LimitsByTenant, Reason, SeriesLimits};
use crate::Tenant;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// How finely time is looked at when idle series are looked for, and after how many of these they leave.
const PERIOD_NANOS: i64 = 20 * 60 * 1_000_000_000;
const IDLE_PERIODS: u8 = 6;

/// Locks the series of a tenant are split over.
const SHARDS: usize = 16;

/// No sample is on this day.
const NO_DAY: u32 = 0xff_ffff;

/// The last sample of a series.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Nanoseconds since the epoch; `i64::MIN` where the order of the series is not known.
    time: i64,
    /// The bits of the value, or a hash of it.
    value: u64,
    /// The flight that brought it; see [`flight`].
    ticket: u32,
    /// The day whose `series` row is safe (24 bits), and the period of the last sample (8 bits).
    day_and_period: u32,
}

impl Entry {
    fn new(period: u8) -> Self {
        Self { time: i64::MIN, value: 0, ticket: 0, day_and_period: NO_DAY << 8 | u32::from(period) }
    }

    fn day(&self) -> u32 {
        self.day_and_period >> 8
    }

    fn set_day(&mut self, day: u32) {
        self.day_and_period = day << 8 | self.day_and_period & 0xff;
    }

    fn period(&self) -> u8 {
        self.day_and_period as u8
    }

    fn touch(&mut self, period: u8) {
        self.day_and_period = self.day_and_period & !0xff | u32::from(period);
    }
}

fn day_of(time: i64) -> u32 {
    u32::try_from(time / NANOS_PER_DAY).unwrap_or(NO_DAY)
}

fn period_of(now: i64) -> u8 {
    (now / PERIOD_NANOS) as u8
}

/// In the order in which series came: one request finds its series next to each other.
type Shard = IndexMap<u64, Entry, ahash::RandomState>;

/// The series of all tenants.
pub struct ActiveSeries {
    tenants: RwLock<HashMap<Tenant, Arc<TenantSeries>, ahash::RandomState>>,
    limits: LimitsByTenant,
    shared: Arc<Shared>,
}

struct Shared {
    /// Series of all tenants together, and how many there may be.
    series: AtomicUsize,
    capacity: usize,
}

/// The series of one tenant.
pub struct TenantSeries {
    limits: SeriesLimits,
    shards: [Mutex<Shard>; SHARDS],
    labels: RwLock<labelled::Labels>,
    /// Makes hashes of labels unpredictable to who sends them.
    seed: u64,
    series: AtomicUsize,
    discarded: [AtomicU64; Reason::ALL.len()],
    /// How often what is stored was forgotten.
    era: AtomicU64,
    flights: flight::Flights,
    shared: Arc<Shared>,
}

/// Whether a series may have a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// Its row of the day is safe.
    Known,
    /// Its row of the day may be missing.
    RowNeeded,
    /// It would be one too many.
    OverLimit,
}

impl ActiveSeries {
    /// Remembers at most `capacity` series of all tenants together; further ones are accepted without any check.
    pub fn new(capacity: usize, limits: LimitsByTenant) -> Self {
        let shared = Arc::new(Shared { series: AtomicUsize::new(0), capacity });
        Self { tenants: RwLock::default(), limits, shared }
    }

    pub fn of(&self, tenant: &Tenant) -> Arc<TenantSeries> {
        if let Some(series) = self.tenants.read().get(tenant) {
            return series.clone();
        }
        let new = || Arc::new(TenantSeries::new(self.limits.of(tenant).clone(), self.shared.clone()));
        self.tenants.write().entry(tenant.clone()).or_insert_with(new).clone()
    }

    /// The tenant's series, if it has any.
    pub fn get(&self, tenant: &Tenant) -> Option<Arc<TenantSeries>> {
        self.tenants.read().get(tenant).cloned()
    }

    /// All tenants that have series.
    pub fn tenants(&self) -> Vec<(Tenant, Arc<TenantSeries>)> {
        self.tenants.read().iter().map(|(tenant, series)| (tenant.clone(), series.clone())).collect()
    }

    /// Memory in bytes, as far as tables are concerned.
    pub fn bytes(&self) -> usize {
        self.tenants.read().values().map(|series| series.bytes()).sum()
    }

    /// Forgets series without a sample for two hours, and tenants without series. `now` in nanoseconds since the epoch.
    pub fn forget_idle(&self, now: i64) {
        for (_, series) in self.tenants() {
            series.forget_idle(period_of(now));
        }
        // Who has a clone is using it.
        self.tenants.write().retain(|_, series| Arc::strong_count(series) > 1 || series.count() > 0);
    }

    /// From now on every series' row is taken for missing.
    pub fn forget_rows(&self) {
        for (_, series) in self.tenants() {
            series.shards.iter().for_each(|shard| shard.lock().values_mut().for_each(|entry| entry.set_day(NO_DAY)));
        }
    }
}

impl TenantSeries {
    fn new(limits: SeriesLimits, shared: Arc<Shared>) -> Self {
        Self {
            limits,
            shards: Default::default(),
            labels: RwLock::default(),
            seed: ahash::RandomState::new().hash_one(0u8),
            series: AtomicUsize::new(0),
            discarded: Default::default(),
            era: AtomicU64::new(0),
            flights: flight::Flights::default(),
            shared,
        }
    }

    pub fn limits(&self) -> &SeriesLimits {
        &self.limits
    }

    /// Active series.
    pub fn count(&self) -> usize {
        self.series.load(Relaxed)
    }

    /// Samples that were refused, by reason.
    pub fn discarded(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(&self.discarded).map(|(reason, count)| (reason, count.load(Relaxed)))
    }

    /// Counts refused samples.
    pub fn discard(&self, reason: Reason, samples: u64) {
        self.discarded[reason as usize].fetch_add(samples, Relaxed);
    }

    fn bytes(&self) -> usize {
        let tables: usize = self.shards.iter().map(|shard| table_bytes(&shard.lock())).sum();
        tables + table_bytes(&self.labels.read())
    }

    fn shard(&self, series_id: u64) -> &Mutex<Shard> {
        &self.shards[series_id as usize % SHARDS]
    }

    /// Takes note of a sample on `day` of a series, which it may have by the limits. `now` in nanoseconds since the epoch.
    #[inline]
    pub fn touch(&self, series_id: u64, day: i32, now: i64) -> Touched {
        let mut shard = self.shard(series_id).lock();
        let entry = match self.entry(&mut shard, series_id, period_of(now)) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Touched::RowNeeded,
            Err(OverLimit) => return Touched::OverLimit,
        };
        match u32::try_from(day) == Ok(entry.day()) {
            true => Touched::Known,
            false => Touched::RowNeeded,
        }
    }

    /// Takes note of a sample that is stored already, whatever the limits say: for replay.
    pub fn restore(&self, series_id: u64, sample: Option<(i64, u64)>, now: i64) {
        let mut shard = self.shard(series_id).lock();
        if !shard.contains_key(&series_id) && !self.take_room() {
            return;
        }
        let entry = shard.entry(series_id).or_insert_with(|| Entry::new(period_of(now)));
        entry.touch(period_of(now));
        if let Some((time, value)) = sample.filter(|(time, _)| *time >= entry.time) {
            (entry.time, entry.value) = (time, value);
            entry.ticket = self.flights.before_all();
        }
    }

    /// From now on no sample is a duplicate or too old.
    pub fn forget_order(&self) {
        self.shards.iter().for_each(|shard| shard.lock().values_mut().for_each(|entry| entry.time = i64::MIN));
    }

    /// Samples and rows are about to be deleted: from now on every series' row is taken for missing, and no sample is a
    /// duplicate or too old. What was judged in an earlier era must not be stored.
    pub fn forget_stored(&self) {
        self.era.fetch_add(1, Relaxed);
        for shard in &self.shards {
            for entry in shard.lock().values_mut() {
                entry.time = i64::MIN;
                entry.set_day(NO_DAY);
            }
        }
    }

    /// Changes by [`Self::forget_stored`].
    pub fn era(&self) -> u64 {
        self.era.load(Relaxed)
    }

    /// The row of the series on this day is safe.
    pub fn know_row(&self, series_id: u64, day: i32) {
        if let Some(entry) = self.shard(series_id).lock().get_mut(&series_id) {
            entry.set_day(u32::try_from(day).unwrap_or(NO_DAY));
        }
    }

    /// The entry of a series; `None` if there is no room to remember it.
    #[inline]
    fn entry<'s>(&self, shard: &'s mut Shard, series_id: u64, period: u8) -> Result<Option<&'s mut Entry>, OverLimit> {
        match shard.entry(series_id) {
            Slot::Occupied(known) => {
                let entry = known.into_mut();
                entry.touch(period);
                Ok(Some(entry))
            }
            Slot::Vacant(vacant) => {
                let limit = self.limits.max_active_series;
                if limit > 0 && self.count() >= limit {
                    return Err(OverLimit);
                }
                Ok(self.take_room().then(|| vacant.insert(Entry::new(period))))
            }
        }
    }

    /// Counts one more series, if there may be one.
    fn take_room(&self) -> bool {
        if self.shared.series.load(Relaxed) >= self.shared.capacity {
            return false;
        }
        self.shared.series.fetch_add(1, Relaxed);
        self.series.fetch_add(1, Relaxed);
        true
    }

    fn forget_idle(&self, now: u8) {
        let mut forgotten = 0;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let before = shard.len();
            shard.retain(|_, entry| now.wrapping_sub(entry.period()) <= IDLE_PERIODS);
            forgotten += before - shard.len();
            if shard.capacity() > 4 * shard.len() {
                shard.shrink_to_fit();
            }
        }
        if forgotten == 0 {
            return;
        }
        self.series.fetch_sub(forgotten, Relaxed);
        self.shared.series.fetch_sub(forgotten, Relaxed);
        self.forget_labels();
    }
}

impl Drop for TenantSeries {
    fn drop(&mut self) {
        self.shared.series.fetch_sub(self.count(), Relaxed);
    }
}

struct OverLimit;

/// Memory of a table in bytes: entries with their hashes, and the places of entries by hash.
fn table_bytes<K, V>(table: &IndexMap<K, V, ahash::RandomState>) -> usize {
    table.capacity() * (size_of::<(u64, K, V)>() + 2 * size_of::<usize>())
}
