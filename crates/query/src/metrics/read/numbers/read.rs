//! Which stripes have what is wanted, and getting them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use tokio::task::JoinSet;
use trefoil_model::Table;
use trefoil_promql::source::Samples;
use trefoil_storage::Snapshot;
use trefoil_storage::catalog::DataFile;
use trefoil_storage::scan::{SECTION_ROWS, Section, base_columns};

use super::super::samples::crashed;
use super::super::series::{FoundSeries, Wanted};
use super::super::{Meter, NANOS_PER_MILLI, Period, Store};
use super::assemble::assembled;
use super::decode::{COLUMNS, stripe, stripe_of_arrivals};
use super::picks::{Found, Places};
use super::{Stripe, StripeKey};
use crate::memory::Held;
use crate::metrics::error::PromqlError;
use crate::metrics::spent::TableSpent;
use crate::metrics::state::Metrics;

/// Sections that are read at once: what they share (dictionaries) is decoded once for all of them.
pub(super) const MOST_SECTIONS: usize = 8;

/// Smaller batches of the buffer are about to be merged with others, and are not kept.
const LEAST_KEPT_ROWS: usize = 4096;

/// Stripes that are known already and looked through by one task.
const STRIPES_PER_TASK: usize = 16;

/// What is to be looked through, in the order of arrival.
enum Source {
    Known(Vec<Arc<Stripe>>),
    Sections { file: Arc<DataFile>, row_group: usize, rows: Range<usize> },
    Batch { batch: RecordBatch, key: Option<StripeKey> },
}

/// What all tasks of one question share.
struct Reading {
    snapshot: Snapshot,
    metrics: Arc<Metrics>,
    wanted: Places,
    period: Period,
    meter: Meter,
    fetched: Arc<AtomicU64>,
}

impl Store {
    /// The numbers of the series at these places among those found, in their order; what was read counts to `memory`.
    pub async fn numbers(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        places: &[usize],
        period: Period,
        memory: &Arc<Held>,
    ) -> Result<Vec<Samples>, PromqlError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let ids = places.iter().map(|place| found.series[*place].id);
        let reading = Arc::new(Reading {
            snapshot: self.snapshot.clone(),
            metrics: self.engine.metrics.clone(),
            wanted: ids.collect(),
            period,
            meter: self.meter_of(memory),
            fetched: Arc::default(),
        });
        let names = places.iter().map(|place| wanted[found.series[*place].family].0.key.name.as_str());
        let mut filter = Filter { names: names.collect(), ids: HashMap::new(), period };
        for place in places {
            let series = &found.series[*place];
            filter.ids.entry(wanted[series.family].0.key.name.as_str()).or_default().push(series.id);
        }
        filter.ids.values_mut().for_each(|ids| ids.sort_unstable());

        let mut tasks = JoinSet::new();
        let mut sources = self.sources(&filter).await?.into_iter().enumerate();
        // Who waits can read one itself: small questions, which have no other, need not wake anybody up.
        let own = sources.next_back();
        for (order, source) in sources {
            let reading = reading.clone();
            tasks.spawn(async move { Ok::<_, PromqlError>((order, reading.read(source).await?)) });
        }
        let mut read = Vec::new();
        if let Some((order, source)) = own {
            read.push((order, reading.read(source).await?));
        }
        while let Some(ended) = tasks.join_next().await {
            read.push(ended.map_err(crashed)??);
        }
        self.note(|spent| spent.samples_table.bytes += reading.fetched.load(Relaxed));
        read.sort_by_key(|(order, _)| *order);
        let found: Vec<Found> = read.into_iter().flat_map(|(_, found)| found).collect();
        assembled(&found, places.len())
    }

    async fn sources(&self, filter: &Filter<'_>) -> Result<Vec<Source>, PromqlError> {
        let stripes = &self.metrics().stripes;
        let mut sources = Vec::new();
        let mut spent = TableSpent::default();
        let mut opened = 0;
        for file in self.snapshot.files(Table::Samples).iter() {
            if !filter.may_be_in(file) {
                spent.pruned_files += 1;
                continue;
            }
            spent.files += 1;
            let sections = self.snapshot.sections(file).await?;
            let (wanted, unread) = (|section: &&Section| filter.may_be_at(section), spent.rows);
            for group in sections.chunk_by(|a, b| a.row_group == b.row_group) {
                let mut wanted = filter.reach(group).iter().filter(wanted).peekable();
                match wanted.peek() {
                    Some(_) => spent.row_groups += 1,
                    None => spent.pruned_row_groups += 1,
                }
                for section in wanted {
                    let (row_group, number) = (section.row_group, section.number());
                    match stripes.get(&StripeKey::Section { file: file.id, row_group, number }) {
                        Some(stripe) => {
                            spent.kept_rows += section.rows.len() as u64;
                            add_known(&mut sources, stripe);
                        }
                        None => {
                            spent.rows += section.rows.len() as u64;
                            add_section(&mut sources, file, section);
                        }
                    }
                }
            }
            // What is decoded already needs no file.
            opened += u64::from(spent.rows > unread);
        }
        self.snapshot.note_scanned(opened, spent.pruned_files);
        for batch in self.snapshot.buffered(Table::Samples) {
            let ids = batch.column_by_name("series_id").filter(|_| batch.num_rows() >= LEAST_KEPT_ROWS);
            let key = ids.map(|ids| StripeKey::Buffered {
                ids: ids.to_data().buffers().first().map_or(0, |ids| ids.as_ptr() as usize),
                rows: batch.num_rows(),
            });
            match key.as_ref().and_then(|key| stripes.get(key)) {
                Some(stripe) => {
                    spent.kept_rows += batch.num_rows() as u64;
                    add_known(&mut sources, stripe);
                }
                None => {
                    spent.rows += batch.num_rows() as u64;
                    sources.push(Source::Batch { batch: batch.clone(), key });
                }
            }
        }
        self.note(|told| told.samples_table.add(&spent));
        Ok(sources)
    }
}

fn add_known(sources: &mut Vec<Source>, stripe: Arc<Stripe>) {
    match sources.last_mut() {
        Some(Source::Known(stripes)) if stripes.len() < STRIPES_PER_TASK => stripes.push(stripe),
        _ => sources.push(Source::Known(vec![stripe])),
    }
}

fn add_section(sources: &mut Vec<Source>, file: &Arc<DataFile>, section: &Section) {
    if let Some(Source::Sections { file: last, row_group, rows }) = sources.last_mut()
        && (last.id, *row_group, rows.end) == (file.id, section.row_group, section.rows.start)
        && section.rows.end - rows.start <= MOST_SECTIONS * SECTION_ROWS
    {
        rows.end = section.rows.end;
        return;
    }
    let rows = section.rows.clone();
    sources.push(Source::Sections { file: file.clone(), row_group: section.row_group, rows });
}

impl Reading {
    async fn read(&self, source: Source) -> Result<Vec<Found>, PromqlError> {
        let times = self.metrics.stripes.times();
        let mut found = Vec::new();
        let mut look = |stripe: Arc<Stripe>| {
            found.extend(Found::in_stripe(stripe, &self.wanted, self.period, &self.meter)?);
            Ok::<_, PromqlError>(())
        };
        match source {
            Source::Known(stripes) => stripes.into_iter().try_for_each(look)?,
            Source::Sections { file, row_group, rows } => {
                let mut number = rows.start / SECTION_ROWS;
                let batches = self.snapshot.section_numbers(&file, row_group, rows, &COLUMNS, &self.fetched).await?;
                for batch in batches {
                    let stripe = Arc::new(stripe(&batch, times)?);
                    self.meter.hold(stripe.bytes())?;
                    look(stripe.clone())?;
                    self.metrics.stripes.insert(StripeKey::Section { file: file.id, row_group, number }, stripe);
                    number += 1;
                }
            }
            Source::Batch { batch, key } => {
                let columns = base_columns(Table::Samples, &batch, &COLUMNS)?;
                let held = key.and_then(|_| batch.column_by_name("series_id").cloned());
                let stripe = Arc::new(stripe_of_arrivals(&columns, times, held)?);
                self.meter.hold(stripe.bytes())?;
                look(stripe.clone())?;
                if let Some(key) = key {
                    self.metrics.stripes.insert(key, stripe);
                }
            }
        }
        Ok(found)
    }
}

/// What files and sections must have.
struct Filter<'w> {
    names: BTreeSet<&'w str>,
    /// Ascending, by the name of the metric.
    ids: HashMap<&'w str, Vec<u64>>,
    period: Period,
}

impl Filter<'_> {
    fn may_be_in(&self, file: &DataFile) -> bool {
        let bounds = file.bounds("metric_name");
        let text = |bound: Option<&ScalarValue>| match bound {
            Some(ScalarValue::Utf8View(Some(text)) | ScalarValue::Utf8(Some(text))) => Some(text.clone()),
            _ => None,
        };
        let least = bounds.and_then(|bounds| text(bounds.min.as_ref()));
        let greatest = bounds.and_then(|bounds| text(bounds.max.as_ref()));
        self.overlaps(file.time_range()) && self.has_name(least.as_deref(), greatest.as_deref())
    }

    /// Those sections of a row group, which lie by metric and series, that are not beside all that is wanted. (A batch of a few series
    /// need not go through all sections there are.)
    fn reach<'s>(&self, group: &'s [Section]) -> &'s [Section] {
        let (Some(first), Some(last)) = (self.names.first(), self.names.last()) else { return &[] };
        let id = |name, end: fn(&[u64]) -> Option<&u64>| self.ids.get(name).and_then(|ids| end(ids)).copied();
        let first = (*first, id(first, <[u64]>::first).unwrap_or(0));
        let last = (*last, id(last, <[u64]>::last).unwrap_or(u64::MAX));
        let series = |section: &Section| section.series.filter(|_| section.only_metric().is_some());
        let is_before = |section: &Section| {
            let name = section.metrics.as_ref().map(|(_, most)| most.as_str());
            name.is_some_and(|name| (name, series(section).map_or(u64::MAX, |(_, most)| most)) < first)
        };
        let is_behind = |section: &Section| {
            let name = section.metrics.as_ref().map(|(least, _)| least.as_str());
            name.is_some_and(|name| last < (name, series(section).map_or(0, |(least, _)| least)))
        };
        // Of a section where metrics meet less is known than of those around it. Wherever that leads the search: what it skips
        // lies before a section that is before, or behind one that is behind.
        let from = group.partition_point(is_before);
        let to = group.partition_point(|section| !is_behind(section)).max(from);
        &group[from..to]
    }

    fn may_be_at(&self, section: &Section) -> bool {
        let names = section.metrics.as_ref();
        let has_name = self.has_name(names.map(|(least, _)| least.as_str()), names.map(|(_, most)| most.as_str()));
        has_name && self.overlaps(section.times) && self.has_series(section)
    }

    fn overlaps(&self, times: Option<(i64, i64)>) -> bool {
        let millis = |nanos: i64| nanos.div_euclid(NANOS_PER_MILLI);
        times.is_none_or(|(least, most)| millis(least) <= self.period.end_ms && self.period.start_ms <= millis(most))
    }

    fn has_name(&self, least: Option<&str>, most: Option<&str>) -> bool {
        let mut from = self.names.range(least.unwrap_or("")..);
        from.next().is_some_and(|name| most.is_none_or(|most| *name <= most))
    }

    /// Series lie by their ids within a metric.
    fn has_series(&self, section: &Section) -> bool {
        let (Some(name), Some((least, most))) = (section.only_metric(), section.series) else { return true };
        let Some(ids) = self.ids.get(name) else { return false };
        ids.get(ids.partition_point(|id| *id < least)).is_some_and(|id| *id <= most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    proptest! {
        #[test]
        fn no_wanted_section_is_out_of_reach(
            mut rows in prop::collection::vec((0_usize..4, 0_u64..8), 1..60),
            wanted in prop::collection::vec((0_usize..4, 0_u64..8), 0..4),
            rows_each in 1_usize..6,
        ) {
            rows.sort_unstable();
            let section = |(number, rows): (usize, &[(usize, u64)])| Section {
                row_group: 0,
                rows: number * SECTION_ROWS..(number + 1) * SECTION_ROWS,
                metrics: Some((NAMES[rows[0].0].to_owned(), NAMES[rows[rows.len() - 1].0].to_owned())),
                series: Some((rows.iter().map(|row| row.1).min().unwrap(), rows.iter().map(|row| row.1).max().unwrap())),
                times: None,
            };
            let sections: Vec<Section> = rows.chunks(rows_each).enumerate().map(section).collect();
            let mut ids: HashMap<&str, Vec<u64>> = HashMap::new();
            wanted.iter().for_each(|(name, id)| ids.entry(NAMES[*name]).or_default().push(*id));
            ids.values_mut().for_each(|ids| ids.sort_unstable());
            let period = Period { start_ms: 0, end_ms: 1 };
            let filter = Filter { names: ids.keys().copied().collect(), ids, period };
            let found: Vec<usize> =
                filter.reach(&sections).iter().filter(|section| filter.may_be_at(section)).map(Section::number).collect();
            for (number, rows) in rows.chunks(rows_each).enumerate() {
                prop_assert!(found.contains(&number) || rows.iter().all(|row| !wanted.contains(row)));
            }
        }
    }
}
