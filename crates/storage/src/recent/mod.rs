//! Entries of logs that came not long ago, so that one that is sent again is stored once (docs/decisions/0040-entries-once.md).
//!
//! Entries are known by the hashes that [`trefoil_model::decode`] gives them. Those of the buffer's two generations are told apart from
//! those in files, because without a log a generation can still be refused: then its senders have its entries, and they must be taken
//! when they come again. Of those in files two sets are kept; when the newer one is full, the older one is forgotten.

mod disk;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;

pub(crate) use self::disk::KeptEntries;
use crate::config::Acknowledge;

/// Bytes that a set takes for each place, of which seven in eight can be taken.
const PLACE_BYTES: u64 = 9;

/// Hashes are as good as random already.
#[derive(Debug, Default, Clone, Copy)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Set = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Of the generation that takes new rows, and of the one that is being written to files.
    active: Set,
    frozen: Set,
    /// Of what is in files: the newer ones, then the older ones.
    stored: [Set; 2],
    /// Entries that one of the sets of those in files may have; 0: nothing is known of any.
    capacity: usize,
    acknowledge: Acknowledge,
}

/// What of some rows is new.
#[derive(Debug, PartialEq)]
pub(crate) struct News {
    /// `None`: all of it.
    pub mask: Option<BooleanArray>,
    /// Rows that are not.
    pub again: usize,
    /// Some of them are the same as rows of the active generation, whose fate they share.
    pub is_open: bool,
}

impl Recent {
    /// `bytes` is the memory for entries that are in files.
    pub fn new(bytes: u64, acknowledge: Acknowledge) -> Self {
        let (active, frozen, stored) = Default::default();
        Self { active, frozen, stored, capacity: capacity(bytes), acknowledge }
    }

    /// With entries of files, the oldest first.
    #[must_use]
    pub fn knowing(mut self, kept: Vec<Vec<u64>>) -> Self {
        kept.into_iter().for_each(|entries| self.store(entries.into_iter().collect()));
        self
    }

    /// Entries of which the hash is 0 are always new.
    pub fn note(&mut self, entries: &[u64]) -> News {
        let mut news = News { mask: None, again: 0, is_open: false };
        if self.capacity == 0 || entries.is_empty() {
            return news;
        }
        self.active.reserve(entries.len());
        let is_new = BooleanBuffer::collect_bool(entries.len(), |row| {
            let entry = entries[row];
            if entry == 0 {
                return true;
            }
            if self.is_settled(entry) {
                news.again += 1;
                return false;
            }
            let is_new = self.active.insert(entry);
            if !is_new {
                news.again += 1;
                news.is_open = true;
            }
            is_new
        });
        news.mask = (news.again > 0).then(|| BooleanArray::new(is_new, None));
        news
    }

    /// Whether it is certain that the entry is stored, whatever becomes of the active generation.
    fn is_settled(&self, entry: u64) -> bool {
        let is_durable = self.acknowledge == Acknowledge::Log;
        self.stored.iter().any(|set| set.contains(&entry)) || (is_durable && self.frozen.contains(&entry))
    }

    /// The active generation ends.
    pub fn freeze(&mut self) {
        self.frozen = std::mem::take(&mut self.active);
    }

    /// Those of the frozen generation.
    pub fn frozen(&self) -> Vec<u64> {
        self.frozen.iter().copied().collect()
    }

    /// The frozen generation is in files.
    pub fn settle(&mut self) {
        let frozen = std::mem::take(&mut self.frozen);
        self.store(frozen);
    }

    /// The frozen generation was refused.
    pub fn forget(&mut self) {
        self.frozen = Set::default();
    }

    /// What is in files may come again: some of it is not there any more.
    pub fn forget_stored(&mut self) {
        self.stored = Default::default();
    }

    fn store(&mut self, entries: Set) {
        if entries.is_empty() || self.capacity == 0 {
            return;
        }
        let [newer, older] = &mut self.stored;
        if newer.len() + entries.len() > self.capacity {
            *older = std::mem::take(newer);
        }
        newer.extend(entries.into_iter().take(self.capacity));
    }

    /// Of everything that is known, about.
    pub fn bytes(&self) -> u64 {
        let places = [&self.active, &self.frozen, &self.stored[0], &self.stored[1]].map(Set::capacity);
        places.iter().sum::<usize>() as u64 * PLACE_BYTES * 8 / 7
    }
}

/// How many entries one of two sets may have: sets grow by doubling.
fn capacity(bytes: u64) -> usize {
    let places = bytes / 2 / PLACE_BYTES;
    match places.checked_ilog2() {
        Some(power) if power >= 3 => usize::try_from((1u64 << power) / 8 * 7).unwrap_or(usize::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 1 << 20;

    fn recent(acknowledge: Acknowledge) -> Recent {
        Recent::new(BYTES, acknowledge)
    }

    /// Which rows are new.
    fn rows(news: &News, rows: usize) -> Vec<usize> {
        (0..rows).filter(|row| news.mask.as_ref().is_none_or(|mask| mask.value(*row))).collect()
    }

    #[test]
    fn what_comes_again_is_not_new() {
        let mut recent = recent(Acknowledge::Log);
        assert_eq!(recent.note(&[1, 2, 3]), News { mask: None, again: 0, is_open: false });
        let news = recent.note(&[2, 4, 4, 0, 0]);
        assert_eq!((rows(&news, 5), news.again, news.is_open), (vec![1, 3, 4], 2, true));
    }

    #[test]
    fn what_is_in_files_is_known_and_what_was_refused_is_not() {
        let mut recent = recent(Acknowledge::Log);
        recent.note(&[1]);
        recent.freeze();
        assert_eq!(recent.frozen(), [1]);
        assert_eq!((recent.note(&[1]).again, recent.note(&[2]).again), (1, 0), "the log has it");
        recent.settle();
        let news = recent.note(&[1]);
        assert_eq!((news.again, news.is_open), (1, false));
        recent.freeze();
        recent.forget();
        assert_eq!(recent.note(&[2]).again, 0);
    }

    #[test]
    fn without_a_log_what_is_being_committed_is_taken_again() {
        let mut recent = recent(Acknowledge::Commit);
        recent.note(&[1]);
        assert!(recent.note(&[1]).is_open, "it waits for the same commit");
        recent.freeze();
        assert_eq!(recent.note(&[1]).again, 0, "the commit may fail");
        recent.settle();
        assert_eq!((recent.note(&[1]).again, recent.note(&[1]).is_open), (1, false));
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many() {
        let mut recent = recent(Acknowledge::Log);
        let capacity = recent.capacity as u64;
        assert!(capacity * PLACE_BYTES * 2 <= BYTES && capacity > 25_000, "{capacity}");
        let generation = capacity / 2;
        for number in 0..5 {
            let entries: Vec<u64> = (0..generation).map(|entry| 1 + number * generation + entry).collect();
            assert_eq!(recent.note(&entries).again, 0);
            recent.freeze();
            recent.settle();
        }
        let known = |recent: &mut Recent, number: u64| recent.note(&[1 + number * generation]).again == 1;
        assert_eq!([0, 1, 2, 3, 4].map(|number| known(&mut recent, number)), [false, false, true, true, true]);
        assert!(recent.bytes() <= BYTES + (1 << 10), "{}", recent.bytes());
    }

    #[test]
    fn without_memory_everything_is_new() {
        let mut recent = Recent::new(0, Acknowledge::Log);
        assert_eq!((recent.note(&[1]).again, recent.note(&[1]).again, recent.bytes()), (0, 0, 0));
    }
}
