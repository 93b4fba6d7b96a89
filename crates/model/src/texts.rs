//! Texts, each once: the dictionary of a column in the making.

use ahash::RandomState;
use arrow::array::{StringArray, StringBuilder};
use hashbrown::HashTable;

/// Texts with keys from 0 on, in the order in which they come first.
///
/// Most columns of telemetry repeat few values, often the one of the row before: it is tried first, then a hash table.
pub struct Texts {
    values: StringBuilder,
    /// (hash, key)
    known: HashTable<(u64, i32)>,
    hasher: RandomState,
    last: Option<i32>,
}

/// Where a text that is not known would be.
#[derive(Debug, Clone, Copy)]
pub struct Vacant(u64);

impl Default for Texts {
    fn default() -> Self {
        Self {
            values: StringBuilder::with_capacity(0, 0),
            known: HashTable::new(),
            hasher: RandomState::new(),
            last: None,
        }
    }
}

impl Texts {
    /// The key of a text, which is added where it is new.
    #[inline]
    pub fn key(&mut self, text: &str) -> i32 {
        self.find(text.as_bytes()).unwrap_or_else(|vacant| self.insert(vacant, text))
    }

    #[inline]
    pub fn find(&mut self, text: &[u8]) -> Result<i32, Vacant> {
        match self.last.filter(|last| self.value(*last) == text) {
            Some(last) => Ok(last),
            None => self.look_up(text),
        }
    }

    fn look_up(&mut self, text: &[u8]) -> Result<i32, Vacant> {
        let hash = self.hasher.hash_one(text);
        let known = self.known.find(hash, |&(known, key)| known == hash && self.value(key) == text);
        let key = known.map(|(_, key)| *key).ok_or(Vacant(hash))?;
        self.last = Some(key);
        Ok(key)
    }

    /// `text` was just [not found](Texts::find). No column has 2^31 rows.
    pub fn insert(&mut self, Vacant(hash): Vacant, text: &str) -> i32 {
        let key = self.known.len() as i32;
        self.values.append_value(text);
        self.known.insert_unique(hash, (hash, key), |&(hash, _)| hash);
        self.last = Some(key);
        key
    }

    pub fn finish(mut self) -> StringArray {
        self.values.finish()
    }

    #[inline]
    fn value(&self, key: i32) -> &[u8] {
        let offsets = self.values.offsets_slice();
        let key = key as usize;
        &self.values.values_slice()[offsets[key] as usize..offsets[key + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_key() {
        let mut texts = Texts::default();
        let keys = ["a", "b", "b", "", "a", ""].map(|text| texts.key(text));
        assert_eq!(keys, [0, 1, 1, 2, 0, 2]);
        assert!(texts.find(b"c").is_err());
        assert_eq!(texts.find(b"b").ok(), Some(1));
        assert_eq!(texts.finish(), StringArray::from(vec!["a", "b", ""]));
    }
}
