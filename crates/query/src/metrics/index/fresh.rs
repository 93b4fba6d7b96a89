//! The indexes of tenants, kept between questions and brought up to date.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt, TryStreamExt};
use parking_lot::Mutex;
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
    most_series: usize,
    kept: Mutex<Vec<Kept>>,
    /// One is built at a time: those who wait find what the first has made.
    building: tokio::sync::Mutex<()>,
}

/// The index of one tenant; the tenant asked about last is the last one.
#[derive(Clone)]
struct Kept {
    tenant: Tenant,
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

impl Indexes {
    pub fn new(most_series: usize) -> Self {
        Self { most_series, kept: Mutex::default(), building: tokio::sync::Mutex::default() }
    }

    /// The index of the snapshot's tenant, of just that moment.
    pub async fn of(&self, snapshot: &Snapshot, view: &PrometheusView) -> Result<Arc<SeriesIndex>, PromqlError> {
        if let Some(kept) = self.kept(snapshot)
            && kept.buffered == Buffered::of(snapshot)
        {
            return Ok(kept.index);
        }
        let _alone = self.building.lock().await;
        let kept = self.kept(snapshot);
        let before = match kept {
            Some(kept) if kept.buffered == Buffered::of(snapshot) => return Ok(kept.index),
            Some(kept) => kept.index,
            None => Arc::default(),
        };
        // Libraries that read damaged files may panic.
        let updated = AssertUnwindSafe(updated(snapshot, view, &before)).catch_unwind().await;
        let index = Arc::new(updated.map_err(QueryError::panicked)??);
        self.keep(snapshot, index.clone());
        Ok(index)
    }

    fn kept(&self, snapshot: &Snapshot) -> Option<Kept> {
        let mut kept = self.kept.lock();
        let place = kept.iter().position(|kept| kept.tenant == *snapshot.tenant())?;
        let found = kept.remove(place);
        kept.push(found.clone());
        Some(found)
    }

    fn keep(&self, snapshot: &Snapshot, index: Arc<SeriesIndex>) {
        let (tenant, buffered) = (snapshot.tenant().clone(), Buffered::of(snapshot));
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.tenant != tenant);
        // What is too large to be kept at all is of no use to the others.
        if index.len() > self.most_series {
            return;
        }
        let mut series = index.len() + kept.iter().map(|kept| kept.index.len()).sum::<usize>();
        while series > self.most_series && !kept.is_empty() {
            series -= kept.remove(0).index.len();
        }
        kept.push(Kept { tenant, buffered, index });
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
