//! Which series were written to in a window of time, and each of them in turn. Ids are held here, tens of bytes a series; labels
//! are not (but the index that the store brings has them).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Date32Type, TimestampNanosecondType, UInt64Type};
use datafusion::prelude::Expr;
use futures::StreamExt;
use trefoil_model::Table;
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_promql::matcher::Matcher;

use super::columns::numbers;
use super::families::{FAMILY_COLUMNS, FamilyRows, on_days};
use super::samples::{MOST_IDS, of_series};
use super::series::IdentityRows;
use super::{MILLIS_PER_DAY, NANOS_PER_MILLI, Period, Store, of_metrics};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey, Part, Parts};
use crate::metrics::labels;
use crate::metrics::source::wanted;

/// The first stretch of samples that is looked at; most series have one in it. The next ones are twice as long each.
const FIRST_STRETCH_MS: i64 = 5 * 60_000;

const WINDOWS: usize = 2;

/// By series id: in which of two windows it has samples.
pub struct Active {
    series: HashMap<u64, Flags>,
    period: Period,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    is_active: [bool; WINDOWS],
    /// It had samples on a day of which a part is in the window; whether in that part is to be found out.
    is_undecided: [bool; WINDOWS],
    is_visited: bool,
}

impl Active {
    /// For another round of [`Store::each_active`].
    pub fn begin_again(&mut self) {
        self.series.values_mut().for_each(|flags| flags.is_visited = false);
    }
}

impl Store {
    /// The series of the metrics that the matchers ask for which have samples in the window or in the one before.
    pub async fn active(
        &self,
        matchers: &[Matcher],
        window: Period,
        before: Option<Period>,
    ) -> Result<Active, PromqlError> {
        let windows = [Some(window), before];
        let period = before.map_or(window, |before| Period {
            start_ms: window.start_ms.min(before.start_ms),
            end_ms: window.end_ms.max(before.end_ms),
        });
        let families = self.families(period);
        let names = names(&families, matchers);
        let mut active = Active { series: HashMap::new(), period };
        if names.is_empty() {
            return Ok(active);
        }
        let rows = self.session()?.table(Table::Series.name()).await?;
        let rows = rows.filter(on_days(period).and(of_metrics(&names)))?;
        let mut batches = rows.select_columns(&["series_id", "day", "first_time_unix_nano"])?.execute_stream().await?;
        while let Some(batch) = batches.next().await.transpose()? {
            let ids = numbers::<UInt64Type>(&batch, "series_id")?;
            let days = numbers::<Date32Type>(&batch, "day")?;
            let firsts = numbers::<TimestampNanosecondType>(&batch, "first_time_unix_nano")?;
            for row in 0..batch.num_rows() {
                let flags = active.series.entry(ids.value(row)).or_default();
                for (index, window) in windows.iter().enumerate() {
                    let Some(window) = window else { continue };
                    match overlap(*window, days.value(row), firsts.value(row)) {
                        Overlap::None => {}
                        Overlap::Certain => flags.is_active[index] = true,
                        Overlap::Possible => flags.is_undecided[index] = true,
                    }
                }
            }
            if active.series.len() > self.limits.max_series {
                let reason =
                    format!("there are more than {} series; ask about some metrics only", self.limits.max_series);
                return Err(PromqlError::Execution(reason));
            }
        }
        for (index, window) in windows.into_iter().enumerate() {
            if let Some(window) = window {
                self.decide(&names, &mut active, index, window).await?;
            }
        }
        active.series.retain(|_, flags| flags.is_active.contains(&true));
        Ok(active)
    }

    /// Looks at samples, the newest first, until every series is known to be active or the window is over.
    async fn decide(
        &self,
        names: &[String],
        active: &mut Active,
        index: usize,
        window: Period,
    ) -> Result<(), PromqlError> {
        let undecided = |flags: &Flags| flags.is_undecided[index] && !flags.is_active[index];
        let mut end_ms = window.end_ms;
        let mut length = FIRST_STRETCH_MS;
        loop {
            let left: Vec<u64> =
                active.series.iter().filter(|(_, flags)| undecided(flags)).map(|(id, _)| *id).collect();
            if left.is_empty() || end_ms < window.start_ms {
                return Ok(());
            }
            let start_ms = end_ms.saturating_sub(length).saturating_add(1).max(window.start_ms);
            let mut condition: Expr = of_metrics(names).and(Period { start_ms, end_ms }.holds("time_unix_nano"));
            if left.len() <= MOST_IDS {
                condition = condition.and(of_series(left.into_iter()));
            }
            let rows = self.session()?.table(Table::Samples.name()).await?.filter(condition)?;
            let mut batches = rows.select_columns(&["series_id"])?.execute_stream().await?;
            while let Some(batch) = batches.next().await.transpose()? {
                let mut last = None;
                for id in numbers::<UInt64Type>(&batch, "series_id")?.values() {
                    if last != Some(*id)
                        && let Some(flags) = active.series.get_mut(id)
                    {
                        flags.is_active[index] = true;
                    }
                    last = Some(*id);
                }
            }
            end_ms = start_ms.saturating_sub(1);
            length = length.saturating_mul(2);
        }
    }

    /// Each of the series once, with the name of its metric, its labels and (as 1 or 0) whether it is active in the window and
    /// in the one before.
    pub async fn each_active(
        &self,
        matchers: &[Matcher],
        active: &mut Active,
        mut visit: impl FnMut(&Arc<str>, &Labels, [u64; WINDOWS]),
    ) -> Result<(), PromqlError> {
        let families = self.families(active.period);
        let names = names(&families, matchers);
        if names.is_empty() || active.series.is_empty() {
            return Ok(());
        }
        let families: HashMap<&FamilyKey, (&Family, Parts)> =
            wanted(&families, matchers).into_iter().map(|(family, parts)| (&family.key, (family, parts))).collect();
        let about_labels: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name != METRIC_NAME).collect();
        let columns: Vec<&str> = FAMILY_COLUMNS.into_iter().chain(["series_id"]).chain(IdentityRows::COLUMNS).collect();
        let rows = self.session()?.table(Table::Series.name()).await?;
        let rows = rows.filter(on_days(active.period).and(of_metrics(&names)))?.select_columns(&columns)?;
        let mut batches = rows.execute_stream().await?;
        while let Some(batch) = batches.next().await.transpose()? {
            let ids = numbers::<UInt64Type>(&batch, "series_id")?;
            let (keys, identities) = (FamilyRows::of(&batch)?, IdentityRows::of(&batch)?);
            let mut last: Option<(FamilyKey, Option<(&Family, Parts)>)> = None;
            for row in 0..batch.num_rows() {
                let Some(flags) = active.series.get_mut(&ids.value(row)).filter(|flags| !flags.is_visited) else {
                    continue;
                };
                flags.is_visited = true;
                if last.as_ref().is_none_or(|(key, _)| !keys.is(row, key)) {
                    let key = keys.key(row);
                    let family = families.get(&key).copied();
                    last = Some((key, family));
                }
                let Some((family, parts)) = last.as_ref().and_then(|(_, family)| *family) else { continue };
                let identity = identities.identity(row);
                // Not by the cache: it is for series that are asked for again and again.
                let labels = match family.is_literal() {
                    true => labels::literal(&identity)?,
                    false => labels::of_series(&self.metrics().config.view, family, &identity)?,
                };
                // What a matcher says of `le` or `quantile` is not known here.
                let fulfils = |part: Part| {
                    let mut known =
                        about_labels.iter().filter(|matcher| Some(matcher.name.as_str()) != part.own_label());
                    known.all(|matcher| matcher.matches_labels(&labels))
                };
                if parts.iter().any(fulfils) {
                    visit(&family.name, &labels, flags.is_active.map(u64::from));
                }
            }
        }
        Ok(())
    }
}

/// Of the metrics, as they are stored.
fn names(families: &[Family], matchers: &[Matcher]) -> Vec<String> {
    let mut names: Vec<String> =
        wanted(families, matchers).into_iter().map(|(family, _)| family.key.name.clone()).collect();
    names.dedup();
    names
}

#[derive(Debug, PartialEq, Eq)]
enum Overlap {
    None,
    Certain,
    Possible,
}

/// Whether a series has samples in the window, as a row says that has its day and its first sample on it.
fn overlap(window: Period, day: i32, first_nanos: i64) -> Overlap {
    let day_start = i64::from(day) * MILLIS_PER_DAY;
    let day_end = day_start + MILLIS_PER_DAY - 1;
    let first = first_nanos.div_euclid(NANOS_PER_MILLI);
    if day_end < window.start_ms || window.end_ms < day_start || window.end_ms < first {
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
    fn a_row_tells_as_much_as_it_knows() {
        const HOUR: i64 = 3_600_000;
        let window = Period { start_ms: 10 * HOUR, end_ms: 12 * HOUR };
        let of = |day, first_hour: i64| overlap(window, day, first_hour * HOUR * NANOS_PER_MILLI);
        assert_eq!(of(0, 11), Overlap::Certain);
        assert_eq!(of(0, 1), Overlap::Possible);
        assert_eq!(of(0, 13), Overlap::None);
        assert_eq!(of(1, 25), Overlap::None);
        assert_eq!(of(-1, -5), Overlap::None);
        let days = Period { start_ms: -HOUR, end_ms: 30 * HOUR };
        assert_eq!(overlap(days, 0, 0), Overlap::Certain);
    }
}
