//! The resources that metrics came from, for `target_info`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{TimestampNanosecondType, UInt64Type};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use trefoil_model::Table;
use trefoil_promql::labels::{Labels, LabelsBuilder, METRIC_NAME};
use trefoil_promql::matcher::Matcher;

use super::columns::{numbers, text, texts};
use super::families::{FAMILY_COLUMNS, FamilyRows, on_days};
use super::samples::of_series;
use super::{Meter, NANOS_PER_MILLI, Period, Store, of_metrics};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey};
use crate::metrics::labels::{self, Identity};

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
    pub async fn targets(
        &self,
        families: &[Family],
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Vec<Target>, PromqlError> {
        let families = families.iter().filter(|family| !family.is_literal());
        let mut search = Search {
            store: self,
            families: families.map(|family| (&family.key, family)).collect(),
            matchers,
            seen: HashSet::new(),
            found: HashMap::new(),
        };
        let columns: Vec<&str> =
            FAMILY_COLUMNS.into_iter().chain(["series_id", "service_name", "resource_attributes"]).collect();
        let rows = self.session.table(Table::Series.name()).await?;
        let rows = rows.filter(on_days(period))?.select_columns(&columns)?;
        let task = Arc::new(rows.task_ctx());
        let plan = rows.create_physical_plan().await?;
        let mut batches = execute_stream(plan.clone(), task)?;
        while let Some(batch) = batches.next().await.transpose()? {
            search.batch(&batch)?;
        }
        self.ran(plan.as_ref(), Table::Series);
        let mut targets: Vec<Target> = search.found.into_values().flatten().collect();
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
        let rows = self.session.table(Table::Samples.name()).await?;
        let rows = rows.filter(condition)?.select_columns(&["series_id", "time_unix_nano"])?;
        let meter = Meter::new(self.limits.max_raw_samples);
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
        self.ran(plan.as_ref(), Table::Samples);
        Ok(times.into_iter().map(|times| times.into_values().collect()).collect())
    }
}

/// A resource as it is stored.
type Resource = (Option<String>, Option<String>);

struct Search<'s> {
    store: &'s Store,
    families: HashMap<&'s FamilyKey, &'s Family>,
    matchers: &'s [Matcher],
    seen: HashSet<u64>,
    /// `None`: not wanted.
    found: HashMap<Resource, Option<Target>>,
}

impl Search<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<(), PromqlError> {
        let ids = numbers::<UInt64Type>(batch, "series_id")?;
        let keys = FamilyRows::of(batch)?;
        let (services, resources) = (texts(batch, "service_name")?, texts(batch, "resource_attributes")?);
        let mut last: Option<(FamilyKey, Option<&Family>)> = None;
        for row in 0..batch.num_rows() {
            let family = match &last {
                Some((key, family)) if keys.is(row, key) => *family,
                _ => {
                    let key = keys.key(row);
                    let family = self.families.get(&key).copied();
                    last = Some((key, family));
                    family
                }
            };
            let Some(family) = family else { continue };
            if !self.seen.insert(ids.value(row)) {
                continue;
            }
            let limit = self.store.limits.max_series;
            if self.seen.len() > limit {
                return Err(PromqlError::Execution(format!("{TARGET_INFO} would look at more than {limit} series")));
            }
            let (service, resource) = (text(services, row), text(resources, row));
            let stored = (service.map(str::to_owned), resource.map(str::to_owned));
            if !self.found.contains_key(&stored) {
                let target = self.target(service, resource)?;
                self.found.insert(stored.clone(), target);
            }
            if let Some(Some(target)) = self.found.get_mut(&stored) {
                target.add(ids.value(row), family);
            }
        }
        Ok(())
    }

    fn target(&self, service: Option<&str>, resource: Option<&str>) -> Result<Option<Target>, PromqlError> {
        let identity = Identity { service_name: service, resource_attributes: resource, ..Identity::default() };
        let labels = labels::of_target(&self.store.metrics.config.view, &identity)?;
        let Some(labels) = labels.map(|labels| named(&labels)) else { return Ok(None) };
        let is_wanted = self.matchers.iter().all(|matcher| matcher.matches_labels(&labels));
        Ok(is_wanted.then(|| Target { labels, series: Vec::new() }))
    }
}

fn named(labels: &Labels) -> Labels {
    let mut builder: LabelsBuilder = labels.builder();
    builder.set(METRIC_NAME, TARGET_INFO);
    builder.build()
}

impl Target {
    /// Delta series are silent while nothing happens, so others are better witnesses.
    fn add(&mut self, id: u64, family: &Family) {
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
