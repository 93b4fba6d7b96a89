//! The store as the source of a query's series.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use trefoil_promql::error::EvalError;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::source::{RawSeries, Samples, SelectHints, SeriesSource, bytes_of_series};

use super::ahead::read_ahead;
use super::cancel::Cancel;
use super::convert;
use super::error::PromqlError;
use super::family::{Family, Kind, Parts};
use super::read::{
    Batch, FoundSeries, Period, Store, StoredSeries, TARGET_INFO, Target, Wanted, batches, name_matchers,
};
use super::spent::{Read, Spent};
use crate::memory::Held;

/// Reads on the runtime while the thread of the evaluation waits.
pub struct StoreSource {
    pub store: Store,
    pub runtime: Handle,
    pub deadline: Instant,
    pub timeout: Duration,
    pub cancel: Arc<Cancel>,
    pub spent: Option<Spent>,
}

impl SeriesSource for StoreSource {
    fn select(&self, matchers: &[Matcher], hints: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let mut all = Vec::new();
        let _ = self.read(matchers, hints, |selection| vec![Batch::all(selection.numbers())], &mut |series| {
            all = series;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    fn select_in_batches(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        self.read(matchers, hints, |selection| selection.batches(), take)
    }
}

impl StoreSource {
    /// Reads the series, batch by batch; what is not stored as numbers comes with the only one.
    fn read(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        batches: impl FnOnce(&Selection<'_>) -> Vec<Batch>,
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let period = Period { start_ms: hints.start, end_ms: hints.end };
        let mut begin = Instant::now();
        let mut read = Read::default();
        let families = self.store.families(period);
        let memory = self.store.memory();
        let before = memory.bytes();
        let selection = self.store.selection(&families, matchers, period)?;
        let read_batch = |batch: Batch| {
            let memory = self.store.other_memory();
            let series = self.block_on(self.store.read(&selection, &batch, &memory))?;
            Ok((series, memory))
        };
        let flow = read_ahead(batches(&selection), read_batch, |(series, memory)| {
            read.series += series.len();
            read.samples += series.iter().map(|series| series.samples.len()).sum::<usize>();
            read.time += begin.elapsed();
            let flow = take(series);
            // What was made of them counts for itself.
            drop(memory);
            begin = Instant::now();
            flow
        })?;
        memory.shrink_to(before);
        if let Some(spent) = &self.spent {
            spent.selected(matchers, hints, read);
        }
        Ok(flow)
    }

    fn block_on<T>(&self, read: impl Future<Output = Result<T, PromqlError>>) -> Result<T, EvalError> {
        self.runtime.block_on(async {
            tokio::select! {
                () = self.cancel.canceled() => Err(EvalError::Canceled),
                read = timeout_at(self.deadline, read) => match read {
                    Ok(read) => read.map_err(EvalError::from),
                    Err(_) => Err(EvalError::Timeout(self.timeout)),
                },
            }
        })
    }
}

/// What a selector asks for, as far as that is known without samples.
pub struct Selection<'f> {
    families: &'f [Family],
    wanted: Vec<Wanted<'f>>,
    matchers: &'f [Matcher],
    period: Period,
    found: FoundSeries,
    /// The part of the period from which there may be samples.
    held: Period,
}

impl Selection<'_> {
    /// The places of the series that are stored as numbers.
    fn numbers(&self) -> Vec<usize> {
        let places = 0..self.found.series.len();
        places.filter(|place| is_plain(self.wanted[self.found.series[*place].family].0)).collect()
    }

    /// The same in batches; one only if there is more than numbers, which may have labels in common with these.
    fn batches(&self) -> Vec<Batch> {
        let numbers = self.numbers();
        match numbers.len() == self.found.series.len() && !self.asks_for_targets() {
            true => batches(&self.found, numbers, self.held),
            false => vec![Batch::all(numbers)],
        }
    }

    /// Resources are those of OTLP's metrics: what came by Prometheus' ways has its own `target_info`, if any.
    fn asks_for_targets(&self) -> bool {
        let has_targets = self.families.iter().any(|family| !family.is_literal());
        has_targets && name_matchers(self.matchers).iter().all(|matcher| matcher.matches(TARGET_INFO))
    }
}

/// The metrics of which some part has a name that the matchers ask for.
pub fn wanted<'f>(families: &'f [Family], matchers: &[Matcher]) -> Vec<Wanted<'f>> {
    let names = name_matchers(matchers);
    let named = families.iter().map(|family| (family, family.named(&names)));
    named.filter(|(_, parts): &(_, Parts)| !parts.is_empty()).collect()
}

/// Its samples are the numbers that are stored.
fn is_plain(family: &Family) -> bool {
    matches!(family.kind, Kind::Gauge | Kind::Sum) && !family.is_delta
}

impl Store {
    /// The series that may fulfil all matchers.
    fn selection<'f>(
        &self,
        families: &'f [Family],
        matchers: &'f [Matcher],
        period: Period,
    ) -> Result<Selection<'f>, PromqlError> {
        let wanted = match period.start_ms <= period.end_ms {
            true => wanted(families, matchers),
            false => Vec::new(),
        };
        let found = self.stored_series(&wanted, matchers, period)?;
        Ok(Selection { families, wanted, matchers, period, found, held: self.held(period) })
    }

    /// Those of the selected series that are of the batch, and all that are not stored as numbers; each label set once. The numbers
    /// count to `memory`, which ends with them; what else is read, to the store's.
    async fn read(
        &self,
        selection: &Selection<'_>,
        batch: &Batch,
        memory: &Arc<Held>,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let Selection { families, wanted, matchers, period, found, .. } = selection;
        let samples = self.numbers(wanted, found, &batch.places, *period, memory).await?;
        let series = batch.places.iter().zip(samples).filter(|(_, samples)| !samples.is_empty());
        let labelled =
            |(place, samples): (&usize, _)| RawSeries { labels: found.series[*place].labels.clone(), samples };
        let mut series: Vec<RawSeries> = series.map(labelled).collect();
        if batch.are_distinct {
            return Ok(series);
        }
        series.extend(self.other_series(wanted, found, matchers, *period).await?);
        if selection.asks_for_targets() && period.start_ms <= period.end_ms {
            series.extend(self.target_info(families, matchers, *period).await?);
        }
        Ok(convert::merged(series))
    }

    /// Of the other series.
    async fn other_series(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let others = found.series.iter().filter(|series| !is_plain(wanted[series.family].0));
        let others: Vec<StoredSeries> = others.cloned().collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        // The numbers need not be told apart from the others by their ids.
        let among = found.among - (found.series.len() - others.len());
        let found = FoundSeries { series: others, among };
        let mut series = Vec::new();
        let stored = self.samples(wanted, &found, period).await?;
        for (of, stored) in found.series.iter().zip(stored) {
            let converted = convert::series(wanted[of.family].0, of, stored, matchers);
            self.memory().grow(bytes_of_series(&converted))?;
            series.extend(converted);
        }
        Ok(series)
    }

    /// The series `target_info` that fulfil the matchers.
    async fn target_info(
        &self,
        families: &[Family],
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let targets = self.targets(families, matchers, period)?;
        match targets.is_empty() {
            true => Ok(Vec::new()),
            false => of_targets(self, targets, period).await,
        }
    }
}

/// The series `target_info` of resources: 1 whenever something was heard of one.
pub async fn of_targets(store: &Store, targets: Vec<Target>, period: Period) -> Result<Vec<RawSeries>, PromqlError> {
    let times = store.target_times(&targets, period).await?;
    let series = targets.into_iter().zip(times).filter(|(_, times)| !times.is_empty());
    let series = series.map(|(target, times)| {
        let floats = vec![1.0; times.len()];
        RawSeries { labels: target.labels, samples: Samples { times: times.into(), floats, ..Samples::default() } }
    });
    Ok(series.collect())
}
