//! Columns of row groups that are kept decoded between questions, and facts about others, within a bound of memory.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{Array, ArrayRef};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use trefoil_storage::cache::of_large;
use trefoil_storage::catalog::FileId;

use super::facts::Facts;

/// About how many columns are kept.
const COLUMNS: usize = 4096;
/// Facts have this part of the memory of the columns, beside it.
const FACTS_PART: u64 = 8;
/// So has what was worked out of columns: beside those it would be driven out by whatever it was worked out of.
const DERIVED_PART: u64 = 8;

/// One column of a row group of a file; files never change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub file: FileId,
    pub row_group: usize,
    pub column: Arc<str>,
}

#[derive(Debug)]
pub struct Columns {
    kept: Cache<Key, Option<ArrayRef>, Bytes>,
    derived: Cache<Key, Option<ArrayRef>, Bytes>,
    pub facts: Facts,
    bytes: Gauge<u64, AtomicU64>,
    hits: Counter,
    misses: Counter,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Option<ArrayRef>> for Bytes {
    fn weight(&self, key: &Key, array: &Option<ArrayRef>) -> u64 {
        let bytes = array.as_ref().map_or(0, |array| array.get_array_memory_size());
        (size_of::<Key>() + key.column.len() + bytes) as u64
    }
}

impl Columns {
    pub fn new(capacity_bytes: u64) -> Columns {
        let kept = of_large(COLUMNS, capacity_bytes, Bytes);
        let derived = of_large(COLUMNS, capacity_bytes / DERIVED_PART, Bytes);
        let facts = Facts::new(capacity_bytes / FACTS_PART);
        Columns { kept, derived, facts, bytes: Gauge::default(), hits: Counter::default(), misses: Counter::default() }
    }

    /// `Some(None)`: it is known that the row group has no values of the column.
    pub fn get(&self, key: &Key) -> Option<Option<ArrayRef>> {
        let found = self.kept.get(key);
        match found {
            Some(_) => self.hits.inc(),
            None => self.misses.inc(),
        };
        found
    }

    pub fn insert(&self, key: Key, array: Option<ArrayRef>) {
        self.kept.insert(key, array);
        self.count_bytes();
    }

    /// What was worked out of the row group and kept under that name.
    pub fn derived(&self, key: &Key) -> Option<ArrayRef> {
        self.derived.get(key)?
    }

    pub fn keep_derived(&self, key: Key, values: ArrayRef) {
        self.derived.insert(key, Some(values));
        self.count_bytes();
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.kept.set_capacity(bytes);
        self.derived.set_capacity(bytes / DERIVED_PART);
        self.facts.set_capacity(bytes / FACTS_PART);
        self.count_bytes();
    }

    fn count_bytes(&self) {
        self.bytes.set(self.kept.weight() + self.derived.weight() + self.facts.bytes());
    }

    /// Registers as `trefoil_query_<of>_cache_*`.
    pub fn register(&self, registry: &mut Registry, of: &str) {
        let registry = registry.sub_registry_with_prefix(format!("trefoil_query_{of}_cache"));
        let kept = format!("Columns of {of}s that are kept decoded");
        registry.register_with_unit("size", kept, Unit::Bytes, self.bytes.clone());
        registry.register("hits", format!("Columns of {of}s that were found decoded"), self.hits.clone());
        registry.register("misses", format!("Columns of {of}s that had to be decoded"), self.misses.clone());
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, UInt32Array};

    use super::*;

    #[test]
    fn columns_do_not_drive_out_what_was_worked_out_of_them() {
        let columns = Columns::new(1 << 20);
        let key = |row_group, column: &str| Key { file: FileId(1), row_group, column: column.into() };
        for row_group in 0..64 {
            columns.keep_derived(key(row_group, "lengths"), Arc::new(UInt32Array::from(vec![1; 100])));
            columns.insert(key(row_group, "body"), Some(Arc::new(Int64Array::from(vec![1; 50_000]))));
        }
        assert!((0..64).all(|row_group| columns.derived(&key(row_group, "lengths")).is_some()));
        assert_eq!((0..64).filter(|row_group| columns.get(&key(*row_group, "body")).is_some()).count(), 2);
        columns.set_capacity(0);
        assert!((0..64).all(|row_group| columns.derived(&key(row_group, "lengths")).is_none()));
    }
}
