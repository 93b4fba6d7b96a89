//! The indexes of tenants, kept between questions and brought up to date.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use futures::{FutureExt, TryStreamExt};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use trefoil_model::{Table, Tenant};
use trefoil_storage::Snapshot;
use trefoil_storage::catalog::FileId;
use trefoil_storage::scan::base_columns;

use super::build::Builder;
use super::{Part, SeriesIndex};
use crate::QueryError;
use crate::metrics::error::PromqlError;
use crate::metrics::options::PrometheusView;

/// Of a bounded number of series; tenants that have not been asked about for longest make room.
pub struct Indexes {
    most_series: AtomicUsize,
    kept: Mutex<Vec<Kept>>,
    /// One is built at a time for a tenant: those who wait find what the first has made.
    building: Mutex<HashMap<Tenant, Arc<tokio::sync::Mutex<()>>>>,
    counts: Counts,
}

/// The index of one tenant; the tenant asked about last is the last one.
#[derive(Clone)]
struct Kept {
    tenant: Tenant,
    asked: Instant,
    buffered: Buffered,
    index: Arc<SeriesIndex>,
}

/// The state of the buffer, which above one catalog version only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Buffered {
    catalog: i64,
    rows: usize,
}

impl Buffered {
    fn of(snapshot: &Snapshot) -> Self {
        Self { catalog: snapshot.catalog().id(), rows: snapshot.buffered_rows(Table::Series) }
    }
}

#[derive(Debug, Clone, Default)]
struct Counts {
    series: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    hits: Counter,
    updates: Counter,
    evictions: Counter,
}

/// On whose behalf an index is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A question.
    Question,
    /// Nobody: for the questions to come.
    Foresight,
}

impl Indexes {
    pub fn new(most_series: usize) -> Self {
        Self {
            most_series: AtomicUsize::new(most_series),
            kept: Mutex::default(),
            building: Mutex::default(),
            counts: Counts::default(),
        }
    }

    pub fn most_series(&self) -> usize {
        self.most_series.load(Relaxed)
    }

    pub fn set_most_series(&self, most_series: usize) {
        self.most_series.store(most_series, Relaxed);
        self.make_room(&mut self.kept.lock());
    }

    pub fn register(&self, registry: &mut Registry) {
        let counts = &self.counts;
        registry.register("index_series", "Series of all tenants that are kept indexed", counts.series.clone());
        registry.register_with_unit("index", "About what that takes in memory", Unit::Bytes, counts.bytes.clone());
        registry.register("index_hits", "Questions that found the index as it should be", counts.hits.clone());
        let updates = "Times that an index was built or brought up to date";
        registry.register("index_updates", updates, counts.updates.clone());
        registry.register("index_evictions", "Indexes of tenants that made room for others", counts.evictions.clone());
    }

    /// The index of the snapshot's tenant, of just that moment.
    pub async fn of(&self, snapshot: &Snapshot, view: &PrometheusView) -> Result<Arc<SeriesIndex>, PromqlError> {
        self.up_to_date(snapshot, view, By::Question).await
    }

    /// Brings the index of the snapshot's tenant up to date without being asked about it.
    pub async fn refresh(&self, snapshot: &Snapshot, view: &PrometheusView) -> Result<Arc<SeriesIndex>, PromqlError> {
        self.up_to_date(snapshot, view, By::Foresight).await
    }

    /// The tenants that were asked about in the last `within`, or whose index was built as if.
    pub fn lately(&self, within: Duration) -> Vec<Tenant> {
        let kept = self.kept.lock();
        kept.iter().filter(|kept| kept.asked.elapsed() < within).map(|kept| kept.tenant.clone()).collect()
    }

    async fn up_to_date(
        &self,
        snapshot: &Snapshot,
        view: &PrometheusView,
        by: By,
    ) -> Result<Arc<SeriesIndex>, PromqlError> {
        if let Some(index) = self.current(snapshot, by) {
            return Ok(index);
        }
        let alone = self.building.lock().entry(snapshot.tenant().clone()).or_default().clone();
        let updated = {
            let _alone = alone.lock().await;
            self.update(snapshot, view, by).await
        };
        drop(alone);
        self.building.lock().retain(|_, alone| Arc::strong_count(alone) > 1);
        updated
    }

    async fn update(
        &self,
        snapshot: &Snapshot,
        view: &PrometheusView,
        by: By,
    ) -> Result<Arc<SeriesIndex>, PromqlError> {
        if let Some(index) = self.current(snapshot, by) {
            return Ok(index);
        }
        let before = self.kept(snapshot, by).map(|kept| kept.index).unwrap_or_default();
        // Libraries that read damaged files may panic.
        let updated = AssertUnwindSafe(updated(snapshot, view, &before)).catch_unwind().await;
        let index = Arc::new(updated.map_err(QueryError::panicked)??);
        self.counts.updates.inc();
        self.keep(snapshot, index.clone(), by);
        Ok(index)
    }

    fn current(&self, snapshot: &Snapshot, by: By) -> Option<Arc<SeriesIndex>> {
        let kept = self.kept(snapshot, by).filter(|kept| kept.buffered == Buffered::of(snapshot))?;
        if by == By::Question {
            self.counts.hits.inc();
        }
        Some(kept.index)
    }

    fn kept(&self, snapshot: &Snapshot, by: By) -> Option<Kept> {
        let mut kept = self.kept.lock();
        let place = kept.iter().position(|kept| kept.tenant == *snapshot.tenant())?;
        if by == By::Foresight {
            return kept.get(place).cloned();
        }
        let found = Kept { asked: Instant::now(), ..kept.remove(place) };
        kept.push(found.clone());
        Some(found)
    }

    fn keep(&self, snapshot: &Snapshot, index: Arc<SeriesIndex>, by: By) {
        let (tenant, buffered) = (snapshot.tenant().clone(), Buffered::of(snapshot));
        let mut kept = self.kept.lock();
        let known = kept.iter().position(|kept| kept.tenant == tenant);
        let others: usize = kept.iter().filter(|kept| kept.tenant != tenant).map(|kept| kept.index.len()).sum();
        let has_room = by == By::Question || others + index.len() <= self.most_series();
        // What is too large to be kept at all is of no use to the others.
        if index.len() > self.most_series() || !has_room {
            known.map(|place| kept.remove(place));
        } else if let Some(place) = known {
            let asked = kept[place].asked;
            kept[place] = Kept { tenant, asked, buffered, index };
        } else {
            kept.push(Kept { tenant, asked: Instant::now(), buffered, index });
        }
        self.make_room(&mut kept);
    }

    fn make_room(&self, kept: &mut Vec<Kept>) {
        let of_all =
            |kept: &[Kept], of: fn(&SeriesIndex) -> usize| kept.iter().map(|kept| of(&kept.index)).sum::<usize>();
        let mut series = of_all(kept, SeriesIndex::len);
        while series > self.most_series() && !kept.is_empty() {
            series -= kept.remove(0).index.len();
            self.counts.evictions.inc();
        }
        self.counts.series.set(series as u64);
        self.counts.bytes.set(of_all(kept, SeriesIndex::bytes) as u64);
    }
}

async fn updated(snapshot: &Snapshot, view: &PrometheusView, before: &SeriesIndex) -> Result<SeriesIndex, PromqlError> {
    let files = of_files(snapshot, view, before).await?;
    let mut builder = Builder::new(view, None, [&files, &before.buffered]).beside(&files);
    for batch in snapshot.buffered(Table::Series) {
        builder.add(&base_columns(Table::Series, batch, &Builder::columns())?)?;
    }
    Ok(SeriesIndex { buffered: Arc::new(builder.finish(Vec::new())), files })
}

async fn of_files(snapshot: &Snapshot, view: &PrometheusView, before: &SeriesIndex) -> Result<Arc<Part>, PromqlError> {
    let files = snapshot.files(Table::Series);
    let mut ids: Vec<FileId> = files.iter().map(|file| file.id).collect();
    ids.sort();
    if ids == before.files.read {
        return Ok(before.files.clone());
    }
    let is_grown = before.files.read.iter().all(|id| ids.binary_search(id).is_ok());
    let start = is_grown.then_some(&*before.files);
    let mut builder = Builder::new(view, start, before.parts());
    for file in files.iter() {
        if is_grown && before.files.read.binary_search(&file.id).is_ok() {
            continue;
        }
        snapshot.note_scanned(1, 0);
        let sections = snapshot.sections(file).await?;
        for group in sections.chunk_by(|a, b| a.row_group == b.row_group) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let rows = first.rows.start..last.rows.end;
            let mut batches =
                snapshot.section_rows(file, first.row_group, rows, &Builder::columns(), &Arc::default()).await?;
            while let Some(batch) = batches.try_next().await? {
                builder.add(&batch)?;
            }
        }
    }
    Ok(Arc::new(builder.finish(ids)))
}
