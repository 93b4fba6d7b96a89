//! Finding the keys that deserve a column, in bounded memory whatever the senders do.

use std::hash::Hash;

use ahash::RandomState;
use hashbrown::{Equivalent, HashMap};

use super::{Kind, Promoted, Scope, is_column_name};
use crate::Table;

/// The most different keys that one request's counts hold: a request with more has no structure worth learning.
const MAX_KEYS_PER_REQUEST: usize = 512;

/// The most different keys that a [`Learner`] follows.
const MAX_KEYS_PER_WINDOW: usize = 4096;

/// Rows to look at before judging.
const WINDOW_ROWS: u64 = 50_000;

/// One row in so many must have a key for it to become a column (5%).
const ROWS_PER_PROMOTION: u64 = 20;

/// When a learner is full, keys in fewer than one row in so many make room.
const ROWS_PER_SURVIVAL: u64 = 200;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    scope: Scope,
    kind: Kind,
    key: Box<[u8]>,
}

/// Hashes like [`Key`], so that looking a key up allocates nothing.
#[derive(Hash)]
struct KeyRef<'a> {
    scope: Scope,
    kind: Kind,
    key: &'a [u8],
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.scope == key.scope && self.kind == key.kind && *self.key == *key.key
    }
}

impl From<&KeyRef<'_>> for Key {
    fn from(key: &KeyRef<'_>) -> Self {
        Key { scope: key.scope, kind: key.kind, key: key.key.into() }
    }
}

/// Counts rows per key for a bounded number of keys; rare ones make room for others.
#[derive(Debug)]
struct Counts {
    rows: HashMap<Key, u64, RandomState>,
    capacity: usize,
    /// Making room does not help: no further key is followed.
    saturated: bool,
}

impl Counts {
    fn new(capacity: usize) -> Self {
        Self { rows: HashMap::default(), capacity, saturated: false }
    }

    /// When there is no room, keys of at most `rare` rows go.
    #[inline]
    fn add(&mut self, key: &KeyRef<'_>, rows: u64, rare: u64) {
        if let Some(count) = self.rows.get_mut(key) {
            *count += rows;
        } else if self.rows.len() < self.capacity || self.make_room(rare) {
            self.rows.insert(Key::from(key), rows);
        }
    }

    #[cold]
    fn make_room(&mut self, rare: u64) -> bool {
        if self.saturated {
            return false;
        }
        self.rows.retain(|_, rows| *rows > rare);
        // Else it would have to be made again and again.
        self.saturated = self.rows.len() > self.capacity / 2;
        self.rows.len() < self.capacity
    }
}

/// How many rows of one request, of one table, had which attributes outside promoted columns.
#[derive(Debug)]
pub struct KeyCounts {
    rows: u64,
    counts: Counts,
}

impl Default for KeyCounts {
    fn default() -> Self {
        Self { rows: 0, counts: Counts::new(MAX_KEYS_PER_REQUEST) }
    }
}

impl KeyCounts {
    /// Takes note of rows, whatever their attributes.
    #[inline]
    pub fn add_rows(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// Takes note of an attribute that so many rows carry.
    #[inline]
    pub fn add(&mut self, scope: Scope, key: &[u8], kind: Kind, rows: u64) {
        self.counts.add(&KeyRef { scope, kind, key }, rows, 1);
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Watches one table over windows of rows and promotes what at least 5% of a window's rows have.
#[derive(Debug)]
pub struct Learner {
    table: Table,
    rows: u64,
    counts: Counts,
}

impl Learner {
    pub fn new(table: Table) -> Self {
        Self { table, rows: 0, counts: Counts::new(MAX_KEYS_PER_WINDOW) }
    }

    /// Adds what one request had. At the end of a window with new frequent keys: the registry to use from now on.
    pub fn observe(&mut self, seen: &KeyCounts, promoted: &Promoted) -> Option<Promoted> {
        self.rows += seen.rows;
        let rare = self.rows / ROWS_PER_SURVIVAL + 1;
        for (key, &rows) in &seen.counts.rows {
            self.counts.add(&KeyRef { scope: key.scope, kind: key.kind, key: &key.key }, rows, rare);
        }
        if self.rows < WINDOW_ROWS {
            return None;
        }
        let extended = self.promote(promoted);
        *self = Self::new(self.table);
        extended
    }

    fn promote(&self, promoted: &Promoted) -> Option<Promoted> {
        let mut frequent: Vec<(&Key, &str, u64)> = self
            .counts
            .rows
            .iter()
            .filter(|(_, rows)| **rows >= self.rows / ROWS_PER_PROMOTION)
            .filter_map(|(key, &rows)| Some((key, std::str::from_utf8(&key.key).ok()?, rows)))
            .filter(|(key, name, _)| is_column_name(name) && promoted.lookup(self.table, key.scope, &key.key).is_none())
            .collect();
        // The most frequent first, so that they get the room that is left and the type that is more usual.
        frequent.sort_by(|a, b| b.2.cmp(&a.2).then(a.1.cmp(b.1)));
        let additions = frequent.iter().map(|(key, name, _)| (key.scope, *name, key.kind));
        let extended = promoted.extend(self.table, additions);
        (extended.columns(self.table).len() > promoted.columns(self.table).len()).then_some(extended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rows: u64, keys: &[(&str, Kind, u64)]) -> KeyCounts {
        let mut counts = KeyCounts::default();
        counts.add_rows(rows);
        for &(key, kind, rows) in keys {
            counts.add(Scope::Span, key.as_bytes(), kind, rows);
        }
        counts
    }

    fn kind_of(promoted: &Promoted, key: &str) -> Option<Kind> {
        promoted.lookup(Table::Spans, Scope::Span, key.as_bytes()).map(|column| column.kind)
    }

    #[test]
    fn promotes_frequent_keys_at_the_end_of_a_window() {
        let mut learner = Learner::new(Table::Spans);
        let promoted = Promoted::default();
        let seen =
            request(10_000, &[("often", Kind::Int, 500), ("often", Kind::String, 501), ("rare", Kind::Int, 499)]);
        for _ in 0..4 {
            assert!(learner.observe(&seen, &promoted).is_none());
        }
        let promoted = learner.observe(&seen, &promoted).unwrap();
        assert_eq!(kind_of(&promoted, "often"), Some(Kind::String), "the more usual type");
        assert_eq!(kind_of(&promoted, "rare"), None);
        for _ in 0..10 {
            assert!(learner.observe(&seen, &promoted).is_none(), "nothing new");
        }
    }

    #[test]
    fn finds_a_frequent_key_among_a_million_others() {
        let mut learner = Learner::new(Table::Spans);
        let mut promoted = Promoted::default();
        for request in 0..2_000u64 {
            let mut counts = KeyCounts::default();
            counts.add_rows(500);
            counts.add(Scope::Span, b"often", Kind::Bool, 100);
            for junk in 0..500 {
                counts.add(Scope::Span, format!("junk.{request}.{junk}").as_bytes(), Kind::Int, 1);
            }
            assert!(counts.counts.rows.len() <= MAX_KEYS_PER_REQUEST);
            promoted = learner.observe(&counts, &promoted).unwrap_or(promoted);
            assert!(learner.counts.rows.len() <= MAX_KEYS_PER_WINDOW);
        }
        assert_eq!(kind_of(&promoted, "often"), Some(Kind::Bool));
        assert_eq!(promoted.columns(Table::Spans).len(), Promoted::default().columns(Table::Spans).len() + 1);
    }
}
