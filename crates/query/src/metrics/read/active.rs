//! Which series have samples in a window of time, by the index and, where that does not know, by the samples.

use std::collections::{BTreeSet, HashMap};

use arrow::datatypes::UInt64Type;
use datafusion::prelude::Expr;
use futures::StreamExt;
use trefoil_model::Table;
use trefoil_promql::matcher::Matcher;

use super::columns::numbers;
use super::samples::{MOST_IDS, of_series};
use super::series::{FoundSeries, Wanted};
use super::{Period, Store, of_metrics};
use crate::metrics::error::PromqlError;
use crate::metrics::index::{Day, IdHash};

/// The first stretch of samples that is looked at; most series have one in it. The next ones are twice as long each.
const FIRST_STRETCH_MS: i64 = 5 * 60_000;

/// Series, and whether each has samples in either of two windows (and so in one of them at least).
#[derive(Debug, Default)]
pub struct Active {
    pub found: FoundSeries,
    pub seen: Vec<[bool; WINDOWS]>,
}

const WINDOWS: usize = 2;

/// Series of which it is not known yet, by id.
type Undecided = HashMap<u64, usize, IdHash>;

impl Store {
    /// The series of the wanted metrics that fulfil the matchers, as far as that is known without samples, and have samples in
    /// the window or in the one before.
    pub async fn active(
        &self,
        wanted: &[Wanted<'_>],
        matchers: &[Matcher],
        window: Period,
        before: Option<Period>,
    ) -> Result<Active, PromqlError> {
        let mut found = self.stored_series(wanted, matchers, window.with(before))?;
        let mut seen = vec![[false; WINDOWS]; found.series.len()];
        for (index, window) in [Some(window), before].into_iter().enumerate() {
            let Some(window) = window else { continue };
            let mut undecided = Undecided::default();
            for (place, series) in found.series.iter().enumerate() {
                let overlaps = self.index.written(series.id).map(|day| overlap(window, day));
                match overlaps.max().unwrap_or(Overlap::None) {
                    Overlap::None => {}
                    Overlap::Certain => seen[place][index] = true,
                    Overlap::Possible => drop(undecided.insert(series.id, place)),
                }
            }
            self.decide(wanted, &found, undecided, window, |place| seen[place][index] = true).await?;
        }
        let mut is_active = seen.iter().map(|seen| seen.contains(&true));
        found.series.retain(|_| is_active.next().unwrap_or(false));
        seen.retain(|seen| seen.contains(&true));
        Ok(Active { found, seen })
    }

    /// Looks at samples, the newest first, until every series is known to have one or the window is over.
    async fn decide(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        mut undecided: Undecided,
        window: Period,
        mut has_samples: impl FnMut(usize),
    ) -> Result<(), PromqlError> {
        let mut end_ms = window.end_ms;
        let mut length = FIRST_STRETCH_MS;
        while !undecided.is_empty() && end_ms >= window.start_ms {
            let names = undecided.values().map(|place| &wanted[found.series[*place].family].0.key.name);
            let names: BTreeSet<&String> = names.collect();
            let names: Vec<String> = names.into_iter().cloned().collect();
            let start_ms = end_ms.saturating_sub(length).saturating_add(1).max(window.start_ms);
            let mut condition: Expr = of_metrics(&names).and(Period { start_ms, end_ms }.holds("time_unix_nano"));
            if undecided.len() <= MOST_IDS {
                condition = condition.and(of_series(undecided.keys().copied()));
            }
            let rows = self.session()?.table(Table::Samples.name()).await?.filter(condition)?;
            let mut batches = rows.select_columns(&["series_id"])?.execute_stream().await?;
            while let Some(batch) = batches.next().await.transpose()? {
                let mut last = None;
                for id in numbers::<UInt64Type>(&batch, "series_id")?.values() {
                    if last != Some(*id) {
                        undecided.remove(id).into_iter().for_each(&mut has_samples);
                    }
                    last = Some(*id);
                }
            }
            end_ms = start_ms.saturating_sub(1);
            length = length.saturating_mul(2);
        }
        Ok(())
    }
}

impl Period {
    /// From the earlier beginning to the later end.
    pub fn with(self, other: Option<Period>) -> Period {
        let Some(other) = other else { return self };
        Period { start_ms: self.start_ms.min(other.start_ms), end_ms: self.end_ms.max(other.end_ms) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Overlap {
    None,
    Possible,
    Certain,
}

/// Whether a series that was written to on a day has samples in the window.
fn overlap(window: Period, day: Day) -> Overlap {
    let first = day.first_ms();
    if day.end_ms() < window.start_ms || window.end_ms < first {
        return Overlap::None;
    }
    match first >= window.start_ms {
        true => Overlap::Certain,
        false => Overlap::Possible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_tells_as_much_as_it_knows() {
        const HOUR: i64 = 3_600_000;
        let window = Period { start_ms: 10 * HOUR, end_ms: 12 * HOUR };
        let of = |day, first_hour: i64| overlap(window, Day::new(day, first_hour * HOUR));
        assert_eq!(of(0, 11), Overlap::Certain);
        assert_eq!(of(0, 1), Overlap::Possible);
        assert_eq!(of(0, 13), Overlap::None);
        assert_eq!(of(1, 25), Overlap::None);
        assert_eq!(of(-1, -5), Overlap::None);
        let days = Period { start_ms: -HOUR, end_ms: 30 * HOUR };
        assert_eq!(overlap(days, Day::new(0, 0)), Overlap::Certain);
    }
}
