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
use super::family::{Family, Parts};
use super::read::{Period, Store, TARGET_INFO, Target, Wanted, name_matchers};
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

impl Store {
    /// The series that fulfil all matchers and have samples in the period, sorted by labels, each label set once.
    pub async fn select(&self, matchers: &[Matcher], period: Period) -> Result<Vec<RawSeries>, PromqlError> {
        if period.start_ms > period.end_ms {
            return Ok(Vec::new());
        }
        let families = self.families(period).await?;
        let wanted = wanted(&families, matchers);
        let mut series = Vec::new();
        if !wanted.is_empty() {
            let found = self.stored_series(&wanted, matchers, period).await?;
            let stored = match found.series.is_empty() {
                true => Vec::new(),
                false => self.samples(&wanted, &found, period).await?,
            };
            for (of, stored) in found.series.iter().zip(stored) {
                series.extend(convert::series(wanted[of.family].0, of, stored, matchers));
            }
        }
        if name_matchers(matchers).iter().all(|matcher| matcher.matches(TARGET_INFO)) {
            series.extend(self.target_info(&families, matchers, period).await?);
        }
        Ok(convert::merged(series))
    }

    /// The series `target_info` that fulfil the matchers.
    async fn target_info(
        &self,
        families: &[Family],
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Vec<RawSeries>, PromqlError> {
        let targets = self.targets(families, matchers, period).await?;
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
