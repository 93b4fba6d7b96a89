//! Step two: which series the wanted metrics have.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_promql::matcher::{MatchOp, Matcher};

use super::columns::{text, texts};
use super::{Period, Store};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, Part, Parts};
use crate::metrics::index::{IdHash, Values};
use crate::metrics::labels::Identity;

/// A metric of the store, and which parts of it are wanted.
pub type Wanted<'f> = (&'f Family, Parts);

/// A series of the store that is wanted.
#[derive(Debug, Clone)]
pub struct StoredSeries {
    pub id: u64,
    /// Its place among the wanted families.
    pub family: usize,
    /// What of it is wanted.
    pub parts: Parts,
    /// With the name if the metric has one part only ([`Family::only_name`]); without `le` and `quantile` of a part.
    pub labels: Labels,
}

/// The series found, and among how many, which are of the same metrics.
#[derive(Debug, Default)]
pub struct FoundSeries {
    pub series: Vec<StoredSeries>,
    pub among: usize,
}

impl Store {
    /// The values of a label, other than the name and those of buckets and quantiles, in all series that were written to on a day
    /// of the period.
    pub fn values_of_all(&self, label: &str, period: Period) -> Values {
        if period.start_ms > period.end_ms {
            return Values::new();
        }
        let [files, buffered] = self.index.parts().map(|part| part.values(label, period.days()));
        files.union(&buffered).cloned().collect()
    }

    /// The series of the wanted metrics that had samples on a day of the period and fulfil the matchers, as far as that is
    /// known without samples.
    pub fn stored_series(
        &self,
        wanted: &[Wanted<'_>],
        matchers: &[Matcher],
        period: Period,
    ) -> Result<FoundSeries, PromqlError> {
        let days = period.days();
        let matchers: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name != METRIC_NAME).collect();
        let parts = self.index.parts();
        // A series may be in both parts, or be of several metrics.
        let mut seen = HashSet::with_hasher(IdHash::default());
        let is_distinct =
            parts.iter().filter(|part| !part.is_empty()).count() < 2 && parts.iter().all(|part| part.is_distinct());
        let mut found = FoundSeries::default();
        let mut looked_at = 0;
        for (place, (family, wanted)) in wanted.iter().enumerate() {
            let begin = found.series.len();
            let mut tests: Vec<(Part, Test<'_>)> =
                wanted.iter().map(|part| (part, Test::of(&matchers, part))).collect();
            let equal = stored_labels(&matchers, *wanted);
            found.among += parts.iter().map(|part| part.count(&family.key)).sum::<usize>();
            for series in parts.iter().flat_map(|part| part.series_with(&family.key, days, &equal)) {
                if !is_distinct && !seen.insert(series.id) {
                    continue;
                }
                looked_at += 1;
                let limit = self.limits.max_series;
                if looked_at > limit {
                    return Err(PromqlError::Execution(format!("a selector would look at more than {limit} series")));
                }
                let passed = tests.iter_mut().filter_map(|(part, test)| test.passes(&series.labels).then_some(*part));
                let parts: Parts = passed.collect();
                if !parts.is_empty() {
                    let labels = series.labels.clone();
                    found.series.push(StoredSeries { id: series.id, family: place, parts, labels });
                }
            }
            self.memory.grow((found.series.len() - begin).saturating_mul(size_of::<StoredSeries>()))?;
            if !is_distinct {
                found.series[begin..].sort_by(|a, b| (&a.labels, a.id).cmp(&(&b.labels, b.id)));
            }
        }
        self.note(|spent| {
            spent.metrics = wanted.len();
            spent.series_looked_at = looked_at;
            spent.stored_series = found.series.len();
        });
        Ok(found)
    }
}

/// The labels that all series of these parts must be stored with, to be wanted.
fn stored_labels<'m>(matchers: &[&'m Matcher], wanted: Parts) -> Vec<(&'m str, &'m str)> {
    let is_own = |matcher: &Matcher| wanted.iter().any(|part| part.own_label() == Some(matcher.name.as_str()));
    let matchers = matchers.iter().filter(|matcher| matcher.op == MatchOp::Equal && !matcher.value.is_empty());
    matchers.filter(|matcher| !is_own(matcher)).map(|matcher| (matcher.name.as_str(), matcher.value.as_str())).collect()
}

/// Whether series fulfil the matchers that are not about what only samples tell.
struct Test<'m> {
    /// With what was looked at last: series lie by their labels, and those share their values. And where the label was.
    matchers: Vec<(&'m Matcher, Option<Seen>, usize)>,
}

/// A value, and whether it matched.
type Seen = (Arc<str>, bool);

impl<'m> Test<'m> {
    fn of(matchers: &[&'m Matcher], part: Part) -> Self {
        let known = matchers.iter().filter(|matcher| Some(matcher.name.as_str()) != part.own_label());
        Self { matchers: known.map(|matcher| (*matcher, None, 0)).collect() }
    }

    fn passes(&mut self, labels: &Labels) -> bool {
        self.matchers.iter_mut().all(|(matcher, last, place)| match (labels.value_near(&matcher.name, place), &last) {
            (None, _) => matcher.matches(""),
            (Some(value), Some((known, matched))) if Arc::ptr_eq(value, known) => *matched,
            (Some(value), _) => last.insert((value.clone(), matcher.matches(value))).1,
        })
    }
}

/// The columns of `series` that say who a series is.
pub struct IdentityRows<'b>([&'b StringViewArray; 7]);

impl<'b> IdentityRows<'b> {
    pub const COLUMNS: [&'static str; 7] = [
        "attributes",
        "service_name",
        "resource_attributes",
        "scope_name",
        "scope_version",
        "scope_attributes",
        "scope_schema_url",
    ];

    pub fn of(batch: &'b RecordBatch) -> Result<Self, PromqlError> {
        let mut columns = Vec::with_capacity(Self::COLUMNS.len());
        for name in Self::COLUMNS {
            columns.push(texts(batch, name)?);
        }
        let columns = columns.try_into().map_err(|_| PromqlError::Internal("columns are missing".to_owned()))?;
        Ok(Self(columns))
    }

    pub fn identity(&self, row: usize) -> Identity<'b> {
        let [attributes, service, resource, scope, version, scope_attributes, schema_url] = self.0;
        Identity {
            attributes: text(attributes, row),
            service_name: text(service, row),
            resource_attributes: text(resource, row),
            scope_name: text(scope, row),
            scope_version: text(version, row),
            scope_attributes: text(scope_attributes, row),
            scope_schema_url: text(schema_url, row),
        }
    }
}
