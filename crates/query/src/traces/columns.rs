//! Columns of row groups that are kept decoded between questions, within a bound of memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use trefoil_storage::catalog::FileId;

/// About how many columns are kept.
const COLUMNS: usize = 4096;

/// One column of a row group of a file; files never change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub file: FileId,
    pub row_group: usize,
    pub column: Arc<str>,
}

#[derive(Debug)]
pub struct Columns {
    kept: Cache<Key, ArrayRef, Bytes>,
    hits: Counter,
    misses: Counter,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, ArrayRef> for Bytes {
    fn weight(&self, _: &Key, array: &ArrayRef) -> u64 {
        array.get_array_memory_size() as u64
    }
}

impl Columns {
    pub fn new(capacity_bytes: u64) -> Columns {
        let kept = Cache::with_weighter(COLUMNS, capacity_bytes, Bytes);
        Columns { kept, hits: Counter::default(), misses: Counter::default() }
    }

    pub fn get(&self, key: &Key) -> Option<ArrayRef> {
        let found = self.kept.get(key);
        match found {
            Some(_) => self.hits.inc(),
            None => self.misses.inc(),
        };
        found
    }

    pub fn insert(&self, key: Key, array: ArrayRef) {
        self.kept.insert(key, array);
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.kept.set_capacity(bytes);
    }

    /// Registers as `trefoil_query_span_columns_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("trefoil_query_span_columns");
        registry.register("hits", "Columns of spans that were kept decoded", self.hits.clone());
        registry.register("misses", "Columns of spans that had to be read", self.misses.clone());
    }
}
