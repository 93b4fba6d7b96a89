//! Where series come from: metrics, labels and their values, ranked by the series that they have and by how fast those grow.
//!
//! What is counted are series as they are stored, which is what costs: a classic histogram that came as OTLP is one series, one
//! that came by Prometheus' own ways is one for each bucket. Labels are those that PromQL sees.

mod sketch;
mod tally;

use trefoil_model::Tenant;
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;

use super::error::PromqlError;
use super::read::{Period, ReadLimits, Store, TARGET_INFO, name_matchers};
use super::source::wanted;
use crate::Engine;
pub use sketch::Pair;
use tally::{Hints, Tally};

/// Series that a question may look at.
const MOST_SERIES: usize = 10_000_000;

/// Metrics of which it is said which label makes most of their series.
const MOST_HINTS: usize = 20;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct CardinalityQuestion {
    /// Only series that fulfil all of these.
    pub matchers: Vec<Matcher>,
    /// Series count if they have a sample from here (milliseconds since the epoch) …
    pub start_ms: i64,
    /// … to here, both inclusive.
    pub end_ms: i64,
    /// Milliseconds that the window to compare with lies earlier; `None`: with none.
    pub ago_ms: Option<i64>,
    /// Only pairs of this label: its values.
    pub label: Option<String>,
    /// Of each ranking.
    pub limit: usize,
    pub order: Order,
}

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What has most series in the window.
    #[default]
    Series,
    /// What gained most series since the window before.
    Growth,
}

/// The answer. Series are counted in the window and in the one to compare with (0 without one).
#[derive(Debug, Clone, PartialEq)]
pub struct Cardinality {
    pub series: Pair,
    /// How many there are, whatever the limit.
    pub metric_count: u64,
    pub label_count: u64,
    /// Different values of all labels together.
    pub value_count: u64,
    pub metrics: Vec<RankedMetric>,
    pub labels: Vec<RankedLabel>,
    pub pairs: Vec<RankedPair>,
    /// Some counts are estimates: of values within 2 % or so, of series too low by less than the least that is shown.
    pub is_approximate: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RankedMetric {
    /// Prometheus' name, of a histogram without the suffix of its parts.
    pub name: String,
    pub series: Pair,
    /// Of the first of the ranking, if they have a label.
    pub hint: Option<Hint>,
}

/// The label without which a metric would have fewest series.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    pub label: String,
    pub values: u64,
    pub series_without: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RankedLabel {
    pub name: String,
    /// Series that have the label.
    pub series: Pair,
    /// Different values in the window.
    pub values: u64,
    /// Bytes of those values.
    pub value_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RankedPair {
    pub name: String,
    pub value: String,
    pub series: Pair,
}

impl Engine {
    /// Counts and ranks, by the index of series; of `samples` it reads only as much as it takes to tell whether series that were
    /// written to earlier on a day have samples in the window. (A series whose first sample of a day came late but is from before
    /// others is known by those.)
    pub async fn cardinality(
        &self,
        tenant: &Tenant,
        question: &CardinalityQuestion,
    ) -> Result<Cardinality, PromqlError> {
        self.in_time(async { self.counting_store(tenant).await?.cardinality(question).await }).await
    }

    /// The label sets that fulfil all matchers and have samples from `start_ms` to `end_ms`, sorted, each once. They hold their
    /// labels together with the index.
    pub async fn active_series(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Labels>, PromqlError> {
        let window = Period { start_ms, end_ms };
        self.in_time(async { self.counting_store(tenant).await?.active_label_sets(matchers, window).await }).await
    }

    async fn counting_store(&self, tenant: &Tenant) -> Result<Store, PromqlError> {
        Store::new(self, tenant, ReadLimits { max_raw_samples: usize::MAX, max_series: MOST_SERIES }).await
    }
}

impl Store {
    async fn cardinality(&self, question: &CardinalityQuestion) -> Result<Cardinality, PromqlError> {
        let CardinalityQuestion { start_ms, end_ms, .. } = *question;
        if start_ms > end_ms {
            return Err(PromqlError::BadData("the end of the window is before its start".to_owned()));
        }
        let window = Period { start_ms, end_ms };
        let before = question
            .ago_ms
            .map(|ago| Period { start_ms: start_ms.saturating_sub(ago), end_ms: end_ms.saturating_sub(ago) });
        let families = self.families(window.with(before));
        let wanted = wanted(&families, &question.matchers);
        let active = self.active(&wanted, &question.matchers, window, before).await?;
        let each = || {
            let series = active.found.series.iter().zip(&active.seen);
            series.map(|(series, seen)| (&wanted[series.family].0.name, &series.labels, seen.map(u64::from)))
        };
        let mut tally = Tally::new(question.label.as_deref());
        each().for_each(|(name, labels, seen)| tally.add(name, labels, seen));
        let mut ranked = tally.ranked(question.order, question.limit);
        let hinted = ranked.metrics.iter().take(MOST_HINTS).filter(|metric| metric.series[0] > 1);
        let mut hints = Hints::of(hinted.map(|metric| metric.name.as_str()));
        each().for_each(|(name, labels, seen)| hints.add(name, labels, seen));
        for metric in &mut ranked.metrics {
            metric.hint = hints.hint(&metric.name);
        }
        Ok(ranked)
    }

    async fn active_label_sets(&self, matchers: &[Matcher], window: Period) -> Result<Vec<Labels>, PromqlError> {
        if window.start_ms > window.end_ms {
            return Ok(Vec::new());
        }
        let families = self.families(window);
        let wanted = wanted(&families, matchers);
        let active = self.active(&wanted, matchers, window, None).await?;
        let mut sets = self.sets_of(&wanted, &active.found, matchers, window, true).await?;
        if name_matchers(matchers).iter().all(|matcher| matcher.matches(TARGET_INFO)) {
            let targets = self.targets(&families, matchers, window)?;
            if !targets.is_empty() {
                let times = self.target_times(&targets, window).await?;
                let targets = targets.into_iter().zip(times).filter(|(_, times)| !times.is_empty());
                sets.extend(targets.map(|(target, _)| target.labels));
            }
        }
        sets.sort_unstable();
        sets.dedup();
        Ok(sets)
    }
}
