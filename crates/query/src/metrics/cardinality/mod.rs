//! Where series come from: metrics, labels and their values, ranked by the series that they have and by how fast those grow.
//!
//! What is counted are series as they are stored, which is what costs: a classic histogram that came as OTLP is one series, one
//! that came by Prometheus' own ways is one for each bucket. Labels are those that PromQL sees.

mod sketch;
mod tally;

use trefoil_model::Tenant;
use trefoil_promql::matcher::Matcher;

use super::error::PromqlError;
use super::read::{Period, ReadLimits, Store};
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
    /// Counts and ranks. Reads the `series` rows of the days in question, and of `samples` only as much as it takes to tell
    /// whether series of a day that is partly in the window were written to in that part. (A series whose first sample of a day
    /// came late but is from before others is known by those.)
    pub async fn cardinality(
        &self,
        tenant: &Tenant,
        question: &CardinalityQuestion,
    ) -> Result<Cardinality, PromqlError> {
        self.in_time(async {
            let limits = ReadLimits { max_raw_samples: usize::MAX, max_series: MOST_SERIES };
            Store::new(self, tenant, limits).await?.cardinality(question).await
        })
        .await
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
        let mut active = self.active(&question.matchers, window, before).await?;
        let mut tally = Tally::new(question.label.as_deref());
        self.each_active(&question.matchers, &mut active, |name, labels, seen| tally.add(name, labels, seen)).await?;
        let mut ranked = tally.ranked(question.order, question.limit);
        let hinted = ranked.metrics.iter().take(MOST_HINTS).filter(|metric| metric.series[0] > 1);
        let mut hints = Hints::of(hinted.map(|metric| metric.name.as_str()));
        if !hints.is_empty() {
            active.begin_again();
            self.each_active(&question.matchers, &mut active, |name, labels, seen| hints.add(name, labels, seen))
                .await?;
            for metric in &mut ranked.metrics {
                metric.hint = hints.hint(&metric.name);
            }
        }
        Ok(ranked)
    }
}
