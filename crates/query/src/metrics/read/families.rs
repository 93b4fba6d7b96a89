//! Step one: which metrics there are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::datatypes::Int32Type;
use trefoil_model::Table;

use super::columns::{booleans, numbers, text, texts};
use super::{Period, Store};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey};
use crate::metrics::state::FamiliesAt;

/// Columns of `series` that tell metrics apart.
pub const FAMILY_COLUMNS: [&str; 6] =
    ["metric_name", "metric_type", "unit", "temporality", "is_monotonic", "metric_metadata"];

impl Store {
    /// The metrics that had samples on a day of the period, by their names in the store.
    pub fn families(&self, period: Period) -> Arc<Vec<Family>> {
        let key = FamiliesAt {
            tenant: self.snapshot.tenant().clone(),
            catalog: self.snapshot.catalog().id(),
            // Above one catalog version the buffer only grows.
            buffered_rows: self.snapshot.buffered_rows(Table::Series),
            days: period.days(),
        };
        if let Some(families) = self.metrics().families.get(&key) {
            return families;
        }
        let families = Arc::new(self.families_on(period.days()));
        self.metrics().families.insert(key, families.clone());
        families
    }

    fn families_on(&self, days: (i32, i32)) -> Vec<Family> {
        let mut families: HashMap<&FamilyKey, Family> = HashMap::new();
        for family in self.index.parts().into_iter().flat_map(|part| part.families(days)) {
            match families.entry(&family.key) {
                Entry::Vacant(place) => drop(place.insert(family.clone())),
                Entry::Occupied(mut known) => known.get_mut().describe(&family.descriptions),
            }
        }
        let mut families: Vec<Family> = families.into_values().collect();
        families.sort_by(|a, b| (&a.key.name, &a.key.kind, &a.key.unit).cmp(&(&b.key.name, &b.key.kind, &b.key.unit)));
        families
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
