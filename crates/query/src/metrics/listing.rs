//! What there is: series, labels and their values.

use std::collections::BTreeSet;
use std::future::Future;

use trefoil_go::number;
use trefoil_model::Tenant;
use trefoil_promql::labels::{BUCKET, Label, Labels, METRIC_NAME, QUANTILE};
use trefoil_promql::matcher::Matcher;

use super::Listing;
use super::convert;
use super::error::PromqlError;
use super::family::{Family, Part};
use super::read::{Bounds, FoundSeries, Period, ReadLimits, Store, TARGET_INFO, Wanted, name_matchers};
use super::source::wanted;
use crate::Engine;

/// Which series a listing is about, and how much of it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct SeriesQuestion<'q> {
    /// Series that fulfil all matchers of one of these …
    pub selectors: &'q [Vec<Matcher>],
    /// … and were written to on one of the days (UTC) from here (milliseconds since the epoch) …
    pub start_ms: i64,
    /// … to here, both inclusive. (Buckets and quantiles: those that were written between the two.)
    pub end_ms: i64,
    pub limit: Option<usize>,
}

impl Engine {
    /// The label sets of the series, sorted. No selector: none.
    pub async fn series(&self, tenant: &Tenant, question: &SeriesQuestion<'_>) -> Result<Listing<Labels>, PromqlError> {
        self.listed(tenant, question, async |store: &Store| {
            let mut found = BTreeSet::new();
            for matchers in question.selectors {
                found.extend(store.label_sets(matchers, question.period(), true).await?);
            }
            Ok(found)
        })
        .await
    }

    /// The names of their labels. No selector: of all series.
    pub async fn label_names(
        &self,
        tenant: &Tenant,
        question: &SeriesQuestion<'_>,
    ) -> Result<Listing<String>, PromqlError> {
        self.listed(tenant, question, async |store: &Store| {
            let mut names = BTreeSet::new();
            for matchers in question.selectors_or_all() {
                for labels in store.label_sets(matchers, question.period(), is_about_bounds(matchers)).await? {
                    for label in labels.iter() {
                        if !names.contains(label.name.as_ref()) {
                            names.insert(label.name.to_string());
                        }
                    }
                }
                store.memory().shrink_to(bytes_of_texts(&names));
            }
            Ok(names)
        })
        .await
    }

    /// The values that a label (`name` as it is, not in `U__` escapes) has in them. No selector: in all series.
    pub async fn label_values(
        &self,
        tenant: &Tenant,
        name: &str,
        question: &SeriesQuestion<'_>,
    ) -> Result<Listing<String>, PromqlError> {
        self.listed(tenant, question, async |store: &Store| {
            let mut values = BTreeSet::new();
            for matchers in question.selectors_or_all() {
                values.extend(store.label_values(name, matchers, question.period()).await?);
                store.memory().shrink_to(bytes_of_texts(&values));
            }
            Ok(values)
        })
        .await
    }

    /// What `list` finds in a fresh snapshot, in time and up to the limit.
    async fn listed<T: Ord>(
        &self,
        tenant: &Tenant,
        question: &SeriesQuestion<'_>,
        list: impl AsyncFnOnce(&Store) -> Result<BTreeSet<T>, PromqlError>,
    ) -> Result<Listing<T>, PromqlError> {
        let question_of = async {
            let store = self.listing_store(tenant).await?;
            Ok((list(&store).await?, store.memory().clone()))
        };
        let (found, memory) = self.in_time(question_of).await?;
        let limit = question.limit.unwrap_or(usize::MAX);
        Ok(Listing { truncated: found.len() > limit, items: found.into_iter().take(limit).collect(), memory })
    }

    pub(super) async fn listing_store(&self, tenant: &Tenant) -> Result<Store, PromqlError> {
        let limits = self.limits();
        let limits = ReadLimits { max_raw_samples: limits.max_samples, max_series: limits.max_series };
        Store::new(self, tenant, limits).await
    }

    pub(super) async fn in_time<T>(
        &self,
        question: impl Future<Output = Result<T, PromqlError>>,
    ) -> Result<T, PromqlError> {
        match tokio::time::timeout(self.limits().timeout, question).await {
            Ok(answer) => answer,
            Err(_) => Err(PromqlError::Timeout("the question took longer than it may".to_owned())),
        }
    }
}

impl SeriesQuestion<'_> {
    fn period(&self) -> Period {
        Period { start_ms: self.start_ms, end_ms: self.end_ms }
    }

    /// The selectors, or one that all series fulfil.
    fn selectors_or_all(&self) -> &[Vec<Matcher>] {
        const ALL: &[Vec<Matcher>] = &[Vec::new()];
        if self.selectors.is_empty() { ALL } else { self.selectors }
    }
}

/// In memory.
fn bytes_of_texts(texts: &BTreeSet<String>) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.len()).sum()
}

fn is_bound(label: &str) -> bool {
    label == BUCKET || label == QUANTILE
}

fn is_about_bounds(matchers: &[Matcher]) -> bool {
    matchers.iter().any(|matcher| is_bound(&matcher.name))
}

impl Store {
    /// The values of a label in the series that fulfil the matchers.
    async fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        period: Period,
    ) -> Result<BTreeSet<String>, PromqlError> {
        if name == METRIC_NAME && matchers.iter().all(|matcher| matcher.name == METRIC_NAME) {
            return self.metric_names(matchers, period).await;
        }
        let mut values = BTreeSet::new();
        if matchers.is_empty() && name != METRIC_NAME && !is_bound(name) {
            values.extend(self.values_of_all(name, period).into_iter().map(|value| value.to_string()));
            return Ok(values);
        }
        let with_bounds = is_bound(name) || is_about_bounds(matchers);
        for labels in self.label_sets(matchers, period, with_bounds).await? {
            let value = labels.get(name);
            if !value.is_empty() && !values.contains(value) {
                values.insert(value.to_owned());
            }
        }
        Ok(values)
    }

    /// The label sets of the series that fulfil the matchers. Without bounds each histogram has one bucket only and each
    /// summary one quantile, which spares looking at samples.
    async fn label_sets(
        &self,
        matchers: &[Matcher],
        period: Period,
        with_bounds: bool,
    ) -> Result<Vec<Labels>, PromqlError> {
        if period.start_ms > period.end_ms {
            return Ok(Vec::new());
        }
        let families = self.families(period);
        let wanted = wanted(&families, matchers);
        let found = self.stored_series(&wanted, matchers, period)?;
        let mut sets = self.sets_of(&wanted, &found, matchers, period, with_bounds).await?;
        if name_matchers(matchers).iter().all(|matcher| matcher.matches(TARGET_INFO)) {
            let targets = self.targets(&families, matchers, period)?;
            sets.extend(targets.into_iter().map(|target| target.labels));
        }
        Ok(sets)
    }

    /// The label sets of series that were found by these matchers.
    pub(super) async fn sets_of(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        matchers: &[Matcher],
        period: Period,
        with_bounds: bool,
    ) -> Result<Vec<Labels>, PromqlError> {
        let mut sets = Vec::with_capacity(found.series.len());
        let bounds = self.known_bounds(wanted, found, period, with_bounds).await?;
        for (series, bounds) in found.series.iter().zip(bounds) {
            let family = wanted[series.family].0;
            for part in series.parts.iter() {
                let name = family.part_name(part);
                let is_shared = series.labels.metric_name() == name.as_ref() && part.own_label().is_none();
                let labels = convert::name(&series.labels, name);
                // In this list and in a set; one that is not the index's has its own list of labels, and a label that is new.
                let own_bytes = if is_shared { 0 } else { (labels.len() + 1) * size_of::<Label>() + Label::BYTES };
                let bytes = 2 * size_of::<Labels>() + own_bytes;
                let Some(own) = part.own_label() else {
                    self.memory().grow(bytes)?;
                    sets.push(labels);
                    continue;
                };
                let labels = labels.builder();
                for value in own_values(part, &bounds) {
                    if matchers.iter().all(|matcher| matcher.name != own || matcher.matches(&value)) {
                        self.memory().grow(bytes)?;
                        sets.push(labels.clone().set(own, value).clone().build());
                    }
                }
            }
        }
        Ok(sets)
    }

    /// Of each series found. Where they are not asked for, as if it had a sample without any.
    async fn known_bounds(
        &self,
        wanted: &[Wanted<'_>],
        found: &FoundSeries,
        period: Period,
        with_bounds: bool,
    ) -> Result<Vec<Bounds>, PromqlError> {
        let has_own = |index: usize| found.series[index].parts.iter().any(|part| part.own_label().is_some());
        let places: Vec<usize> = (0..found.series.len()).filter(|index| has_own(*index)).collect();
        let mut bounds: Vec<Bounds> = vec![None; found.series.len()];
        if !with_bounds {
            places.into_iter().for_each(|place| bounds[place] = Some(BTreeSet::from([f64::INFINITY.to_bits()])));
            return Ok(bounds);
        }
        let series = places.iter().map(|place| found.series[*place].clone()).collect();
        let of = FoundSeries { series, among: found.among };
        for (place, read) in places.into_iter().zip(self.bounds(wanted, &of, period).await?) {
            bounds[place] = read;
        }
        Ok(bounds)
    }

    /// The names that fulfil the matchers.
    async fn metric_names(&self, matchers: &[Matcher], period: Period) -> Result<BTreeSet<String>, PromqlError> {
        let families = self.families(period);
        let mut names = BTreeSet::new();
        for (family, parts) in wanted(&families, matchers) {
            names.extend(parts.iter().map(|part| family.part_name(part).to_string()));
        }
        let is_wanted = matchers.iter().all(|matcher| matcher.matches(TARGET_INFO));
        let has_resources = families.iter().any(|family: &Family| !family.is_literal());
        if is_wanted && has_resources && !self.targets(&families, &[], period)?.is_empty() {
            names.insert(TARGET_INFO.to_owned());
        }
        Ok(names)
    }
}

/// The values of a part's own label; every histogram with samples has the bucket +Inf.
fn own_values(part: Part, bounds: &Bounds) -> BTreeSet<String> {
    let Some(bounds) = bounds else { return BTreeSet::new() };
    let mut values: BTreeSet<String> = bounds.iter().map(|bits| number::decimal(f64::from_bits(*bits))).collect();
    if part == Part::Buckets {
        values.insert(number::decimal(f64::INFINITY));
    }
    values
}
