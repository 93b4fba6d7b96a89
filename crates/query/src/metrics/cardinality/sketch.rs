//! Counting with bounded memory.

use std::collections::BTreeSet;
use std::hash::Hash;

use ahash::RandomState;
use hashbrown::{Equivalent, HashMap};

/// Hashes that are kept; below it the count is exact, above it the standard error is 1.6 %.
const KEPT: usize = 4096;

/// How many different things were seen, by the smallest of their hashes ("k minimum values", Bar-Yossef et al. 2002).
#[derive(Debug, Clone, Default)]
pub struct Distinct(BTreeSet<u64>);

impl Distinct {
    /// `hash` = of the thing, 64 bits that look random, the same for the same thing.
    pub fn add(&mut self, hash: u64) {
        if self.0.len() < KEPT {
            self.0.insert(hash);
            return;
        }
        if self.0.last().is_some_and(|largest| hash < *largest) && self.0.insert(hash) {
            self.0.pop_last();
        }
    }

    /// Counts what either has seen.
    pub fn merge(&mut self, other: Distinct) {
        other.0.into_iter().for_each(|hash| self.add(hash));
    }

    pub fn is_exact(&self) -> bool {
        self.0.len() < KEPT
    }

    pub fn count(&self) -> u64 {
        match self.0.last() {
            Some(largest) if !self.is_exact() => {
                ((KEPT - 1) as f64 * (u64::MAX as f64 / (*largest).max(1) as f64)).round() as u64
            }
            _ => self.0.len() as u64,
        }
    }
}

/// Series in the window, and in the one before.
pub type Pair = [u64; 2];

/// Counts of the things that come most often ("lossy counting", Manku and Motwani 2002).
#[derive(Debug, Clone)]
pub struct Frequent<K> {
    counts: HashMap<K, Pair, RandomState>,
    capacity: usize,
    /// What a count may be short of, in each window; 0: all counts are exact.
    short_of: u64,
}

impl<K: Hash + Eq> Frequent<K> {
    pub fn new(capacity: usize) -> Self {
        Self { counts: HashMap::default(), capacity, short_of: 0 }
    }

    /// `make` = the thing, where it is not counted yet. Says how often it was seen before, as far as that is known.
    pub fn add<Q: Hash + Equivalent<K>>(&mut self, thing: &Q, seen: Pair, make: impl FnOnce() -> K) -> Pair {
        if let Some(counts) = self.counts.get_mut(thing) {
            let before = *counts;
            counts[0] += seen[0];
            counts[1] += seen[1];
            return before;
        }
        self.counts.insert(make(), seen);
        while self.counts.len() > self.capacity {
            self.short_of += 1;
            let rare = self.short_of;
            self.counts.retain(|_, counts| counts[0].max(counts[1]) > rare);
        }
        [0, 0]
    }

    pub fn is_exact(&self) -> bool {
        self.short_of == 0
    }

    pub fn into_counts(self) -> HashMap<K, Pair, RandomState> {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_things_are_counted_exactly_and_many_closely() {
        let mut distinct = Distinct::default();
        let hasher = RandomState::new();
        for number in (0..1000).chain(0..1000) {
            distinct.add(hasher.hash_one(number));
        }
        assert!(distinct.is_exact());
        assert_eq!(distinct.count(), 1000);
        for number in 0..1_000_000 {
            distinct.add(hasher.hash_one(number));
        }
        assert!(!distinct.is_exact());
        assert!((940_000..1_060_000).contains(&distinct.count()), "{}", distinct.count());
        assert_eq!(distinct.0.len(), KEPT);
    }

    #[test]
    fn what_comes_often_survives_what_comes_once() {
        let mut frequent = Frequent::new(100);
        for number in 0..10_000 {
            frequent.add(&number, [1, 0], || number);
            if number % 10 == 0 {
                frequent.add(&-1, [1, 1], || -1);
            }
        }
        assert!(!frequent.is_exact());
        let short_of = frequent.short_of;
        let counts = frequent.into_counts();
        assert!(counts.len() <= 100);
        let often = counts[&-1][0];
        assert!(often <= 1000 && often + short_of >= 1000, "{often} and {short_of}");
    }

    #[test]
    fn below_the_capacity_everything_is_exact() {
        let mut frequent = Frequent::new(3);
        for thing in ["a", "b", "a", "c"] {
            frequent.add(&thing, [1, 2], || thing);
        }
        assert!(frequent.is_exact());
        assert_eq!(frequent.into_counts()["a"], [2, 4]);
    }
}
