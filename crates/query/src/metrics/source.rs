//! The store as the source of a query's series.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use trefoil_promql::error::EvalError;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::source::{RawSeries, Samples, SelectHints, SeriesSource};

use super::cancel::Cancel;
use super::convert;
use super::error::PromqlError;
use super::family::{Family, Kind, Parts};
use super::read::{FoundSeries, Period, Store, TARGET_INFO, Target, Wanted, name_matchers};
use super::spent::Spent;

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
        let period = Period { start_ms: hints.start, end_ms: hints.end };
        let begin = Instant::now().into_std();
        let read = self.runtime.block_on(async {
            tokio::select! {
                () = self.cancel.canceled() => Err(EvalError::Canceled),
                read = timeout_at(self.deadline, self.store.select(matchers, period)) => match read {
                    Ok(read) => read.map_err(EvalError::from),
                    Err(_) => Err(EvalError::Timeout(self.timeout)),
                },
            }
        })?;
        if let Some(spent) = &self.spent {
            spent.selected(matchers, hints, &read, begin);
        }
        Ok(read)
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
    /// The series that fulfil all matchers and have samples in the period, sorted by labels, each label set once.
    pub async fn select(&self, matchers: &[Matcher], period: Period) -> Result<Vec<RawSeries>, PromqlError> {
        if period.start_ms > period.end_ms {
            return Ok(Vec::new());
        }
        let families = self.families(period);
        let wanted = wanted(&families, matchers);
        let found = self.stored_series(&wanted, matchers, period)?;
        let mut series = self.number_series(&wanted, &found, period).await?;
        series.extend(self.other_series(&wanted, found, matchers, period).await?);
        if name_matchers(matchers).iter().all(|matcher| matcher.matches(TARGET_INFO)) {
            series.extend(self.target_info(&families, matchers, period).await?);
        }
        Ok(convert::merged(series))
    }

    /// Of the series that are stored as numbers, sample by sample.
    async fn number_series(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        period: Period,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let places = 0..found.series.len();
        let places: Vec<usize> = places.filter(|place| is_plain(wanted[found.series[*place].family].0)).collect();
        let samples = self.numbers(wanted, found, &places, period).await?;
        let series = places.into_iter().zip(samples).filter(|(_, samples)| !samples.is_empty());
        Ok(series.map(|(place, samples)| RawSeries { labels: found.series[place].labels.clone(), samples }).collect())
    }

    /// Of the other series.
    async fn other_series(
        &self,
        wanted: &[Wanted<'_>],
        mut found: FoundSeries,
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let all = found.series.len();
        found.series.retain(|series| !is_plain(wanted[series.family].0));
        // So many need not be told apart from the others by their ids.
        found.looked_at -= all - found.series.len();
        if found.series.is_empty() {
            return Ok(Vec::new());
        }
        let mut series = Vec::new();
        let stored = self.samples(wanted, &found, period).await?;
        for (of, stored) in found.series.iter().zip(stored) {
            series.extend(convert::series(wanted[of.family].0, of, stored, matchers));
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
        RawSeries { labels: target.labels, samples: Samples { times, floats, ..Samples::default() } }
    });
    Ok(series.collect())
}
