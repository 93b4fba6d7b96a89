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
        let facts = Facts::new(capacity_bytes / FACTS_PART);
        Columns { kept, facts, bytes: Gauge::default(), hits: Counter::default(), misses: Counter::default() }
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
        self.bytes.set(self.kept.weight() + self.facts.bytes());
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.kept.set_capacity(bytes);
        self.facts.set_capacity(bytes / FACTS_PART);
        self.bytes.set(self.kept.weight() + self.facts.bytes());
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
