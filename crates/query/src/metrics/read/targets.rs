//! The resources that metrics came from, for `target_info`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{TimestampNanosecondType, UInt64Type};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use trefoil_model::Table;
use trefoil_promql::labels::Labels;
use trefoil_promql::matcher::Matcher;

use super::columns::numbers;
use super::samples::of_series;
use super::{NANOS_PER_MILLI, Period, Store, of_metrics};
use crate::metrics::error::PromqlError;
use crate::metrics::family::Family;

/// The metric that tells the attributes of resources.
pub const TARGET_INFO: &str = "target_info";

/// Series of a resource whose times are looked at. One alone may end; all of them would be all samples of the store.
const SERIES_PER_TARGET: usize = 64;

/// Of a resource's times one is kept in each of these spans.
const SPACING_MS: i64 = 15_000;

/// A resource.
#[derive(Debug, Clone)]
pub struct Target {
    /// Of its `target_info`.
    pub labels: Labels,
    /// Some of its series, by the metric's name in the store.
    series: Vec<(u64, String)>,
}

impl Store {
    /// The resources of metrics that came as OTLP and had samples on a day of the period, as far as their `target_info`
    /// fulfils the matchers.
    pub fn targets(
        &self,
        families: &[Family],
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Vec<Target>, PromqlError> {
        let families = || families.iter().filter(|family| !family.is_literal());
        let limit = self.limits.max_series;
        let (mut found, mut looked_at): (HashMap<&Labels, Target>, usize) = (HashMap::new(), 0);
        for part in self.index.parts() {
            let is_wanted = |labels: &&Labels| matchers.iter().all(|matcher| matcher.matches_labels(labels));
            let wanted: Vec<Option<&Labels>> =
                part.targets.iter().map(|labels| Some(labels).filter(is_wanted)).collect();
            if wanted.iter().all(Option::is_none) {
                continue;
            }
            for family in families() {
                for series in part.series(&family.key, period.days()) {
                    looked_at += 1;
                    if looked_at > limit {
                        return Err(PromqlError::Execution(format!(
                            "{TARGET_INFO} would look at more than {limit} series"
                        )));
                    }
                    let target = series.target.and_then(|target| wanted.get(target as usize).copied().flatten());
                    let Some(labels) = target else { continue };
                    let target = found.entry(labels);
                    target
                        .or_insert_with(|| Target { labels: labels.clone(), series: Vec::new() })
                        .add(series.id, family);
                }
            }
        }
        let mut targets: Vec<Target> = found.into_values().collect();
        targets.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(targets)
    }

    /// When each of the targets was heard of (milliseconds since the epoch), thinned out.
    pub async fn target_times(&self, targets: &[Target], period: Period) -> Result<Vec<Vec<i64>>, PromqlError> {
        let mut times: Vec<BTreeMap<i64, i64>> = vec![BTreeMap::new(); targets.len()];
        let series =
            || targets.iter().enumerate().flat_map(|(place, target)| target.series.iter().map(move |s| (place, s)));
        let places: HashMap<u64, usize> = series().map(|(place, (id, _))| (*id, place)).collect();
        let mut names: Vec<String> = series().map(|(_, (_, name))| name.clone()).collect();
        names.sort();
        names.dedup();
        let condition = of_metrics(&names).and(period.holds("time_unix_nano")).and(of_series(places.keys().copied()));
        let rows = self.session()?.table(Table::Samples.name()).await?;
        let rows = rows.filter(condition)?.select_columns(&["series_id", "time_unix_nano"])?;
        let meter = self.meter();
        let task = Arc::new(rows.task_ctx());
        let plan = rows.create_physical_plan().await?;
        let mut batches = execute_stream(plan.clone(), task)?;
        while let Some(batch) = batches.next().await.transpose()? {
            meter.add(batch.num_rows())?;
            let ids = numbers::<UInt64Type>(&batch, "series_id")?;
            let taken = numbers::<TimestampNanosecondType>(&batch, "time_unix_nano")?;
            for (id, time) in ids.values().iter().zip(taken.values()) {
                let Some(place) = places.get(id) else { continue };
                let time = time.div_euclid(NANOS_PER_MILLI);
                let latest = times[*place].entry(time.div_euclid(SPACING_MS)).or_insert(time);
                *latest = time.max(*latest);
            }
        }
        self.ran(plan.as_ref());
        Ok(times.into_iter().map(|times| times.into_values().collect()).collect())
    }
}

impl Target {
    /// Delta series are silent while nothing happens, so others are better witnesses.
    fn add(&mut self, id: u64, family: &Family) {
        if self.series.iter().any(|(known, _)| *known == id) {
            return;
        }
        let series = (id, family.key.name.clone());
        match self.series.len() < SERIES_PER_TARGET {
            true if family.is_delta => self.series.push(series),
            true => self.series.insert(0, series),
            false if family.is_delta => {}
            false => {
                self.series.pop();
                self.series.insert(0, series);
            }
        }
    }
}
