//! Step two: which series the wanted metrics have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::UInt64Type;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use trefoil_model::Table;
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_promql::matcher::Matcher;

use super::columns::{numbers, text, texts};
use super::families::{FAMILY_COLUMNS, FamilyRows, on_days};
use super::{Period, Store, of_metrics};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey, Parts};
use crate::metrics::labels::{self, Identity};

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
    /// Without the name, and without `le` and `quantile`.
    pub labels: Labels,
}

/// The series found, and how many there are of the same metrics.
#[derive(Debug, Default)]
pub struct FoundSeries {
    pub series: Vec<StoredSeries>,
    pub looked_at: usize,
}

impl Store {
    /// The series of the wanted metrics that had samples on a day of the period and fulfil the matchers, as far as that is
    /// known without samples.
    pub async fn stored_series(
        &self,
        wanted: &[Wanted<'_>],
        matchers: &[Matcher],
        period: Period,
    ) -> Result<FoundSeries, PromqlError> {
        let mut names: Vec<String> = wanted.iter().map(|(family, _)| family.key.name.clone()).collect();
        names.dedup();
        let columns: Vec<&str> = FAMILY_COLUMNS.into_iter().chain(["series_id"]).chain(IdentityRows::COLUMNS).collect();
        let rows = self.session.table(Table::Series.name()).await?;
        let rows = rows.filter(on_days(period).and(of_metrics(&names)))?.select_columns(&columns)?;
        let mut search = Search {
            store: self,
            families: wanted.iter().enumerate().map(|(index, (family, _))| (&family.key, index)).collect(),
            wanted,
            matchers: matchers.iter().filter(|matcher| matcher.name != METRIC_NAME).collect(),
            seen: HashSet::new(),
            found: FoundSeries::default(),
        };
        let task = Arc::new(rows.task_ctx());
        let plan = rows.create_physical_plan().await?;
        let mut batches = execute_stream(plan.clone(), task)?;
        while let Some(batch) = batches.next().await.transpose()? {
            search.batch(&batch)?;
        }
        let Search { seen, mut found, .. } = search;
        found.looked_at = seen.len();
        self.ran(plan.as_ref(), Table::Series);
        self.note(|spent| {
            spent.metrics = wanted.len();
            spent.series_looked_at = found.looked_at;
            spent.stored_series = found.series.len();
        });
        // The order of rows depends on what has been flushed; that of answers must not.
        found.series.sort_by(|a, b| (a.family, &a.labels, a.id).cmp(&(b.family, &b.labels, b.id)));
        Ok(found)
    }
}

struct Search<'s> {
    store: &'s Store,
    wanted: &'s [Wanted<'s>],
    families: HashMap<&'s FamilyKey, usize>,
    matchers: Vec<&'s Matcher>,
    /// A series has a row for each day, and rows may come again.
    seen: HashSet<u64>,
    found: FoundSeries,
}

impl Search<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> Result<(), PromqlError> {
        let ids = numbers::<UInt64Type>(batch, "series_id")?;
        let keys = FamilyRows::of(batch)?;
        let identities = IdentityRows::of(batch)?;
        let mut last: Option<(FamilyKey, Option<usize>)> = None;
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
            let id = ids.value(row);
            if !self.seen.insert(id) {
                continue;
            }
            let limit = self.store.limits.max_series;
            if self.seen.len() > limit {
                return Err(PromqlError::Execution(format!("a selector would look at more than {limit} series")));
            }
            let (of, parts) = &self.wanted[family];
            let labels = self.store.labels_of(id, of, &identities.identity(row))?;
            let parts = parts.filter(|part| {
                let known = |matcher: &&&Matcher| Some(matcher.name.as_str()) != part.own_label();
                self.matchers.iter().filter(known).all(|matcher| matcher.matches_labels(&labels))
            });
            if !parts.is_empty() {
                self.found.series.push(StoredSeries { id, family, parts, labels });
            }
        }
        Ok(())
    }
}

impl Store {
    fn labels_of(&self, id: u64, family: &Family, identity: &Identity<'_>) -> Result<Labels, PromqlError> {
        let key = (self.snapshot.tenant().clone(), id, family.is_literal());
        if let Some(labels) = self.metrics.labels.get(&key) {
            return Ok(labels);
        }
        let labels = match family.is_literal() {
            true => labels::literal(identity)?,
            false => labels::of_series(&self.metrics.config.view, family, identity)?,
        };
        self.metrics.labels.insert(key, labels.clone());
        Ok(labels)
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
