//! What is known of row groups without their columns: little, and kept by itself, so that it stays when columns have to make room.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::filter;
use arrow::datatypes::Int32Type;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::columns::Key;

/// About how many facts are kept.
const FACTS: usize = 1 << 16;
/// Of columns with more texts, or longer ones, it is not kept which they are.
const MOST_VALUES: usize = 1024;
const MOST_VALUE_BYTES: usize = 64 << 10;

#[derive(Debug, Clone)]
enum Fact {
    /// The texts of a column, each once; `None`: it has no values.
    Values(Option<ArrayRef>),
    /// Whether any of a column's texts may have certain bytes.
    Mention(bool),
}

#[derive(Debug)]
pub struct Facts(Cache<Key, Fact, Bytes>);

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Fact> for Bytes {
    fn weight(&self, key: &Key, fact: &Fact) -> u64 {
        let values = match fact {
            Fact::Values(Some(values)) => values.get_array_memory_size(),
            _ => 0,
        };
        (size_of::<(Key, Fact)>() + key.column.len() + values) as u64
    }
}

impl Facts {
    pub fn new(capacity_bytes: u64) -> Facts {
        Facts(Cache::with_weighter(FACTS, capacity_bytes, Bytes))
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.0.set_capacity(bytes);
    }

    pub fn bytes(&self) -> u64 {
        self.0.weight()
    }

    /// `Some(Some(…))`: the texts of a column, as far as they are its only values. `Some(None)`: it has no values at all.
    pub fn values(&self, key: &Key) -> Option<Option<ArrayRef>> {
        match self.0.get(key)? {
            Fact::Values(values) => Some(values),
            Fact::Mention(_) => None,
        }
    }

    /// Keeps of a column that was read what is worth it; `None` is one without values.
    pub fn note_values(&self, key: Key, array: Option<&ArrayRef>) {
        match array {
            None => self.0.insert(key, Fact::Values(None)),
            Some(array) => {
                if let Some(values) = few_values(array) {
                    self.0.insert(key, Fact::Values(Some(values)));
                }
            }
        }
    }

    pub fn mention(&self, key: &Key, bytes: &str) -> Option<bool> {
        match self.0.get(&of_bytes(key, bytes))? {
            Fact::Mention(may_be) => Some(may_be),
            Fact::Values(_) => None,
        }
    }

    pub fn note_mention(&self, key: &Key, bytes: &str, may_be: bool) {
        self.0.insert(of_bytes(key, bytes), Fact::Mention(may_be));
    }
}

fn of_bytes(key: &Key, bytes: &str) -> Key {
    Key { column: format!("{} mentions {bytes}", key.column).into(), ..key.clone() }
}

/// The texts that a dictionary is used for, if they are few and short.
fn few_values(array: &ArrayRef) -> Option<ArrayRef> {
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    let values = dictionary.values();
    if values.len() > MOST_VALUES || values.get_array_memory_size() > MOST_VALUE_BYTES {
        return None;
    }
    let mut is_used = vec![false; values.len()];
    dictionary.keys().iter().flatten().for_each(|key| is_used[key as usize] = true);
    // A copy, so that nothing larger is kept alive.
    filter(values, &BooleanArray::from(is_used)).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int32Array, StringArray};
    use trefoil_storage::catalog::FileId;

    use super::*;

    fn key(column: &str) -> Key {
        Key { file: FileId(1), row_group: 0, column: column.into() }
    }

    fn dictionary(keys: Vec<Option<i32>>, values: Vec<String>) -> ArrayRef {
        Arc::new(DictionaryArray::new(Int32Array::from(keys), Arc::new(StringArray::from(values))))
    }

    #[test]
    fn the_texts_in_use_are_known_where_they_are_few() {
        let facts = Facts::new(1 << 20);
        let texts = ["a", "b", "c"].map(str::to_owned).to_vec();
        facts.note_values(key("few"), Some(&dictionary(vec![Some(2), None, Some(0), Some(2)], texts)));
        let known = facts.values(&key("few")).unwrap().unwrap();
        assert_eq!(known.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "c"]);

        let many = (0..2000).map(|number| number.to_string()).collect();
        facts.note_values(key("many"), Some(&dictionary(vec![Some(0)], many)));
        facts.note_values(key("numbers"), Some(&(Arc::new(Int32Array::from(vec![1])) as ArrayRef)));
        facts.note_values(key("none"), None);
        assert!(facts.values(&key("many")).is_none());
        assert!(facts.values(&key("numbers")).is_none());
        assert!(facts.values(&key("never read")).is_none());
        assert!(facts.values(&key("none")).unwrap().is_none());
    }

    #[test]
    fn mentions_are_of_a_column_and_bytes() {
        let facts = Facts::new(1 << 20);
        facts.note_mention(&key("json"), "a", true);
        facts.note_mention(&key("json"), "b", false);
        let known = ["a", "b", "c"].map(|bytes| facts.mention(&key("json"), bytes));
        assert_eq!(known, [Some(true), Some(false), None]);
        assert_eq!(facts.mention(&key("other"), "a"), None);
    }
}
