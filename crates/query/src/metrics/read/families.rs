//! Step one: which metrics there are.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Int32Type;
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, col, lit};
use trefoil_model::Table;

use super::columns::{booleans, numbers, text, texts};
use super::{Period, Store};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey};
use crate::metrics::state::FamiliesAt;

/// Metrics that one tenant may have to be asked about.
const MOST_FAMILIES: usize = 500_000;

/// Texts that describe one metric: senders rarely agree, but need not be listed one and all.
const MOST_DESCRIPTIONS: usize = 10;

/// Columns of `series` that tell metrics apart.
pub const FAMILY_COLUMNS: [&str; 6] =
    ["metric_name", "metric_type", "unit", "temporality", "is_monotonic", "metric_metadata"];

/// The rows of `series` that were written on a day of the period.
pub fn on_days(period: Period) -> Expr {
    let (first, last) = period.days();
    let day = |day| lit(ScalarValue::Date32(Some(day)));
    col("day").gt_eq(day(first)).and(col("day").lt_eq(day(last)))
}

impl Store {
    /// The metrics that had samples on a day of the period, by their names in the store.
    pub async fn families(&self, period: Period) -> Result<Arc<Vec<Family>>, PromqlError> {
        let key = FamiliesAt {
            tenant: self.snapshot.tenant().clone(),
            catalog: self.snapshot.catalog().id(),
            // Above one catalog version the buffer only grows.
            buffered_rows: self.snapshot.buffered_rows(Table::Series),
            days: period.days(),
        };
        if let Some(families) = self.metrics.families.get(&key) {
            return Ok(families);
        }
        let families = Arc::new(self.read_families(period).await?);
        self.metrics.families.insert(key, families.clone());
        Ok(families)
    }

    async fn read_families(&self, period: Period) -> Result<Vec<Family>, PromqlError> {
        let columns: Vec<&str> = FAMILY_COLUMNS.into_iter().chain(["description"]).collect();
        let rows = self.session.table(Table::Series.name()).await?.filter(on_days(period))?;
        let distinct = rows.select_columns(&columns)?.distinct()?.limit(0, Some(MOST_FAMILIES + 1))?;
        let batches = distinct.collect().await?;
        if batches.iter().map(|batch| batch.num_rows()).sum::<usize>() > MOST_FAMILIES {
            return Err(PromqlError::Execution(format!("there are more than {MOST_FAMILIES} metrics")));
        }
        let mut families: HashMap<FamilyKey, Vec<String>> = HashMap::new();
        for batch in &batches {
            let keys = FamilyRows::of(batch)?;
            let descriptions = texts(batch, "description")?;
            for row in 0..batch.num_rows() {
                let known = families.entry(keys.key(row)).or_default();
                known.extend(text(descriptions, row).map(str::to_owned));
            }
        }
        let view = &self.metrics.config.view;
        let mut families: Vec<Family> = families
            .into_iter()
            .filter_map(|(key, mut descriptions)| {
                descriptions.sort();
                descriptions.truncate(MOST_DESCRIPTIONS);
                Family::new(key, descriptions, view)
            })
            .collect();
        families.sort_by(|a, b| (&a.key.name, &a.key.kind, &a.key.unit).cmp(&(&b.key.name, &b.key.kind, &b.key.unit)));
        Ok(families)
    }
}

/// Those columns of a batch.
pub struct FamilyRows<'b> {
    names: &'b arrow::array::StringViewArray,
    kinds: &'b arrow::array::StringViewArray,
    units: &'b arrow::array::StringViewArray,
    temporalities: &'b arrow::array::PrimitiveArray<Int32Type>,
    are_monotonic: &'b arrow::array::BooleanArray,
    metadata: &'b arrow::array::StringViewArray,
}

impl<'b> FamilyRows<'b> {
    pub fn of(batch: &'b arrow::array::RecordBatch) -> Result<Self, PromqlError> {
        Ok(Self {
            names: texts(batch, "metric_name")?,
            kinds: texts(batch, "metric_type")?,
            units: texts(batch, "unit")?,
            temporalities: numbers(batch, "temporality")?,
            are_monotonic: booleans(batch, "is_monotonic")?,
            metadata: texts(batch, "metric_metadata")?,
        })
    }

    pub fn key(&self, row: usize) -> FamilyKey {
        FamilyKey {
            name: self.names.value(row).to_owned(),
            kind: self.kinds.value(row).to_owned(),
            unit: text(self.units, row).unwrap_or("").to_owned(),
            temporality: self.temporalities.value(row),
            is_monotonic: self.are_monotonic.value(row),
            metadata: text(self.metadata, row).map(str::to_owned),
        }
    }

    /// Whether the row is of that metric: rows lie by metric, so this spares looking most of them up.
    pub fn is(&self, row: usize, key: &FamilyKey) -> bool {
        self.names.value(row) == key.name
            && self.kinds.value(row) == key.kind
            && text(self.units, row).unwrap_or("") == key.unit
            && self.temporalities.value(row) == key.temporality
            && self.are_monotonic.value(row) == key.is_monotonic
            && text(self.metadata, row) == key.metadata.as_deref()
    }
}
